//go:build integration

package ratings

import (
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/internal/scene"
)

// TestIntegrationRatings does what README.md says. It needs a JDK 21, Maven and psql.
func TestIntegrationRatings(t *testing.T) {
	scene.Run(t, "deploy/ratings/README.md", scene.Options{
		Files:    []string{"deploy/ratings"},
		Ports:    []int{9092, 8081, 8083, 5432, 9200},
		Patience: 90 * time.Second,
	})
}
