package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"

	"github.com/tandem-cdc/tandem/internal/dialect"
)

// sqStore is SQLite: a file, which one connection at a time writes to.
type sqStore struct {
	config    *Config
	target    dialect.SQLiteTarget
	connector string
	positions tableName
	zone      *time.Location
	dates     dateClass
	asking    bool // connections are for looking only
}

// dateClass is how Connect's dates and times are stored, as the JVM's driver has it (date_class, date_precision).
type dateClass uint8

const (
	dateMillis  dateClass = iota // integers, since 1970
	dateSeconds                  // likewise
	dateText                     // 2024-01-31 13:51:30.123
	dateJulian                   // floating-point numbers, days since noon in 4714 BC
)

func newSQLite(c *Config, target dialect.SQLiteTarget, connector string) (*sqStore, error) {
	st := &sqStore{config: c, target: target, connector: connector}
	if strings.Contains(c.Positions, ".") || c.Positions == "" {
		return nil, &SetupError{Option: "positions.table", Err: fmt.Errorf("%q is no name of a table of SQLite, which has no schemas", c.Positions)}
	}
	if target.ReadOnly {
		return nil, &SetupError{Option: "connection.url", Err: errors.New("it opens the database for reading only"), Remedy: "take open_mode, mode or immutable out of it"}
	}
	st.positions = tableName{table: c.Positions}
	var err error
	if st.zone, err = parseZone(c.TimeZone); err != nil {
		return nil, &SetupError{Option: c.names.zone, Err: err, Remedy: "give the name of a time zone, such as UTC or Europe/Paris"}
	}
	switch class := target.Dates["date_class"]; strings.ToUpper(class) {
	case "", "INTEGER":
		if strings.EqualFold(target.Dates["date_precision"], "SECONDS") {
			st.dates = dateSeconds
		}
	case "TEXT":
		st.dates = dateText
	case "REAL":
		st.dates = dateJulian
	default:
		return nil, &SetupError{Option: "connection.url", Err: fmt.Errorf("parameter date_class=%s: want INTEGER, TEXT or REAL", class)}
	}
	st.target.SetDefault("journal_mode", "WAL") // readers and the writer do not wait for each other
	// A crash of the machine may cost the last transactions, with their positions: the records are applied again, as after one of the process.
	if st.target.Pragma("synchronous") == "" && strings.EqualFold(st.target.Pragma("journal_mode"), "WAL") {
		st.target.SetPragma("synchronous", "NORMAL")
	}
	st.target.SetDefault("busy_timeout", "10000") // as long as another writer may take before it counts as unavailable
	c.Connections = 1
	return st, nil
}

// fold keeps a name as it is: SQLite tells names apart without their case.
func (st *sqStore) fold(name string) string { return name }

// address is what messages call the target.
func (st *sqStore) address() string { return st.target.Path }

// sqConn is what the driver's connections can do.
type sqConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

func (st *sqStore) connect(ctx context.Context) (session, error) {
	connector, err := st.connection()
	if err != nil {
		return nil, &SetupError{Option: "connection.url", Err: err}
	}
	opened, err := connector.Connect(ctx)
	if err != nil {
		return nil, st.connectError(err)
	}
	conn, ok := opened.(sqConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("open %s: the driver's connections are not as expected", st.address()), opened.Close())
	}
	s := &sqSession{store: st, conn: conn, statements: make(map[string]sqStatement)}
	if s.file, err = os.Stat(st.target.Path); err != nil && !st.asking {
		s.close(ctx)
		return nil, &SetupError{Option: "connection.url", Object: "database " + st.address(), Err: err}
	}
	return s, nil
}

// connection says how the file is opened: made when it is missing, or, to look only, as it is.
func (st *sqStore) connection() (driver.Connector, error) {
	if !st.asking {
		return st.target.Connector(true)
	}
	if _, err := os.Stat(st.target.Path); errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(filepath.Dir(st.target.Path)); err == nil {
			return sqlite.NewConnector(":memory:") // there are no tables yet
		}
	}
	look := dialect.SQLiteTarget{Path: st.target.Path, ReadOnly: true}
	look.SetPragma("busy_timeout", st.target.Pragma("busy_timeout"))
	return look.Connector(false)
}

// Result codes. SQLite documentation, "Result and Error Codes"; an extended code has the primary one in its lowest byte.
const (
	sqError      = 1
	sqPerm       = 3
	sqBusy       = 5
	sqLocked     = 6
	sqNoMemory   = 7
	sqReadOnly   = 8
	sqInterrupt  = 9
	sqIOError    = 10
	sqCorrupt    = 11
	sqFull       = 13
	sqCannotOpen = 14
	sqProtocol   = 15
	sqSchema     = 17
	sqTooBig     = 18
	sqConstraint = 19
	sqMismatch   = 20
	sqAuth       = 23
	sqNotADB     = 26

	sqReadOnlyMoved = sqReadOnly | 4<<8
	sqForeignKey    = sqConstraint | 3<<8
	sqPrimaryKey    = sqConstraint | 6<<8
	sqUnique        = sqConstraint | 8<<8
	sqRowID         = sqConstraint | 10<<8
)

// sqCode is the extended result code of an error, 0 when it has none.
func sqCode(err error) int {
	var answered *sqlite.Error
	if errors.As(err, &answered) {
		return answered.Code()
	}
	return 0
}

// connectError says what is wrong when the file cannot be opened.
func (st *sqStore) connectError(err error) error {
	switch sqCode(err) & 0xff {
	case sqCannotOpen, sqPerm, sqReadOnly, sqAuth:
		return &SetupError{Option: "connection.url", Object: "database " + st.address(), Err: err, Remedy: "check that its folder exists, and that this process may write to the folder and the file"}
	case sqNotADB, sqCorrupt:
		return st.damaged(err)
	}
	return st.classify(err)
}

func (st *sqStore) damaged(err error) error {
	return &SetupError{Option: "connection.url", Object: "database " + st.address(), Err: err, Remedy: "it is no database of SQLite, or it is damaged: run PRAGMA integrity_check in the sqlite3 shell, or name another file"}
}

// classify says what an error of a statement means.
func (st *sqStore) classify(err error) error {
	if err == nil {
		return nil
	}
	var told interface{ Retriable() bool }
	if errors.As(err, &told) {
		return err
	}
	code := sqCode(err)
	if code == sqReadOnlyMoved {
		return &UnavailableError{Target: st.address(), Err: err}
	}
	switch code & 0xff {
	case 0, sqBusy, sqLocked, sqNoMemory, sqInterrupt, sqIOError, sqFull, sqProtocol: // 0: the driver's, of a connection that ended
		return &UnavailableError{Target: st.address(), Err: err}
	case sqSchema:
		return &staleError{err}
	case sqTooBig, sqConstraint, sqMismatch:
		return &refusedError{err: err, reference: code == sqForeignKey}
	case sqCorrupt, sqNotADB:
		return st.damaged(err)
	case sqReadOnly, sqPerm, sqAuth, sqCannotOpen:
		return &SetupError{Option: "connection.url", Object: "database " + st.address(), Err: err, Remedy: "check that this process may write to the file and its folder"}
	}
	return &SetupError{Err: err, Object: "database " + st.address()}
}
