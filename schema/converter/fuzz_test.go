package converter

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

// fuzzSchemas hold every kind of place.
var fuzzSchemas = []string{
	`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":["null","long"]},{"name":"c","type":{"type":"array","items":"string"}},
	  {"name":"d","type":{"type":"map","values":["bytes","null"]}},{"name":"e","type":["null","int","string",{"type":"record","name":"Q","fields":[{"name":"x","type":"double"}]}]},
	  {"name":"f","type":{"type":"enum","name":"E","symbols":["A","B"]}},{"name":"g","type":{"type":"fixed","name":"F","size":3}},{"name":"h","type":{"type":"int","connect.type":"int8"}},
	  {"name":"i","type":["null",{"type":"array","items":{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro","fields":[{"name":"key","type":"int"},{"name":"value","type":"float"}]}}]},
	  {"name":"j","type":"boolean"}]}`,
	`{"type":"array","items":{"type":"record","name":"Empty","fields":[]}}`,
	`{"type":"array","items":{"type":"array","items":{"type":"record","name":"Empty","fields":[]}}}`,
	`["null",{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}]`,
	anythingText,
}

// Reading must not panic, nor make room by a claimed length; what is read is written back to bytes that read the same.
func FuzzReadAvro(f *testing.F) {
	f.Add(0, []byte{2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add(0, []byte{2, 2, 4, 4, 2, 'a', 2, 'b', 0, 2, 2, 'k', 0, 2, 9, 0, 4, 2, 's', 2, 1, 2, 3, 5, 2, 2, 2, 0, 0, 0, 0, 0, 1})
	f.Add(0, []byte{2, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}) // an array of 2^63 texts
	f.Add(1, []byte{0xfe, 0xff, 0xff, 0xff, 0x0f})                                  // 2^31 empty records
	f.Add(2, []byte{4, 0xfe, 0xff, 7, 0, 0xfe, 0xff, 7, 0, 0})
	f.Add(3, []byte{2, 4, 0x30, 0x39})
	f.Add(4, []byte{0, 0, 0, 0, 0, 2, 10, 0, 0, 0})
	f.Add(4, bytes.Repeat([]byte{0, 0, 0, 0, 0, 0, 0, 2, 2}, 2000)) // nested arrays
	var readers []schema.Reader
	var plans []*avroNode
	for _, text := range fuzzSchemas {
		a, err := parseAvro(text)
		if err != nil {
			f.Fatal(err)
		}
		r, err := newAvroReader(a, plainAvro)
		if err != nil {
			f.Fatal(err)
		}
		var plan *avroNode
		if r.Schema() != nil {
			if plan, err = avroPlan(r.Schema(), plainAvro); err != nil {
				f.Fatal(err)
			}
		}
		readers, plans = append(readers, r), append(plans, plan)
	}
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		which = int(uint(which) % uint(len(readers)))
		b := schema.NewBuilder(readers[which].Schema())
		if err := readers[which].Read(data, b); err != nil {
			return
		}
		v := b.Value()
		if plans[which] == nil {
			if out, err := appendAnything(nil, v); err != nil {
				t.Fatalf("write what was read: %v", err)
			} else if again, err := readAnything(out); err != nil || !again.Equal(v) {
				t.Fatalf("read again: %v", err)
			}
			return
		}
		w := avroWriter{plan: plans[which]}
		w.begin(nil)
		v.WriteTo(&w)
		if err := w.end(); err != nil {
			t.Fatalf("write what was read: %v", err)
		}
	})
}

// A parsed schema prints to a text that parses to the same.
func FuzzParseAvroSchema(f *testing.F) {
	for _, text := range fuzzSchemas {
		f.Add(text)
	}
	for _, text := range []string{`"string"`, `string`, `{"type":{"type":"int"}}`, `[["int"]]`, `{"type":"record","name":"N","fields":[{"name":"n","type":["null","N"]}]}`,
		`{"type":"enum","name":"a.E","symbols":["X"],"default":"X","doc":"d","aliases":["b"]}`, strings.Repeat(`{"type":"array","items":`, 500)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAvro(text)
		if err != nil {
			return
		}
		if _, err := newAvroReader(a, plainAvro); err != nil {
			return
		}
		printed, err := avroText(a)
		if err != nil {
			return
		}
		back, err := parseAvro(printed)
		if err != nil {
			t.Fatalf("parseAvro(%s): %v", printed, err)
		}
		if again, err := avroText(back); err != nil || again != printed {
			t.Fatalf("avroText = %v\n%s, want\n%s", err, again, printed)
		}
	})
}

// What our scanner takes and encoding/json takes too, means the same; whatever it takes is written and read back equal.
func FuzzReadJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.5,null,"x",true],"b":{}}`, `{"schema":{"type":"int32"},"payload":5}`, `{"payload":{"a":1},"schema":{"type":"struct","fields":[{"type":"int8","field":"a"}]}}`,
		`01`, `-0`, `1e400`, `"\ud83d\ude00\ud83d"`, `[1,]`, "\xef\xbb\xbf5", `{"a":1,"a":2}`, `"` + "\xff" + `"`, strings.Repeat("[", 2000), `{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}},"payload":1e99999}`} {
		f.Add([]byte(text))
	}
	plain, _ := New(JSONClass, map[string]string{"schemas.enable": "false"}, false, Env{})
	enveloped, _ := New(JSONClass, nil, false, Env{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, v, err := enveloped.Deserialize(t.Context(), "t", data); err == nil && s != nil {
			if w, err := enveloped.NewSerializer(t.Context(), "t", s); err == nil {
				v.WriteTo(w.Begin(nil))
				_, _ = w.End()
			}
		}
		_, v, err := plain.Deserialize(t.Context(), "t", data)
		if err != nil {
			if json.Valid(data) && !bytes.Contains(data, []byte("[[[[[[")) && !strings.Contains(err.Error(), "UTF-8") && !strings.Contains(err.Error(), "too") {
				t.Fatalf("Deserialize(%q) = %v, but it is JSON", data, err)
			}
			return
		}
		out, err := appendJSONAny(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(out) {
			t.Fatalf("appendJSONAny(%q) = %q, which is no JSON", data, out)
		}
		if _, again, err := plain.Deserialize(t.Context(), "t", out); err != nil || !again.Equal(v) && !bytes.Contains(out, []byte("Infinity")) {
			t.Fatalf("Deserialize(%q) = %s, %v, want %s", out, describe(again), err, describe(v))
		}
	})
}

// Guessing a header must not panic or take long, and what was guessed can be written.
func FuzzParseHeader(f *testing.F) {
	for _, r := range []string{"true", "[1,2.5]", `{"a":1,"b":"x"}`, "2020-01-02T03:04:05.678Z", `"q\"`, "1e400", "[[[[", `{"a":{"b":[1]}}`, "1:2:3:4:5", "1e2147483647", "-", "+", `\`, "[\"2020-01-02\",1]"} {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, v := parseHeader(text)
		_ = appendHeader(nil, s, v, false)
	})
}
