package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/scene"
)

// foreign are options in the scenes' files that are not ours: the tutorials carry them, and they are warned about.
var foreign = []string{"driver.class", "plugin.path", "type.name", "database.server.name", "table.whitelist", "database.password", "schema.generator.class", "storage.class"}

// TestSceneConnectors: our plugins take the connectors of the scenes, and warn of what is known to be foreign alone.
func TestSceneConnectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(top, "deploy/*/*.json"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var whole struct{ Config map[string]string }
		props := map[string]string{}
		if err := json.Unmarshal(text, &whole); err == nil && whole.Config != nil {
			props = whole.Config
		} else if json.Unmarshal(text, &props) != nil || props["connector.class"] == "" {
			continue // no connector: a dashboard
		}
		found++
		props = maps.Clone(props)
		if props["name"] == "" {
			props["name"] = "scene"
		}
		validate := pluginOf(props["connector.class"])
		if validate == nil {
			t.Errorf("%s: class %q is none of ours", file, props["connector.class"])
			continue
		}
		report := validate(props)
		if err := report.Err(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, w := range report.Warnings {
			if !slices.ContainsFunc(foreign, func(name string) bool { return strings.Contains(w.Message, `"`+name+`"`) }) {
				t.Errorf("%s: %s", file, w.Message)
			}
		}
	}
	if found < 8 {
		t.Errorf("%d connectors in deploy/*/*.json, want 8 at least", found)
	}
}

// TestSceneReadmes: every scene has a README with commands, a test that runs it, and a line in the list of scenes.
func TestSceneReadmes(t *testing.T) {
	list := read(t, "deploy/README.md")
	files, err := filepath.Glob(filepath.Join(top, "deploy/*/README.md"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d scenes, %v; want 4 at least", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		blocks, err := scene.Parse(read(t, "deploy/"+name+"/README.md"))
		if err != nil || len(blocks) == 0 {
			t.Errorf("deploy/%s/README.md: %d commands, %v", name, len(blocks), err)
		}
		if !strings.Contains(list, "("+name+"/README.md)") {
			t.Errorf("deploy/README.md does not list %s", name)
		}
		if !strings.Contains(read(t, "deploy/"+name+"/"+name+"_integration_test.go"), `"deploy/`+name+`/README.md"`) {
			t.Errorf("no test runs deploy/%s/README.md", name)
		}
	}
}

// pluginOf is what validates the configurations of a class; nil when it is none of ours.
func pluginOf(class string) func(map[string]string) config.Report {
	for _, p := range plugins().Sources {
		if p.Class == class {
			return p.Validate
		}
	}
	for _, p := range plugins().Sinks {
		if p.Class == class {
			return p.Validate
		}
	}
	return nil
}
