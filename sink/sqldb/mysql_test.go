package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// myStoreOf is a store that has seen a server of a version.
func myStoreOf(t testing.TB, version string, options ...string) *myStore {
	t.Helper()
	task := newTask(t, "jdbc:mysql://db/shop?user=u&password=hush", options...)
	if err := task.prepare(); err != nil {
		t.Fatal(err)
	}
	st := task.store.(*myStore)
	st.server.Store(parseMyServer(version))
	return st
}

func TestParseMyServer(t *testing.T) {
	for text, want := range map[string]myServer{
		"8.0.36-0ubuntu0.22.04.1":          {major: 8, minor: 0, patch: 36},
		"10.11.6-MariaDB-0+deb12u1-log":    {major: 10, minor: 11, patch: 6, mariadb: true},
		"8.4.0":                            {major: 8, minor: 4},
		"5.7.44-log":                       {major: 5, minor: 7, patch: 44},
		"11.4.2-MariaDB-ubu2404":           {major: 11, minor: 4, patch: 2, mariadb: true},
		"8.0.11-TiDB-v7.5.0":               {major: 8, minor: 0, patch: 11},
		"5.7.25-google-log (Google) 1.2.3": {major: 5, minor: 7, patch: 25},
	} {
		want.text = text
		if got := *parseMyServer(text); got != want {
			t.Errorf("parseMyServer(%q) = %+v, want %+v", text, got, want)
		}
	}
}

// recorder takes the statements that a session sends.
type recorder struct {
	driver.Conn
	said []string
}

func (r *recorder) IsValid() bool { return true }
func (r *recorder) ExecContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	r.said = append(r.said, query)
	return counted{}, nil
}
func (r *recorder) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return nil, errors.New("nothing is to be asked")
}

// counted is the result of one statement that found a row.
type counted struct{}

func (counted) LastInsertId() (int64, error) { return 0, nil }
func (counted) RowsAffected() (int64, error) { return 1, nil }
func (counted) AllLastInsertIds() []int64    { return []int64{0} }
func (counted) AllRowsAffected() []int64     { return []int64{1} }

var _ mysql.Result = counted{}

// What is sent to MySQL and MariaDB: they differ in how an upsert names the row that comes in.
func TestMySQLStatements(t *testing.T) {
	for _, c := range []struct {
		version string
		unique  [][]string
		want    []string
	}{
		{"8.0.36", [][]string{{"id"}}, []string{
			"INSERT INTO `shop`.`t` (`id`,`v`,`it's`) VALUES (1,'a\\'b',NULL),(2,'c',NULL) AS tandem_new ON DUPLICATE KEY UPDATE `v`=tandem_new.`v`,`it's`=tandem_new.`it's`",
			"DELETE FROM `shop`.`t` WHERE `id` IN (1,2)",
			"UPDATE `shop`.`t` SET `v`='a\\'b',`it's`=NULL WHERE `id`=1",
			"INSERT INTO `shop`.`t` (`id`,`v`,`it's`) VALUES (1,'a\\'b',NULL),(2,'c',NULL)",
			"DELETE FROM `shop`.`t`",
		}},
		{"10.11.6-MariaDB", [][]string{{"id"}, {"v"}}, []string{
			"INSERT INTO `shop`.`t` (`id`,`v`,`it's`) VALUES (1,'a\\'b',NULL),(2,'c',NULL) ON DUPLICATE KEY UPDATE `id`=IF(`shop`.`t`.`id`<=>VALUES(`id`),`shop`.`t`.`id`,NULL),`v`=VALUES(`v`),`it's`=VALUES(`it's`)",
			"DELETE FROM `shop`.`t` WHERE `id` IN (1,2)",
			"UPDATE `shop`.`t` SET `v`='a\\'b',`it's`=NULL WHERE `id`=1",
			"INSERT INTO `shop`.`t` (`id`,`v`,`it's`) VALUES (1,'a\\'b',NULL),(2,'c',NULL)",
			"DELETE FROM `shop`.`t`",
		}},
	} {
		st := myStoreOf(t, c.version)
		s := newSource("t", 1, field("id", int32Of()), field("v", stringOf()), field("it's", nullable()))
		u, err := newMutator(st.config, st.fold)
		if err != nil {
			t.Fatal(err)
		}
		var muts []*mutation
		records := []sink.Record{s.create(i32(1), str("a'b"), schema.NullValue), s.create(i32(2), str("c"), schema.NullValue)}
		for i := range records {
			m, ok, _, err := u.mutate(&records[i])
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			muts = append(muts, &m)
		}
		tab := &table{name: tableName{schema: "shop", table: "t"}, unique: c.unique, columns: []tableColumn{{name: "id", typ: "int", cast: "int", notNull: true},
			{name: "v", typ: "longtext", cast: "longtext", collation: "utf8mb4_general_ci"}, {name: "it's", typ: "longtext", cast: "longtext", collation: "utf8mb4_general_ci"}}}
		plan := muts[0].target.plan
		b, err := st.bind(plan, tab)
		if err != nil {
			t.Fatal(err)
		}
		d := &destination{plan: plan, table: tab, bound: b}
		conn := &recorder{}
		session := &mySession{store: st, conn: conn, packet: 1 << 24}
		for _, one := range []struct {
			op   statementOp
			rows int
		}{{stUpsert, 2}, {stDelete, 2}, {stUpdate, 1}, {stInsert, 2}, {stClear, 1}} {
			if err := session.write(context.Background(), one.op, d, nil, muts[:one.rows]); err != nil {
				t.Errorf("write(%d) = %v", one.op, err)
			}
		}
		if d := cmp.Diff(c.want, conn.said); d != "" {
			t.Errorf("%s: statements (-want +got)\n%s", c.version, d)
		}
		conn.said = nil
		session.packet = 90 // one row a statement
		if err := session.write(context.Background(), stInsert, d, nil, muts); err != nil || len(conn.said) != 2 {
			t.Errorf("write of two rows, of which one fits into a packet = %v and %q, want two statements", err, conn.said)
		}
		conn.said = nil
		session.packet = 70 // less than that
		if err := session.write(context.Background(), stInsert, d, nil, muts); !isRowFault(err) || len(conn.said) != 0 {
			t.Errorf("write of rows larger than a packet = %v and %q, want it refused", err, conn.said)
		}
	}
}

// What tables look like, by version: texts of a key compare by their bytes, and the key fits into an index.
func TestMySQLCreate(t *testing.T) {
	n := optional(int32Of())
	seven := i32(7)
	n.Default = &seven
	text := nullable()
	hello := str("it's")
	text.Default = &hello
	columns := []column{}
	for _, c := range []struct {
		name string
		s    *schema.Schema
		key  bool
	}{{"code", stringOf(), true}, {"at", logicalOf(schema.Int64, "time.MicroTimestamp"), true}, {"n", n, false}, {"text", text, false},
		{"uid", optional(logicalOf(schema.String, "data.Uuid")), false}} {
		columns = append(columns, column{name: c.name, schema: c.s, fresh: c.s, kind: kindOf(c.s), freshK: kindOf(c.s), key: c.key})
	}
	const head, tail = "CREATE TABLE IF NOT EXISTS `t` (`code` ", ", PRIMARY KEY (`code`, `at`)) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4"
	for version, want := range map[string]string{
		"10.11.6-MariaDB": "varchar(766) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL, `at` datetime(6) NOT NULL, `n` int NULL DEFAULT 7, `text` longtext NULL DEFAULT 'it\\'s', `uid` uuid NULL",
		"8.0.36":          "varchar(766) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL, `at` datetime(6) NOT NULL, `n` int NULL DEFAULT 7, `text` longtext NULL DEFAULT ('it\\'s'), `uid` char(36) CHARACTER SET ascii COLLATE ascii_bin NULL",
		"5.7.44":          "varchar(766) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, `at` datetime(6) NOT NULL, `n` int NULL DEFAULT 7, `text` longtext NULL, `uid` char(36) CHARACTER SET ascii COLLATE ascii_bin NULL",
	} {
		s := &mySession{store: myStoreOf(t, version)}
		if got := s.createSQL(tableName{table: "t"}, columns, 2, myIndexBytes); got != head+want+tail {
			t.Errorf("%s: %s, want %s", version, got, head+want+tail)
		}
	}
	s := &mySession{store: myStoreOf(t, "5.7.44")}
	if got, want := s.createSQL(tableName{table: "t"}, columns[:1], 1, myIndexBytesOld), "CREATE TABLE IF NOT EXISTS `t` (`code` varchar(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, PRIMARY KEY (`code`)) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4"; got != want {
		t.Errorf("rows of the old format: %s, want %s", got, want)
	}
}

func TestMySQLErrors(t *testing.T) {
	st := myStoreOf(t, "8.0.36")
	for _, c := range []struct {
		number uint16
		state  string
		check  func(error) bool
	}{
		{1213, "40001", isRetriable}, {1205, "HY000", isRetriable}, {1040, "08004", isRetriable}, {1053, "08S01", isRetriable}, {1290, "HY000", isRetriable}, {1614, "40XYZ", isRetriable},
		{1062, "23000", isRowFault}, {1406, "22001", isRowFault}, {1644, "45000", isRowFault}, {1452, "23000", isRowFault}, {3819, "HY000", isRowFault},
		{1054, "42S22", func(err error) bool { var s *staleError; return errors.As(err, &s) }},
		{1045, "28000", func(err error) bool {
			var s *SetupError
			return errors.As(err, &s) && s.Option == "connection.username"
		}},
		{1064, "42000", func(err error) bool { var s *SetupError; return errors.As(err, &s) }},
	} {
		cause := &mysql.MySQLError{Number: c.number, Message: "no"}
		copy(cause.SQLState[:], c.state)
		if err := st.classify(cause); !c.check(err) || c.number == 1045 && isRetriable(err) {
			t.Errorf("classify(%d) = %T %v, retriable %v", c.number, err, err, isRetriable(err))
		}
	}
	if err := st.classify(mysql.ErrInvalidConn); !isRetriable(err) {
		t.Errorf("classify(ErrInvalidConn) = %v, want it retriable", err)
	}
}

// plainWKB takes whatever bytes a record has.
func FuzzPlainWKB(f *testing.F) {
	f.Add(wkbSeed(0))
	f.Add(wkbSeed(4326))
	f.Add([]byte{0, 0x20, 0, 0, 1})
	f.Fuzz(func(t *testing.T, wkb []byte) {
		plain, srid, err := plainWKB(wkb)
		if err != nil {
			return
		}
		again, none, err := plainWKB(plain)
		if err != nil || none != 0 || string(again) != string(plain) {
			t.Errorf("plainWKB(%x) = %x, %d, which is not plain: %x, %d, %v", wkb, plain, srid, again, none, err)
		}
	})
}
