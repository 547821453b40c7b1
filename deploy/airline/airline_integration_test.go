//go:build integration

package airline

import (
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/internal/scene"
)

// TestIntegrationAirline does what README.md says. It needs Java 21, Maven and psql.
func TestIntegrationAirline(t *testing.T) {
	scene.Run(t, "deploy/airline/README.md", scene.Options{
		Files:    []string{"deploy/airline"},
		Ports:    []int{9092, 8083, 8080, 5432},
		Patience: 60 * time.Second,
	})
}
