package source

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
)

// aheadLog writes down what is asked, and in which order.
type aheadLog struct {
	recorder
	steps []string
	plans map[*envelope.Plan]string
	fail  error
	blind string // a table that is not visible yet
}

func (l *aheadLog) Plan(rel *cdc.Relation, table *cdc.Table) (*envelope.Plan, error) {
	l.steps = append(l.steps, "plan "+rel.Name)
	p := new(envelope.Plan)
	l.plans[p] = rel.Name
	return p, nil
}

func (l *aheadLog) Table(_ context.Context, rel *cdc.Relation, xid uint32) (*cdc.Table, error) {
	l.steps = append(l.steps, fmt.Sprintf("table %s by %d", rel.Name, xid))
	return new(cdc.Table), nil
}

func (*aheadLog) LoadTypes(context.Context) error { return nil }

func (l *aheadLog) tables(_ context.Context, rels []*cdc.Relation, xids []uint32) ([]*cdc.Table, error) {
	out := make([]*cdc.Table, len(rels))
	text := "tables"
	for i, rel := range rels {
		text += fmt.Sprintf(" %s by %d", rel.Name, xids[i])
		if rel.Name != l.blind {
			out[i] = new(cdc.Table)
		}
	}
	l.steps = append(l.steps, text)
	return out, l.fail
}

func (l *aheadLog) streams(soon []envelope.Foreseen) {
	text := "streams"
	for _, s := range soon {
		text += fmt.Sprintf(" %s %s", l.plans[s.Plan], s.Kind)
	}
	l.steps = append(l.steps, text)
}

// announced is transactions of one insert each into tables that are announced, in their order.
func announced(rels ...*cdc.Relation) *cdc.Batch {
	b := new(cdc.Batch)
	for i, rel := range rels {
		xid, lsn := uint32(i+1), cdc.LSN(100*(i+1))
		b.Changes = append(b.Changes, cdc.Change{Kind: cdc.Begin, XID: xid, LSN: lsn, FinalLSN: lsn + 2}, cdc.Change{Kind: cdc.Announce, Relation: rel, XID: xid},
			cdc.Change{Kind: cdc.Insert, LSN: lsn + 1, XID: xid, Relation: rel, Prefix: rel.Name}, cdc.Change{Kind: cdc.Commit, LSN: lsn + 2, XID: xid})
	}
	return b
}

func relations(names ...string) (rels []*cdc.Relation) {
	for i, name := range names {
		rels = append(rels, &cdc.Relation{OID: uint32(i + 1), Schema: "public", Name: name, Identity: cdc.IdentityFull})
	}
	return rels
}

// publishAhead publishes a batch and returns what was asked and the records.
func publishAhead(t *testing.T, l *aheadLog, batches ...*cdc.Batch) {
	t.Helper()
	l.plans = make(map[*envelope.Plan]string)
	p := newPublisher(l, &tableFilter{}, l, new(positions), nil)
	p.ahead = &foresight{tables: l.tables, streams: l.streams, looked: make(map[*cdc.Relation]looked)}
	for _, b := range batches {
		if err := p.batch(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.ahead.looked); n != 0 {
		t.Errorf("%d tables were prepared and not taken, want none", n)
	}
}

func TestTablesOfABatchArePreparedTogether(t *testing.T) {
	rels := relations("a", "b", "c", "d", "d")
	again := relations("a", "x")[:1]
	for _, c := range []struct {
		name    string
		log     aheadLog
		batches []*cdc.Batch
		want    []string
	}{
		{"three", aheadLog{}, []*cdc.Batch{announced(rels[:3]...)}, []string{"tables a by 1 b by 2 c by 3", "plan a", "plan b", "plan c", "streams a insert b insert c insert"}},
		{"one alone is asked in its place", aheadLog{}, []*cdc.Batch{announced(rels[0])}, []string{"table a by 1", "plan a"}},
		{"one that is not visible is asked in its place", aheadLog{blind: "b"}, []*cdc.Batch{announced(rels[:3]...)},
			[]string{"tables a by 1 b by 2 c by 3", "plan a", "plan c", "streams a insert c insert", "table b by 2", "plan b"}},
		{"a failure leaves all to their places", aheadLog{fail: errors.New("no")}, []*cdc.Batch{announced(rels[:2]...)},
			[]string{"tables a by 1 b by 2", "table a by 1", "plan a", "table b by 2", "plan b"}},
		{"two tables of one name are asked in their places", aheadLog{}, []*cdc.Batch{announced(rels...)},
			[]string{"tables a by 1 b by 2 c by 3", "plan a", "plan b", "plan c", "streams a insert b insert c insert", "table d by 4", "plan d", "table d by 5", "plan d"}},
		{"a table that is known is asked in its place", aheadLog{}, []*cdc.Batch{announced(rels[:2]...), announced(again[0], rels[2], rels[3])},
			[]string{"tables a by 1 b by 2", "plan a", "plan b", "streams a insert b insert", "tables c by 2 d by 3", "plan c", "plan d", "streams c insert d insert", "table a by 1", "plan a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := c.log
			publishAhead(t, &l, c.batches...)
			if diff := cmp.Diff(c.want, l.steps); diff != "" {
				t.Errorf("what was asked (-want +got):\n%s", diff)
			}
			var want []string
			for _, b := range c.batches {
				for i := range b.Changes {
					if b.Changes[i].Kind == cdc.Insert {
						want = append(want, l.name(&b.Changes[i]))
					}
				}
			}
			if diff := cmp.Diff(want, l.records); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}
