package snapshot

import "github.com/tandem-cdc/tandem/cdc"

// marker puts rows into batches and says where each stands in the snapshot: Debezium's source.snapshot.
//
// Invariants:
//  1. The very last row is MarkLast, whatever else it is and however many empty tables follow it.
//  2. Else the first row of the first table is MarkFirst; there is none when the first table is empty.
//  3. Else the last row of a table is MarkLastInTable, else the first MarkFirstInTable, else MarkTrue.
//  4. The batch that holds the last row so far is not handed out before another row has come, or the end.
type marker struct {
	emit     func(*cdc.Batch) error
	newBatch func() *cdc.Batch
	limit    int

	cur, held *cdc.Batch // being filled; full, with the last row so far
	last      *cdc.Batch // batch of the last row; nil before the first
	lastIndex int
	tables    int // begun so far
	rows      int // of the table at hand
}

// beginTable announces a table's shape.
func (m *marker) beginTable(rel *cdc.Relation, lsn cdc.LSN) {
	m.tables++
	m.rows = 0
	c := m.cur.Next()
	c.Kind, c.LSN, c.Relation = cdc.Announce, lsn, rel
}

// next tells that a row follows and returns the batch to put its bytes in. The batch that waited for that is handed out.
func (m *marker) next() (*cdc.Batch, error) {
	if m.held != nil {
		full := m.held
		m.held, m.last = nil, nil
		if err := m.emit(full); err != nil {
			return nil, err
		}
	}
	return m.cur, nil
}

// add appends the row whose bytes are in the batch that next returned.
func (m *marker) add(row *cdc.Change) {
	m.rows++
	c := m.cur.Next()
	*c = *row
	switch {
	case m.rows > 1:
		c.Snapshot = cdc.MarkTrue
	case m.tables == 1:
		c.Snapshot = cdc.MarkFirst
	default:
		c.Snapshot = cdc.MarkFirstInTable
	}
	m.last, m.lastIndex = m.cur, len(m.cur.Changes)-1
	if m.cur.Size() >= m.limit {
		m.held, m.cur = m.cur, m.newBatch()
		m.cur.Reset()
	}
}

func (m *marker) endTable() {
	if m.rows == 0 {
		return
	}
	if c := &m.last.Changes[m.lastIndex]; c.Snapshot != cdc.MarkFirst {
		c.Snapshot = cdc.MarkLastInTable
	}
}

// finish hands out what is left.
func (m *marker) finish() error {
	if m.last != nil {
		m.last.Changes[m.lastIndex].Snapshot = cdc.MarkLast
	}
	if m.held != nil {
		if err := m.emit(m.held); err != nil {
			return err
		}
	}
	if len(m.cur.Changes) > 0 {
		return m.emit(m.cur)
	}
	return nil
}
