package snapshot

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// storage is where the rows of a table lie.
type storage struct {
	// divisible tells that the table can be read by ranges of blocks: every part is a heap of its own that the role may read directly, and
	// the server scans such ranges (version 14).
	divisible bool
	parts     []part // the table itself, or its partitions; ascending OID
	signature string // changes when rows move without a new version: VACUUM FULL, CLUSTER, TRUNCATE, a rewriting ALTER TABLE, other partitions
}

type part struct {
	oid    uint32
	name   string // quoted
	node   uint32 // pg_relation_filenode
	blocks uint32
	step   uint32 // blocks of a chunk
	rows   float64
	pages  int32
}

// The columns: index of the table, divisible, OID, names, filenode, blocks, and the planner's rows and pages. A table with inheritance children is read
// whole, for its scan includes them. Policies of a partitioned table are not those of its partitions.
const storageQuery = `SELECT t.n - 1, coalesce(l.relkind = 'r' AND coalesce(a.amname, '') = 'heap' AND NOT (r.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = r.oid))
		AND (r.relkind = 'r' OR has_table_privilege(l.oid, 'SELECT') AND NOT row_security_active(r.oid) AND NOT row_security_active(l.oid)), false),
	l.oid, n.nspname::text, l.relname::text, coalesce(pg_relation_filenode(l.oid), 0), coalesce(pg_relation_size(l.oid), 0) / current_setting('block_size')::bigint, l.reltuples::float8, l.relpages
	FROM unnest($1::oid[]) WITH ORDINALITY t (oid, n) JOIN pg_class r ON r.oid = t.oid
	CROSS JOIN LATERAL (SELECT r.oid AS relid WHERE r.relkind = 'r' UNION ALL SELECT p.relid FROM pg_partition_tree(r.oid) p WHERE r.relkind = 'p' AND p.isleaf) p
	JOIN pg_class l ON l.oid = p.relid JOIN pg_namespace n ON n.oid = l.relnamespace LEFT JOIN pg_am a ON a.oid = l.relam
	ORDER BY t.n, l.oid`

// lookStorage reads where the tables lie.
func (s *Snapshot) lookStorage(ctx context.Context, conn *pgx.Conn, tables []Table) ([]storage, error) {
	found := make([]storage, len(tables))
	oids := make([]uint32, len(tables))
	for i := range tables {
		oids[i] = tables[i].Relation.OID
		found[i].divisible = tables[i].Select == ""
	}
	rows, err := conn.Query(ctx, storageQuery, oids)
	if err != nil {
		return nil, pgerror.Wrap(err, "read the sizes of the tables")
	}
	var index int
	var divisible bool
	var schema, name string
	var blocks int64
	var p part
	_, err = pgx.ForEachRow(rows, []any{&index, &divisible, &p.oid, &schema, &name, &p.node, &blocks, &p.rows, &p.pages}, func() error {
		p.name, p.blocks = pgx.Identifier{schema, name}.Sanitize(), uint32(min(blocks, 1<<32-2)) // a heap has no more
		found[index].divisible = found[index].divisible && divisible
		found[index].parts = append(found[index].parts, p)
		return nil
	})
	if err != nil {
		return nil, pgerror.Wrap(err, "read the sizes of the tables")
	}
	for i := range found {
		found[i].complete(s.opts.ChunkRows, s.room(len(tables[i].Relation.Columns)))
	}
	return found, nil
}

// guessedDensity is the rows of a block of a table that was never analyzed: rows of 80 bytes.
const guessedDensity = 100

// blockBytes is the size of a block, but for servers that were built with another one, where it only estimates a little worse.
const blockBytes = 8192

// What the fixed parts of a row weigh in a batch.
const (
	changeBytes = int(unsafe.Sizeof(cdc.Change{}))
	datumBytes  = int(unsafe.Sizeof(cdc.Datum{}))
)

// room tells how many rows of a number of bytes one reader can hold ahead of its turn. A single reader holds none.
func (s *Snapshot) room(columns int) func(bytes float64) float64 {
	return func(bytes float64) float64 {
		if s.readers() == 1 {
			return math.Inf(1)
		}
		return float64(s.opts.ReaderBytes) / (bytes + float64(changeBytes+columns*datumBytes))
	}
}

// complete derives the rest. rows are wanted in a chunk; room tells how many of a density fit the memory of one that waits for its turn.
func (s *storage) complete(rows int, room func(bytes float64) float64) {
	if len(s.parts) == 0 { // dropped a moment ago, or without partitions
		s.divisible = false
	}
	if !s.divisible {
		return
	}
	sum := fnv.New64a()
	for i := range s.parts {
		p := &s.parts[i]
		fmt.Fprintf(sum, "%d:%d,", p.oid, p.node)
		density := float64(guessedDensity)
		if p.rows > 0 && p.pages > 0 {
			density = max(p.rows/float64(p.pages), 0.01)
		}
		p.step = uint32(min(max(min(float64(rows), room(blockBytes/density))/density, 1), 1<<30))
	}
	s.signature = strconv.FormatUint(sum.Sum64(), 16)
}

// small tells that the table is not worth dividing.
func (s *storage) small() bool {
	chunks := 0.0
	for _, p := range s.parts {
		chunks += float64(p.blocks) / float64(p.step)
	}
	return chunks <= 1
}

// span is a run of blocks of one part.
type span struct {
	part     int
	from, to uint32 // to 0: to the end
	changed  bool   // only rows that changed since Table.From.XMin; read at once
}

// spans divides a table. What an earlier run handed out is read again as far as it changed since: a row version that this snapshot sees and
// that one did not has an XID of its own, wherever it lies.
func (s *storage) spans(from *Mark) []span {
	var again, rest []span
	for i, p := range s.parts {
		switch {
		case from == nil || p.oid > from.Part:
			rest = append(rest, span{part: i})
		case p.oid < from.Part:
			again = append(again, span{part: i, changed: true})
		case from.Block == 0:
			rest = append(rest, span{part: i})
		default:
			again, rest = append(again, span{part: i, to: from.Block, changed: true}), append(rest, span{part: i, from: from.Block})
		}
	}
	return append(again, rest...)
}

// chunk is what one statement reads.
type chunk struct {
	table       int
	first, last bool // of the table
	midway      bool // first of a table that goes on behind its mark
	whole       bool // the table by one statement
	fresh       bool // as it stands now, not in the snapshot
	span        span // a piece of one
	mark        Mark // what holds behind it; none when Storage is ""
}

// plan gives out the chunks of all tables in order.
type plan struct {
	tables  []Table
	storage []storage
	xmin    uint64

	table int    // of the next chunk
	spans []span // of that table; nil: it is not divided yet
	at    int    // the span that the next chunk is cut from
}

// opens is the table whose first chunk comes next; nil when another chunk does, or none.
func (p *plan) opens() *Table {
	if p.spans != nil || p.table == len(p.tables) {
		return nil
	}
	return &p.tables[p.table]
}

// next returns the next chunk; ok is false when there are no more. fresh tells that the table that it opens was rewritten.
func (p *plan) next(fresh bool) (c chunk, ok bool) {
	if p.table == len(p.tables) {
		return chunk{}, false
	}
	s := &p.storage[p.table]
	c.table = p.table
	if p.spans == nil {
		from := p.tables[p.table].From
		if fresh || from != nil && !s.continues(from, p.xmin) {
			from = nil
		}
		c.first, c.midway, c.fresh = true, from != nil, fresh
		if fresh || !s.divisible || from == nil && s.small() {
			p.table++
			c.last, c.whole = true, true
			return c, true
		}
		p.spans, p.at = s.spans(from), 0
	}
	c.span = p.cut(s)
	switch {
	case p.at == len(p.spans):
		c.last = true
		p.table, p.spans = p.table+1, nil
	case p.spans[p.at].changed: // what holds is still what held before
	default:
		rest := p.spans[p.at]
		c.mark = Mark{Storage: s.signature, Part: s.parts[rest.part].oid, Block: rest.from, XMin: p.xmin}
	}
	return c, true
}

// cut takes the next chunk off the spans.
func (p *plan) cut(s *storage) span {
	piece := p.spans[p.at]
	part := &s.parts[piece.part]
	if piece.changed || part.blocks <= piece.from || part.blocks-piece.from <= part.step {
		p.at++
		return piece
	}
	piece.to = piece.from + part.step
	p.spans[p.at].from = piece.to
	return piece
}

// maxXIDDistance is how many transactions may lie between two snapshots of one table: beyond 2^31 the server cannot compare XIDs.
const maxXIDDistance = 2_000_000_000

// continues tells whether a table can be read on behind the mark of another snapshot.
func (s *storage) continues(m *Mark, xmin uint64) bool {
	return s.divisible && m.Storage == s.signature && xmin >= m.XMin && xmin-m.XMin < maxXIDDistance &&
		slices.ContainsFunc(s.parts, func(p part) bool { return p.oid == m.Part })
}

// where is the condition that selects a span's rows.
func (p *span) where(from *Mark) string {
	var sql string
	and := func(cond string) {
		if sql != "" {
			sql += " AND "
		}
		sql += cond
	}
	if p.from > 0 {
		and("ctid >= '(" + strconv.FormatUint(uint64(p.from), 10) + ",0)'::tid")
	}
	if p.to > 0 {
		and("ctid < '(" + strconv.FormatUint(uint64(p.to), 10) + ",0)'::tid")
	}
	if p.changed {
		and("age(xmin) <= age('" + strconv.FormatUint(from.XMin&(1<<32-1), 10) + "'::xid)")
	}
	if sql == "" {
		return ""
	}
	return " WHERE " + sql
}
