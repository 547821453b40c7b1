package elasticsearch

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

func TestStamp(t *testing.T) {
	for _, c := range []struct {
		document string
		fields   string // data.stream.timestamp.field
		at       int64  // of the record, in milliseconds; 0: none
		want     string // "": an error
	}{
		{`{"a":1}`, "", 5, `{"a":1,"@timestamp":5}`},
		{`{}`, "", 5, `{"@timestamp":5}`},
		{`{"a":1}`, "", 0, `{"a":1,"@timestamp":null}`},
		{`{"a":{"@timestamp":1},"@timestamp":"x","b":[1,2]}`, "", 5, `{"a":{"@timestamp":1},"@timestamp":5,"b":[1,2]}`},
		{`{"a":"2024-01-01","b":2}`, "x,b,a", 5, `{"a":"2024-01-01","b":2,"@timestamp":"2"}`},
		{`{"a":"2024-01-01","b":2}`, "a,b", 5, `{"a":"2024-01-01","b":2,"@timestamp":"2024-01-01"}`},
		{`{"a":{"b":1}}`, "a", 5, `{"a":{"b":1},"@timestamp":""}`},
		{`{"a":null}`, "a", 5, `{"a":null,"@timestamp":"null"}`},
		{`{"a":true}`, "a", 5, `{"a":true,"@timestamp":"true"}`},
		{`{"@timestamp":"9"}`, "@timestamp", 5, `{"@timestamp":"9"}`},
		{`{"a":1}`, "b", 5, `{"a":1}`},
		{`[1]`, "", 5, ""},
		{`"x"`, "", 5, ""},
	} {
		options := []string{"data.stream.type", "logs", "data.stream.dataset", "d"}
		if c.fields != "" {
			options = append(options, "data.stream.timestamp.field", c.fields)
		}
		r := newTask(t, "http://localhost", options...)
		rec := sink.Record{}
		if c.at != 0 {
			rec.Timestamp = time.UnixMilli(c.at)
		}
		got, err := r.task.stamp([]byte("before"+c.document), len("before"), &rec)
		var bad *dataError
		if c.want == "" {
			if !errors.As(err, &bad) {
				t.Errorf("stamp(%s) = %s, %v, want a dataError", c.document, got, err)
			}
			continue
		}
		if err != nil || string(got) != "before"+c.want {
			t.Errorf("stamp(%s) = %s, %v, want %s", c.document, got, err, c.want)
		}
	}
}

// FuzzStamp: a document keeps what it has, whatever stands in it.
func FuzzStamp(f *testing.F) {
	f.Add("a", "x")
	f.Add("@timestamp", "\"}{")
	f.Add("a\"b", "\u2028\\")
	r := newTask(f, "http://localhost", "data.stream.type", "logs", "data.stream.dataset", "d")
	f.Fuzz(func(t *testing.T, name, text string) {
		p, err := compile(nil, documentRules{})
		if err != nil {
			t.Fatal(err)
		}
		v := schema.OfMap([]schema.Entry{{Key: schema.OfString(name), Value: schema.OfString(text)}, {Key: schema.OfString("z"), Value: schema.OfFloat64(1)}})
		plain, err := p.append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		var want, got map[string]any
		if err := json.Unmarshal(plain, &want); err != nil {
			t.Fatal(err)
		}
		want[timestampField] = 7.0
		stamped, err := r.task.stamp(plain, 0, &sink.Record{Timestamp: time.UnixMilli(7)})
		if err == nil {
			err = json.Unmarshal(stamped, &got)
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("stamp = %s, %v (-want +got)\n%s", stamped, err, diff)
		}
	})
}
