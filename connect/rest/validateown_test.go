package rest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/rest/resttest"
)

// asked is a line of testdata/validate.jsonl: what Apache Kafka Connect 4.3.1, a standalone worker with connect-file and Debezium 3.7.0.Final, answered to
// a question, cut down to what it tells beyond the options that every configuration of the connector has.
type asked struct {
	Path    string
	Status  int
	Body    json.RawMessage // nil: GET
	Message *string         // of an error; nil: a text of the JVM

	Errors  int
	Groups  []string // those of transforms, predicates and converters
	Options map[string]askedOption
	Order   []string // options beyond those of every configuration

	Definitions []string // of GET …/config: name|type|required|default|importance|group|order|width
}

type askedOption struct {
	Errors     []string
	Value      *string
	Invisible  bool
	Definition string
}

// otherwise are questions, by what is particular in them, that are answered in another way: mostly with errors that Kafka Connect only finds when a
// task starts, and fails.
var otherwise = map[string]string{
	`"value.converter.converter.encoding": "nope"`: "an encoding that does not exist is refused at once",
	`InsertField$`:                                   "a transform without any field to insert is refused at once",
	`SetSchemaMetadata$Key"},`:                       "a transform with nothing to set is refused at once",
	`SetSchemaMetadata$Value"},`:                     "a transform with nothing to set is refused at once",
	`"errors.deadletterqueue.topic.name": null`:      "null is complained of; Kafka Connect ends in a NullPointerException",
	`io.debezium.transforms.partitions.Partition`:    "options that the transform cannot do without are required at once",
	`io.debezium.transforms.ByLogicalTableRouter`:    "options that the transform cannot do without are required at once",
	`io.debezium.transforms.ToLogicalTopicRouter`:    "options that the transform cannot do without are required at once",
	`io.debezium.transforms.HeaderToValue`:           "options that the transform cannot do without are required at once",
	`io.debezium.transforms.TimezoneConverter`:       "options that the transform cannot do without are required at once",
	`"offset.mismatch.strategy": "x"`:                "a value that does not exist is refused",
	`"topic.naming.strategy": "x.Y"`:                 "a Java class cannot be loaded",
	`" org.apache.kafka.connect.transforms.Filter "`: "blanks around a class do not count",
}

// TestValidateAsked asks what the real worker was asked.
func TestValidateAsked(t *testing.T) {
	file, err := os.Open("testdata/validate.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	alone := newWorker(t, nil)
	herder := &recorded{Standalone: alone, worker: connect.NewWorker(alone.Config(), recordedPlugins(), nil, nil, slog.New(slog.DiscardHandler))}
	handler := Handler(herder, http.DefaultClient, slog.New(slog.DiscardHandler))
	used := make(map[string]bool)
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if why := other(lines.Text()); why != "" {
			used[why] = true
			continue
		}
		var want asked
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		for i, d := range want.Definitions { // ours is the default of another plugin
			want.Definitions[i] = strings.Replace(d, "plugin.name|STRING|False|decoderbufs|", "plugin.name|STRING|False|pgoutput|", 1)
		}
		if diff := askValidation(t, handler, want); diff != "" {
			t.Errorf("line %d: %s %s (-want +got)\n%s", n, want.Path, want.Body, diff)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for part, why := range otherwise {
		if !used[part] {
			t.Errorf("no question has %s (%s)", part, why)
		}
	}
}

// other is the key of otherwise that a question has.
func other(line string) string {
	for part := range otherwise {
		if strings.Contains(line, part) && strings.Contains(line, "/config/validate") {
			return part
		}
	}
	return ""
}

func askValidation(t *testing.T, handler http.Handler, want asked) string {
	t.Helper()
	method, headers := http.MethodGet, map[string]string(nil)
	if want.Body != nil {
		method, headers = http.MethodPut, map[string]string{"Content-Type": "application/json"}
	}
	resp := resttest.Do(handler, "worker-1:8083", method, strings.ReplaceAll(want.Path, "$", "%24"), headers, want.Body)
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := asked{Path: want.Path, Status: resp.StatusCode, Body: want.Body}
	switch {
	case resp.StatusCode != http.StatusOK:
		var e errorBody
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if want.Message != nil {
			got.Message = &e.Message
		}
	case want.Body == nil:
		var definitions []definitionBody
		if err := json.Unmarshal(text, &definitions); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		for _, d := range definitions {
			got.Definitions = append(got.Definitions, d.Name+"|"+inShort(&d))
		}
		if want.Definitions != nil && got.Definitions == nil {
			got.Definitions = []string{}
		}
	default:
		got.read(t, text, want)
	}
	return cmp.Diff(want, got)
}

// read takes from a validation what the question tells of.
func (a *asked) read(t *testing.T, text []byte, want asked) {
	t.Helper()
	var infos infosBody
	if err := json.Unmarshal(text, &infos); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	a.Errors, a.Groups, a.Order, a.Options = infos.Errors, []string{}, []string{}, make(map[string]askedOption)
	for _, g := range infos.Groups {
		if strings.Contains(g, ": ") || g == "Schemas" || g == "Serialization" {
			a.Groups = append(a.Groups, g)
		}
	}
	for _, info := range infos.Configs {
		name := info.Value.Name
		told, mentioned := want.Options[name]
		extra := slices.Contains(want.Order, name)
		o := askedOption{Errors: info.Value.Errors, Invisible: !info.Value.Visible && name != "schema.exclude.list"}
		if len(o.Errors) == 0 {
			o.Errors = nil
		}
		if extra || told.Value != nil || !strings.Contains(infos.Name, "debezium") && mentioned && o.Errors == nil {
			o.Value = info.Value.Value
		}
		if extra && told.Definition != "" && info.Definition != nil {
			o.Definition = inShort(info.Definition)
		}
		if extra {
			a.Order = append(a.Order, name)
		}
		if mentioned || o.Errors != nil || o.Invisible {
			a.Options[name] = o
		}
	}
}

// inShort is a definition without its name, as the testdata writes it.
func inShort(d *definitionBody) string {
	text := func(s *string) string {
		if s == nil {
			return "None"
		}
		return *s
	}
	required := "False"
	if d.Required {
		required = "True"
	}
	return fmt.Sprintf("%s|%s|%s|%s|%s|%d|%s", d.Type, required, text(d.Default), d.Importance, text(d.Group), d.Order, d.Width)
}
