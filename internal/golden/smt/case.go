package smt

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/schema"
)

// Case is one recording: a class with its configuration, and the records that went through one instance of it.
type Case struct {
	Name   string
	Class  string
	Note   string
	Failed *Failure // of the configuration; there are no Steps then
	Steps  []Step
	config map[string]*string
}

// Step is one record and what came of it: exactly one of Failed, Held and the output.
type Step struct {
	Failed *Failure
	Held   *bool // what a predicate answered
	record json.RawMessage
	output json.RawMessage // "null": dropped
}

// Failure is an exception of Java.
type Failure struct {
	Class, Message           string
	CauseClass, CauseMessage string
}

func (f *Failure) String() string {
	text := f.Class + ": " + f.Message
	if f.CauseClass != "" {
		text += "\ncaused by " + f.CauseClass + ": " + f.CauseMessage
	}
	return text
}

// line is a Case as it is written.
type line struct {
	Name, Class, Note string
	Config            map[string]*string
	Record            json.RawMessage
	Records           []json.RawMessage
	result
	Results []result
}

type result struct {
	Output json.RawMessage
	Error  *struct {
		Stage, Class, Message string
		CauseClass            string `json:"cause_class"`
		CauseMessage          string `json:"cause_message"`
	}
}

// Cases reads the files of testdata/golden-connect that match a pattern; root is the way to the top of the repository.
func Cases(t testing.TB, root, pattern string) (all []Case) {
	t.Helper()
	for _, path := range golden.ConnectFiles(t, root, pattern) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatalf("recordings: %v", err)
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, len(text)+1)
		for n := 1; lines.Scan(); n++ {
			c, err := parseCase(lines.Bytes())
			if err != nil {
				t.Fatalf("recording %s:%d: %v", path, n, err)
			}
			all = append(all, c)
		}
	}
	return all
}

func parseCase(text []byte) (Case, error) {
	var l line
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&l); err != nil {
		return Case{}, err
	}
	c := Case{Name: l.Name, Class: l.Class, Note: l.Note, config: l.Config}
	if l.Error != nil && l.Error.Stage == "configure" {
		c.Failed = l.failure()
		return c, nil
	}
	records, results := l.Records, l.Results
	if l.Record != nil {
		records, results = []json.RawMessage{l.Record}, []result{l.result}
	}
	if len(records) != len(results) {
		return Case{}, fmt.Errorf("%d records have %d results", len(records), len(results))
	}
	for i, r := range results {
		s := Step{record: records[i], Failed: r.failure(), output: r.Output}
		var held bool
		if json.Unmarshal(r.Output, &held) == nil && string(r.Output) != "null" {
			s.Held = &held
		}
		if s.Failed == nil && s.output == nil {
			return Case{}, fmt.Errorf("record %d has neither output nor error", i)
		}
		c.Steps = append(c.Steps, s)
	}
	return c, nil
}

func (r *result) failure() *Failure {
	if r.Error == nil {
		return nil
	}
	return &Failure{r.Error.Class, r.Error.Message, r.Error.CauseClass, r.Error.CauseMessage}
}

// Props is the configuration. An option that is null is not there.
func (c *Case) Props() map[string]string {
	props := make(map[string]string)
	for name, text := range c.config {
		if text != nil {
			props[name] = *text
		}
	}
	return props
}

// Dropped tells that nothing came out.
func (s *Step) Dropped() bool { return string(s.output) == "null" }

// Record is what went in.
func (s *Step) Record(t testing.TB) *schema.Record {
	t.Helper()
	return record(t, s.record)
}

// Output is what came out.
func (s *Step) Output(t testing.TB) *schema.Record {
	t.Helper()
	return record(t, s.output)
}

// Diff tells how a record differs from what was recorded; "" when it does not. Where a record came from is not compared.
func (s *Step) Diff(t testing.TB, got *schema.Record) string {
	t.Helper()
	want := render(s.Output(t))
	have := render(got)
	if want == have {
		return ""
	}
	var b strings.Builder
	wants, haves := strings.Split(want, "\n"), strings.Split(have, "\n")
	for i := range max(len(wants), len(haves)) {
		var w, h string
		if i < len(wants) {
			w = wants[i]
		}
		if i < len(haves) {
			h = haves[i]
		}
		if w != h {
			fmt.Fprintf(&b, "-%s\n+%s\n", w, h)
		}
	}
	return b.String()
}
