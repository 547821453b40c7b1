package sqldb

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

func decimalOf(unscaled int64) schema.Value {
	b := binary.BigEndian.AppendUint64(nil, uint64(unscaled))
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return schema.OfBytes(b)
}

func decimalSchema(precision, scale string) *schema.Schema {
	return typed(schema.Bytes, schema.DecimalName, schema.ScaleParameter, scale, schema.PrecisionParameter, precision)
}

// orderItems is the bike store's largest table.
func orderItems() *source {
	return newSource("bikes.store.order_items", 2, field("order_id", int32Of()), field("item_id", int32Of()), field("product_id", int32Of()),
		field("quantity", int32Of()), field("list_price", decimalSchema("10", "2")), field("discount", decimalSchema("4", "2")))
}

func orderItem(n int) []schema.Value {
	return []schema.Value{i32(n / 4), i32(n % 4), i32(n % 321), i32(n%5 + 1), decimalOf(int64(n%99999) + 999), decimalOf(int64(n % 20))}
}

// BenchmarkUpsert applies order items, each twice in the end: half of the rows are new, half are there.
func BenchmarkUpsert(b *testing.B) {
	benchmarkUpsert(b, func(b *testing.B) crashTarget { return newDatabase(b) })
}

func benchmarkUpsert(b *testing.B, newTarget func(b *testing.B) crashTarget) {
	for _, c := range []struct{ put, statement int }{{500, 500}, {3000, 3000}, {20000, 3000}} {
		b.Run(fmt.Sprintf("put=%d,batch.size=%d", c.put, c.statement), func(b *testing.B) {
			d := newTarget(b)
			task := d.task("batch.size", fmt.Sprint(c.statement))
			s := orderItems()
			open(b, task, s.topic)
			const distinct = 200_000
			var batches [][]sink.Record
			for n := 0; n < 2*distinct; {
				var batch []sink.Record
				for range c.put {
					batch = append(batch, s.create(orderItem(n%distinct)...))
					n++
				}
				batches = append(batches, batch)
			}
			ctx, rows := context.Background(), 0
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				batch := batches[i%len(batches)]
				if i >= len(batches) { // again: with offsets that go on
					for j := range batch {
						batch[j].Offset = s.next
						s.next++
					}
				}
				if err := task.Put(ctx, batch); err != nil {
					b.Fatal(err)
				}
				rows += len(batch)
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkKinds is upserts of wide rows, updates with a column the source does not know, and deletes, each in a table of 200,000 rows.
func BenchmarkKinds(b *testing.B) {
	benchmarkKinds(b, func(b *testing.B) crashTarget { return newDatabase(b) })
}

func benchmarkKinds(b *testing.B, newTarget func(b *testing.B) crashTarget) {
	const distinct, size = 200_000, 3000
	wide := []schema.Field{field("id", int32Of())}
	for i := range 9 {
		wide = append(wide, field(fmt.Sprintf("c%d", i), nullable()))
	}
	row := func(n int, c0 schema.Value) []schema.Value {
		out := []schema.Value{i32(n), c0}
		for i := range 8 {
			out = append(out, str(fmt.Sprintf("text %d of row %d", i, n)))
		}
		return out
	}
	for _, c := range []struct {
		name string
		make func(s *source, n int) sink.Record
	}{
		{"wide", func(s *source, n int) sink.Record { return s.create(row(n, str("x"))...) }},
		{"unknown column", func(s *source, n int) sink.Record { return s.update(row(n, unavailable())...) }},
		{"delete", func(s *source, n int) sink.Record { return s.remove(row(n, str(""))...)[0] }},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := newTarget(b)
			task := d.task("batch.size", fmt.Sprint(size))
			s := newSource("t", 1, wide...)
			open(b, task, s.topic)
			var all []sink.Record
			for n := range distinct {
				all = append(all, s.create(row(n, str("x"))...))
			}
			put(b, task, all...)
			ctx, rows, n := context.Background(), 0, 0
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				var batch []sink.Record
				for range size {
					batch = append(batch, c.make(s, n*7919%distinct))
					n++
				}
				b.StartTimer()
				if err := task.Put(ctx, batch); err != nil {
					b.Fatal(err)
				}
				rows += len(batch)
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
