package transform_test

import (
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/connect/transform"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/golden/smt"
	"github.com/tandem-cdc/tandem/schema"
)

// TestRecordings replays what Kafka Connect's transforms and predicates made of records, and what they refused.
func TestRecordings(t *testing.T) {
	replayed := 0
	for _, c := range smt.Cases(t, "../..", "smt/*.jsonl") {
		if !strings.HasPrefix(c.Class, "org.apache.kafka.") {
			continue
		}
		replayed++
		t.Run(c.Name, func(t *testing.T) { replay(t, &c) })
	}
	t.Logf("%d recordings", replayed)
}

func replay(t *testing.T, c *smt.Case) {
	apply, report := build(t, c)
	if c.Failed != nil {
		if len(report.Errors) == 0 {
			t.Fatalf("configure(%v) is taken, want %s", c.Props(), c.Failed)
		}
		if got := address.ReplaceAllString(report.Errors[0].Message, "@<HASH>"); got != c.Failed.Message {
			t.Errorf("configure(%v) = %q, want %q", c.Props(), got, c.Failed.Message)
		}
		return
	}
	if err := report.Err(); err != nil {
		t.Fatalf("configure(%v) = %v, want none", c.Props(), err)
	}
	for i := range c.Steps {
		step(t, &c.Steps[i], apply)
	}
}

// address is where Java prints that of an object.
var address = regexp.MustCompile(`@[0-9a-f]+$`)

func step(t *testing.T, s *smt.Step, apply func(*schema.Record) (bool, error)) {
	t.Helper()
	if err := s.Representable(); err != nil {
		t.Log(err)
		return
	}
	in := s.Record(t)
	got, err := apply(in)
	switch {
	case s.Failed != nil:
		checkFailure(t, s.Failed, err)
	case err != nil:
		t.Errorf("Apply = %v, want none", err)
	case s.Held != nil:
		if got != *s.Held {
			t.Errorf("Test = %v, want %v", got, *s.Held)
		}
	case s.Dropped():
		if got {
			t.Error("Apply keeps the record, want it dropped")
		}
	case !got:
		t.Error("Apply drops the record, want it kept")
	default:
		if diff := s.Diff(t, in); diff != "" {
			t.Errorf("Apply (-want +got):\n%s", diff)
		}
	}
}

func checkFailure(t *testing.T, want *smt.Failure, err error) {
	t.Helper()
	var f *transform.Failure
	if !errors.As(err, &f) {
		t.Errorf("Apply = %v, want %s", err, want)
		return
	}
	got := &smt.Failure{Class: f.Class, Message: f.Message}
	if f.Cause != nil {
		got.CauseClass, got.CauseMessage = f.Cause.Class, f.Cause.Message
	}
	if got.String() != want.String() {
		t.Errorf("Apply = %s, want %s", got, want)
	}
}

// build makes the transform or the predicate of a case; their calls have one form.
func build(t *testing.T, c *smt.Case) (func(*schema.Record) (bool, error), config.Report) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	for _, p := range transform.Plugins() {
		if p.Class == c.Class {
			made, report := p.New(c.Props(), log)
			if made == nil {
				return nil, report
			}
			return made.Apply, report
		}
	}
	for _, p := range transform.Predicates() {
		if p.Class == c.Class {
			made, report := p.New(c.Props(), log)
			if made == nil {
				return nil, report
			}
			return made.Test, report
		}
	}
	t.Fatalf("there is no class %s", c.Class)
	return nil, config.Report{}
}
