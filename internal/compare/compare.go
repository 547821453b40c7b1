package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Options say what to compare.
type Options struct {
	Source, Target string // connection URLs
	// Schemas of the source to compare; none: all but the system's.
	Schemas []string
	// Tables to compare, as schema.table; none: all of the schemas.
	Tables []string
	// TargetTable is the name of a target table, with ${schema} and ${table} of the source in it; empty: ${schema}.${table}.
	TargetTable string
	// MaxRows is how many differing rows of one table are named; 0: 20.
	MaxRows int
}

// SameName is the TargetTable of tables that are called the same on both sides.
const SameName = "${schema}.${table}"

// Table is what was found about one table.
type Table struct {
	Source, Target         string
	SourceRows, TargetRows int64
	SourceSum, TargetSum   string // MD5 over the rows in the order of their keys
	NoTarget               bool
	MissingColumns         []string // that the target lacks
	Rows                   []Row    // that differ, at most MaxRows of them
	MoreRows               int64    // that differ besides
}

// Equal tells whether both sides hold the same.
func (t *Table) Equal() bool {
	return !t.NoTarget && len(t.MissingColumns) == 0 && t.SourceRows == t.TargetRows && t.SourceSum == t.TargetSum
}

// Difference is the way in which a row differs.
type Difference string

// Differences.
const (
	Missing Difference = "missing in target"
	Extra   Difference = "only in target"
	Changed Difference = "differs"
)

// Row is a row that differs. A table without primary key has the MD5 of the row for a key.
type Row struct {
	Key        []Cell
	Difference Difference
	Columns    []Cell // that differ, of a changed row
}

// Cell is one column of a row, with the text of both sides; nil is NULL. In a key both are the same.
type Cell struct {
	Column         string
	Source, Target *string
}

// Run compares. Differences are not errors.
func Run(ctx context.Context, opts Options) ([]Table, error) {
	if opts.TargetTable == "" {
		opts.TargetTable = SameName
	}
	if opts.MaxRows == 0 {
		opts.MaxRows = 20
	}
	source, err := open(ctx, "source", opts.Source)
	if err != nil {
		return nil, err
	}
	defer source.close()
	target, err := open(ctx, "target", opts.Target)
	if err != nil {
		return nil, err
	}
	defer target.close()
	plans, err := source.tables(ctx, opts)
	if err != nil {
		return nil, err
	}
	tables := make([]Table, 0, len(plans))
	for _, p := range plans {
		t, err := p.compare(ctx, source, target, opts)
		if err != nil {
			return nil, fmt.Errorf("compare table %s: %w", p.source.name(), err)
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// side is one of the two databases, seen by one read-only transaction.
type side struct {
	name string
	conn *pgx.Conn
	tx   pgx.Tx
}

// settings shape the text of values.
const settings = `SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'iso_8601';
	SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL search_path = pg_catalog; SET LOCAL lc_monetary = 'C'`

func open(ctx context.Context, name, url string) (*side, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect to the %s: %w", name, err)
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err == nil {
		_, err = tx.Exec(ctx, settings)
	}
	if err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("begin a transaction in the %s: %w", name, err)
	}
	return &side{name: name, conn: conn, tx: tx}, nil
}

func (s *side) close() { _ = s.conn.Close(context.Background()) } // ends the transaction, which wrote nothing

// relation names a table.
type relation struct{ schema, table string }

func (r relation) name() string { return r.schema + "." + r.table }
func (r relation) sql() string  { return pgx.Identifier{r.schema, r.table}.Sanitize() }

// column of the source, and what makes its text.
type column struct {
	name string
	typ  string // name of the type, without modifiers
	key  bool
}

// plan of one table's comparison.
type plan struct {
	source  relation
	columns []column // in the order of the source
}

// tables lists the tables of the source that were asked for, by name.
func (s *side) tables(ctx context.Context, opts Options) ([]*plan, error) {
	const list = `SELECT n.nspname, c.relname, a.attname, t.typname,
		coalesce(a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]), false) -- without INCLUDE
		FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		JOIN pg_type t ON t.oid = a.atttypid
		LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
		AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
		AND (cardinality($1::text[]) = 0 OR n.nspname = ANY ($1))
		AND (cardinality($2::text[]) = 0 OR n.nspname || '.' || c.relname = ANY ($2))
		ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C", a.attnum`
	schemas, names := append([]string{}, opts.Schemas...), append([]string{}, opts.Tables...)
	rows, err := s.tx.Query(ctx, list, schemas, names)
	if err != nil {
		return nil, fmt.Errorf("list tables of the %s: %w", s.name, err)
	}
	var plans []*plan
	var r relation
	var c column
	_, err = pgx.ForEachRow(rows, []any{&r.schema, &r.table, &c.name, &c.typ, &c.key}, func() error {
		if len(plans) == 0 || plans[len(plans)-1].source != r {
			plans = append(plans, &plan{source: r})
		}
		p := plans[len(plans)-1]
		p.columns = append(p.columns, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list tables of the %s: %w", s.name, err)
	}
	for _, name := range opts.Tables {
		if !slices.ContainsFunc(plans, func(p *plan) bool { return p.source.name() == name }) {
			return nil, fmt.Errorf("table %s is not in the source", name)
		}
	}
	if len(plans) == 0 {
		return nil, errors.New("the source has no tables to compare")
	}
	return plans, nil
}

// compare computes the checksums of both sides, and looks for the rows that differ when those do.
func (p *plan) compare(ctx context.Context, source, target *side, opts Options) (Table, error) {
	there, err := relationOf(opts.TargetTable, p.source)
	if err != nil {
		return Table{}, err
	}
	t := Table{Source: p.source.name(), Target: there.name()}
	names, err := target.columns(ctx, there)
	if err != nil {
		return t, err
	}
	ours := p.query(p.source, func(c column) string { return c.name })
	if t.SourceRows, t.SourceSum, err = source.checksum(ctx, ours); err != nil {
		return t, err
	}
	if t.NoTarget = len(names) == 0; t.NoTarget {
		return t, nil
	}
	for _, c := range p.columns {
		if find(names, c.name) == "" {
			t.MissingColumns = append(t.MissingColumns, c.name)
		}
	}
	if len(t.MissingColumns) > 0 {
		return t, nil
	}
	theirs := p.query(there, func(c column) string { return find(names, c.name) })
	if t.TargetRows, t.TargetSum, err = target.checksum(ctx, theirs); err != nil || t.Equal() {
		return t, err
	}
	d := differ{plan: p, source: source, target: target, ours: ours, theirs: theirs, max: opts.MaxRows, table: &t}
	return t, d.run(ctx)
}

// columns of a table of the target; none when there is no such table.
func (s *side) columns(ctx context.Context, r relation) ([]string, error) {
	const list = `SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped`
	rows, err := s.tx.Query(ctx, list, r.schema, r.table)
	if err != nil {
		return nil, fmt.Errorf("list columns of %s in the %s: %w", r.name(), s.name, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list columns of %s in the %s: %w", r.name(), s.name, err)
	}
	return names, nil
}

// find looks a column up: as it is called, else in lower case, as sinks that do not quote make it; "" when there is none.
func find(names []string, name string) string {
	for _, n := range []string{name, strings.ToLower(name)} {
		if slices.Contains(names, n) {
			return n
		}
	}
	return ""
}

// relationOf fills the pattern in. Without a dot the table is in public.
func relationOf(pattern string, source relation) (relation, error) {
	name := strings.NewReplacer("${schema}", source.schema, "${table}", source.table).Replace(pattern)
	if strings.Contains(name, "${") {
		return relation{}, fmt.Errorf("name of the target table %q: only ${schema} and ${table} are filled in", pattern)
	}
	schema, table, ok := strings.Cut(name, ".")
	if !ok {
		schema, table = "public", name
	}
	return relation{schema, table}, nil
}
