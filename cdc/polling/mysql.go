package polling

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"

	"github.com/tandem-cdc/tandem/internal/dialect"
	"github.com/tandem-cdc/tandem/schema"
)

// zeroDates is what becomes of 0000-00-00: zeroDateTimeBehavior of the URL.
type zeroDates uint8

const (
	refuseZero zeroDates = iota // EXCEPTION
	nullZero                    // CONVERT_TO_NULL
	roundZero                   // ROUND: 0001-01-01
)

// openMySQL makes MySQL or MariaDB of a URL. Queries go in the text protocol, so that values come as the text that they are read from.
func openMySQL(u dialect.JDBC, c *Config) (*database, error) {
	var zero zeroDates
	params := u.Params[:0:0]
	for _, p := range u.Params {
		if p.Name != "zeroDateTimeBehavior" {
			params = append(params, p)
			continue
		}
		switch strings.ToUpper(strings.ReplaceAll(p.Value, "_", "")) {
		case "CONVERTTONULL":
			zero = nullZero
		case "ROUND":
			zero = roundZero
		}
	}
	u.Params = params
	t, err := dialect.MySQLConfig(u, c.User, c.Password.Reveal())
	if err != nil {
		return nil, err
	}
	for _, one := range t.Configs {
		one.InterpolateParams = true
		one.Params = make(map[string]string)
		for _, s := range t.Settings {
			one.Params[s.Name] = s.Value
		}
	}
	connector, err := t.Connector()
	if err != nil {
		return nil, err
	}
	d := &database{
		kind: u.Kind, quote: dialect.QuoteMySQL, mark: '`', useCatalog: true, warnings: t.Warnings, retriable: retriableMySQL,
		placeholder: func(int) string { return "?" },
	}
	d.connect = func(ctx context.Context) (session, error) {
		db := sql.OpenDB(connector)
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, errors.Join(unconnected(d.failed(err, "connect to %s at %s", u.Kind, t.Address()), refusal(err)), db.Close())
		}
		return &mysqlSession{sqlSession: sqlSession{db: db, conn: conn}, yearIsDate: t.YearIsDate, zero: zero, precisions: make(map[string]int)}, nil
	}
	return d, nil
}

// retriableMySQL classes error numbers. MySQL manual, "Server Error Message Reference".
func retriableMySQL(err error) bool {
	var server *mysqldriver.MySQLError
	var network net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &server):
		switch server.Number {
		case 1040, 1203, 1226, // too many connections, of all or of the user
			1053, 1077, 1078, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, // the server goes away
			1205, 1213, 3024, 1969, 1317, 1028, 1104, 1114: // locks, time limits, room
			return true
		}
		return false
	}
	return errors.As(err, &network) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysqldriver.ErrInvalidConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded)
}

// refusal is the SQLSTATE of a server that refuses the user or the database, "" for any other error.
func refusal(err error) string {
	var server *mysqldriver.MySQLError
	if !errors.As(err, &server) {
		return ""
	}
	switch server.Number {
	case 1045, 1698, 1044, 1049: // user, password; right to the database, its name
		return string(server.SQLState[:])
	}
	return ""
}

// sqlSession is what sessions behind database/sql have in common: one connection of a pool of one.
type sqlSession struct {
	db   *sql.DB
	conn *sql.Conn
	tx   *sql.Tx
}

func (s *sqlSession) close() {
	if s.tx != nil {
		_ = s.tx.Rollback()
	}
	_ = s.conn.Close()
	_ = s.db.Close()
}

// asked is where queries go: the open transaction, or the connection.
func (s *sqlSession) asked() interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
} {
	if s.tx != nil {
		return s.tx
	}
	return s.conn
}

func (s *sqlSession) beginAt(ctx context.Context, level sql.IsolationLevel) (err error) {
	s.tx, err = s.conn.BeginTx(ctx, &sql.TxOptions{Isolation: level})
	return err
}

func (s *sqlSession) end(context.Context) error {
	tx := s.tx
	s.tx = nil
	if tx == nil {
		return nil
	}
	return tx.Commit()
}

// strings asks for rows of texts, "" for NULL.
func (s *sqlSession) strings(ctx context.Context, query string, args ...any) ([][]string, error) {
	r, err := s.asked().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	names, err := r.Columns()
	if err != nil {
		return nil, err
	}
	var out [][]string
	for r.Next() {
		texts, line := make([]sql.NullString, len(names)), make([]string, len(names))
		into := make([]any, len(names))
		for i := range texts {
			into[i] = &texts[i]
		}
		if err := r.Scan(into...); err != nil {
			return nil, err
		}
		for i := range texts {
			line[i] = texts[i].String
		}
		out = append(out, line)
	}
	return out, r.Err()
}

type mysqlSession struct {
	sqlSession
	yearIsDate bool
	zero       zeroDates
	precisions map[string]int // of DECIMAL columns, by table and column: what the protocol tells is not exact without sign
}

var mysqlLevels = map[Isolation]sql.IsolationLevel{IsolationDefault: sql.LevelDefault, ReadUncommitted: sql.LevelReadUncommitted, ReadCommitted: sql.LevelReadCommitted,
	RepeatableRead: sql.LevelRepeatableRead, Serializable: sql.LevelSerializable}

func (s *mysqlSession) begin(ctx context.Context, level Isolation) error {
	return s.beginAt(ctx, mysqlLevels[level])
}

func (s *mysqlSession) tables(ctx context.Context, want *tableFilter) ([]tableID, error) {
	lines, err := s.strings(ctx, `SELECT TABLE_SCHEMA, TABLE_NAME, CASE
  WHEN TABLE_SCHEMA IN ('mysql', 'performance_schema', 'sys', 'information_schema') THEN CASE WHEN TABLE_TYPE = 'BASE TABLE' THEN 'SYSTEM TABLE' ELSE 'SYSTEM VIEW' END
  WHEN TABLE_TYPE = 'VIEW' THEN 'VIEW' WHEN TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') THEN 'TABLE' ELSE '' END AS kind
FROM information_schema.TABLES WHERE ? = '' OR TABLE_SCHEMA LIKE ? ORDER BY kind, TABLE_SCHEMA, TABLE_NAME`, want.catalog, want.catalog)
	var out []tableID
	for _, l := range lines {
		if want.wants(l[2]) {
			out = append(out, tableID{catalog: l[0], table: l[1]})
		}
	}
	return out, err
}

func (s *mysqlSession) describe(ctx context.Context, id tableID) ([]described, error) {
	lines, err := s.strings(ctx, `SELECT COLUMN_NAME, IS_NULLABLE, EXTRA, DATA_TYPE, NUMERIC_PRECISION FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = COALESCE(NULLIF(?, ''), DATABASE()) AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`, id.catalog, id.table)
	var out []described
	for _, l := range lines {
		out = append(out, described{l[0], strings.EqualFold(l[1], "YES"), strings.Contains(strings.ToLower(l[2]), "auto_increment")})
		if n, ok := parseInt([]byte(l[4])); ok && strings.EqualFold(l[3], "decimal") {
			s.precisions[id.String()+"."+l[0]] = int(n)
		}
	}
	return out, err
}

func (s *mysqlSession) now(ctx context.Context, z zone) (moment, error) {
	lines, err := s.strings(ctx, "SELECT CURRENT_TIMESTAMP")
	if err != nil {
		return moment{}, err
	}
	c := cell{kind: textCell, text: []byte(lines[0][0])}
	return c.moment(z)
}

func (s *mysqlSession) comparable(_ context.Context, _, column string) (string, error) {
	return column, nil
}

func (s *mysqlSession) moment(m moment, z zone) any { return string(m.appendDateTime(nil, z, ' ', 6)) }

func (s *mysqlSession) query(ctx context.Context, id *tableID, q *statement, args []any) (rows, error) {
	r, err := s.asked().QueryContext(ctx, q.text, args...)
	if err != nil {
		return nil, err
	}
	names, err := r.Columns()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	m := &mysqlRows{session: s, id: id, rows: r, cells: make([]cell, len(names)), raw: make([]sql.RawBytes, len(names)), into: make([]any, len(names))}
	for i := range m.raw {
		m.into[i] = &m.raw[i]
	}
	return m, nil
}

type mysqlRows struct {
	session *mysqlSession
	id      *tableID
	rows    *sql.Rows
	raw     []sql.RawBytes
	into    []any // pointers into raw
	cells   []cell
	zero    []bool // columns of dates, where their zero is another value
	err     error
}

func (r *mysqlRows) row() []cell { return r.cells }

func (r *mysqlRows) next() bool {
	if !r.rows.Next() {
		return false
	}
	if r.err = r.rows.Scan(r.into...); r.err != nil {
		return false
	}
	for i, v := range r.raw {
		c := &r.cells[i]
		if c.text, c.kind = v, textCell; v == nil {
			c.kind = nullCell
		}
	}
	for i, dates := range r.zero {
		if dates {
			r.session.replaceZero(&r.cells[i])
		}
	}
	return true
}

func (r *mysqlRows) close() error { return errors.Join(r.err, r.rows.Err(), r.rows.Close()) }

// replaceZero gives a zero date the value that the URL asks for.
func (s *mysqlSession) replaceZero(c *cell) {
	if c.kind != textCell || !strings.HasPrefix(string(c.text), "0000-00-00") {
		return
	}
	switch s.zero {
	case nullZero:
		c.kind = nullCell
	case roundZero:
		c.text = []byte("0001-01-01 00:00:00")
	}
}

// mysqlTypes is what Connector/J makes of the driver's type names.
var mysqlTypes = map[string]jdbcType{
	"TINYINT": tinyType, "SMALLINT": smallType, "MEDIUMINT": integerType, "INT": integerType, "BIGINT": bigType, "BIT": bitType, "FLOAT": realType, "DOUBLE": doubleType,
	"DECIMAL": decimalType, "CHAR": textType, "VARCHAR": textType, "TINYTEXT": textType, "TEXT": textType, "MEDIUMTEXT": textType, "LONGTEXT": textType, "ENUM": textType, "SET": textType,
	"JSON": textType, "BINARY": binaryType, "VARBINARY": binaryType, "TINYBLOB": binaryType, "BLOB": binaryType, "MEDIUMBLOB": binaryType, "LONGBLOB": binaryType, "GEOMETRY": binaryType,
	"DATE": dateType, "TIME": timeType, "DATETIME": timestampType, "TIMESTAMP": timestampType,
}

func (r *mysqlRows) columns() ([]column, error) {
	types, err := r.rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	out := make([]column, len(types))
	dates := make([]bool, len(types))
	for i, t := range types {
		name, unsigned := strings.CutPrefix(t.DatabaseTypeName(), "UNSIGNED ")
		c := column{name: t.Name(), typeName: t.DatabaseTypeName(), unsigned: unsigned, jdbc: mysqlTypes[name]}
		c.nullable, _ = t.Nullable()
		switch c.jdbc {
		case bitType:
			c.read = writeBits
		case dateType, timestampType:
			dates[i] = r.session.zero != refuseZero
		case decimalType:
			precision, scale, _ := t.DecimalSize()
			c.precision, c.scale = int(precision), int(scale)
			if r.id != nil && r.session.precisions[r.id.String()+"."+c.name] > 0 {
				c.precision = r.session.precisions[r.id.String()+"."+c.name]
			}
		}
		if name == "YEAR" {
			if c.jdbc, c.unsigned = smallType, true; r.session.yearIsDate {
				c.jdbc, c.read = dateType, writeYear
			}
		}
		out[i] = c
	}
	if r.session.zero != refuseZero {
		r.zero = dates
		for i, d := range dates { // the row that is read already
			if d {
				r.session.replaceZero(&r.cells[i])
			}
			out[i].nullable = out[i].nullable || d && r.session.zero == nullZero
		}
	}
	return out, nil
}

// writeBits writes a bit field as the number that its bits are.
func writeBits(w schema.Writer, c *cell) error {
	var n int64
	for _, b := range c.text {
		if n > 127 {
			break
		}
		n = n<<8 | int64(b)
	}
	if n > 127 {
		return unfit(&cell{kind: blobCell, text: c.text}, "int8", "read the column by a query (option query) with CAST(… AS UNSIGNED)")
	}
	w.Int(n)
	return nil
}

// writeYear writes a year as the date of its first day.
func writeYear(w schema.Writer, c *cell) error {
	year, ok := parseInt(c.text)
	if !ok || year == 0 {
		return unfit(c, "year that a record can hold as a date", "put yearIsDateType=false into the URL to read years as numbers")
	}
	w.Int(javaDays(daysTo(year, 1, 1)))
	return nil
}
