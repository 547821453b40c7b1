package source

import (
	"slices"
	"testing"

	"github.com/tandem-cdc/tandem/cdc/snapshot"
)

// However many tables there are, the one that an earlier run began stays first: the progress knows of one table that is published in part.
func TestReadingOrder(t *testing.T) {
	for _, order := range []rowCountOrder{orderAscending, orderDescending} {
		c := &readingConfig{Order: order}
		tables, counts := make([]snapshot.Table, 100), make([]int64, 100)
		for i := range counts {
			counts[i] = int64(i * 37 % 101)
		}
		counts[0], tables[0].From = 50, new(snapshot.Mark)
		got := c.order(tables, counts)
		if got[0] != 0 {
			t.Errorf("order(%s)[0] = %d, want 0", order, got[0])
		}
		rest := make([]int64, 0, len(got))
		for _, i := range got[1:] {
			rest = append(rest, counts[i])
		}
		if order == orderDescending {
			slices.Reverse(rest)
		}
		if !slices.IsSorted(rest) {
			t.Errorf("counts of order(%s)[1:] = %v, want them sorted", order, rest)
		}
	}
}
