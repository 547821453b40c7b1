package polling

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tandem-cdc/tandem/internal/dialect"
)

// openSQLite makes a SQLite database of a URL.
func openSQLite(u dialect.JDBC) (*database, error) {
	t, err := dialect.SQLiteConfig(u)
	if err != nil {
		return nil, err
	}
	connector, err := t.Connector(false)
	if err != nil {
		return nil, err
	}
	d := &database{
		kind: u.Kind, quote: dialect.QuoteSQLite, mark: '"', warnings: t.Warnings, retriable: retriableSQLite,
		placeholder: func(int) string { return "?" },
	}
	d.connect = func(ctx context.Context) (session, error) {
		db := sql.OpenDB(connector)
		conn, err := db.Conn(ctx)
		if err == nil {
			err = conn.PingContext(ctx)
		}
		if err != nil {
			return nil, errors.Join(d.failed(err, "open the SQLite database %q", t.Path), db.Close())
		}
		return &sqliteSession{sqlSession: sqlSession{db: db, conn: conn}, classes: make(map[string]cellKind), numbers: make(map[string]bool)}, nil
	}
	return d, nil
}

// retriableSQLite classes result codes: somebody else has locked the database, or its file is not there yet.
func retriableSQLite(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, context.DeadlineExceeded)
	}
	switch e.Code() & 0xff { // without the extension
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return false
}

type sqliteSession struct {
	sqlSession
	// classes is what columns without a useful declaration were seen to hold, by table and column.
	classes map[string]cellKind
	// numbers tells of timestamp columns whether they hold numbers; counting is the answer of the last query.
	numbers  map[string]bool
	counting bool
}

func (s *sqliteSession) begin(ctx context.Context, _ Isolation) error {
	return s.beginAt(ctx, sql.LevelDefault) // it has one level, the highest
}

func (s *sqliteSession) tables(ctx context.Context, want *tableFilter) ([]tableID, error) {
	lines, err := s.strings(ctx, `SELECT name, CASE WHEN type = 'view' THEN 'VIEW' ELSE 'TABLE' END AS kind FROM sqlite_master
WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY kind, name`)
	var out []tableID
	for _, l := range lines {
		if want.wants(l[1]) {
			out = append(out, tableID{table: l[0]})
		}
	}
	return out, err
}

// describe tells of INTEGER PRIMARY KEY, which is the row's own number, that the database counts it.
func (s *sqliteSession) describe(ctx context.Context, id tableID) ([]described, error) {
	lines, err := s.strings(ctx, `SELECT name, "notnull", pk, upper(type), (SELECT count(*) FROM pragma_table_info(?) WHERE pk > 0) FROM pragma_table_info(?)`, id.table, id.table)
	var out []described
	for _, l := range lines {
		key := l[2] != "0"
		out = append(out, described{l[0], l[1] == "0" && !key, key && l[4] == "1" && l[3] == "INTEGER"})
	}
	return out, err
}

func (s *sqliteSession) now(ctx context.Context, z zone) (moment, error) {
	lines, err := s.strings(ctx, "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
	if err != nil {
		return moment{}, err
	}
	t, err := parseDateTime([]byte(lines[0][0]))
	if err != nil {
		return moment{}, err
	}
	t.hasOffset = true // it is in UTC, whatever the zone of the times in tables
	return t.at(z), nil
}

// comparable looks at how a column holds its times. Numbers are milliseconds since 1970, as the JVM's driver writes them, and compare as
// they are; texts of any ISO form, and Julian days, are brought to one form. What is neither would never be found, and is refused.
func (s *sqliteSession) comparable(ctx context.Context, from, column string) (string, error) {
	key := from + " " + column
	numbers, known := s.numbers[key]
	if !known {
		lines, err := s.strings(ctx, fmt.Sprintf("SELECT typeof(%[1]s) FROM %[2]s WHERE %[1]s IS NOT NULL LIMIT 1", column, from))
		if err != nil {
			return "", err
		}
		if len(lines) > 0 {
			numbers = lines[0][0] == "integer"
			if lines, err = s.strings(ctx, fmt.Sprintf("SELECT %[1]s FROM %[2]s WHERE %[3]s LIMIT 1", column, from, otherThan(numbers, column))); err != nil {
				return "", err
			}
			if len(lines) > 0 {
				return "", &valueError{trim(lines[0][0]), "timestamp as the others of column " + column + " are", "bring the values to one form: milliseconds since 1970, or texts such as 2024-02-29 10:20:30"}
			}
			s.numbers[key] = numbers
		}
	}
	if s.counting = numbers; numbers {
		return column, nil
	}
	return iso(column), nil
}

// iso is a column's time as a text that sorts as time does.
func iso(column string) string { return "strftime('%Y-%m-%d %H:%M:%f', " + column + ")" }

// otherThan finds values that are not in the form of the others.
func otherThan(numbers bool, column string) string {
	if numbers {
		return column + " IS NOT NULL AND typeof(" + column + ") <> 'integer'"
	}
	return column + " IS NOT NULL AND (typeof(" + column + ") = 'integer' OR " + iso(column) + " IS NULL)"
}

func (s *sqliteSession) moment(m moment, z zone) any {
	if s.counting {
		return m.millis()
	}
	return string(m.appendDateTime(nil, z, ' ', 3))
}

func (s *sqliteSession) query(ctx context.Context, id *tableID, q *statement, args []any) (rows, error) {
	out := &sqliteRows{session: s}
	if id != nil {
		out.table = id.table
		var err error
		if out.required, err = s.required(ctx, *id); err != nil {
			return nil, err
		}
	}
	r, err := s.asked().QueryContext(ctx, q.text, args...)
	if err != nil {
		return nil, err
	}
	names, err := r.Columns()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	out.rows, out.values, out.into, out.cells = r, make([]any, len(names)), make([]any, len(names)), make([]cell, len(names))
	for i := range out.values {
		out.into[i] = &out.values[i]
	}
	return out, nil
}

type sqliteRows struct {
	session  *sqliteSession
	table    string
	required map[string]bool
	rows     *sql.Rows
	values   []any
	into     []any // pointers into values
	cells    []cell
	err      error
}

// required are the columns of a table that cannot be null.
func (s *sqliteSession) required(ctx context.Context, id tableID) (map[string]bool, error) {
	columns, err := s.describe(ctx, id)
	out := make(map[string]bool)
	for _, c := range columns {
		out[c.name] = !c.nullable
	}
	return out, err
}

func (r *sqliteRows) row() []cell { return r.cells }

func (r *sqliteRows) next() bool {
	if !r.rows.Next() {
		return false
	}
	if r.err = r.rows.Scan(r.into...); r.err != nil {
		return false
	}
	for i, v := range r.values {
		c := &r.cells[i]
		switch v := v.(type) {
		case nil:
			c.kind = nullCell
		case int64:
			c.kind, c.number = integerCell, v
		case float64:
			c.kind, c.real = realCell, v
		case string:
			c.kind, c.text = textCell, append(c.text[:0], v...)
		case []byte:
			c.kind, c.text = blobCell, v
		case bool:
			c.kind, c.number = integerCell, 0
			if v {
				c.number = 1
			}
		case time.Time: // the driver reads texts of columns that are declared as dates; without an offset they are of no zone
			layout := "2006-01-02 15:04:05.999999999"
			if v.Location() != time.UTC {
				layout += "-07:00"
			}
			c.kind, c.text = textCell, v.AppendFormat(c.text[:0], layout)
		default:
			r.err = fmt.Errorf("column %d: the driver gave a value of type %T", i+1, v)
			return false
		}
	}
	return true
}

func (r *sqliteRows) close() error { return errors.Join(r.err, r.rows.Err(), r.rows.Close()) }

// sqliteType is what the JVM's driver makes of a declared type, for values of the class that it is meant for.
type sqliteType struct {
	class    cellKind
	jdbc     jdbcType
	unsigned bool
}

// sqliteTypes are the declared types that the JVM's driver knows, with two differences: REAL has eight bytes in SQLite, which a FLOAT32 does
// not hold, and DATETIME a time, which a date does not hold.
var sqliteTypes = map[string]sqliteType{
	"BOOLEAN": {integerCell, booleanType, false}, "TINYINT": {integerCell, tinyType, true}, "SMALLINT": {integerCell, smallType, true}, "INT2": {integerCell, smallType, true},
	"BIGINT": {integerCell, bigType, false}, "INT8": {integerCell, bigType, false}, "UNSIGNED BIG INT": {integerCell, bigType, false},
	"INT": {integerCell, integerType, true}, "INTEGER": {integerCell, integerType, false}, "MEDIUMINT": {integerCell, integerType, true},
	"REAL": {realCell, doubleType, false}, "DOUBLE": {realCell, doubleType, false}, "DOUBLE PRECISION": {realCell, doubleType, false}, "FLOAT": {realCell, doubleType, false},
	"DECIMAL": {realCell, decimalType, false}, "NUMERIC": {realCell, numericType, false},
	"CHARACTER": {textCell, textType, false}, "CHAR": {textCell, textType, false}, "NCHAR": {textCell, textType, false}, "NATIVE CHARACTER": {textCell, textType, false},
	"VARCHAR": {textCell, textType, false}, "VARYING CHARACTER": {textCell, textType, false}, "NVARCHAR": {textCell, textType, false}, "TEXT": {textCell, textType, false}, "CLOB": {textCell, textType, false},
	"BINARY": {blobCell, binaryType, false}, "BLOB": {blobCell, binaryType, false},
	"DATE": {textCell, dateType, false}, "DATETIME": {textCell, timestampType, false}, "TIMESTAMP": {textCell, timestampType, false},
}

// columns goes by the declared types. A column that declares none of use (an expression, JSON, nothing) is what its first value is, and
// stays that as long as the session.
func (r *sqliteRows) columns() ([]column, error) {
	types, err := r.rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	out := make([]column, len(types))
	for i, t := range types {
		name, precision, scale := declared(t.DatabaseTypeName())
		c := column{name: t.Name(), typeName: name, nullable: !r.required[t.Name()], precision: precision, scale: scale, loose: true}
		known, ok := sqliteTypes[name]
		switch {
		case !ok:
			c.jdbc = r.session.seen(r.table+"."+c.name, &r.cells[i])
		case (known.jdbc == numericType || known.jdbc == decimalType) && precision == 0:
			c.jdbc = doubleType // neither precision nor scale: any number
		default:
			c.jdbc, c.unsigned = known.jdbc, known.unsigned
		}
		out[i] = c
	}
	return out, nil
}

// seen is the type of a column without a useful declaration.
func (s *sqliteSession) seen(column string, c *cell) jdbcType {
	class, ok := s.classes[column]
	if !ok && c.kind != nullCell {
		class = c.kind
		s.classes[column] = class
	}
	switch class {
	case integerCell:
		return integerType
	case realCell:
		return doubleType
	case blobCell:
		return binaryType
	}
	return textType
}

// declared takes a declared type apart: DECIMAL(10,2).
func declared(text string) (name string, precision, scale int) {
	name, rest, ok := strings.Cut(strings.ToUpper(text), "(")
	name = strings.Join(strings.Fields(name), " ")
	if ok {
		first, second, _ := strings.Cut(strings.TrimRight(rest, ") "), ",")
		precision, _ = strconv.Atoi(strings.TrimSpace(first)) // what is no number is no size
		scale, _ = strconv.Atoi(strings.TrimSpace(second))
	}
	return name, precision, scale
}

// findColumn finds a column by its name, without regard to case if there is no other way.
func findColumn(columns []described, name string) *described {
	i := slices.IndexFunc(columns, func(c described) bool { return c.name == name })
	if i < 0 {
		i = slices.IndexFunc(columns, func(c described) bool { return strings.EqualFold(c.name, name) })
	}
	if i < 0 {
		return nil
	}
	return &columns[i]
}
