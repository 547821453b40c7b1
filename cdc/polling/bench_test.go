package polling

import (
	"context"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

// drain is an emitter that writes nowhere, and ends the task behind the last record.
type drain struct {
	w    nothing
	n    int
	want int
	end  context.CancelFunc
}

func (d *drain) Stream(string, int32, *schema.Schema, *schema.Schema, []schema.Header) (int, error) {
	return 0, nil
}
func (d *drain) Begin(int) (key, value schema.Writer) { return nil, &d.w }
func (d *drain) Flush() error                         { return nil }
func (d *drain) End([]schema.Header) error {
	if d.n++; d.n == d.want {
		d.end()
	}
	return nil
}

// Rows of a table of five columns, read in mode incrementing from a server on this machine.
func BenchmarkPoll(b *testing.B) {
	const rows = 200_000
	for _, c := range []struct {
		name string
		open func(b *testing.B) (url string, exec func(string))
		fill string
	}{
		{"postgres", benchPostgres, "insert into row_ select g, 'item ' || g, g * 1.25, now(), g % 2 = 0 from generate_series(1, 200000) g"},
		{"sqlite", benchSQLite, "with recursive n(g) as (select 1 union all select g + 1 from n where g < 200000) insert into row_ select g, 'item ' || g, g * 1.25, '2024-01-01 10:20:30', g % 2 = 0 from n"},
	} {
		b.Run(c.name, func(b *testing.B) {
			url, exec := c.open(b)
			exec("create table row_ (id integer primary key, item varchar(40), price numeric(12,2), at timestamp, flag boolean)")
			exec(c.fill)
			b.ReportAllocs()
			for b.Loop() {
				task, err := NewTask(map[string]string{"connection.url": url, "mode": "incrementing", "incrementing.column.name": "id", "topic.prefix": "t", "tables": "row_"},
					Env{Log: quiet(), StoredOffset: newStore().get})
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(b.Context())
				if err := task.Run(ctx, &drain{want: rows, end: cancel}); err != nil {
					b.Fatal(err)
				}
				cancel()
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
