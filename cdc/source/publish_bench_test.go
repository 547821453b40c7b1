package source

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
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

// BenchmarkPublish publishes transactions of ten rows, a hundred of them in a batch.
func BenchmarkPublish(b *testing.B) {
	enc := plainEncoder{new(envelope.Plan)}
	var sent positions
	p := newPublisher(enc, &tableFilter{}, enc, &sent, nil)
	rel := &cdc.Relation{OID: 1, Schema: "public", Name: "orders"}
	p.plans[1] = planned{rel: rel, plan: enc.plan}
	p.counts = new(counts)
	batch := new(cdc.Batch)
	lsn := cdc.LSN(1000)
	fill := func() (rows int) {
		batch.Reset()
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
		return rows
	}
	rows := fill()
	b.ReportAllocs()
	for b.Loop() {
		p.at, p.lastCommit = position{}, 0
		if err := p.batch(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		sent.behind(p.records)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows), "ns/row")
}
