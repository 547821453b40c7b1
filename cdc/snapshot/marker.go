package snapshot

import "github.com/tandem-cdc/tandem/cdc"

// marker says of each row where it stands in the snapshot, Debezium's source.snapshot, and puts events between the rows. It gets batches in the
// order in which they are to be handed out.
//
// Invariants:
//  1. The very last row is MarkLast, whatever else it is and however many empty tables follow it.
//  2. Else the first row of the first table is MarkFirst; there is none when the first table is empty, or when the snapshot goes on
//     where another stopped.
//  3. Else the last row of a table is MarkLastInTable, else the first MarkFirstInTable, else MarkTrue.
//  4. The batch that holds the last row so far is not handed out before another row has come, or the end.
type marker struct {
	emit    func(*Rows) error
	noFirst bool // no row is MarkFirst

	held   *Rows // with the last row so far; nil before the first
	spare  Rows  // for events while nothing is held
	tables int   // begun so far
	rows   uint64
	midway bool // the table at hand goes on where another run stopped: its first row is not the table's first
}

// beginTable tells that the rows of the next table follow.
func (m *marker) beginTable(index int, rel *cdc.Relation, lsn cdc.LSN, midway bool) error {
	m.tables++
	m.rows, m.midway = 0, midway
	return m.between(func(r *Rows) {
		r.Events = append(r.Events, Event{Kind: TableBegins, At: len(r.Changes), Table: index})
		c := r.Next()
		c.Kind, c.LSN, c.Relation = cdc.Announce, lsn, rel
	})
}

// pass hands a batch out and gives it back.
func (m *marker) pass(r *Rows) error {
	err := m.emit(r)
	if r.home != nil {
		r.home <- r // never blocks: it takes all batches of its reader
	}
	return err
}

// between adds to the batch that is held, or hands out one of its own.
func (m *marker) between(add func(*Rows)) error {
	if m.held != nil {
		add(m.held)
		return nil
	}
	m.spare.reset()
	add(&m.spare)
	return m.pass(&m.spare)
}

// add takes a batch of rows, at least one; all are MarkTrue.
func (m *marker) add(r *Rows) error {
	if m.held != nil {
		full := m.held
		m.held = nil
		if err := m.pass(full); err != nil {
			return err
		}
	}
	if m.rows == 0 && !m.midway {
		r.Changes[0].Snapshot = cdc.MarkFirstInTable
		if m.tables == 1 && !m.noFirst {
			r.Changes[0].Snapshot = cdc.MarkFirst
		}
	}
	m.rows += uint64(len(r.Changes))
	m.held = r
	return nil
}

// last is the last row so far; only events and announcements stand behind it.
func (m *marker) last() *cdc.Change {
	for i := len(m.held.Changes) - 1; ; i-- {
		if c := &m.held.Changes[i]; c.Kind == cdc.Read {
			return c
		}
	}
}

// endChunk tells that the table is handed out up to the mark.
func (m *marker) endChunk(index int, mark Mark) error {
	return m.between(func(r *Rows) {
		r.Events = append(r.Events, Event{Kind: ChunkEnds, At: len(r.Changes), Table: index, Rows: m.rows, Mark: mark})
	})
}

func (m *marker) endTable(index int) error {
	if m.rows > 0 {
		if c := m.last(); c.Snapshot != cdc.MarkFirst {
			c.Snapshot = cdc.MarkLastInTable
		}
	}
	return m.between(func(r *Rows) {
		r.Events = append(r.Events, Event{Kind: TableEnds, At: len(r.Changes), Table: index, Rows: m.rows})
	})
}

// finish hands out what is left.
func (m *marker) finish() error {
	if m.held == nil {
		return nil
	}
	m.last().Snapshot = cdc.MarkLast
	full := m.held
	m.held = nil
	return m.pass(full)
}
