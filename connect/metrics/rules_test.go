package metrics

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is where the beans of a Java worker and what the JMX exporter made of them stand.
const recorded = "../../testdata/metrics"

// recordedBeans reads the beans of a Java worker.
func recordedBeans(t testing.TB) *Out {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(recorded, "beans.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	out := new(Out)
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var in struct {
			Domain string
			Props  [][2]string
			Attrs  [][2]json.RawMessage
		}
		if err := json.Unmarshal(line, &in); err != nil {
			t.Fatal(err)
		}
		var kind string
		var props []string
		for _, p := range in.Props {
			if p[0] == "type" {
				kind = p[1]
				continue
			}
			props = append(props, p[0], p[1])
		}
		b := out.Bean(in.Domain, kind, props...)
		for _, a := range in.Attrs {
			var name string
			if err := json.Unmarshal(a[0], &name); err != nil {
				t.Fatal(err)
			}
			recordAttr(t, b, name, a[1])
		}
	}
	return out
}

func recordAttr(t testing.TB, b *Bean, name string, value json.RawMessage) {
	t.Helper()
	var number float64
	var other struct {
		Text        *string
		Table, List bool
		Keys        map[string]float64
	}
	switch {
	case string(value) == `"NaN"`:
		b.Put(name, math.NaN())
	case json.Unmarshal(value, &number) == nil:
		b.Put(name, number)
	case json.Unmarshal(value, &other) != nil:
		t.Fatalf("attribute %s: %s", name, value)
	case other.Text != nil:
		b.Text(name, *other.Text)
	case other.Table:
		for _, key := range []string{"public.bikes", "public.shops"} {
			b.Row(name, key, 1)
		}
	}
}

// lines are series without values, as the recordings write them.
func lines(all []series) []string {
	var out []string
	for _, s := range all {
		line := s.kind + " " + s.name
		for i, l := range s.labels {
			line += [...]string{"{", ","}[min(i, 1)] + l.Name + `="` + escapeLabel.Replace(l.Value) + `"`
		}
		if len(s.labels) > 0 {
			line += "}"
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func readLines(t testing.TB, name string) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(recorded, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	for s := bufio.NewScanner(f); s.Scan(); {
		out = append(out, s.Text())
	}
	slices.Sort(out)
	return out
}

// TestRulesNameAsTheExporter has our rules name a Java worker's beans: the names, labels and types are those that the exporter gave them.
func TestRulesNameAsTheExporter(t *testing.T) {
	beans := recordedBeans(t)
	for _, set := range Sets() {
		t.Run(string(set), func(t *testing.T) {
			got, want := lines(beans.named([]Set{set})), readLines(t, string(set)+".txt")
			got = slices.DeleteFunc(got, func(line string) bool { return !slices.Contains(want, line) && added(set, line) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("series of %s (-want +got):\n%s", set, diff)
			}
		})
	}
}

// added is what we give beside the rules.
func added(set Set, line string) bool {
	if set == Debezium { // the rule takes no client id with a colon, and all have one now
		return strings.HasPrefix(line, "untyped kafka_connect_metrics_") && strings.Contains(line, "connect-worker:8083")
	}
	if set != JMXExporter { // which has what Strimzi's rules give under names that it has no use for
		return false
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(line, "gauge "), "{")
	for _, end := range []string{"_seq_no", "_rate", "_max"} {
		if strings.HasPrefix(name, "kafka_connect_") && strings.HasSuffix(name, end) {
			return true
		}
	}
	return strings.HasPrefix(name, "kafka_connect_connector_connector_")
}

func TestBothSetsOfOneNameDoNotClash(t *testing.T) {
	beans := recordedBeans(t)
	seen := make(map[string]bool)
	for _, s := range beans.named([]Set{JMXExporter, Debezium}) {
		key := fmt.Sprint(s.name, s.labels)
		if seen[key] {
			t.Errorf("series %s comes twice", key)
		}
		seen[key] = true
	}
}
