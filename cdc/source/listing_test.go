package source

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/golden"
)

// TestListing holds the listing to the recorded one: every option of it, in its order, with its type, default, importance, group, place and width.
func TestListing(t *testing.T) {
	for _, path := range golden.ConnectFiles(t, "../..", "rest/standalone-plugin-debezium.json") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var recording struct {
			Steps []struct {
				Response struct{ JSON json.RawMessage }
			}
		}
		if err := json.Unmarshal(text, &recording); err != nil {
			t.Fatal(err)
		}
		type definition struct {
			Name       string
			Type       config.Type
			Required   bool
			Default    *string `json:"default_value"`
			Importance config.Importance
			Group      string
			Order      int `json:"order_in_group"`
			Width      config.Width
			Dependents []string
		}
		var want, got []definition
		if err := json.Unmarshal(recording.Steps[0].Response.JSON, &want); err != nil {
			t.Fatal(err)
		}
		end := slices.IndexFunc(want, func(d definition) bool { return d.Name == "name" }) // those of every connector follow
		for _, d := range ListedKeys().Definitions() {
			got = append(got, definition{d.Name, d.Type, d.Required, d.Default, d.Importance, d.Group, d.Order, d.Width, append([]string{}, d.Dependents...)})
			if d.Name == "plugin.name" {
				got[len(got)-1].Default = want[slices.IndexFunc(want, func(d definition) bool { return d.Name == "plugin.name" })].Default // ours is pgoutput
			}
		}
		if diff := cmp.Diff(want[:end], got); diff != "" {
			t.Errorf("ListedKeys() differ (-want +got)\n%s", diff)
		}
	}
}
