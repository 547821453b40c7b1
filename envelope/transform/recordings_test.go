package transform

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/golden/smt"
)

// oldOptions are read here as they were before Debezium 2.5, with a warning; 3.7 ignores them.
var oldOptions = []string{"drop.tombstones", "delete.handling.mode"}

// TestRecordings replays what Debezium's transforms made of records. That a record or a configuration is refused is the contract, its words are not.
func TestRecordings(t *testing.T) {
	for _, c := range smt.Cases(t, "../..", "smt/*.jsonl") {
		if strings.HasPrefix(c.Class, "io.debezium.") {
			t.Run(c.Name, func(t *testing.T) { replay(t, &c) })
		}
	}
}

func replay(t *testing.T, c *smt.Case) {
	for _, p := range Plugins() {
		if p.Class != c.Class {
			continue
		}
		props := c.Props()
		for _, name := range oldOptions {
			if _, old := props[name]; old {
				t.Logf("diverges: the option %q is read", name)
				return
			}
		}
		made, report := p.New(props, slog.New(slog.DiscardHandler))
		if c.Failed != nil {
			if len(report.Errors) == 0 {
				t.Fatalf("configure(%v) is taken, want %s", props, c.Failed)
			}
			return
		}
		if err := report.Err(); err != nil && !slices.ContainsFunc(c.Steps, func(s smt.Step) bool { return s.Failed == nil }) {
			return // refused already, where Debezium fails with every record
		} else if err != nil {
			t.Fatalf("configure(%v) = %v, want none", props, err)
		}
		for i := range c.Steps {
			step(t, &c.Steps[i], made)
		}
		return
	}
	t.Fatalf("there is no class %s", c.Class)
}

func step(t *testing.T, s *smt.Step, made Transform) {
	t.Helper()
	in := s.Record(t)
	keep, err := made.Apply(in)
	switch {
	case s.Failed != nil:
		if err == nil {
			t.Errorf("Apply = %v, want %s", keep, s.Failed)
		}
	case err != nil:
		t.Errorf("Apply = %v, want none", err)
	case s.Dropped():
		if keep {
			t.Error("Apply keeps the record, want it dropped")
		}
	case !keep:
		t.Error("Apply drops the record, want it kept")
	default:
		if diff := s.Diff(t, in); diff != "" {
			t.Errorf("Apply (-want +got):\n%s", diff)
		}
	}
}
