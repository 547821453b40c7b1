package source

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/tandem-cdc/tandem/cdc/snapshot"
	"github.com/tandem-cdc/tandem/internal/config"
)

// readingConfig says how the rows of a snapshot are read.
type readingConfig struct {
	FetchRows   int
	Threads     int
	Multiplier  int
	Multipliers map[string]int // by schema.table
	Legacy      bool
	Order       rowCountOrder
}

// rowCountOrder is Debezium's snapshot.tables.order.by.row.count.
type rowCountOrder string

const (
	orderDisabled   rowCountOrder = "disabled"
	orderAscending  rowCountOrder = "ascending"
	orderDescending rowCountOrder = "descending"
)

func defaultReading() readingConfig {
	return readingConfig{FetchRows: 10240, Threads: 1, Multiplier: 1, Multipliers: map[string]int{}, Order: orderDisabled}
}

func (c *readingConfig) keys() config.Keys {
	const snap = "CONNECTOR_SNAPSHOT"
	return config.Keys{
		config.Int(&c.FetchRows, "snapshot.fetch.size", "About how many rows of a large table are read by one statement. Behind each a snapshot that was interrupted can go on, and several connections share them out.", 1, math.MaxInt32, config.Says("An integer is expected", "An non-negative integer is expected"), config.Group(snap)),
		config.Int(&c.Threads, "snapshot.max.threads", "How many connections read rows side by side. They see one and the same moment, and rows are published in the order of a single one.", 1, math.MaxInt32, config.Group(snap)),
		config.Int(&c.Multiplier, "snapshot.max.threads.multiplier", "Together with snapshot.max.threads: the number of pieces of a table that notifications tell of.", 1, math.MaxInt32, config.Group(snap)),
		config.Prefix("snapshot.max.threads.multiplier.", "The same for schema.table.", func(table, text string) error {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return fmt.Errorf("%q is not a whole number of 1 or more", text)
			}
			c.Multipliers[table] = n
			return nil
		}, config.Group(snap)),
		config.Bool(&c.Legacy, "legacy.snapshot.max.threads", "Mark and notify as Debezium does when each of several threads reads whole tables: no row is the first of the snapshot, and nothing is told of pieces of tables.", config.Group(snap), config.Rank(config.Low), config.Alias("internal.legacy.snapshot.max.threads")),
		config.Enum(&c.Order, "snapshot.tables.order.by.row.count", "Read the tables with the fewest rows first (ascending), or last (descending). Counts only with snapshot.max.threads or its multiplier above 1, as in Debezium.",
			[]rowCountOrder{orderDisabled, orderAscending, orderDescending}, config.Group(snap)),
	}
}

// chunked tells whether Debezium would divide tables.
func (c *readingConfig) chunked() bool { return !c.Legacy && (c.Threads > 1 || c.Multiplier > 1) }

// pieces is how many Debezium would divide a table of so many rows into.
func (c *readingConfig) pieces(table string, rows int64) int {
	n := int64(c.Threads) * int64(cmp.Or(c.Multipliers[table], c.Multiplier))
	if rows == 0 {
		return 1
	}
	return int(min(n, rows/max(1, rows/n)))
}

// order is the order of tables of so many rows. The one that an earlier run began stays first.
func (c *readingConfig) order(tables []snapshot.Table, counts []int64) []int {
	order := make([]int, len(tables))
	for i := range order {
		order[i] = i
	}
	rest := order
	if len(tables) > 0 && tables[0].From != nil {
		rest = order[1:]
	}
	switch c.Order {
	case orderAscending:
		slices.SortStableFunc(rest, func(a, b int) int { return cmp.Compare(counts[a], counts[b]) })
	case orderDescending:
		slices.SortStableFunc(rest, func(a, b int) int { return cmp.Compare(counts[b], counts[a]) })
	}
	return order
}

// arrange orders the tables by their rows where that is asked for, and divides them for the notifications.
func (s *session) arrange(ctx context.Context, snap *snapshot.Snapshot, tables []snapshot.Table, r *snapshotRun) error {
	c := &s.cfg.Reading
	r.tables = tables
	if !c.chunked() || c.Order == orderDisabled && r.notes == nil {
		return nil
	}
	counts, err := snap.Count(ctx, tables)
	if err != nil {
		return err
	}
	r.tables = nil
	for _, i := range c.order(tables, counts) {
		t := tables[i]
		pieces := 1
		if t.OrderBy != nil { // a key, and no statement of its own
			pieces = c.pieces(t.Relation.Schema+"."+t.Relation.Name, counts[i])
		}
		r.tables, r.counts, r.chunks = append(r.tables, t), append(r.counts, counts[i]), append(r.chunks, pieces)
	}
	return nil
}
