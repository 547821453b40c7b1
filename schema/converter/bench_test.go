package converter

import (
	"path/filepath"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

// bikeEnvelope is the envelope of a row of nine columns, as Debezium makes it: before, after, a source of fourteen fields, transaction, op,
// three times.
func bikeEnvelope(t testing.TB) (*schema.Schema, schema.Value) {
	t.Helper()
	c := readCase(t, filepath.Join("testdata", "corpus", "bikestore"))
	r := c.records[0]
	plan, err := newJSONPlan(c.schemas[r.ValueSchema], corpusReads)
	if err != nil {
		t.Fatal(err)
	}
	d := jsonDecoder{}
	v, err := d.decode(plan, r.Value)
	if err != nil {
		t.Fatal(err)
	}
	return c.schemas[r.ValueSchema], v
}

// call is one call of a Writer, prepared, so that a benchmark measures the writer and not the Value.
type call struct {
	kind byte
	num  int64
	text []byte
}

// calls records what a Value calls.
type calls struct {
	schema.Writer
	list []call
}

func (c *calls) Null()         { c.list = append(c.list, call{kind: 'n'}) }
func (c *calls) Int(v int64)   { c.list = append(c.list, call{kind: 'i', num: v}) }
func (c *calls) Text(v []byte) { c.list = append(c.list, call{kind: 't', text: v}) }
func (c *calls) String(v string) {
	c.list = append(c.list, call{kind: 't', text: []byte(v)})
}
func (c *calls) BeginStruct() { c.list = append(c.list, call{kind: '{'}) }
func (c *calls) EndStruct()   { c.list = append(c.list, call{kind: '}'}) }

func replay(list []call, w schema.Writer) {
	for i := range list {
		switch c := &list[i]; c.kind {
		case 'n':
			w.Null()
		case 'i':
			w.Int(c.num)
		case 't':
			w.Text(c.text)
		case '{':
			w.BeginStruct()
		case '}':
			w.EndStruct()
		}
	}
}

func avroSerializerFor(t testing.TB, s *schema.Schema) Serializer {
	t.Helper()
	plan, err := avroPlan(s, plainAvro)
	if err != nil {
		t.Fatal(err)
	}
	return newAvroSerializer(plan, 7)
}

func jsonSerializerFor(t testing.TB, s *schema.Schema, schemas string) Serializer {
	t.Helper()
	c, r := New(JSONClass, map[string]string{"schemas.enable": schemas}, false, Env{})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	w, err := c.NewSerializer(t.Context(), "t", s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func benchmarkSerializer(b *testing.B, w Serializer, v schema.Value) {
	var c calls
	v.WriteTo(&c)
	buf, err := []byte(nil), error(nil)
	b.ReportAllocs()
	for b.Loop() {
		replay(c.list, w.Begin(buf[:0]))
		if buf, err = w.End(); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}

func BenchmarkAvroEnvelope(b *testing.B) {
	s, v := bikeEnvelope(b)
	benchmarkSerializer(b, avroSerializerFor(b, s), v)
}

func BenchmarkJSONEnvelope(b *testing.B) {
	s, v := bikeEnvelope(b)
	benchmarkSerializer(b, jsonSerializerFor(b, s, "false"), v)
}

func BenchmarkJSONEnvelopeWithSchema(b *testing.B) {
	s, v := bikeEnvelope(b)
	benchmarkSerializer(b, jsonSerializerFor(b, s, "true"), v)
}

func BenchmarkAvroEnvelopeFromValue(b *testing.B) {
	s, v := bikeEnvelope(b)
	w := avroSerializerFor(b, s)
	buf, err := []byte(nil), error(nil)
	b.ReportAllocs()
	for b.Loop() {
		v.WriteTo(w.Begin(buf[:0]))
		if buf, err = w.End(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}

// avroRead reads the bike store's envelope at each call.
func avroRead(tb testing.TB) (read func(), size int) {
	s, v := bikeEnvelope(tb)
	w := avroSerializerFor(tb, s)
	v.WriteTo(w.Begin(nil))
	data, err := w.End()
	if err != nil {
		tb.Fatal(err)
	}
	a, err := avroFrom(s, plainAvro)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := newAvroReader(a, plainAvro)
	if err != nil {
		tb.Fatal(err)
	}
	into := schema.NewBuilder(r.Schema())
	return func() {
		into.Reset()
		if err := r.Read(data[framingSize:], into); err != nil {
			tb.Fatal(err)
		}
	}, len(data)
}

// jsonRead is avroRead of JSON.
func jsonRead(tb testing.TB, schemas string) (read func(), size int) {
	s, v := bikeEnvelope(tb)
	w := jsonSerializerFor(tb, s, schemas)
	v.WriteTo(w.Begin(nil))
	data, err := w.End()
	if err != nil {
		tb.Fatal(err)
	}
	c, _ := New(JSONClass, map[string]string{"schemas.enable": schemas}, false, Env{})
	return func() {
		if _, _, err := c.Deserialize(tb.Context(), "t", data); err != nil {
			tb.Fatal(err)
		}
	}, len(data)
}

func benchmarkRead(b *testing.B, read func(), size int) {
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		read()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}

func BenchmarkAvroRead(b *testing.B) {
	read, size := avroRead(b)
	benchmarkRead(b, read, size)
}

func BenchmarkJSONRead(b *testing.B) {
	read, size := jsonRead(b, "false")
	benchmarkRead(b, read, size)
}

func BenchmarkJSONReadWithSchema(b *testing.B) {
	read, size := jsonRead(b, "true")
	benchmarkRead(b, read, size)
}

// The writers allocate nothing per row when the buffer they are given is large enough.
func TestWriteAllocs(t *testing.T) {
	s, v := bikeEnvelope(t)
	var c calls
	v.WriteTo(&c)
	for name, w := range map[string]Serializer{"avro": avroSerializerFor(t, s), "json": jsonSerializerFor(t, s, "false"), "json with schema": jsonSerializerFor(t, s, "true")} {
		room := make([]byte, 0, 16<<10)
		got := testing.AllocsPerRun(100, func() {
			replay(c.list, w.Begin(room))
			if _, err := w.End(); err != nil {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("%s: %v allocations per row, want 0", name, got)
		}
	}
}
