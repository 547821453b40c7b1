package transform_test

import (
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/connect/transform"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/golden"
)

// recordedKey is a definition as Kafka Connect's GET /connector-plugins/CLASS/config gave it; names for people and documentation are our own.
type recordedKey struct {
	Name       string
	Type       config.Type
	Required   bool
	Default    *string `json:"default_value"`
	Importance config.Importance
	Group      *string
	Order      int `json:"order_in_group"`
	Width      config.Width
	Dependents []string
}

// TestDefinitions holds the options to the recorded definitions: their order, types, defaults and importance.
func TestDefinitions(t *testing.T) {
	keys := make(map[string]func() config.Keys) // by the class, and by its simple name
	for _, p := range transform.Plugins() {
		keys[p.Class], keys[simple(p.Class)] = p.Keys, p.Keys
	}
	for _, p := range transform.Predicates() {
		keys[p.Class], keys[simple(p.Class)] = p.Keys, p.Keys
	}
	compared := 0
	for _, path := range golden.ConnectFiles(t, "../..", "rest/*plugins.json") {
		for class, want := range recordedKeys(t, path) {
			if keys[class] == nil {
				continue
			}
			compared++
			got := []recordedKey{}
			for _, d := range keys[class]().Definitions() {
				k := recordedKey{d.Name, d.Type, d.Required, d.Default, d.Importance, nil, d.Order, d.Width, append([]string{}, d.Dependents...)}
				if d.Group != "" {
					k.Group = &d.Group
				}
				got = append(got, k)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("definitions of %s (-recorded +defined):\n%s", class, diff)
			}
		}
	}
	if _, other := os.LookupEnv(golden.ConnectEnvironment); compared == 0 && !other {
		t.Error("no definition was recorded")
	}
}

func simple(class string) string { return class[strings.LastIndexByte(class, '.')+1:] }

func recordedKeys(t *testing.T, path string) map[string][]recordedKey {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var scenario struct {
		Steps []struct {
			Request  struct{ Path string }
			Response struct {
				Status int
				JSON   json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(text, &scenario); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	all := make(map[string][]recordedKey)
	for _, s := range scenario.Steps {
		rest, ok := strings.CutPrefix(s.Request.Path, "/connector-plugins/")
		class, isConfig := strings.CutSuffix(rest, "/config")
		if !ok || !isConfig || s.Response.Status != 200 {
			continue
		}
		if class, err = url.PathUnescape(class); err != nil {
			t.Fatal(err)
		}
		keys := []recordedKey{}
		if err := json.Unmarshal(s.Response.JSON, &keys); err != nil {
			t.Fatalf("%s: %s: %v", path, class, err)
		}
		all[class] = keys
	}
	return all
}
