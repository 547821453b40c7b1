package s3

import (
	"context"
	"io"
	"runtime"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// nowhere is a store that forgets.
type nowhere struct{ bytes int64 }

func (n *nowhere) check(context.Context) error { return nil }
func (n *nowhere) put(_ context.Context, _ string, body io.ReadSeeker, size int64, _ putOptions) error {
	n.bytes += size
	return nil
}
func (n *nowhere) begin(context.Context, string, putOptions) (string, error) { return "u", nil }
func (n *nowhere) part(_ context.Context, _, _ string, _ int32, _ io.ReadSeeker, size int64) (string, error) {
	n.bytes += size
	return "e", nil
}
func (n *nowhere) complete(context.Context, string, string, []sentPart, putOptions) error { return nil }
func (n *nowhere) abort(context.Context, string, string) error                            { return nil }
func (n *nowhere) list(context.Context, string, string, int) ([]storedName, bool, error) {
	return nil, false, nil
}
func (n *nowhere) tag(context.Context, string, []objectTag) error { return nil }

// BenchmarkPut: records of 15 fields into files of 100,000, nothing is sent.
func BenchmarkPut(b *testing.B) {
	for name, extra := range map[string][]string{
		"avro": {"format.class", avroFormat}, "avro-snappy": {"format.class", avroFormat, "avro.codec", "snappy"}, "json": {"format.class", jsonFormat},
		"json-gzip": {"format.class", jsonFormat, "s3.compression.type", "gzip"}, "parquet": {"format.class", parquetFormat},
		"avro-field":  {"format.class", avroFormat, "partitioner.class", fieldPartitioner, "partition.field.name", "a8"},
		"avro-hourly": {"format.class", avroFormat, "partitioner.class", hourlyPartitioner, "locale", "en", "timezone", "Europe/Paris", "timestamp.extractor", "RecordField", "timestamp.field", "at"},
	} {
		b.Run(name, func(b *testing.B) {
			store := &nowhere{}
			task := testTask(b, store, &testClock{}, parsed(b, append([]string{"flush.size", "100000"}, extra...)...), assignment("t", 0, 0))
			batch := benchBatch(500, 1)
			offset := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch {
					batch[i].Offset = offset
					offset++
				}
				if err := task.Put(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(offset)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(store.bytes+task.memory.used.Load())/float64(offset), "bytes/record")
		})
	}
}

// benchBatch are records of which the field a8 has some values.
func benchBatch(n int, kinds int64) []sink.Record {
	of := orderSchema()
	batch := make([]sink.Record, n)
	for i := range batch {
		v := order(of, int64(i)+1)
		v.Struct().Values[1] = schema.OfInt8(int8(int64(i) % kinds))
		v.Struct().Values[11] = schema.OfInt64(1_700_000_000_000)
		batch[i] = sink.Record{Topic: "t", ValueSchema: of, Value: v}
	}
	return batch
}

// TestAllocations: a record into an open file costs no allocation of its own.
func TestAllocations(t *testing.T) {
	for name, c := range map[string]struct {
		extra []string
		most  float64 // per batch of 500: the send at its end, blocks, and a buffer that grows now and then
	}{
		"avro":       {[]string{"format.class", avroFormat}, 40},
		"json":       {[]string{"format.class", jsonFormat}, 40},
		"avro-field": {[]string{"format.class", avroFormat, "partitioner.class", fieldPartitioner, "partition.field.name", "a8"}, 40},
	} {
		task := testTask(t, &nowhere{}, &testClock{}, parsed(t, append([]string{"flush.size", "1000000000"}, c.extra...)...), assignment("t", 0, 0))
		batch := benchBatch(500, 5)
		offset := int64(0)
		if got := testing.AllocsPerRun(100, func() {
			for i := range batch {
				batch[i].Offset = offset
				offset++
			}
			if err := task.Put(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}); got > c.most {
			t.Errorf("%s: %v allocations for a batch of 500, want at most %v", name, got, c.most)
		}
	}
}

// TestMemoryOfManyFiles: with 100 open files the task keeps what is in them, not a part for each.
func TestMemoryOfManyFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100 MB")
	}
	for _, format := range []string{avroFormat, jsonFormat, parquetFormat} {
		before := heap()
		task := testTask(t, &nowhere{}, &testClock{}, parsed(t, "flush.size", "1000000000", "format.class", format, "partitioner.class", fieldPartitioner, "partition.field.name", "a8"), assignment("t", 0, 0))
		batch := benchBatch(1000, 100)
		for round := range int64(200) {
			for i := range batch {
				batch[i].Offset = round*1000 + int64(i)
			}
			put(t, task, batch...)
		}
		used, kept := task.memory.used.Load(), heap()-before
		t.Logf("%s: 100 open files, 200,000 records, %.1f MB buffered, heap %.1f MB", format[len(format)-13:], float64(used)/1e6, float64(kept)/1e6)
		if kept > 160<<20 { // 100 parts of 25 MiB would be 2500
			t.Errorf("%s: the heap grew by %d bytes", format, kept)
		}
		runtime.KeepAlive(task)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
