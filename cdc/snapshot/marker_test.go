package snapshot

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
)

// mark runs tables of so many rows each through a marker, in batches of so many rows, and prints what comes out, with the ends of chunks and tables.
func mark(t *testing.T, per int, rows ...int) []string {
	t.Helper()
	var got []string
	home := make(chan *Rows, 2) // as few as a reader may have
	home <- &Rows{home: home}
	home <- &Rows{home: home}
	m := &marker{emit: func(b *Rows) error {
		events := b.Events
		for i, c := range b.Changes {
			for ; len(events) > 0 && events[0].At == i; events = events[1:] {
				got = append(got, event(events[0]))
			}
			if c.Kind == cdc.Read {
				got = append(got, c.Relation.Name+" "+c.Snapshot.String())
			} else {
				got = append(got, "announce "+c.Relation.Name)
			}
		}
		for _, e := range events {
			got = append(got, event(e))
		}
		return nil
	}}
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range rows {
		rel := &cdc.Relation{Name: string(rune('a' + i))}
		check(m.beginTable(i, rel, 1, false))
		for n > 0 {
			b := <-home
			b.reset()
			for range min(n, per) {
				*b.Next() = cdc.Change{Kind: cdc.Read, Relation: rel, Snapshot: cdc.MarkTrue}
				n--
			}
			check(m.add(b))
			if n > 0 {
				check(m.endChunk(i, Mark{}))
			}
		}
		check(m.endTable(i))
	}
	check(m.finish())
	return got
}

func event(e Event) string {
	name := string(rune('a' + e.Table))
	switch e.Kind {
	case TableBegins:
		return "begin " + name
	case TableEnds:
		return fmt.Sprintf("end %s %d", name, e.Rows)
	}
	return fmt.Sprintf("chunk %s %d", name, e.Rows)
}

// plainMarks is the rules of marker's doc comment, for all rows at once.
func plainMarks(per int, rows ...int) []string {
	var got []string
	total, seen := 0, 0
	for _, n := range rows {
		total += n
	}
	for i, n := range rows {
		name := string(rune('a' + i))
		got = append(got, "begin "+name, "announce "+name)
		for j := range n {
			seen++
			mark := cdc.MarkTrue
			switch {
			case seen == total:
				mark = cdc.MarkLast
			case i == 0 && j == 0:
				mark = cdc.MarkFirst
			case j == n-1:
				mark = cdc.MarkLastInTable
			case j == 0:
				mark = cdc.MarkFirstInTable
			}
			got = append(got, name+" "+mark.String())
			if j+1 < n && (j+1)%per == 0 {
				got = append(got, fmt.Sprintf("chunk %s %d", name, j+1))
			}
		}
		got = append(got, fmt.Sprintf("end %s %d", name, n))
	}
	return got
}

func TestMarkers(t *testing.T) {
	want := strings.Split("begin a,announce a,a first,a true,a last_in_data_collection,end a 3,begin b,announce b,b last_in_data_collection,end b 1,"+
		"begin c,announce c,c first_in_data_collection,c last,end c 2,begin d,announce d,end d 0", ",")
	if diff := cmp.Diff(want, mark(t, 100, 3, 1, 2, 0)); diff != "" {
		t.Errorf("Debezium's snapshot-markers (-want +got):\n%s", diff)
	}
	for _, rows := range [][]int{{}, {0}, {1}, {2}, {0, 0}, {1, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 0, 0}, {5, 0, 3, 1, 0}, {0, 0, 1, 7}} {
		for _, per := range []int{1, 2, 3, 100} { // rows in a batch
			t.Run(fmt.Sprint(rows, per), func(t *testing.T) {
				if diff := cmp.Diff(plainMarks(per, rows...), mark(t, per, rows...)); diff != "" {
					t.Errorf("markers (-want +got):\n%s", diff)
				}
			})
		}
	}
}
