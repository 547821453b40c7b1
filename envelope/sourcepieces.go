package envelope

import (
	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// sourcePieces is what the source block of a table's last change was written as: the rows of a transaction share most of it, those of a snapshot
// all. It takes a fifth off the time that a row of a snapshot with twelve columns takes to its bytes (BenchmarkRecord: Avro 18 %, JSON 20 %), and off that
// of a row of the stream 4 % in Avro and 10 % in JSON. writeSource is the plain twin.
//
// Invariants: whole is of at, or empty; head, middle and tail are of at but for its LSNs, or empty.
type sourcePieces struct {
	at                        Source
	whole, head, middle, tail schema.Piece
}

// become takes over the Source of the next change. again tells that it is the same; shared that it differs in its LSNs alone.
func (c *sourcePieces) become(at *Source) (again, shared bool) {
	if *at == c.at {
		return true, true
	}
	c.whole.Clear()
	rest := *at
	rest.LSN, rest.LastCommitLSN, rest.SequenceLSN = c.at.LSN, c.at.LastCommitLSN, c.at.SequenceLSN
	shared = rest == c.at
	c.at = *at
	if !shared {
		c.head.Clear()
		c.middle.Clear()
		c.tail.Clear()
	}
	return false, shared
}

// writeSourceOf writes the source block of a change of the plan's table. Pieces are cut when the second row comes that shares them: a transaction of
// one row has no use for them.
func (e *Encoder) writeSourceOf(p *Plan, w schema.Writer, at *Source) {
	s, ok := w.(schema.Splicer)
	if !ok {
		e.writeSource(w, at, p.rel.Schema, p.rel.Name)
		return
	}
	c := p.source
	again, shared := c.become(at)
	switch {
	case !shared:
		e.writeSource(s, at, p.rel.Schema, p.rel.Name)
		return
	case again:
		if s.Splice(&c.whole) {
			return
		}
		from := s.Place()
		e.writeSource(s, at, p.rel.Schema, p.rel.Name)
		s.Cut(&c.whole, from)
		return
	}
	s.BeginStruct()
	if !s.Splice(&c.head) {
		from := s.Place()
		e.writeSourceHead(s, at)
		s.Cut(&c.head, from)
	}
	e.writeSequence(s, at)
	if !s.Splice(&c.middle) {
		from := s.Place()
		writeSourceMiddle(s, at, p.rel.Schema, p.rel.Name)
		s.Cut(&c.middle, from)
	}
	writeIf(s, at.HasLSN, int64(at.LSN))
	if !s.Splice(&c.tail) {
		from := s.Place()
		writeSourceTail(s, at)
		s.Cut(&c.tail, from)
	}
	s.EndStruct()
}

// writeSourceHead writes the fields before the sequence.
func (e *Encoder) writeSourceHead(w schema.Writer, at *Source) {
	w.String(e.cfg.Version)
	w.String("postgresql")
	w.String(e.cfg.TopicPrefix)
	w.Int(floorDiv(int64(at.Micros), 1000))
	if at.Snapshot == cdc.NotSnapshot {
		w.Null() // Debezium leaves it unset; converters print the default
	} else {
		w.String(at.Snapshot.String())
	}
	w.String(e.cfg.Database)
}

func (e *Encoder) writeSequence(w schema.Writer, at *Source) {
	e.sequence = at.appendSequence(e.sequence[:0])
	w.Text(e.sequence)
}

// writeSourceMiddle writes the fields between the sequence and the LSN.
func writeSourceMiddle(w schema.Writer, at *Source, schemaName, table string) {
	w.Int(int64(at.Micros))
	w.Int(int64(at.Micros)*1000 + at.Nanos)
	w.String(schemaName)
	w.String(table)
	writeIf(w, at.HasTx, at.TxID)
}

// writeSourceTail writes the fields behind the LSN.
func writeSourceTail(w schema.Writer, at *Source) {
	writeIf(w, at.HasXmin, at.Xmin)
	if at.Origin == "" {
		w.Null()
	} else {
		w.String(at.Origin)
	}
	writeIf(w, at.HasOriginLSN, int64(at.OriginLSN))
}
