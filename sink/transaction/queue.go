package transaction

import (
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
)

// queue is what waits of one partition.
type queue struct {
	at    kafka.TopicPartition
	log   log
	runs  []*run // in the order of the partition
	taken int64  // offset of the next record to take
	next  int64  // position behind what was given and done; -1: nothing was
	pass  int64  // when nothing waits: the position may go up to here
	again bool   // the last record was left out, for it was said before, and so is its tombstone; in the beginning nobody knows, and the delete is known

	shape   *shape // of the last record, whose value has schema shapeOf
	shapeOf *schema.Schema
	id, key string // of the last change

	checked           bool // the topic's name, for the table that follows
	db, schema, table string
}

// run is a sequence of entries of one queue that are given together.
type run struct {
	kind    kind
	key     string // of the transaction
	id      string
	entries int
	bytes   int64
	from    place
	last    int64 // offset of the last record, its own or one that was left out behind it
	samples []int // kinds of records in it
}

// The most entries and bytes of a run that need not be given whole.
const (
	runEntries = 10_000
	runBytes   = 4 << 20
)

// head is the first run that waits; nil: nothing does.
func (q *queue) head() *run {
	if len(q.runs) == 0 {
		return nil
	}
	return q.runs[0]
}

// left takes a record into account that is not to be applied.
func (q *queue) left(offset int64) {
	if len(q.runs) > 0 {
		q.runs[len(q.runs)-1].last = offset
	} else {
		q.pass = offset + 1
	}
}

// runFor is the run that an entry belongs to, the last one or a new one.
func (q *queue) runFor(e *event) *run {
	if len(q.runs) > 0 {
		r := q.runs[len(q.runs)-1]
		switch {
		case e.kind == tombstone:
			return r
		case r.kind == e.kind && e.kind == change && r.key == e.key:
			return r
		case r.kind == e.kind && e.kind != change && r.entries < runEntries && r.bytes < runBytes:
			return r
		}
	}
	r := &run{kind: e.kind, key: e.key, id: e.id, from: q.log.end()}
	if e.kind == tombstone {
		r.kind = loose // what it belongs to was given before
	}
	q.runs = append(q.runs, r)
	return r
}

// given forgets the first n runs.
func (q *queue) given(n int) {
	if n == 0 {
		return
	}
	q.next = q.runs[n-1].last + 1
	clear(q.runs[:n])
	q.runs = q.runs[n:]
	to := q.log.end()
	if len(q.runs) > 0 {
		to = q.runs[0].from
	}
	q.log.drop(to)
}
