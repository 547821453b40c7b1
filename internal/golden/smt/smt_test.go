package smt

import (
	"errors"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

const recorded = `{"name": "n", "class": "C", "config": {"a": "1", "b": null}, "record": {"kind": "sink", "topic": "t", "partition": 0, "timestamp": 5, "offset": 42,
 "value": {"schema": {"type": "struct", "optional": false, "fields": [{"type": "int8", "optional": true, "default": 7, "field": "a"},
  {"type": "bytes", "optional": false, "name": "org.apache.kafka.connect.data.Decimal", "version": 1, "parameters": {"scale": "2"}, "field": "d"}]}, "payload": {"a": 3, "d": {"$decimal": "1.5"}}}},
 "output": {"topic": "t", "partition": null, "timestamp": null, "key": {"schema": null, "payload": {"$date": 5}},
  "value": {"schema": null, "payload": {"x": [1, 1.5, {"$float32": "NaN"}], "d": {"$decimal": "-1E-7"}, "m": {"$map": [[1, "one"]]}}}, "headers": [{"name": "h", "schema": null, "payload": {"$bytes": "AQ=="}}]}}`

func TestNotation(t *testing.T) {
	c, err := parseCase([]byte(strings.ReplaceAll(recorded, "\n", "")))
	if err != nil {
		t.Fatal(err)
	}
	if props := c.Props(); len(props) != 1 || props["a"] != "1" {
		t.Errorf("Props() = %v, want a alone", props)
	}
	s := &c.Steps[0]
	in := s.Record(t)
	row := in.Value.Struct()
	if in.Offset != 42 || row.Values[0].Int() != 3 || row.Schema.Fields[0].Schema.Default.Int() != 7 || schema.Unscaled(row.Values[1].Bytes()).Int64() != 150 {
		t.Errorf("Record() = %s", render(in))
	}
	out := s.Output(t)
	if out.Partition != -1 || out.Offset != schema.NoOffset || out.Timestamp != schema.NoTimestamp || !out.Key.Equal(schema.OfInstant(5)) || len(out.Headers) != 1 {
		t.Errorf("Output() = %s", render(out))
	}
	if d := out.Value.Map()[1].Value; d.Class() != schema.BigDecimal || d.Scale() != 7 || schema.Unscaled(d.Bytes()).Int64() != -1 {
		t.Errorf("-1E-7 is %s with scale %d", schema.Unscaled(d.Bytes()), d.Scale())
	}
	if diff := s.Diff(t, out); diff != "" {
		t.Errorf("Diff of the output with itself = %s", diff)
	}
	for name, change := range map[string]func(*schema.Record){
		"topic":   func(r *schema.Record) { r.Topic = "u" },
		"key":     func(r *schema.Record) { r.Key = schema.OfInt64(5) },
		"schema":  func(r *schema.Record) { r.ValueSchema = schema.MapOf(nil, nil) },
		"value":   func(r *schema.Record) { r.Value = schema.OfMap(r.Value.Map()[:2]) },
		"headers": func(r *schema.Record) { r.Headers = nil },
	} {
		changed := *out
		change(&changed)
		if s.Diff(t, &changed) == "" {
			t.Errorf("Diff does not see another %s", name)
		}
	}
}

func TestUnknownTags(t *testing.T) {
	s := Step{record: []byte(`{"topic": "t", "value": {"schema": null, "payload": {"a": {"$bigint": "1"}}}}`), output: []byte("null")}
	if err := s.Representable(); !errors.Is(err, ErrUnknown) {
		t.Errorf("Representable() = %v, want ErrUnknown", err)
	}
}
