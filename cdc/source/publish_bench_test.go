package source

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
	"github.com/tandem-cdc/tandem/envelope"
)

// plainEncoder makes one record of every change and writes none: what is measured is the publisher's own work.
type plainEncoder struct{ plan *envelope.Plan }

func (e plainEncoder) Plan(*cdc.Relation, *cdc.Table) (*envelope.Plan, error) { return e.plan, nil }
func (e plainEncoder) Encode(*envelope.Plan, *cdc.Change, *envelope.Source) (int, error) {
	return 1, nil
}
func (e plainEncoder) Message(*cdc.Change, *envelope.Source) (int, error) { return 1, nil }
func (e plainEncoder) Begin(*envelope.Source) (int, error)                { return 0, nil }
func (e plainEncoder) End(*envelope.Source) (int, error)                  { return 0, nil }
func (e plainEncoder) ResumeTx([]envelope.TxCount)                        {}
func (e plainEncoder) TxCounts(dst []envelope.TxCount) []envelope.TxCount { return dst }
func (e plainEncoder) Heartbeat(time.Time) (int, error)                   { return 0, nil }
func (e plainEncoder) Table(context.Context, *cdc.Relation, uint32) (*cdc.Table, error) {
	return nil, nil
}
func (e plainEncoder) LoadTypes(context.Context) error { return nil }

// hotPublisher is a publisher in its steady state, with a batch of a hundred transactions of ten rows.
func hotPublisher() (p *publisher, batch *cdc.Batch, rows int) {
	enc := plainEncoder{new(envelope.Plan)}
	p = newPublisher(enc, &tableFilter{}, enc, new(positions), nil)
	rel := &cdc.Relation{OID: 1, Schema: "public", Name: "orders"}
	p.plans[1] = planned{rel: rel, plan: enc.plan}
	p.counts = new(counts)
	batch = new(cdc.Batch)
	lsn := cdc.LSN(1000)
	for range 100 {
		*batch.Next() = cdc.Change{Kind: cdc.Begin, LSN: lsn, FinalLSN: lsn + 100}
		for range 10 {
			lsn += 10
			rows++
			*batch.Next() = cdc.Change{Kind: cdc.Insert, LSN: lsn, Relation: rel}
		}
		lsn += 10
		*batch.Next() = cdc.Change{Kind: cdc.Commit, LSN: lsn}
	}
	batch.ServerLSN = lsn
	return p, batch, rows
}

// publishAgain publishes the batch and has its records acknowledged, as often as one likes.
func publishAgain(tb testing.TB, p *publisher, batch *cdc.Batch) {
	p.at, p.lastCommit = position{}, 0
	if err := p.batch(context.Background(), batch); err != nil {
		tb.Fatal(err)
	}
	p.sent.behind(p.records)
}

// TestPublishAllocs: neither a row nor the position behind it costs memory that is not used again.
func TestPublishAllocs(t *testing.T) {
	p, batch, rows := hotPublisher()
	publishAgain(t, p, batch) // makes the queue of positions
	if got := testing.AllocsPerRun(50, func() { publishAgain(t, p, batch) }); got > 1 {
		t.Errorf("%d rows in 100 transactions cost %v allocations, want none for a row", rows, got)
	}
	r, read := hotSnapshot()
	if got := testing.AllocsPerRun(50, func() { readAgain(t, r, read) }); got > 2 { // the table's name, for the counts
		t.Errorf("%d rows of a snapshot cost %v allocations, want none for a row", len(read.Changes), got)
	}
}

// BenchmarkPublish is what the publisher itself costs a row of the stream: order, restarts, counts, positions.
func BenchmarkPublish(b *testing.B) {
	p, batch, rows := hotPublisher()
	b.ReportAllocs()
	for b.Loop() {
		publishAgain(b, p, batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
}

// hotSnapshot is a snapshot in the middle of a table, with a batch of a thousand of its rows.
func hotSnapshot() (*snapshotRun, *snapshot.Rows) {
	p, _, _ := hotPublisher()
	p.beginSnapshot(100, 7, 1_700_000_000_000_000, new(progress))
	rel := &cdc.Relation{OID: 1, Schema: "public", Name: "orders"}
	p.plans[1] = planned{rel: rel, plan: new(envelope.Plan)}
	rows := new(snapshot.Rows)
	for range 1000 {
		*rows.Next() = cdc.Change{Kind: cdc.Read, Snapshot: cdc.MarkTrue, LSN: 100, Relation: rel}
	}
	return &snapshotRun{publisher: p}, rows
}

func readAgain(tb testing.TB, r *snapshotRun, rows *snapshot.Rows) {
	if err := r.publish(context.Background(), rows); err != nil {
		tb.Fatal(err)
	}
	r.sent.behind(r.records)
}

// BenchmarkPublishRead is the same for a row of a snapshot.
func BenchmarkPublishRead(b *testing.B) {
	r, rows := hotSnapshot()
	b.ReportAllocs()
	for b.Loop() {
		readAgain(b, r, rows)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows.Changes)), "ns/row")
}
