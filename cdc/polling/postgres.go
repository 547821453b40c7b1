package polling

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/internal/dialect"
	"github.com/tandem-cdc/tandem/internal/pgerror"
	"github.com/tandem-cdc/tandem/schema"
)

// openPostgres makes PostgreSQL of a URL. It is spoken to by pgconn: rows are text in its read buffer, which nothing copies.
func openPostgres(u dialect.JDBC, c *Config) (*database, error) {
	t, err := dialect.PostgresConfig(u, c.User, c.Password.Reveal())
	if err != nil {
		return nil, err
	}
	d := &database{
		kind: u.Kind, quote: dialect.QuotePostgres, mark: '"', warnings: t.Warnings, retriable: pgerror.Retriable,
		placeholder: func(n int) string { return "$" + strconv.Itoa(n) },
		catalog:     t.Config.Database,
	}
	d.connect = func(ctx context.Context) (session, error) {
		conn, err := pgconn.ConnectConfig(ctx, t.Config.Copy())
		if err != nil {
			return nil, unconnected(d.failed(err, "connect to PostgreSQL"), pgerror.Code(err))
		}
		s := &postgresSession{conn: conn, types: make(map[uint32]postgresType)}
		for _, set := range t.Settings {
			text := "SET " + set.Name + " = " + dialect.LiteralPostgres(set.Value)
			if set.Name == "search_path" {
				text = "SELECT set_config('search_path', " + dialect.LiteralPostgres(set.Value) + ", false)"
			}
			if _, err := conn.Exec(ctx, text).ReadAll(); err != nil {
				s.close()
				return nil, pgerror.Wrap(err, "set %s", set.Name)
			}
		}
		return s, nil
	}
	return d, nil
}

type postgresSession struct {
	conn  *pgconn.PgConn
	types map[uint32]postgresType // those that are not built in, by OID
}

// postgresType is what pgjdbc makes of a type.
type postgresType struct {
	name string
	jdbc jdbcType
}

func (s *postgresSession) close() { _ = s.conn.Close(context.Background()) }

// strings asks for rows of texts, "" for NULL.
func (s *postgresSession) strings(ctx context.Context, text string, args ...string) ([][]string, error) {
	values := make([][]byte, len(args))
	for i, a := range args {
		values[i] = []byte(a)
	}
	r := s.conn.ExecParams(ctx, text, values, nil, nil, nil)
	var out [][]string
	for r.NextRow() {
		line := make([]string, 0, 8)
		for _, v := range r.Values() {
			line = append(line, string(v))
		}
		out = append(out, line)
	}
	_, err := r.Close()
	return out, err
}

const postgresTables = `SELECT n.nspname, c.relname, CASE
  WHEN n.nspname ~ '^pg_toast' OR n.nspname IN ('pg_catalog', 'information_schema') THEN
    CASE c.relkind WHEN 'r' THEN 'SYSTEM TABLE' WHEN 'v' THEN 'SYSTEM VIEW' ELSE '' END
  WHEN n.nspname ~ '^pg_temp_' THEN CASE c.relkind WHEN 'r' THEN 'TEMPORARY TABLE' WHEN 'v' THEN 'TEMPORARY VIEW' ELSE '' END
  ELSE CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE '' END
  END AS kind, current_database()
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND ($1 = '' OR n.nspname LIKE $1) AND ($2 = '' OR current_database() LIKE $2)
ORDER BY kind, n.nspname, c.relname`

func (s *postgresSession) tables(ctx context.Context, want *tableFilter) ([]tableID, error) {
	lines, err := s.strings(ctx, postgresTables, want.schema, want.catalog)
	var out []tableID
	for _, l := range lines {
		if want.wants(l[2]) {
			out = append(out, tableID{schema: l[0], table: l[1]})
		}
	}
	return out, err
}

const postgresColumns = `SELECT a.attname, CASE WHEN a.attnotnull OR t.typtype = 'd' AND t.typnotnull THEN '' ELSE 'null' END,
  CASE WHEN a.attidentity <> '' OR pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%' THEN 'auto' ELSE '' END
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`

func (s *postgresSession) describe(ctx context.Context, id tableID) ([]described, error) {
	lines, err := s.strings(ctx, postgresColumns, id.quoted(dialect.QuotePostgres))
	var out []described
	for _, l := range lines {
		out = append(out, described{l[0], l[1] != "", l[2] != ""})
	}
	return out, err
}

// postgresLevels are the isolation levels as SQL.
var postgresLevels = map[Isolation]string{IsolationDefault: "", ReadUncommitted: " ISOLATION LEVEL READ UNCOMMITTED", ReadCommitted: " ISOLATION LEVEL READ COMMITTED",
	RepeatableRead: " ISOLATION LEVEL REPEATABLE READ", Serializable: " ISOLATION LEVEL SERIALIZABLE"}

// begin also makes the settings that values are read with, for the transaction alone: poolers hand the connection on.
func (s *postgresSession) begin(ctx context.Context, level Isolation) error {
	_, err := s.conn.Exec(ctx, "BEGIN"+postgresLevels[level]+"; SET LOCAL datestyle = 'ISO'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 3; SET LOCAL intervalstyle = 'postgres'").ReadAll()
	return err
}

func (s *postgresSession) end(ctx context.Context) error {
	_, err := s.conn.Exec(ctx, "COMMIT").ReadAll()
	return err
}

func (s *postgresSession) now(ctx context.Context, z zone) (moment, error) {
	lines, err := s.strings(ctx, "SELECT CURRENT_TIMESTAMP")
	if err != nil {
		return moment{}, err
	}
	c := cell{kind: textCell, text: []byte(lines[0][0])}
	return c.moment(z)
}

func (s *postgresSession) comparable(_ context.Context, _, column string) (string, error) {
	return column, nil
}

// moment has the digits of the zone and its offset: a timestamptz reads both, a timestamp the digits.
func (s *postgresSession) moment(m moment, z zone) any {
	if m.nano = (m.nano + 500) / 1000 * 1000; m.nano >= 1e9 { // microseconds, as pgjdbc rounds
		m.sec, m.nano = m.sec+1, 0
	}
	return string(z.appendOffset(m.appendDateTime(nil, z, ' ', 6), m))
}

// OIDs of built-in types. PostgreSQL source, src/include/catalog/pg_type.dat.
const (
	int8OID    = 20
	byteaOID   = 17
	moneyOID   = 790
	numericOID = 1700
	bitOID     = 1560
)

// postgresTypes is what pgjdbc makes of the built-in types; its other ones are OTHER, ARRAY or STRUCT, which cannot be read.
var postgresTypes = map[uint32]postgresType{
	16: {"bool", bitsType}, byteaOID: {"bytea", binaryType}, 18: {"char", textType}, 19: {"name", textType}, int8OID: {"int8", bigType}, 21: {"int2", smallType},
	23: {"int4", integerType}, 25: {"text", textType}, 26: {"oid", bigType}, 114: {"json", textType}, 142: {"xml", textType}, 700: {"float4", realType},
	701: {"float8", doubleType}, moneyOID: {"money", doubleType}, 1042: {"bpchar", textType}, 1043: {"varchar", textType}, 1082: {"date", dateType},
	1083: {"time", timeType}, 1114: {"timestamp", timestampType}, 1184: {"timestamptz", timestampType}, 1266: {"timetz", timeType}, bitOID: {"bit", bitsType},
	numericOID: {"numeric", numericType}, 2950: {"uuid", textType}, 3802: {"jsonb", textType},
}

// query describes the statement first: what stands in the catalog cannot be asked for while rows come.
func (s *postgresSession) query(ctx context.Context, id *tableID, q *statement, args []any) (rows, error) {
	text := q.text
	if id == nil {
		text = unescapeMarks(text)
	}
	prepared, err := s.conn.Prepare(ctx, "", text, nil)
	if err != nil {
		return nil, err
	}
	r := &postgresRows{described: make([]column, len(prepared.Fields)), cells: make([]cell, len(prepared.Fields))}
	if err := s.lookUpTypes(ctx, prepared.Fields); err != nil {
		return nil, err
	}
	nullable, err := s.nullable(ctx, prepared.Fields)
	if err != nil {
		return nil, err
	}
	for i, f := range prepared.Fields {
		r.described[i] = s.column(&f)
		r.described[i].nullable = nullable[i]
	}
	values, oids := make([][]byte, len(args)), make([]uint32, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case int64:
			values[i], oids[i] = strconv.AppendInt(nil, v, 10), int8OID
		case string: // of the column's type, as pgjdbc leaves it to the server
			values[i] = []byte(v)
		}
	}
	r.reader = s.conn.ExecParams(ctx, text, values, oids, nil, nil)
	return r, nil
}

// lookUpTypes asks for the types that are not built in: pgjdbc reads enums as text, and of the others nothing but what extensions name json.
func (s *postgresSession) lookUpTypes(ctx context.Context, fields []pgconn.FieldDescription) error {
	var oids []string
	for _, f := range fields {
		if _, known := postgresTypes[f.DataTypeOID]; known {
			continue
		}
		if _, known := s.types[f.DataTypeOID]; !known {
			oids = append(oids, strconv.FormatUint(uint64(f.DataTypeOID), 10))
		}
	}
	if len(oids) == 0 {
		return nil
	}
	lines, err := s.strings(ctx, "SELECT oid, typname, typtype FROM pg_catalog.pg_type WHERE oid = ANY ($1::oid[])", "{"+strings.Join(oids, ",")+"}")
	for _, l := range lines {
		oid, _ := strconv.ParseUint(l[0], 10, 32) // the server's
		t := postgresType{name: l[1]}
		if l[2] == "e" {
			t.jdbc = textType
		}
		s.types[uint32(oid)] = t
	}
	return err
}

// nullable tells of each field whether it may be null: unless it is a column of a table that is declared NOT NULL.
func (s *postgresSession) nullable(ctx context.Context, fields []pgconn.FieldDescription) ([]bool, error) {
	out := make([]bool, len(fields))
	var tables []string
	for i, f := range fields {
		out[i] = true
		if oid := strconv.FormatUint(uint64(f.TableOID), 10); f.TableOID != 0 && (len(tables) == 0 || tables[len(tables)-1] != oid) {
			tables = append(tables, oid)
		}
	}
	if len(tables) == 0 {
		return out, nil
	}
	lines, err := s.strings(ctx, `SELECT a.attrelid, a.attnum FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND (a.attnotnull OR t.typtype = 'd' AND t.typnotnull)`, "{"+strings.Join(tables, ",")+"}")
	if err != nil {
		return nil, err
	}
	required := make(map[string]bool)
	for _, l := range lines {
		required[l[0]+"."+l[1]] = true
	}
	for i, f := range fields {
		out[i] = !required[fmt.Sprintf("%d.%d", f.TableOID, f.TableAttributeNumber)]
	}
	return out, nil
}

// column is a field as pgjdbc's ResultSetMetaData describes it.
func (s *postgresSession) column(f *pgconn.FieldDescription) column {
	t, known := postgresTypes[f.DataTypeOID]
	if !known {
		t = s.types[f.DataTypeOID]
	}
	c := column{name: f.Name, typeName: t.name, jdbc: t.jdbc}
	const header = 4 // VARHDRSZ, by which type modifiers of numeric are greater
	switch f.DataTypeOID {
	case numericOID:
		if f.TypeModifier >= header { // else neither is declared, and both are 0
			mod := f.TypeModifier - header
			c.precision = int(mod >> 16)
			c.scale = int(mod & 0x7ff)
			if c.scale > 1000 {
				c.scale -= 1 << 11 // negative, since PostgreSQL 15
			}
		}
	case bitOID:
		c.precision = max(1, int(f.TypeModifier))
	case 16:
		c.precision = 1
	case byteaOID:
		c.read = writeHex
	case moneyOID:
		c.read = writeMoney
	}
	return c
}

// writeHex writes bytea, whose text is \x and hexadecimal digits.
func writeHex(w schema.Writer, c *cell) error {
	digits, ok := bytes.CutPrefix(c.text, []byte(`\x`))
	if !ok {
		return unfit(c, `bytea in hexadecimal form`, "")
	}
	n, err := hex.Decode(digits, digits) // in place: a byte is written behind the two that it is read from
	if err != nil {
		return unfit(c, `bytea in hexadecimal form`, "")
	}
	w.Bytes(digits[:n])
	return nil
}

// writeMoney writes money, whose text has a currency and separators: $1,234.50, (12.00), -12,50 €.
func writeMoney(w schema.Writer, c *cell) error {
	text := make([]byte, 0, len(c.text))
	point := bytes.LastIndexAny(c.text, ".,")
	if point >= 0 && len(bytes.TrimRight(c.text[point+1:], "0123456789")) == 0 && len(c.text)-point-1 == 3 {
		point = -1 // thousands: a currency without fractions
	}
	for i, b := range c.text {
		switch {
		case b >= '0' && b <= '9':
			text = append(text, b)
		case (b == '-' || b == '(') && len(text) == 0:
			text = append(text, '-')
		case i == point:
			text = append(text, '.')
		}
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return unfit(c, "amount of money", castIt)
	}
	w.Float64(f)
	return nil
}

type postgresRows struct {
	described []column
	reader    *pgconn.ResultReader
	cells     []cell
}

func (r *postgresRows) columns() ([]column, error) { return r.described, nil }
func (r *postgresRows) row() []cell                { return r.cells }

func (r *postgresRows) next() bool {
	if !r.reader.NextRow() {
		return false
	}
	for i, v := range r.reader.Values() {
		c := &r.cells[i]
		if c.text = v; v == nil {
			c.kind = nullCell
		} else {
			c.kind = textCell
		}
	}
	return true
}

func (r *postgresRows) close() error {
	_, err := r.reader.Close()
	if err != nil && errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	return err
}

// unescapeMarks makes ? of ??, outside of literals and comments: JDBC takes a single one for a parameter, so that queries for it double
// those of PostgreSQL's operators.
func unescapeMarks(query string) string {
	if !strings.Contains(query, "??") {
		return query
	}
	var b strings.Builder
	for i := 0; i < len(query); {
		n := literal(query[i:])
		switch {
		case n > 0:
			b.WriteString(query[i : i+n])
			i += n
		case strings.HasPrefix(query[i:], "??"):
			b.WriteByte('?')
			i += 2
		default:
			b.WriteByte(query[i])
			i++
		}
	}
	return b.String()
}

// literal is the length of the literal, quoted name or comment that a text begins with; 0 when it begins otherwise.
func literal(s string) int {
	until := func(from int, end string) int {
		if at := strings.Index(s[from:], end); at >= 0 {
			return from + at + len(end)
		}
		return len(s)
	}
	switch {
	case s[0] == '\'' || s[0] == '"':
		return until(1, s[:1])
	case strings.HasPrefix(s, "--"):
		return until(2, "\n")
	case strings.HasPrefix(s, "/*"):
		return until(2, "*/")
	case s[0] == '$':
		if end := strings.IndexByte(s[1:], '$'); end >= 0 && strings.Trim(s[1:1+end], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == "" {
			return until(end+2, s[:end+2])
		}
	}
	return 0
}
