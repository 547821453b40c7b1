package replication

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// configOf is the configuration that reaches the database of a URL.
func configOf(t testing.TB, dsn string) Config {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	password, _ := u.User.Password()
	cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Name = u.Hostname(), port, u.User.Username(), config.Secret(password), strings.TrimPrefix(u.Path, "/")
	return cfg
}

// database is a new database: its configuration and a connection to it.
func database(t testing.TB) (Config, *pgx.Conn) {
	t.Helper()
	cfg := configOf(t, pgtest.Database(t))
	return cfg, open(t, cfg)
}

func open(t testing.TB, cfg Config) *pgx.Conn {
	t.Helper()
	conn, err := cfg.Connect(context.Background(), General)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func replication(t testing.TB, cfg Config) *Conn {
	t.Helper()
	conn, err := Connect(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// slotOf is a slot name of the test's own: names are those of the whole server.
func slotOf(cfg Config) string { return "s_" + cfg.Name }

func confirmedOf(t *testing.T, conn *pgx.Conn, name string) cdc.LSN {
	t.Helper()
	slot, ok, err := LookupSlot(context.Background(), conn.PgConn(), name)
	if err != nil || !ok {
		t.Fatalf("LookupSlot(%q) = %t, %v", name, ok, err)
	}
	return slot.Confirmed
}

func TestStreamFromServer(t *testing.T) {
	ctx := context.Background()
	cfg, conn := database(t)
	exec(t, conn, "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, i interval, f float8, b bytea)")
	name, err := EnsurePublication(ctx, conn, Publication{Name: "p", Mode: AllTables})
	if err != nil {
		t.Fatal(err)
	}
	rc := replication(t, cfg)
	created, err := rc.CreateSlot(ctx, slotOf(cfg), true, 0)
	if err != nil {
		t.Fatal(err)
	}
	if created.Snapshot == "" || created.ConsistentPoint == 0 {
		t.Errorf("CreateSlot = %+v, want a snapshot and a position", created)
	}
	// Settings of the role must not change how values read.
	exec(t, conn, fmt.Sprintf("ALTER DATABASE %s SET datestyle = 'German'", cfg.Name))
	exec(t, conn, "INSERT INTO t VALUES (1, '2024-02-29 12:00+02', '1 day 2 hours', 0.1, '\\x00ff')")
	exec(t, conn, "INSERT INTO t (id) SELECT generate_series(2, 5000)")
	s, err := rc.Stream(ctx, StreamOptions{Slot: slotOf(cfg), Publication: name})
	if err != nil {
		t.Fatal(err)
	}
	rows, last := receiveRows(t, s, 5000)
	if rows[0] != "1" || rows[4999] != "5000" {
		t.Errorf("rows = %s … %s, want 1 … 5000", rows[0], rows[4999])
	}
	if got := confirmedOf(t, conn, slotOf(cfg)); got > created.ConsistentPoint {
		t.Errorf("confirmed_flush_lsn = %s before anything was confirmed, want %s at most", got, created.ConsistentPoint)
	}
	s.Confirm(last)
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	slot, _, err := LookupSlot(ctx, conn.PgConn(), slotOf(cfg))
	if err != nil || slot.Confirmed != last || slot.Active {
		t.Errorf("slot after Close = %+v, %v, want confirmed at %s and free", slot, err, last)
	}

	again := replication(t, cfg)
	if s, err = again.Stream(ctx, StreamOptions{Slot: slotOf(cfg), Publication: name}); err != nil {
		t.Fatal(err)
	}
	defer s.Close(ctx)
	exec(t, conn, "INSERT INTO t VALUES (-1, '2024-02-29 12:00+02', '1 day 2 hours', 0.1, '\\x00ff')")
	var b cdc.Batch
	for len(insertsOf(&b)) == 0 {
		if err := s.Receive(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range b.Changes {
		if c.Kind != cdc.Insert {
			continue
		}
		var got []string
		for _, d := range c.New {
			got = append(got, string(d.Bytes))
		}
		if diff := cmp.Diff([]string{"-1", "2024-02-29 10:00:00+00", "1 day 02:00:00", "0.1", `\x00ff`}, got); diff != "" {
			t.Errorf("row (-want +got):\n%s", diff)
		}
	}
}

// Trap 31: a quiet database next to a busy one learns the server's position, and confirming it frees WAL.
func TestServerLSNOfQuietDatabase(t *testing.T) {
	ctx := context.Background()
	cfg, conn := database(t)
	exec(t, conn, "CREATE PUBLICATION p; CREATE TABLE unpublished (id int)")
	rc := replication(t, cfg)
	if _, err := rc.CreateSlot(ctx, slotOf(cfg), false, 0); err != nil {
		t.Fatal(err)
	}
	s, err := rc.Stream(ctx, StreamOptions{Slot: slotOf(cfg), Publication: "p", StatusInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "INSERT INTO unpublished SELECT generate_series(1, 1000)")
	var want string
	if err := conn.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&want); err != nil {
		t.Fatal(err)
	}
	target, err := cdc.ParseLSN(want)
	if err != nil {
		t.Fatal(err)
	}
	for s.ServerLSN() < target {
		var b cdc.Batch
		if err := s.Receive(ctx, &b); err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Changes {
			if c.Relation != nil {
				t.Errorf("a change of %s.%s, want none", c.Relation.Schema, c.Relation.Name)
			}
		}
	}
	s.Confirm(s.ServerLSN())
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if got := confirmedOf(t, conn, slotOf(cfg)); got < target {
		t.Errorf("confirmed_flush_lsn = %s, want %s at least", got, target)
	}
}

func TestSlotErrors(t *testing.T) {
	ctx := context.Background()
	cfg, conn := database(t)
	exec(t, conn, "CREATE PUBLICATION p FOR ALL TABLES")
	rc := replication(t, cfg)
	if _, err := rc.Stream(ctx, StreamOptions{Slot: slotOf(cfg), Publication: "p"}); !errors.Is(err, ErrSlotMissing) || retriable(err) {
		t.Errorf("Stream(missing slot) = %v, want %v", err, ErrSlotMissing)
	}
	if err := DropSlot(ctx, conn, slotOf(cfg)); err != nil {
		t.Errorf("DropSlot(missing slot) = %v, want none", err)
	}
	if _, err := rc.CreateSlot(ctx, slotOf(cfg), false, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := rc.CreateSlot(ctx, slotOf(cfg), false, 0); !errors.Is(err, ErrSlotBusy) {
		t.Errorf("CreateSlot(existing) = %v, want %v", err, ErrSlotBusy)
	}
	s, err := rc.Stream(ctx, StreamOptions{Slot: slotOf(cfg), Publication: "p"})
	if err != nil {
		t.Fatal(err)
	}

	// Two connectors on one slot: the second is told who the first is, may try again, and gets the slot when it is free.
	second := replication(t, cfg)
	_, err = second.Stream(ctx, StreamOptions{Slot: slotOf(cfg), Publication: "p"})
	var busy *SlotError
	if !errors.As(err, &busy) || !errors.Is(err, ErrSlotBusy) || busy.PID == 0 || !retriable(err) || !strings.Contains(err.Error(), fmt.Sprint("PID ", busy.PID)) {
		t.Errorf("Stream(busy slot) = %v, want a retriable %v with the holder's PID", err, ErrSlotBusy)
	}
	if err := DropSlot(ctx, conn, slotOf(cfg)); !errors.Is(err, ErrSlotBusy) {
		t.Errorf("DropSlot(busy slot) = %v, want %v", err, ErrSlotBusy)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if s, err = second.Stream(ctx, StreamOptions{Slot: slotOf(cfg), Publication: "p"}); err != nil {
		t.Fatalf("Stream(freed slot) = %v", err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}

	other, _ := database(t)
	if _, err := replication(t, other).Stream(ctx, StreamOptions{Slot: slotOf(cfg), Publication: "p"}); !errors.Is(err, ErrSlotForeign) || !strings.Contains(err.Error(), cfg.Name) {
		t.Errorf("Stream(slot of another database) = %v, want %v", err, ErrSlotForeign)
	}
	if _, err := replication(t, other).CreateSlot(ctx, slotOf(cfg), false, 0); !errors.Is(err, ErrSlotForeign) {
		t.Errorf("CreateSlot(name of another database's) = %v, want %v", err, ErrSlotForeign)
	}
	physical := "ph_" + cfg.Name
	exec(t, conn, "SELECT pg_create_physical_replication_slot($1)", physical)
	defer exec(t, conn, "SELECT pg_drop_replication_slot($1)", physical)
	if _, err := replication(t, cfg).Stream(ctx, StreamOptions{Slot: physical, Publication: "p"}); !errors.Is(err, ErrSlotForeign) {
		t.Errorf("Stream(physical slot) = %v, want %v", err, ErrSlotForeign)
	}
	if err := (Slot{Name: "w", Plugin: "wal2json"}).Check(cfg.Name); !errors.Is(err, ErrSlotForeign) || !strings.Contains(err.Error(), "wal2json") {
		t.Errorf("Check(slot of wal2json) = %v, want %v", err, ErrSlotForeign)
	}
	if err := DropSlot(ctx, conn, slotOf(cfg)); err != nil {
		t.Errorf("DropSlot = %v", err)
	}
}

// A slot that fell behind max_slot_wal_keep_size is lost, and the error says what to do.
func TestSlotLost(t *testing.T) {
	ctx := context.Background()
	server := pgtest.PrivateServer(t, pgserver.Options{Settings: map[string]string{"max_slot_wal_keep_size": "16MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}})
	cfg := configOf(t, server.URL("postgres"))
	conn := open(t, cfg)
	exec(t, conn, "CREATE PUBLICATION p FOR ALL TABLES; CREATE TABLE t (s text)")
	rc := replication(t, cfg)
	if _, err := rc.CreateSlot(ctx, "s", false, 0); err != nil {
		t.Fatal(err)
	}
	for range 6 {
		exec(t, conn, "INSERT INTO t SELECT repeat(md5(g::text), 100) FROM generate_series(1, 2000) g")
		exec(t, conn, "SELECT pg_switch_wal()")
		exec(t, conn, "CHECKPOINT")
	}
	_, err := rc.Stream(ctx, StreamOptions{Slot: "s", Publication: "p"})
	if !errors.Is(err, ErrSlotLost) || retriable(err) {
		t.Errorf("Stream(lost slot) = %v, want %v", err, ErrSlotLost)
	}
	slot, ok, err := LookupSlot(ctx, conn.PgConn(), "s")
	if err != nil || !ok || !slot.Lost {
		t.Errorf("LookupSlot = %+v, %t, %v, want it lost", slot, ok, err)
	}
}

// A publication that is dropped while it is streamed stops the stream: nothing is left out, whatever the version.
func TestPublicationDropped(t *testing.T) {
	ctx := context.Background()
	cfg, conn := database(t)
	exec(t, conn, "CREATE PUBLICATION p FOR ALL TABLES; CREATE TABLE t (id int PRIMARY KEY)")
	rc := replication(t, cfg)
	if _, err := rc.CreateSlot(ctx, slotOf(cfg), false, 0); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "INSERT INTO t VALUES (1)")
	exec(t, conn, "DROP PUBLICATION p")
	exec(t, conn, "INSERT INTO t VALUES (2)")
	s, err := rc.Stream(ctx, StreamOptions{Slot: slotOf(cfg), Publication: "p"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(ctx)
	for err == nil {
		var b cdc.Batch
		err = s.Receive(ctx, &b)
		if rows := insertsOf(&b); len(rows) > 0 && rows[len(rows)-1] == "2" {
			t.Error("a change behind the drop of the publication was sent")
		}
	}
	if !errors.Is(err, ErrPublicationMissing) || retriable(err) {
		t.Errorf("Receive = %v, want %v", err, ErrPublicationMissing)
	}
}

func TestConnectErrors(t *testing.T) {
	ctx := context.Background()
	cfg, conn := database(t)
	t.Run("unknown database", func(t *testing.T) {
		bad := cfg
		bad.Name = "no_such_database"
		for _, connect := range []func() error{
			func() error { _, err := Connect(ctx, bad); return err },
			func() error { _, err := bad.Connect(ctx, General); return err },
		} {
			if err := connect(); err == nil || retriable(err) || !strings.Contains(err.Error(), "database.dbname") {
				t.Errorf("Connect = %v, want an error that names database.dbname and is not retriable", err)
			}
		}
	})
	t.Run("role without replication", func(t *testing.T) {
		role := "r_" + cfg.Name
		exec(t, conn, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'x'", role))
		defer exec(t, conn, "DROP ROLE "+role)
		bad := cfg
		bad.User, bad.Password = role, "x"
		_, err := Connect(ctx, bad)
		var server *ServerError
		if !errors.As(err, &server) || retriable(err) || !strings.Contains(err.Error(), "ALTER ROLE \""+role+"\" REPLICATION") {
			t.Errorf("Connect(role without REPLICATION) = %v, want a ServerError with the remedy", err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		bad := cfg
		bad.Host, bad.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
		if _, err := Connect(ctx, bad); !retriable(err) || !strings.Contains(err.Error(), l.Addr().String()) {
			t.Errorf("Connect = %v, want a retriable error that names %s", err, l.Addr())
		}
	})
	t.Run("wal_level", func(t *testing.T) {
		server, err := LookupServer(ctx, conn)
		if err != nil || server.Version < 10_00_00 || server.LSN == 0 {
			t.Fatalf("LookupServer = %+v, %v", server, err)
		}
		if err := server.Check(&cfg); err != nil {
			t.Errorf("Check = %v", err)
		}
		server.WALLevel = "replica"
		if err := server.Check(&cfg); err == nil || retriable(err) || !strings.Contains(err.Error(), "wal_level = logical") {
			t.Errorf("Check(wal_level=replica) = %v, want an error with the remedy", err)
		}
	})
}

// TestConnectRefusals lets a scripted server refuse: which errors are worth another try.
func TestConnectRefusals(t *testing.T) {
	for code, want := range map[string]bool{"28P01": false, "28000": false, "3D000": false, "53300": true, "57P03": true} {
		t.Run(code, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					b := pgproto3.NewBackend(c, c)
					if _, err := b.ReceiveStartupMessage(); err == nil {
						b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: "refused"})
						_ = b.Flush()
					}
					c.Close()
				}
			}()
			defer func() { l.Close(); <-ended }()
			cfg := DefaultConfig()
			cfg.Host, cfg.Port, cfg.User, cfg.Name, cfg.Password, cfg.SSLMode = "127.0.0.1", l.Addr().(*net.TCPAddr).Port, "u", "d", "the password", SSLDisable
			_, err = Connect(context.Background(), cfg)
			if err == nil || retriable(err) != want {
				t.Errorf("Connect = %v, retriable %t, want %t", err, retriable(err), want)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, cfg), "the password") {
				t.Errorf("the password is in %v or %+v", err, cfg)
			}
		})
	}
}

func TestEnsurePublication(t *testing.T) {
	ctx := context.Background()
	_, conn := database(t)
	exec(t, conn, `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE SCHEMA "S.2"; CREATE TABLE "S.2"."T ""q""" (id int PRIMARY KEY)`)
	a, b, odd := TableName{"public", "a"}, TableName{"public", "b"}, TableName{"S.2", `T "q"`}
	exec(t, conn, `CREATE PUBLICATION everything FOR ALL TABLES; CREATE PUBLICATION "Mixed" FOR TABLE a; CREATE PUBLICATION listed FOR TABLE a`)
	for _, tt := range []struct {
		name string
		p    Publication
		want string // state afterwards
		text string // of the error
	}{
		{"disabled, missing", Publication{Name: "nope", Mode: Disabled}, "", "CREATE PUBLICATION"},
		{"disabled, there", Publication{Name: "everything", Mode: Disabled}, "everything all=true ops=iudt root=false tables=*", ""},
		{"quoted name", Publication{Name: "Mixed", Mode: Disabled}, "Mixed all=false ops=iudt root=false tables=public.a", ""},
		{"folded name", Publication{Name: "EveryThing", Mode: AllTables}, "everything all=true ops=iudt root=false tables=*", ""},
		{"all tables", Publication{Name: "New_All", Mode: AllTables}, "new_all all=true ops=iudt root=false tables=*", ""},
		{"all tables, listed there", Publication{Name: "listed", Mode: AllTables}, "listed all=false ops=iudt root=false tables=public.a", ""},
		{"no tables", Publication{Name: "none", Mode: NoTables}, "none all=false ops=iudt root=false tables=", ""},
		{"filtered, all there", Publication{Name: "everything", Mode: Filtered, Tables: []TableName{a}}, "", "FOR ALL TABLES"},
		{"filtered, no match", Publication{Name: "f", Mode: Filtered}, "", "table.include.list"},
		{"filtered, new", Publication{Name: "f", Mode: Filtered, Tables: []TableName{a, odd}, Operations: []string{"insert", "update"}, ViaRoot: true},
			`f all=false ops=iu root=true tables=S.2.T "q",public.a`, ""},
		{"filtered, same", Publication{Name: "f", Mode: Filtered, Tables: []TableName{odd, a}}, `f all=false ops=iu root=true tables=S.2.T "q",public.a`, ""},
		{"filtered, different", Publication{Name: "f", Mode: Filtered, Tables: []TableName{b}, Operations: []string{"insert", "update", "delete"}}, "f all=false ops=iud root=true tables=public.b", ""},
		{"filtered, missing table", Publication{Name: "f", Mode: Filtered, Tables: []TableName{{"public", "gone"}}}, "", `alter publication "f"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name, err := EnsurePublication(ctx, conn, tt.p)
			if tt.text != "" {
				if err == nil || retriable(err) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("EnsurePublication = %v, want an error with %q", err, tt.text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := publicationState(t, conn, name); got != tt.want {
				t.Errorf("publication = %s, want %s", got, tt.want)
			}
		})
	}
}

func publicationState(t *testing.T, conn *pgx.Conn, name string) string {
	t.Helper()
	var state string
	err := conn.QueryRow(context.Background(), `SELECT format('%s all=%s ops=%s root=%s tables=%s', pubname, puballtables::text,
		CASE WHEN pubinsert THEN 'i' ELSE '' END || CASE WHEN pubupdate THEN 'u' ELSE '' END || CASE WHEN pubdelete THEN 'd' ELSE '' END || CASE WHEN pubtruncate THEN 't' ELSE '' END, pubviaroot::text,
		CASE WHEN puballtables THEN '*' ELSE (SELECT string_agg(nspname || '.' || relname, ',' ORDER BY nspname, relname) FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE prpubid = p.oid) END)
		FROM pg_publication p WHERE pubname = $1`, name).Scan(&state)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// BenchmarkDrain reads a backlog of rows as fast as it comes.
func BenchmarkDrain(b *testing.B) {
	ctx := context.Background()
	cfg, conn := database(b)
	exec(b, conn, "CREATE TABLE t (id int PRIMARY KEY, name text, city text, n numeric(10,2), at timestamptz); CREATE PUBLICATION p FOR ALL TABLES")
	const rows = 200_000
	for b.Loop() {
		slot := slotOf(cfg)
		rc := replication(b, cfg)
		if _, err := rc.CreateSlot(ctx, slot, false, 0); err != nil {
			b.Fatal(err)
		}
		exec(b, conn, "TRUNCATE t")
		for i := 0; i < rows; i += 1000 {
			exec(b, conn, "INSERT INTO t SELECT g, 'name ' || g, 'city ' || g % 100, g * 1.25, '2024-01-01'::timestamptz + g * '1 s'::interval FROM generate_series($1::int, $1 + 999) g", i)
		}
		s, err := rc.Stream(ctx, StreamOptions{Slot: slot, Publication: "p"})
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		var batch cdc.Batch
		for got := 0; got < rows; {
			batch.Reset()
			if err := s.Receive(ctx, &batch); err != nil {
				b.Fatal(err)
			}
			for i := range batch.Changes {
				if batch.Changes[i].Kind == cdc.Insert {
					got++
				}
			}
		}
		b.ReportMetric(rows/time.Since(start).Seconds(), "changes/s")
		b.ReportMetric(rows/float64(s.Stats().Reads), "changes/read")
		if err := s.Close(ctx); err != nil {
			b.Fatal(err)
		}
		if err := DropSlot(ctx, conn, slot); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTemporarySlot: a temporary slot exports a snapshot that meets the stream of the slot beside it, and ends with its connection.
func TestTemporarySlot(t *testing.T) {
	cfg, conn := database(t)
	ctx := context.Background()
	name := strings.Repeat("x", 60) + "y"
	rc := replication(t, cfg)
	created, err := rc.CreateTemporarySlot(ctx, name, 0)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ")
	exec(t, conn, "SET TRANSACTION SNAPSHOT '"+created.Snapshot+"'")
	exec(t, conn, "ROLLBACK")
	count := func() (n int) {
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_replication_slots WHERE temporary AND starts_with(slot_name, $1) AND database = current_database()", strings.Repeat("x", 54)).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := count(); got != 1 || created.ConsistentPoint == 0 {
		t.Errorf("temporary slots = %d at %s, want 1", got, created.ConsistentPoint)
	}
	if err := rc.Close(ctx); err != nil {
		t.Fatal(err)
	}
	deadline, tick := time.Now().Add(20*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for count() != 0 {
		if time.Now().After(deadline) {
			t.Fatal("the temporary slot is there 20 s after its connection ended")
		}
		<-tick.C
	}
}

// TestTemporarySlotWaits: a transaction that stays open, as one that was prepared and forgotten, is waited for no longer than wanted.
func TestTemporarySlotWaits(t *testing.T) {
	ctx := context.Background()
	cfg, conn := database(t)
	exec(t, conn, "BEGIN; SELECT txid_current()")
	rc := replication(t, cfg)
	if _, err := rc.CreateTemporarySlot(ctx, slotOf(cfg), 100*time.Millisecond); !errors.Is(err, ErrSlotBusy) || !retriable(err) {
		t.Errorf("CreateTemporarySlot = %v, want a retriable %v", err, ErrSlotBusy)
	}
	exec(t, conn, "COMMIT")
	if _, err := rc.CreateTemporarySlot(ctx, slotOf(cfg), time.Minute); err != nil {
		t.Errorf("CreateTemporarySlot once the transaction has ended = %v", err)
	}
}
