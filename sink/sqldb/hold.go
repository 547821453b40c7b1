package sqldb

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// A key change is a delete (and a tombstone) of the old key and a create of the new one. The create may have columns that the
// source does not know; they are in the target's row under the old key, and the delete must not go before they are copied. So a
// batch that ends between the two stops before the delete: it is held until the next batch of the partition, for there its other
// half is. The position stays before it, too, so that a crash loses nothing.

// holdFor is how long a delete waits for its other half: they are written to the topic together, so that it is there, or, when it
// went to another partition, never comes.
const holdFor = time.Second

// newKeyHeader is on the first half of a key change.
const newKeyHeader = "__debezium.newkey"

// held are the deletes a partition holds back; their records are copies.
type held struct {
	muts  []mutation
	next  int64 // position behind them
	since time.Time
}

// moves tells whether a delete is the first half of a key change.
func moves(r *sink.Record) bool {
	for i := range r.Headers {
		if r.Headers[i].Key == newKeyHeader {
			return true
		}
	}
	return false
}

// hold takes the deletes at the end of a batch out of it, when their other half may follow and they have not waited long enough.
func (p *partition) hold(now time.Time, wait time.Duration) {
	n := len(p.muts)
	for n > 0 && p.muts[n-1].half {
		n--
	}
	if n == len(p.muts) {
		return
	}
	since := now
	if len(p.held.muts) > 0 && p.muts[n].rec.Offset == p.held.muts[0].rec.Offset {
		since = p.held.since
	}
	if now.Sub(since) >= wait {
		return
	}
	h := held{next: p.target, since: since}
	for _, m := range p.muts[n:] {
		at := m.rec.Consumed()
		m.rec = &sink.Record{Topic: m.rec.Topic, Partition: m.rec.Partition, Offset: m.rec.Offset, Raw: &kafka.Record{Topic: at.Topic, Partition: at.Partition, Offset: m.rec.Offset}}
		m.row = nil
		key := make([]schema.Value, len(m.key))
		for i := range key {
			key[i] = cloneValue(m.key[i])
		}
		m.key = key
		h.muts = append(h.muts, m)
	}
	p.coming = h
	p.target = p.muts[n].rec.Offset
	clear(p.muts[n:])
	p.muts = p.muts[:n]
}

// wake sets the timer that ends the holds of the partitions, for the next batch may not come; or stops it when there are none.
func (t *Task) wake() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	for _, p := range t.partitions {
		if len(p.held.muts) > 0 {
			t.timer = time.AfterFunc(max(t.holdFor, time.Millisecond), t.endHolds)
			return
		}
	}
}

// endHolds applies what was held long enough. When that fails it stays held, and the next call says why.
func (t *Task) endHolds() {
	t.calls.Lock()
	defer t.calls.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // not for ever: calls wait meanwhile
	defer cancel()
	if err := t.applyAll(ctx); err != nil {
		t.log.Warn("the first half of a key change, a delete, cannot be applied yet", "err", err)
	}
}

// cloneValue copies a value with all it refers to.
func cloneValue(v schema.Value) schema.Value {
	switch v.Type() {
	case schema.String:
		return schema.OfString(strings.Clone(v.Text()))
	case schema.Bytes:
		return schema.OfBytes(bytes.Clone(v.Bytes()))
	case schema.Struct:
		s := &schema.StructValue{Schema: v.Struct().Schema}
		for _, f := range v.Struct().Values {
			s.Values = append(s.Values, cloneValue(f))
		}
		return schema.OfStruct(s)
	case schema.Array:
		var a []schema.Value
		for _, e := range v.Array() {
			a = append(a, cloneValue(e))
		}
		return schema.OfArray(a)
	case schema.Map:
		var m []schema.Entry
		for _, e := range v.Map() {
			m = append(m, schema.Entry{Key: cloneValue(e.Key), Value: cloneValue(e.Value)})
		}
		return schema.OfMap(m)
	}
	return v
}
