package source

import (
	"context"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/envelope"
)

// What is asked of the catalog, the broker and the registry when a table is seen for the first time takes a tenth of a second, and for thousands
// of tables, one after the other, minutes. So at the first of them the rest of the batch is searched for more, and what can be asked for all of them
// together is. Nothing else is done earlier for it: the announcements are processed in their order, and find there what was asked.

// first is a table that a batch has changes of, for the first time in this run.
type first struct {
	rel  *cdc.Relation
	xid  uint32   // of the transaction that announces it; 0: none does
	kind cdc.Kind // of its first change
}

// looked is a table that was read and planned before its announcement is processed.
type looked struct {
	table *cdc.Table
	plan  *envelope.Plan
}

// foresight is what a publisher looks ahead with; nil: it does not.
type foresight struct {
	tables  func(ctx context.Context, rels []*cdc.Relation, xids []uint32) ([]*cdc.Table, error) // session.Tables
	streams func([]envelope.Foreseen)                                                            // envelope.Encoder.Foresee
	looked  map[*cdc.Relation]looked                                                             // until they are announced
}

// take gives what is known of a relation, once.
func (f *foresight) take(rel *cdc.Relation) (l looked, ok bool) {
	if f != nil {
		l, ok = f.looked[rel]
		delete(f.looked, rel)
	}
	return l, ok
}

// lookAhead prepares the tables that are announced by changes, the rest of a batch. What fails fails again at the announcement, and is reported there.
func (p *publisher) lookAhead(ctx context.Context, changes []cdc.Change) {
	firsts := p.firsts(changes)
	if len(firsts) < 2 {
		return
	}
	rels, xids := make([]*cdc.Relation, len(firsts)), make([]uint32, len(firsts))
	for i, f := range firsts {
		rels[i], xids[i] = f.rel, f.xid
	}
	tables, err := p.ahead.tables(ctx, rels, xids)
	if err != nil {
		return
	}
	var soon []envelope.Foreseen
	for i, f := range firsts {
		if tables[i] == nil {
			continue
		}
		plan, err := p.enc.Plan(f.rel, tables[i])
		if err != nil {
			continue
		}
		p.ahead.looked[f.rel] = looked{tables[i], plan}
		soon = append(soon, envelope.Foreseen{Plan: plan, Kind: f.kind})
	}
	p.ahead.streams(soon)
}

// firsts are the captured tables that have changes here and had none before. One whose name or OID is announced twice is processed in its place
// alone, for its plans build on one another.
func (p *publisher) firsts(changes []cdc.Change) (found []first) {
	type name struct{ schema, name string }
	var (
		xid   uint32
		named = make(map[name]int)
		oids  = make(map[uint32]int)
		at    = make(map[*cdc.Relation]int)
	)
	if p.inTx {
		xid = p.at.xid
	}
	for i := range changes {
		c := &changes[i]
		switch c.Kind {
		case cdc.Begin:
			xid = c.XID
		case cdc.Commit:
			xid = 0
		case cdc.Announce:
			named[name{c.Relation.Schema, c.Relation.Name}]++
			oids[c.Relation.OID]++
			if _, known := p.plans[c.Relation.OID]; !known && p.filter.captures(c.Relation.Schema, c.Relation.Name) {
				at[c.Relation] = len(found)
				found = append(found, first{rel: c.Relation, xid: xid})
			}
		case cdc.Read, cdc.Insert, cdc.Update, cdc.Delete:
			if n, ok := at[c.Relation]; ok && found[n].kind == 0 {
				found[n].kind = c.Kind
			}
		}
	}
	for _, entry := range p.plans {
		if n := (name{entry.rel.Schema, entry.rel.Name}); named[n] > 0 {
			named[n]++
		}
	}
	kept := found[:0]
	for _, f := range found {
		if f.kind != 0 && named[name{f.rel.Schema, f.rel.Name}] == 1 && oids[f.rel.OID] == 1 {
			kept = append(kept, f)
		}
	}
	return kept
}

// Tables is Table for several relations, each announced by its transaction, in as many questions as for one; nil for what is better asked when its
// turn comes: a table that is gone, or whose transaction is not visible yet.
func (s *session) Tables(ctx context.Context, rels []*cdc.Relation, xids []uint32) ([]*cdc.Table, error) {
	out := make([]*cdc.Table, len(rels))
	v, err := visibility(ctx, s.conn)
	if err != nil {
		return nil, err
	}
	var oids []uint32
	for i, rel := range rels {
		if _, listed := s.listed[rel]; !listed && (xids[i] == 0 || v.Sees(xids[i])) {
			oids = append(oids, rel.OID)
		}
	}
	found := make(map[uint32]catalog.Tabled)
	if len(oids) > 0 {
		if found, err = s.catalog.ByOIDs(ctx, oids); err != nil {
			return nil, err
		}
	}
	for i, rel := range rels {
		if table, listed := s.listed[rel]; listed {
			delete(s.listed, rel)
			out[i] = table
		} else if t, ok := found[rel.OID]; ok {
			if err := s.catalog.Know(ctx, rel); err != nil {
				return nil, err
			}
			out[i] = t.Table
		}
	}
	return out, nil
}
