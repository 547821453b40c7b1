//go:build integration

package prices

import (
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/internal/scene"
)

// TestIntegrationPrices does what README.md says. It needs Java 21, Maven, psql and a curl of version 7.75 or newer.
func TestIntegrationPrices(t *testing.T) {
	scene.Run(t, "deploy/prices/README.md", scene.Options{
		Files:    []string{"deploy/prices"},
		Ports:    []int{9092, 8081, 8083, 5432, 9000},
		Patience: 60 * time.Second,
	})
}
