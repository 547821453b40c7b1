// Package tandem_test holds the rules of the whole tree: which room may import which.
package tandem_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/imports.golden")

const module = "github.com/tandem-cdc/tandem/"

// arrows is what may import what, as docs/DESIGN.md draws it. A trailing /* stands for everything below.
var arrows = map[string][]string{
	"cdc":                    {},
	"schema":                 {},
	"kafka":                  {},
	"internal/config":        {},
	"sink":                   {"kafka", "schema"},
	"cdc/pgoutput":           {"cdc"},
	"cdc/catalog":            {"cdc", "internal/*"},
	"cdc/replication":        {"cdc", "cdc/pgoutput", "internal/*"},
	"cdc/snapshot":           {"cdc", "internal/*"},
	"cdc/incremental":        {"cdc", "internal/*"},
	"cdc/signal":             {},
	"cdc/source":             {"cdc", "cdc/*", "envelope", "schema", "kafka", "internal/*"},
	"cdc/polling":            {"schema", "kafka", "internal/*"},
	"schema/registry":        {"schema", "internal/*"},
	"schema/converter":       {"schema", "schema/registry", "internal/*"},
	"envelope":               {"cdc", "schema", "internal/config", "internal/javaregex", "kafka", "internal/java"},
	"envelope/transform":     {"envelope", "schema", "internal/config", "internal/javaregex"},
	"sink/elasticsearch":     {"sink", "schema", "schema/converter", "kafka", "internal/*"},
	"sink/s3":                {"sink", "schema", "schema/converter", "kafka", "internal/*"},
	"sink/sqldb":             {"sink", "sink/transaction", "envelope", "schema", "kafka", "internal/*"},
	"sink/transaction":       {"sink", "schema", "kafka", "internal/diskfull"},
	"connect":                {"schema", "schema/converter", "kafka", "kafka/client", "sink", "internal/*", "connect/metrics", "connect/provider"},
	"connect/transform":      {"schema", "schema/converter", "internal/config", "internal/javaregex", "internal/java"},
	"connect/filestream":     {"schema", "schema/converter", "kafka", "sink", "internal/config", "internal/diskfull", "internal/pause"},
	"connect/provider":       {"internal/config", "internal/javaregex"},
	"connect/metrics":        {},
	"connect/rest":           {"connect", "internal/config", "internal/loglevel", "connect/metrics"},
	"connect/distributed":    {"connect", "connect/metrics", "kafka", "kafka/client", "internal/config", "internal/loglevel"},
	"connect/rest/resttest":  {"connect", "connect/filestream", "connect/transform", "internal/config", "kafka", "schema", "sink"},
	"kafka/client":           {"kafka", "internal/*"},
	"internal/*":             {"internal/*"},
	"internal/golden/replay": {"cdc", "schema", "schema/*", "kafka", "internal/*"},
	"internal/golden/smt":    {"schema", "internal/*"},
	"bench":                  {"kafka", "kafka/client", "schema/converter", "internal/*"},
	"torture":                {"torture/history", "kafka", "kafka/client", "schema", "schema/converter", "internal/*"},
	"torture/history":        {},
	"cmd/tandem":             {"*"},
	"deploy/*":               {"kafka", "kafka/client", "internal/*"},
}

// walls is the one room of each third-party client.
var walls = map[string]string{
	"github.com/IBM/sarama":        "kafka/client",
	"github.com/jackc/pglogrepl":   "cdc/replication",
	"github.com/riferrei/srclient": "schema/registry",
	"github.com/hamba/avro":        "schema/converter",
	"github.com/dlclark/regexp2":   "internal/javaregex",
	"github.com/aws/aws-sdk-go-v2": "sink/s3",
	"github.com/parquet-go":        "sink/s3",
}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestArrows(t *testing.T) {
	var golden strings.Builder
	for _, p := range list(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		var ours []string
		for _, imp := range p.Imports {
			if to, ok := strings.CutPrefix(imp, module); ok {
				ours = append(ours, to)
				if !allowed(room, to) {
					t.Errorf("%s imports %s: no such arrow in docs/DESIGN.md", room, to)
				}
			}
			for client, wall := range walls {
				if strings.HasPrefix(imp, client) && room != wall {
					t.Errorf("%s imports %s: only %s may", room, imp, wall)
				}
			}
		}
		slices.Sort(ours)
		fmt.Fprintf(&golden, "%s: %s\n", room, strings.Join(ours, " "))
	}
	const file = "testdata/imports.golden"
	if *update {
		if err := os.WriteFile(file, []byte(golden.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), golden.String()); diff != "" {
		t.Errorf("imports differ from %s (-want +got); if they are meant, go test . -update\n%s", file, diff)
	}
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// allowed looks the room's own line up, then that of the folders above it.
func allowed(room, to string) bool {
	targets, ok := arrows[room]
	for dir := room; !ok && strings.Contains(dir, "/"); {
		dir = dir[:strings.LastIndex(dir, "/")]
		targets, ok = arrows[dir+"/*"]
	}
	return slices.ContainsFunc(targets, func(a string) bool {
		prefix, wild := strings.CutSuffix(a, "*")
		return a == to || wild && strings.HasPrefix(to, prefix)
	})
}
