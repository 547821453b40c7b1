package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/internal/dialect"
)

// findTable finds a relation: in the named schema or else the first of the search path that has it. $3 is true when another
// spelling in upper and lower case will do; an exact match goes first.
const findTable = `SELECT c.oid, n.nspname, c.relname, c.relname = $2, c.relkind
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'f')
  AND (c.relname = $2 OR $3::bool AND lower(c.relname) = lower($2))
  AND CASE WHEN $1 = '' THEN n.nspname = ANY (current_schemas(false)) ELSE n.nspname = $1 OR $3::bool AND lower(n.nspname) = lower($1) END
ORDER BY c.relname = $2 DESC, n.nspname = $1 DESC, array_position(current_schemas(false), n.nspname)`

// relationKinds are the values of pg_class.relkind that findTable finds.
var relationKinds = map[byte]tableKind{'r': kindTable, 'p': kindPartitioned, 'v': kindView, 'f': kindForeign}

// readColumns resolves domains to what they stand on.
const readColumns = `WITH RECURSIVE base(attnum, typ, typmod) AS (
  SELECT attnum, atttypid, atttypmod FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT b.attnum, t.typbasetype, CASE WHEN b.typmod = -1 THEN t.typtypmod ELSE b.typmod END FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typ WHERE t.typtype = 'd')
SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.oid, b.typmod, format_type(t.oid, -1), t.typcategory, a.attnotnull, a.attgenerated <> '', a.attidentity = 'a'
FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typ AND t.typtype <> 'd' JOIN pg_catalog.pg_attribute a ON a.attrelid = $1::oid AND a.attnum = b.attnum
ORDER BY a.attnum`

// readUnique reads the columns of every index that tells all rows apart.
const readUnique = `SELECT i.indexrelid, a.attname FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n), pg_catalog.pg_attribute a
WHERE i.indrelid = $1::oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  AND k.n <= i.indnkeyatts AND a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY i.indexrelid, k.n`

func (s *pgSession) describe(ctx context.Context, n tableName) (*table, error) {
	anyCase := strconv.FormatBool(!s.store.config.Quote)
	rows, err := s.query(ctx, findTable, n.schema, n.table, anyCase)
	if err != nil {
		return nil, fmt.Errorf("look for table %q: %w", n, err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	if string(rows[0][3]) != "t" && len(rows) > 1 {
		return nil, &SetupError{Option: s.store.config.names.quote, Object: fmt.Sprintf("table %q", n), Err: errors.New("several tables differ from this name in upper and lower case only"),
			Remedy: "set " + s.store.config.names.quoteYes + " and name it exactly"}
	}
	oid := string(rows[0][0])
	t := &table{name: tableName{string(rows[0][1]), string(rows[0][2])}, kind: relationKinds[rows[0][4][0]]}
	if rows, err = s.query(ctx, readColumns, oid); err != nil {
		return nil, fmt.Errorf("read the columns of table %q: %w", t.name, err)
	}
	for _, r := range rows {
		c := tableColumn{name: string(r[0]), typ: string(r[1]), cast: string(r[4]), category: r[5][0], notNull: string(r[6]) == "t", generated: string(r[7]) == "t", identity: string(r[8]) == "t"}
		id, _ := strconv.ParseUint(string(r[2]), 10, 32) // an oid and a typmod print as numbers
		mod, _ := strconv.ParseInt(string(r[3]), 10, 32)
		c.typeID, c.modifier = uint32(id), int32(mod)
		t.columns = append(t.columns, c)
	}
	if rows, err = s.query(ctx, readUnique, oid); err != nil {
		return nil, fmt.Errorf("read the unique indexes of table %q: %w", t.name, err)
	}
	index := ""
	for _, r := range rows {
		if id := string(r[0]); id != index {
			index = id
			t.unique = append(t.unique, nil)
		}
		t.unique[len(t.unique)-1] = append(t.unique[len(t.unique)-1], string(r[1]))
	}
	return t, nil
}

// existsAlready are what CREATE … IF NOT EXISTS still answers when two sessions race: duplicate_table, duplicate_column,
// duplicate_object and unique_violation (of the catalog's own indexes).
func existsAlready(err error) bool {
	switch sqlState(err) {
	case "42P07", "42701", "42710", "23505":
		return true
	}
	return false
}

// ddl runs a statement that may find its work done.
func (s *pgSession) ddl(ctx context.Context, what, sql string) error {
	_, err := s.conn.Exec(ctx, sql).ReadAll()
	var pg *pgconn.PgError
	switch {
	case err == nil || existsAlready(err):
		return nil
	case errors.As(err, &pg) && !isRetriable(s.store.classify(err)):
		option, remedy := s.store.config.names.create, "run it by hand in a form the server takes: "+sql
		switch pg.Code {
		case "42501": // insufficient_privilege
			option, remedy = s.store.config.names.user, fmt.Sprintf("grant role %q CREATE on the schema and ownership of the table, or run it by hand: %s", s.store.target.Config.User, sql)
		case "3F000": // invalid_schema_name
			option, remedy = s.store.config.names.collection, "create the schema first, or set currentSchema in connection.url"
		}
		return &SetupError{Option: option, Object: what, Err: err, Remedy: remedy}
	}
	return fmt.Errorf("%s: %w", what, s.store.classify(err))
}

func (s *pgSession) create(ctx context.Context, n tableName, columns []column, keys int) error {
	types, err := s.types(ctx, columns)
	if err != nil {
		return err
	}
	var primary []string
	var b strings.Builder
	b.WriteString("CREATE TABLE IF NOT EXISTS ")
	b.WriteString(quoteTable(n))
	b.WriteString(" (")
	for i := range columns {
		c := &columns[i]
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(dialect.QuotePostgres(c.name) + " " + types[i])
		clause := ""
		if !c.key || c.plain {
			clause = defaultClause(c, types[i])
			b.WriteString(clause)
		}
		if c.key {
			primary = append(primary, dialect.QuotePostgres(c.name))
		}
		if c.key || !c.createSchema().Optional && (clause == "" || !c.plain) {
			b.WriteString(" NOT NULL")
		}
	}
	if keys > 0 {
		b.WriteString(", PRIMARY KEY (" + strings.Join(primary, ", ") + ")")
	}
	b.WriteString(")")
	return s.ddl(ctx, fmt.Sprintf("create table %q", n), b.String())
}

// extend adds columns. Rows are there, perhaps, so a column may be null unless it has a default, whatever the source says.
func (s *pgSession) extend(ctx context.Context, t *table, columns []column) error {
	types, err := s.types(ctx, columns)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("ALTER TABLE " + quoteTable(t.name))
	for i := range columns {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(" ADD COLUMN IF NOT EXISTS " + dialect.QuotePostgres(columns[i].name) + " " + types[i])
		if d := defaultClause(&columns[i], types[i]); d != "" {
			b.WriteString(d)
			if !columns[i].schema.Optional && !columns[i].plain {
				b.WriteString(" NOT NULL")
			}
		}
	}
	return s.ddl(ctx, fmt.Sprintf("add columns to table %q", t.name), b.String())
}

func quoteTable(n tableName) string {
	if n.schema == "" {
		return dialect.QuotePostgres(n.table)
	}
	return dialect.QuotePostgres(n.schema) + "." + dialect.QuotePostgres(n.table)
}

// types names the columns' types, taking what stands in for a type of an extension that the database does not have.
func (s *pgSession) types(ctx context.Context, columns []column) ([]string, error) {
	out := make([]string, len(columns))
	have := make(map[string]bool)
	for i := range columns {
		choice := createType(&columns[i], s.store.config.PostGISSchema)
		out[i] = choice.name
		if choice.instead == "" {
			continue
		}
		known, asked := have[choice.extension]
		if !asked {
			rows, err := s.query(ctx, "SELECT to_regtype($1) IS NOT NULL", choice.extension)
			if err != nil {
				return nil, fmt.Errorf("look for type %s: %w", choice.extension, err)
			}
			known = string(rows[0][0]) == "t"
			have[choice.extension] = known
		}
		if !known {
			out[i] = choice.instead
		}
	}
	return out, nil
}

// culprit tries each value of a refused row by itself: in the length of its column, then as the server converts it.
func (s *pgSession) culprit(ctx context.Context, d *destination, m *mutation) (columnName, value string) {
	b := d.bound.(*pgBound)
	for i := range b.columns {
		c := &b.columns[i]
		v := c.column.value(m)
		if v.IsNull() || !c.written || m.sub != nil && m.sub.missing[i] {
			continue
		}
		if tooLong(v, c.target) || s.refuses(ctx, c, m, i) {
			return c.target.name, shortValue(v, c.column.schema)
		}
	}
	return "", ""
}

// refuses asks the server to convert one value to its column's type.
func (s *pgSession) refuses(ctx context.Context, c *pgColumn, m *mutation, i int) bool {
	b := pgBound{plan: m.target.plan, columns: m.dest.bound.(*pgBound).columns}
	maker := pgMaker{b: &b}
	maker.use(func(n int) bool { return n == i })
	st := maker.done(fmt.Sprintf("SELECT CAST(v.c0%s AS %s) FROM %s", c.assign, c.target.typ, maker.from()))
	if _, err := s.gather(&b, st, []*mutation{m}); err != nil {
		return true
	}
	if err := s.savepoint(ctx); err != nil {
		return false
	}
	result := s.conn.ExecParams(ctx, st.sql, s.columns[:1], nil, binaryFormat, nil).Read()
	if err := s.rollbackTo(ctx); err != nil {
		return false
	}
	return isRowFault(s.store.classify(result.Err))
}
