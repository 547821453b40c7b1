package envelope_test

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// writing is the Emitter that makes the bytes of records and drops them: what remains behind an Encoder is what a converter costs.
type writing struct {
	ctx     context.Context
	conv    converter.Converter
	streams [][2]converter.Serializer // key and value
	current *[2]converter.Serializer
	bufs    [2][]byte
	bytes   int // of the record at hand
}

func (w *writing) Stream(topic string, _ int32, key, value *schema.Schema, _ []schema.Header) (int, error) {
	var s [2]converter.Serializer
	for i, of := range []*schema.Schema{key, value} {
		if of == nil {
			continue
		}
		var err error
		if s[i], err = w.conv.NewSerializer(w.ctx, topic, of); err != nil {
			return 0, err
		}
	}
	w.streams = append(w.streams, s)
	return len(w.streams) - 1, nil
}

func (w *writing) Begin(handle int) (key, value schema.Writer) {
	w.current, w.bytes = &w.streams[handle], 0
	if s := w.current[0]; s != nil {
		key = s.Begin(w.bufs[0][:0])
	}
	if s := w.current[1]; s != nil {
		value = s.Begin(w.bufs[1][:0])
	}
	return key, value
}

func (w *writing) End([]schema.Header) error {
	for i, s := range w.current {
		if s == nil {
			continue
		}
		b, err := s.End()
		if err != nil {
			return err
		}
		w.bufs[i], w.bytes = b, w.bytes+len(b)
	}
	return nil
}

func (w *writing) Flush() error { return nil }

// formats are the converters as users configure them.
var formats = []struct {
	name, class string
	props       map[string]string
}{
	{"avro", converter.AvroClass, nil},
	{"json", converter.JSONClass, map[string]string{"schemas.enable": "false"}},
	{"json with schema", converter.JSONClass, map[string]string{"schemas.enable": "true"}},
}

// writer makes the Emitter of a format, over a registry in the process.
func writer(tb testing.TB, class string, props map[string]string) *writing {
	tb.Helper()
	all := map[string]string{}
	for name, text := range props {
		all[name] = text
	}
	if class == converter.AvroClass {
		registry := srfake.New()
		tb.Cleanup(registry.Close)
		all["schema.registry.url"] = registry.URL()
	}
	conv, report := converter.New(class, all, false, converter.Env{})
	if err := report.Err(); err != nil {
		tb.Fatal(err)
	}
	return &writing{ctx: tb.Context(), conv: conv}
}

// changesOf are the kinds of changes of one row, under the names of benchmarks.
func changesOf(rel *cdc.Relation, row cdc.Tuple) []struct {
	name string
	cdc.Change
} {
	before := append(cdc.Tuple{}, row...)
	before[1].Bytes = []byte("somebody else")
	return []struct {
		name string
		cdc.Change
	}{
		{"insert", cdc.Change{Kind: cdc.Insert, Relation: rel, New: row}},
		{"update", cdc.Change{Kind: cdc.Update, Relation: rel, New: row}},
		{"update of a full row", cdc.Change{Kind: cdc.Update, Relation: rel, Old: before, New: row, OldKind: cdc.OldFull}},
		{"delete", cdc.Change{Kind: cdc.Delete, Relation: rel, Old: before, OldKind: cdc.OldFull}}, // with its tombstone
		{"read", cdc.Change{Kind: cdc.Read, Relation: rel, New: row, Snapshot: cdc.MarkTrue}},
	}
}

// TestRecordAllocs: from the texts of a row to the bytes of its record nothing is allocated, whatever the format, the kind of change and the types.
func TestRecordAllocs(t *testing.T) {
	for _, f := range formats {
		out := writer(t, f.class, f.props)
		e, p, row, rel := planned(t, nil, out, busy)
		for _, c := range changesOf(rel, row) {
			at := here
			at.Snapshot = c.Snapshot
			got := testing.AllocsPerRun(100, func() {
				if _, err := e.Encode(p, &c.Change, &at); err != nil {
					t.Fatal(err)
				}
			})
			if got != 0 {
				t.Errorf("allocations of a record of %s, %s = %v, want 0", f.name, c.name, got)
			}
		}
	}
}

// BenchmarkRecord is a row's way from its texts to the bytes of its record, key included.
func BenchmarkRecord(b *testing.B) {
	for _, f := range formats {
		_, _, row, rel := planned(b, nil, null{}, orders)
		for _, c := range changesOf(rel, row) {
			b.Run(f.name+"/"+c.name, func(b *testing.B) {
				out := writer(b, f.class, f.props)
				e, p, _, _ := planned(b, nil, out, orders)
				at := here
				at.Snapshot = c.Snapshot
				b.ReportAllocs()
				for b.Loop() {
					if c.Kind != cdc.Read { // rows of a snapshot stand where it was taken
						at.LSN += 100
					}
					if _, err := e.Encode(p, &c.Change, &at); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
				b.ReportMetric(float64(out.bytes), "bytes/record")
			})
		}
	}
}
