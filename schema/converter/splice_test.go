package converter

import (
	"bytes"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

// splicers are the writers of a schema, by format.
func splicers(t *testing.T, s *schema.Schema) map[string]Serializer {
	return map[string]Serializer{"avro": avroSerializerFor(t, s), "json": jsonSerializerFor(t, s, "false"), "json with schema": jsonSerializerFor(t, s, "true")}
}

// TestSplice: every row of calls of a value that can be cut out can be put back, and makes the same bytes.
func TestSplice(t *testing.T) {
	s, v := bikeEnvelope(t)
	var c calls
	v.WriteTo(&c)
	for name, ser := range splicers(t, s) {
		w, want := cutNothing(t, ser, c.list)
		pieces := 0
		for from := range c.list {
			for to := from + 1; to <= len(c.list); to++ {
				var p schema.Piece
				ser.Begin(nil)
				replay(c.list[:from], w)
				place := w.Place()
				replay(c.list[from:to], w)
				w.Cut(&p, place)
				if p.From == nil { // not a row of whole fields
					continue
				}
				pieces++
				ser.Begin(nil)
				replay(c.list[:from], w)
				if !w.Splice(&p) {
					t.Fatalf("%s: Splice(calls %d to %d) = false, want true where they were cut", name, from, to)
				}
				if w.Splice(&p) {
					t.Fatalf("%s: Splice(calls %d to %d) behind themselves = true, want false", name, from, to)
				}
				replay(c.list[to:], w)
				if got, err := ser.End(); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%s: with calls %d to %d spliced = %q, %v, want %q", name, from, to, got, err, want)
				}
			}
		}
		if fields := len(s.Fields) * (len(s.Fields) + 1) / 2; pieces < fields {
			t.Errorf("%s: %d rows of calls were cut, want those of the envelope's fields at least: %d", name, pieces, fields)
		}
	}
}

// cutNothing writes a value the plain way.
func cutNothing(t *testing.T, ser Serializer, list []call) (schema.Splicer, []byte) {
	t.Helper()
	w, ok := ser.Begin(nil).(schema.Splicer)
	if !ok {
		t.Fatalf("%T is no schema.Splicer", ser.Begin(nil))
	}
	replay(list, w)
	want, err := ser.End()
	if err != nil {
		t.Fatal(err)
	}
	return w, want
}

// TestCutRefuses: what depends on more than its place is no piece, nor is what belongs to another schema.
func TestCutRefuses(t *testing.T) {
	array := schema.ArrayOf(schema.Of(schema.Int32))
	s := schema.StructOf("s", schema.F("a", array), schema.F("n", schema.Of(schema.Int32)))
	for name, ser := range splicers(t, s) {
		w := ser.Begin(nil).(schema.Splicer)
		var p schema.Piece
		cut := func(what string, since schema.Place) {
			if w.Cut(&p, since); p.From != nil || w.Splice(&p) {
				t.Errorf("%s: Cut(%s) made a piece, want none", name, what)
			}
		}
		whole := w.Place()
		cut("nothing", whole)
		w.BeginStruct()
		cut("the start of a struct", whole)
		field := w.Place()
		w.BeginArray(2)
		cut("the start of an array", field)
		element := w.Place()
		w.Int(1)
		cut("an element", element)
		w.Int(2)
		w.EndArray()
		var good schema.Piece
		if w.Cut(&good, field); good.From == nil {
			t.Errorf("%s: Cut(a field) made no piece", name)
		}
		w.EndStruct()
		cut("a struct that is the whole value", whole)
		other := splicers(t, s)[name].Begin(nil).(schema.Splicer)
		if other.BeginStruct(); other.Splice(&good) {
			t.Errorf("%s: Splice of another serializer's piece = true, want false", name)
		}
		w = ser.Begin(nil).(schema.Splicer)
		w.BeginStruct()
		if !w.Splice(&good) {
			t.Errorf("%s: Splice(a field) = false, want true", name)
		}
		field = w.Place()
		w.String("no number")
		cut("a misuse", field)
	}
}
