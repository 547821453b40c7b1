package snapshot

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// chunks prints what a plan gives out: whole tables, else part, blocks and the mark behind.
func chunks(p *plan) []string {
	var got []string
	for c, ok := p.next(false); ok; c, ok = p.next(false) {
		s := &p.storage[c.table]
		text := fmt.Sprint(c.table)
		for name, set := range map[string]bool{" first": c.first, " last": c.last, " midway": c.midway} {
			if set {
				text += name
			}
		}
		words := strings.Fields(text)
		text = words[0]
		for _, w := range []string{"first", "last", "midway"} {
			for _, have := range words[1:] {
				if have == w {
					text += " " + w
				}
			}
		}
		if c.whole {
			text += " whole"
		} else {
			text += fmt.Sprintf(" %d%s", s.parts[c.span.part].oid, c.span.where(p.tables[c.table].From))
		}
		if c.mark.Storage != "" {
			text += fmt.Sprintf(" -> %d/%d", c.mark.Part, c.mark.Block)
		}
		got = append(got, text)
	}
	return got
}

func unbounded(float64) float64 { return math.Inf(1) }

func TestPlan(t *testing.T) {
	const xmin = 1<<32 + 500
	one := storage{divisible: true, parts: []part{{oid: 7, node: 1, blocks: 25, rows: 1000, pages: 10}}}
	two := storage{divisible: true, parts: []part{{oid: 7, node: 1, blocks: 3, rows: 300, pages: 3}, {oid: 9, node: 2, blocks: 15, rows: 1500, pages: 15}}}
	whole := storage{parts: []part{{oid: 7, blocks: 1000}}}
	one.complete(1000, unbounded)
	two.complete(1000, unbounded)
	mark := func(s storage, part, block uint32) *Mark {
		return &Mark{Storage: s.signature, Part: part, Block: block, XMin: 1<<32 + 400}
	}
	for _, tt := range []struct {
		name    string
		storage storage
		from    *Mark
		want    []string
	}{
		{"not divisible", whole, nil, []string{"0 first last whole"}},
		{"not divisible any more", whole, mark(one, 7, 10), []string{"0 first last whole"}},
		{"no blocks", storage{divisible: true, parts: []part{{oid: 7, step: 10}}}, nil, []string{"0 first last whole"}},
		{"ranges", one, nil, []string{"0 first 7 WHERE ctid < '(10,0)'::tid -> 7/10", "0 7 WHERE ctid >= '(10,0)'::tid AND ctid < '(20,0)'::tid -> 7/20", "0 last 7 WHERE ctid >= '(20,0)'::tid"}},
		{"partitions", two, nil, []string{"0 first 7 -> 9/0", "0 9 WHERE ctid < '(10,0)'::tid -> 9/10", "0 last 9 WHERE ctid >= '(10,0)'::tid"}},
		{"goes on", one, mark(one, 7, 10), []string{"0 first midway 7 WHERE ctid < '(10,0)'::tid AND age(xmin) <= age('400'::xid) -> 7/10",
			"0 7 WHERE ctid >= '(10,0)'::tid AND ctid < '(20,0)'::tid -> 7/20", "0 last 7 WHERE ctid >= '(20,0)'::tid"}},
		{"goes on behind the last block", one, mark(one, 7, 25), []string{"0 first midway 7 WHERE ctid < '(25,0)'::tid AND age(xmin) <= age('400'::xid) -> 7/25", "0 last 7 WHERE ctid >= '(25,0)'::tid"}},
		{"goes on in the second partition", two, mark(two, 9, 4), []string{"0 first midway 7 WHERE age(xmin) <= age('400'::xid)",
			"0 9 WHERE ctid < '(4,0)'::tid AND age(xmin) <= age('400'::xid) -> 9/4", "0 9 WHERE ctid >= '(4,0)'::tid AND ctid < '(14,0)'::tid -> 9/14", "0 last 9 WHERE ctid >= '(14,0)'::tid"}},
		{"goes on between partitions", two, mark(two, 9, 0), []string{"0 first midway 7 WHERE age(xmin) <= age('400'::xid) -> 9/0",
			"0 9 WHERE ctid < '(10,0)'::tid -> 9/10", "0 last 9 WHERE ctid >= '(10,0)'::tid"}},
		{"rewritten since", one, mark(two, 7, 10), []string{"0 first 7 WHERE ctid < '(10,0)'::tid -> 7/10", "0 7 WHERE ctid >= '(10,0)'::tid AND ctid < '(20,0)'::tid -> 7/20", "0 last 7 WHERE ctid >= '(20,0)'::tid"}},
	} {
		p := &plan{tables: []Table{{From: tt.from}, {}}, storage: []storage{tt.storage, whole}, xmin: xmin}
		if diff := cmp.Diff(append(tt.want, "1 first last whole"), chunks(p)); diff != "" {
			t.Errorf("%s: chunks (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestMarkDoesNotOutliveXIDs: a mark is of no use when the server cannot compare its XID, or after the server was set back.
func TestMarkDoesNotOutliveXIDs(t *testing.T) {
	s := storage{divisible: true, parts: []part{{oid: 7, blocks: 100, rows: 1, pages: 1}}}
	s.complete(10, unbounded)
	m := &Mark{Storage: s.signature, Part: 7, Block: 5, XMin: 1000}
	for xmin, want := range map[uint64]bool{1000: true, 2_000_000_999: true, 2_000_001_000: false, 999: false, 1<<32 + 1000: false} {
		if got := s.continues(m, xmin); got != want {
			t.Errorf("continues(mark of %d, %d) = %t, want %t", m.XMin, xmin, got, want)
		}
	}
}

// TestChunkFitsReader: with several readers a chunk is no larger than what one of them may hold before its turn.
func TestChunkFitsReader(t *testing.T) {
	s := storage{divisible: true, parts: []part{{oid: 7, rows: 8000, pages: 100}}}
	snap := &Snapshot{opts: Options{Readers: 2, ReaderBytes: 1 << 20}, export: "x"}
	s.complete(1_000_000, snap.room(4))
	rowBytes := changeBytes + 4*datumBytes + blockBytes/80
	if got := int(s.parts[0].step) * 80 * rowBytes; got > 1<<20 || got < 1<<19 {
		t.Errorf("a chunk takes about %d bytes, want up to %d", got, 1<<20)
	}
}
