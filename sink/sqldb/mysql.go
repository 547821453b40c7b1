package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"

	"github.com/tandem-cdc/tandem/internal/dialect"
)

// myStore is MySQL, 5.7 and later, and MariaDB, 10.3 and later.
type myStore struct {
	config    *Config
	target    dialect.MySQLTarget
	connector string
	log       *slog.Logger
	zone      *time.Location // in which columns without zone are
	positions tableName
	server    atomic.Pointer[myServer] // of the last connection
	stalled   time.Duration            // stalledAfter and claimPatience, but for tests
	patience  time.Duration

	mu   sync.Mutex
	told map[string]bool // what was warned about
}

// myServer is which server answers.
type myServer struct {
	text         string // as it says
	mariadb      bool
	major, minor int
	patch        int
}

// since tells whether the server is MariaDB of a version or later (mariadb), or MySQL.
func (v *myServer) since(mariadb bool, major, minor, patch int) bool {
	if v.mariadb != mariadb {
		return false
	}
	if v.major != major {
		return v.major > major
	}
	if v.minor != minor {
		return v.minor > minor
	}
	return v.patch >= patch
}

// parseMyServer reads 8.0.36-0ubuntu0.22.04.1 and 10.11.6-MariaDB-0+deb12u1.
func parseMyServer(text string) *myServer {
	v := &myServer{text: text, mariadb: strings.Contains(strings.ToLower(text), "mariadb")}
	parts := strings.SplitN(strings.FieldsFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })[0], ".", 3)
	for i, to := range []*int{&v.major, &v.minor, &v.patch} {
		if i < len(parts) {
			*to, _ = strconv.Atoi(parts[i]) // what is no number counts as an old version
		}
	}
	return v
}

func newMySQL(c *Config, target dialect.MySQLTarget, connector string, log *slog.Logger) (*myStore, error) {
	st := &myStore{config: c, target: target, connector: connector, log: log, stalled: stalledAfter, patience: claimPatience, told: make(map[string]bool)}
	schemaName, name, ok := strings.Cut(c.Positions, ".")
	if !ok {
		schemaName, name = "", c.Positions
	}
	if name == "" {
		return nil, &SetupError{Option: "positions.table", Err: errors.New("the name is empty")}
	}
	st.positions = tableName{schema: st.fold(schemaName), table: st.fold(name)}
	var err error
	if st.zone, err = parseZone(c.TimeZone); err != nil {
		return nil, &SetupError{Option: c.names.zone, Err: err, Remedy: "give the name of a time zone, such as UTC or Europe/Paris"}
	}
	for _, one := range target.Configs {
		one.ClientFoundRows = true // an update tells how many rows it found, not how many it changed
		one.MultiStatements = true
		one.ConnectionAttributes = "program_name:tandem " + strings.NewReplacer(",", " ", ":", " ").Replace(connector)
	}
	return st, nil
}

// fold makes of a name what the server makes of it: 64 characters at most. Quoted or not it keeps its letters.
func (st *myStore) fold(name string) string {
	if utf8.RuneCountInString(name) > dialect.MySQLNameLimit {
		name = string([]rune(name)[:dialect.MySQLNameLimit])
	}
	return name
}

// address is what messages call the target.
func (st *myStore) address() string { return st.target.Address() }

// mySettings are made on each connection, after those of the URL. Data that does not fit is refused and not cut; text keys compare as
// their columns say; a zero for a column that counts by itself stays a zero. Times travel in UTC, so that no server needs the tables of time
// zones.
const mySettings = "SET NAMES utf8mb4; SET SESSION sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', time_zone='+00:00', autocommit=1, sql_safe_updates=0; " +
	"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"

// myIdle ends a connection that was stopped within a transaction, so that it does not keep its position locked: whoever takes over waits
// for it. MySQL has nothing like it; see endStalled.
const myIdle = "SET SESSION idle_write_transaction_timeout=60"

// myConn is what the driver's connections can do.
type myConn interface {
	driver.Conn
	driver.ExecerContext
	driver.QueryerContext
	driver.Validator
}

func (st *myStore) connect(ctx context.Context) (session, error) {
	connector, err := st.target.Connector()
	if err != nil {
		return nil, &SetupError{Option: "connection.url", Err: err}
	}
	opened, err := connector.Connect(ctx)
	if err != nil {
		return nil, st.connectError(err)
	}
	conn, ok := opened.(myConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("connect to %s: the driver's connections are not as expected", st.address()), opened.Close())
	}
	s := &mySession{store: st, conn: conn}
	if err := s.setUp(ctx); err != nil {
		s.close(ctx)
		return nil, fmt.Errorf("set the session up: %w", err)
	}
	return s, nil
}

func (s *mySession) setUp(ctx context.Context) error {
	for _, v := range s.store.target.Settings {
		if err := s.exec(ctx, "SET SESSION "+v.Name+"="+v.Value); err != nil {
			return &SetupError{Option: "connection.url", Err: err, Remedy: fmt.Sprintf("check sessionVariables, %s", v.Name)}
		}
	}
	if err := s.exec(ctx, mySettings); err != nil {
		return err
	}
	rows, err := s.query(ctx, "SELECT VERSION(), @@max_allowed_packet")
	if err != nil {
		return err
	}
	server := parseMyServer(string(rows[0][0]))
	s.store.server.Store(server)
	s.packet, err = strconv.Atoi(string(rows[0][1]))
	if err != nil || s.packet < 1024 { // the least a server can be given
		s.packet = 1024
	}
	if server.since(true, 10, 3, 0) {
		return s.exec(ctx, myIdle)
	}
	return nil
}

// myNumber is the number of a server's error, 0 when it is none.
func myNumber(err error) uint16 {
	var answered *mysql.MySQLError
	if errors.As(err, &answered) {
		return answered.Number
	}
	return 0
}

// connectError says what is wrong when no connection can be made. Numbers: MySQL manual, "Server Error Message Reference"; MariaDB
// documentation, "MariaDB Error Codes".
func (st *myStore) connectError(err error) error {
	c := st.target.Configs[0]
	setup := func(option, remedy string, args ...any) error {
		return &SetupError{Option: option, Object: "database " + st.address(), Err: err, Remedy: fmt.Sprintf(remedy, args...)}
	}
	switch myNumber(err) {
	case 1045, 1698: // ER_ACCESS_DENIED_ERROR, and without password
		return setup(st.config.names.user, "check %s (%q) and connection.password, and that the server lets this user in from this host", st.config.names.user, c.User)
	case 1044: // ER_DBACCESS_DENIED_ERROR
		return setup(st.config.names.user, "run GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER ON %s.* TO the user", dialect.QuoteMySQL(c.DBName))
	case 1049: // ER_BAD_DB_ERROR
		return setup("connection.url", "create it (CREATE DATABASE %s) or check connection.url", dialect.QuoteMySQL(c.DBName))
	case 1130: // ER_HOST_NOT_PRIVILEGED
		return setup(st.config.names.user, "make a user that may come from this host: CREATE USER '%s'@'%%'", c.User)
	case 1251, 1275, 1862, 1820, 3118, 4151: // authentication protocol, password expired, account locked
		return setup(st.config.names.user, "have the user's account changed on the server")
	case 0:
		if !isNetwork(err) && !errors.Is(err, mysql.ErrInvalidConn) && !errors.Is(err, driver.ErrBadConn) {
			return setup("connection.url", "check host, encryption (sslMode, trustCertificateKeyStoreUrl) and credentials")
		}
	}
	return st.classify(err)
}

// Errors by what they mean, where their SQLSTATE does not say it.
var (
	myPassing = numbers(1020, 1021, 1030, 1037, 1038, 1040, 1041, 1042, 1043, 1047, 1053, 1077, 1079, 1080, 1114, 1135, 1152, 1158, 1159, 1160, 1161, 1180, 1181, 1184, 1189, 1190,
		1203, 1205, 1206, 1213, 1226, 1290, 1317, 1412, 1637, 1792, 1836, 1927, 1969, 2006, 2013, 3024, 3058, 3100, 3101, 3168, 3572, 3989, 4031)
	myStale = numbers(1054, 1072, 1091, 1110, 1136, 1146, 1176, 1356, 1615, 1906, 1932, 3105)
	// ER_NO_REFERENCED_ROW, ER_ROW_IS_REFERENCED, and both _2
	myReference = numbers(1216, 1217, 1451, 1452)
	myRefused   = numbers(1048, 1062, 1118, 1138, 1169, 1216, 1217, 1263, 1264, 1265, 1292, 1300, 1364, 1365, 1366, 1367, 1369, 1406, 1411, 1416, 1440, 1441, 1451, 1452, 1525, 1526, 1557, 1573, 1586, 1644,
		1690, 1713, 1761, 1762, 3037, 3055, 3140, 3141, 3143, 3144, 3156, 3516, 3548, 3616, 3617, 3618, 3668, 3819, 3854, 3903, 4025, 4078, 4079)
	myDenied = numbers(1044, 1045, 1095, 1142, 1143, 1227, 1345, 1370, 1410)
)

func numbers(list ...uint16) map[uint16]bool {
	out := make(map[uint16]bool, len(list))
	for _, n := range list {
		out[n] = true
	}
	return out
}

// classify says what an error of a statement means.
func (st *myStore) classify(err error) error {
	if err == nil {
		return nil
	}
	var told interface{ Retriable() bool }
	if errors.As(err, &told) {
		return err
	}
	var answered *mysql.MySQLError
	if !errors.As(err, &answered) { // not the server's: the connection
		return &UnavailableError{Target: st.address(), Err: err}
	}
	switch n := answered.Number; {
	case myPassing[n]:
		return &UnavailableError{Target: st.address(), Err: err}
	case myStale[n]:
		return &staleError{err}
	case myRefused[n]:
		return &refusedError{err: err, reference: myReference[n]}
	case myDenied[n]:
		return &SetupError{Option: st.config.names.user, Err: err, Remedy: fmt.Sprintf("grant user %q what it needs: SELECT, INSERT, UPDATE, DELETE on the table, and CREATE and ALTER where it is to make tables", st.target.Configs[0].User)}
	case n == 1049:
		return &SetupError{Option: st.config.names.collection, Err: err, Remedy: "create the database, or check the name"}
	}
	switch string(answered.SQLState[:2]) {
	case "08", "40":
		return &UnavailableError{Target: st.address(), Err: err}
	case "21", "22", "23", "44", "45":
		return &refusedError{err: err}
	}
	return &SetupError{Err: err, Object: "database " + st.address()}
}

// warnOnce logs what is worth it the first time.
func (st *myStore) warnOnce(key, message string, args ...any) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.told[key] {
		st.told[key] = true
		st.log.Warn(message, args...)
	}
}
