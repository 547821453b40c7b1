//go:build integration

package bikestore

import (
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/internal/scene"
)

// TestIntegrationBikestore does what README.md says. It needs Java 21, Maven and psql.
func TestIntegrationBikestore(t *testing.T) {
	scene.Run(t, "deploy/bikestore/README.md", scene.Options{
		Files:    []string{"deploy/bikestore", "testdata/bikestore"},
		Ports:    []int{9092, 8081, 8083, 8084, 5432, 5433},
		Patience: 45 * time.Second,
	})
}
