//go:build !integration

package client

import (
	"testing"

	"github.com/tandem-cdc/tandem/internal/embedded"
)

// testBrokers is a broker in this process.
func testBrokers(tb testing.TB) []string {
	tb.Helper()
	b, err := embedded.StartBroker(embedded.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.Close)
	return []string{b.Addr()}
}
