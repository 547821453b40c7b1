package snapshot

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
)

// mark runs tables of so many rows each through a marker.
func mark(t *testing.T, limit int, rows ...int) []string {
	t.Helper()
	var got []string
	m := &marker{limit: limit, newBatch: func() *cdc.Batch { return new(cdc.Batch) }, cur: new(cdc.Batch)}
	m.emit = func(b *cdc.Batch) error {
		for _, c := range b.Changes {
			if c.Kind == cdc.Read {
				got = append(got, c.Relation.Name+" "+c.Snapshot.String())
			} else {
				got = append(got, "announce "+c.Relation.Name)
			}
		}
		return nil
	}
	for i, n := range rows {
		rel := &cdc.Relation{Name: string(rune('a' + i))}
		m.beginTable(rel, 1)
		for range n {
			if _, err := m.next(); err != nil {
				t.Fatal(err)
			}
			m.add(&cdc.Change{Kind: cdc.Read, Relation: rel})
		}
		m.endTable()
	}
	if err := m.finish(); err != nil {
		t.Fatal(err)
	}
	return got
}

// plainMarks is the rules of marker's doc comment, for all rows at once.
func plainMarks(rows ...int) []string {
	var got []string
	total, seen := 0, 0
	for _, n := range rows {
		total += n
	}
	for i, n := range rows {
		name := string(rune('a' + i))
		got = append(got, "announce "+name)
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
		}
	}
	return got
}

func TestMarkers(t *testing.T) {
	want := strings.Split("announce a,a first,a true,a last_in_data_collection,announce b,b last_in_data_collection,announce c,c first_in_data_collection,c last,announce d", ",")
	if diff := cmp.Diff(want, mark(t, 1<<20, 3, 1, 2, 0)); diff != "" {
		t.Errorf("Debezium's snapshot-markers (-want +got):\n%s", diff)
	}
	for _, rows := range [][]int{{}, {0}, {1}, {2}, {0, 0}, {1, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 0, 0}, {5, 0, 3, 1, 0}, {0, 0, 1, 7}} {
		for _, limit := range []int{1, 300, 1000, 1 << 20} { // a batch of each row, of some, of all
			t.Run(fmt.Sprint(rows, limit), func(t *testing.T) {
				if diff := cmp.Diff(plainMarks(rows...), mark(t, limit, rows...)); diff != "" {
					t.Errorf("markers (-want +got):\n%s", diff)
				}
			})
		}
	}
}
