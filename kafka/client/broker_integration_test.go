//go:build integration

package client

import (
	"os"
	"testing"
)

// testBrokers is the broker of TANDEM_KAFKA.
func testBrokers(tb testing.TB) []string {
	tb.Helper()
	addr := os.Getenv("TANDEM_KAFKA")
	if addr == "" {
		tb.Fatal("the integration tests need TANDEM_KAFKA=host:port; go run ./internal/jvmserver/run starts one")
	}
	return []string{addr}
}
