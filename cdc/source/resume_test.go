package source

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
)

// history is a WAL in the order the server delivers it: whole transactions at their commit, messages where they stand.
type history struct {
	changes []cdc.Change
	start   []cdc.LSN // of the WAL record that decides whether START_REPLICATION at an LSN skips the change
}

// from is what the server sends after START_REPLICATION at lsn.
func (h *history) from(lsn cdc.LSN) []cdc.Change {
	var out []cdc.Change
	for i, c := range h.changes {
		if h.start[i] >= lsn {
			out = append(out, c)
		}
	}
	return out
}

var testRelation = &cdc.Relation{OID: 1, Schema: "public", Name: "t"}

// randomHistory makes interleaved transactions with shared LSNs (COPY), LSNs that equal the commit before, empty transactions and
// messages inside and outside of transactions.
func randomHistory(r *rand.Rand) *history {
	type tx struct {
		xid     uint32
		changes []cdc.Change
	}
	h := &history{}
	lsn, xid := cdc.LSN(1000), uint32(700)
	var open []*tx
	for range 5 + r.IntN(40) {
		switch r.IntN(10) {
		case 0, 1:
			xid++
			open = append(open, &tx{xid: xid})
		case 2:
			at := lsn
			lsn += cdc.LSN(8 + r.IntN(3)*8)
			h.changes, h.start = append(h.changes, cdc.Change{Kind: cdc.Message, LSN: lsn}), append(h.start, at)
		case 3, 4:
			if len(open) > 0 { // commit
				i := r.IntN(len(open))
				t := open[i]
				open = slices.Delete(open, i, i+1)
				final := lsn
				lsn += 16
				first := final
				if len(t.changes) > 0 {
					first = t.changes[0].LSN
				}
				all := []cdc.Change{{Kind: cdc.Begin, LSN: first, XID: t.xid, FinalLSN: final}}
				all = append(append(all, t.changes...), cdc.Change{Kind: cdc.Commit, LSN: lsn, FinalLSN: final, XID: t.xid})
				for _, c := range all {
					h.changes, h.start = append(h.changes, c), append(h.start, final)
				}
			}
		default:
			if len(open) == 0 {
				continue
			}
			t := open[r.IntN(len(open))]
			at := lsn
			lsn += cdc.LSN(8 * (1 + r.IntN(4)))
			if r.IntN(6) == 0 {
				t.changes = append(t.changes, cdc.Change{Kind: cdc.Message, LSN: lsn, XID: t.xid, Transactional: true})
				continue
			}
			for range 1 + r.IntN(2)*r.IntN(4) { // several changes of one LSN
				// The prefix, which inserts do not have, tells changes of one LSN apart.
				t.changes = append(t.changes, cdc.Change{Kind: cdc.Insert, LSN: at, XID: t.xid, Relation: testRelation, Prefix: fmt.Sprint(len(t.changes))})
			}
		}
	}
	return h
}

// recorder stands in for the envelope: one record per change, named by what it was made of.
type recorder struct {
	metadata bool // BEGIN and END are records too
	records  []string
}

func (e *recorder) Plan(*cdc.Relation, *cdc.Table) (*envelope.Plan, error) {
	return new(envelope.Plan), nil
}
func (e *recorder) ResumeTx([]envelope.TxCount)                        {}
func (e *recorder) TxCounts(dst []envelope.TxCount) []envelope.TxCount { return dst }
func (e *recorder) Heartbeat(time.Time) (int, error)                   { return 0, nil }

func (e *recorder) name(c *cdc.Change) string {
	return fmt.Sprintf("%s %d@%d #%s", c.Kind, c.XID, c.LSN, c.Prefix)
}

func (e *recorder) Encode(_ *envelope.Plan, c *cdc.Change, _ *envelope.Source) (int, error) {
	e.records = append(e.records, e.name(c))
	return 1, nil
}
func (e *recorder) Message(c *cdc.Change, at *envelope.Source) (int, error) {
	return e.Encode(nil, c, at)
}
func (e *recorder) Begin(at *envelope.Source) (int, error) { return e.frame("begin", at) }
func (e *recorder) End(at *envelope.Source) (int, error)   { return e.frame("end", at) }
func (e *recorder) frame(what string, at *envelope.Source) (int, error) {
	if !e.metadata {
		return 0, nil
	}
	e.records = append(e.records, fmt.Sprintf("%s %d", what, at.TxID))
	return 1, nil
}

type noTable struct{}

func (noTable) LoadTypes(context.Context) error { return nil }

func (noTable) Table(context.Context, *cdc.Relation, uint32) (*cdc.Table, error) { return nil, nil }

// run publishes changes and returns the records and the position behind each.
func run(t *testing.T, changes []cdc.Change, from *position, metadata bool) (records []string, after []position) {
	t.Helper()
	rec := &recorder{metadata: metadata}
	p := newPublisher(rec, &tableFilter{}, noTable{}, new(positions), from)
	if err := p.announce(t.Context(), testRelation); err != nil {
		t.Fatal(err)
	}
	for i := range changes {
		if err := p.change(t.Context(), &changes[i]); err != nil {
			t.Fatal(err)
		}
		for len(after) < len(rec.records) {
			at, _ := p.sent.behind(p.records)
			after = append(after, at)
		}
		if n := len(after); n > 0 && !p.resume.on { // a commit or an idle server moves the position behind the last record on
			after[n-1], _ = p.sent.behind(p.records)
		}
	}
	return rec.records, after
}

// TestResume: from the offset behind any record a restart publishes exactly the records after it.
func TestResume(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		h, metadata := randomHistory(r), r.IntN(2) == 0
		want, after := run(t, h.changes, nil, metadata)
		for k, at := range after {
			text := at.appendJSON(nil)
			stored, err := parsePosition(text)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := run(t, h.from(stored.start()), stored, metadata)
			if !slices.Equal(got, want[k+1:]) {
				t.Fatalf("seed %d: restart behind record %d %q from %s =\n%q, want\n%q", seed, k, want[k], text, got, want[k+1:])
			}
		}
	}
}
