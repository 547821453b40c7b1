//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/diskfull/diskfulltest"
	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// TestFullDiskOffsetFile: the disk of the offset file is full. Records go on to the broker; the file stays as it was, whole and without halves beside it; the log
// names it; and PostgreSQL is told of nothing beyond what is in it. When there is room the task goes on by itself, and no record comes twice.
// replaceFile protects, and sourceLife.commit, which tells the task behind a Put without an error only.
func TestFullDiskOffsetFile(t *testing.T) {
	if !diskfulltest.Child(t) {
		return
	}
	s := startStored(t)
	s.insert(1, 10)
	s.awaitRecords(10)
	s.await("the slot is confirmed", func() bool { return s.stored() > 0 && s.confirmed() > 0 })
	size := int64(len(s.file()))
	for _, room := range []int64{0, size / 2, size - 1} {
		diskfulltest.Limit(t, room)
		failures := func() int { return strings.Count(s.said.String(), "cannot store the source offset") }
		begun := failures()
		s.insert(s.rows+1, 5)
		s.awaitRecords(s.rows)
		s.await("storing fails", func() bool { return failures() > begun })
		before := s.file() // what was stored last
		s.await("storing fails again", func() bool { return failures() > begun+2 })
		if got := s.file(); got != before {
			t.Errorf("with room for %d bytes the offset file is %q, want %q as before", room, got, before)
		}
		if stored, confirmed := s.stored(), s.confirmed(); stored == 0 || confirmed > stored {
			t.Errorf("with room for %d bytes %d is confirmed to the server, %d is stored", room, confirmed, stored)
		}
		if others, err := filepath.Glob(filepath.Join(s.dir, ".connect.offsets.*")); err != nil || len(others) > 1 { // one may be being written
			t.Errorf("beside the offset file lie %v, %v", others, err)
		}
		diskfulltest.Limit(t, diskfulltest.Unlimited)
		old := s.stored()
		s.await("the offset is stored, and confirmed", func() bool { return s.stored() > old && s.confirmed() > old })
	}
	said := s.said.String()
	if !strings.Contains(said, "offset.storage.file.filename") || !strings.Contains(said, "connect.offsets") || !regexp.MustCompile(`failures=\d`).MatchString(said) {
		t.Errorf("the log does not tell what cannot be written:\n%s", said)
	}
	s.insert(s.rows+1, 1)
	s.awaitRecords(s.rows) // and none twice
}

// storedWorker is a worker alone, with an offset file and a source of the table shops.
type storedWorker struct {
	*testing.T
	dir  string
	conn *pgx.Conn
	said *tapped
	ends func() int64
	slot string
	rows int // that were inserted
}

// startStored runs "tandem standalone" until the end of the test.
func startStored(t *testing.T) *storedWorker {
	t.Helper()
	broker, err := embedded.StartBroker(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	database := pgtest.Database(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	s := &storedWorker{T: t, slot: strings.TrimPrefix(u.Path, "/"), said: &tapped{line: func(string) {}}}
	if s.conn, err = pgx.Connect(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.conn.Close(context.Background()) })
	s.exec("CREATE TABLE shops (id int PRIMARY KEY)")
	s.dir = write(t, map[string]string{
		"worker.properties": strings.Replace(workerProperties, "127.0.0.1:1\n", broker.Addr()+"\noffset.flush.interval.ms=50\n", 1),
		"source.properties": fmt.Sprintf(`name=shop-source
connector.class=io.debezium.connector.postgresql.PostgresConnector
topic.prefix=shop
database.hostname=%s
database.port=%s
database.user=%s
database.password=%s
database.dbname=%s
slot.name=%[5]s
plugin.name=pgoutput
snapshot.mode=no_data
status.update.interval.ms=50
topic.creation.default.partitions=1
topic.creation.default.replication.factor=1
`, u.Hostname(), u.Port(), u.User.Username(), password, s.slot)})
	c, report := client.FromProperties(map[string]string{"bootstrap.servers": broker.Addr()}, client.ForAdmin)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	admin := client.NewAdmin(c)
	t.Cleanup(admin.Close)
	s.ends = func() (sum int64) {
		ends, err := admin.EndsOf(t.Context(), client.ReadUncommitted, "shop.public.shops")
		if err != nil {
			return 0 // the topic is not there yet
		}
		for _, partitions := range ends {
			for _, end := range partitions {
				sum += end
			}
		}
		return sum
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, &console{out: io.Discard, err: s.said}, []string{"standalone", filepath.Join(s.dir, "worker.properties"), filepath.Join(s.dir, "source.properties")})
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 || t.Failed() {
			t.Errorf("tandem standalone, interrupted = exit code %d, want 0:\n%s", code, s.said)
		}
	})
	s.await("the slot is read", func() bool {
		var active bool
		err := s.conn.QueryRow(t.Context(), "SELECT coalesce(bool_or(active), false) FROM pg_replication_slots WHERE slot_name = $1", s.slot).Scan(&active)
		return err == nil && active
	})
	return s
}

func (s *storedWorker) exec(sql string, args ...any) {
	s.Helper()
	if _, err := s.conn.Exec(s.Context(), sql, args...); err != nil {
		s.Fatalf("%s: %v", sql, err)
	}
}

// insert inserts n rows, a transaction each.
func (s *storedWorker) insert(from, n int) {
	s.Helper()
	for id := from; id < from+n; id++ {
		s.exec("INSERT INTO shops VALUES ($1)", id)
	}
	s.rows += n
}

// await asks until something is so.
func (s *storedWorker) await(what string, is func() bool) {
	s.Helper()
	limit := time.After(time.Minute)
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for !is() {
		select {
		case <-ticks.C:
		case <-limit:
			s.Fatalf("it does not come to it that %s", what)
		}
	}
}

// awaitRecords waits until the topic has n records, and wants no more.
func (s *storedWorker) awaitRecords(n int) {
	s.Helper()
	s.await(fmt.Sprintf("the topic has %d records", n), func() bool { return s.ends() >= int64(n) })
	if got := s.ends(); got != int64(n) {
		s.Errorf("the topic has %d records, want %d", got, n)
	}
}

// file is the offset file.
func (s *storedWorker) file() string {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "connect.offsets"))
	if err != nil && !os.IsNotExist(err) {
		s.Fatal(err)
	}
	return string(text)
}

var storedLSN = regexp.MustCompile(`"lsn":(\d+)`)

// stored is the LSN in the offset file; 0: none.
func (s *storedWorker) stored() int64 {
	s.Helper()
	m := storedLSN.FindStringSubmatch(s.file())
	if m == nil {
		return 0
	}
	lsn, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		s.Fatal(err)
	}
	return lsn
}

// confirmed is what the server was told.
func (s *storedWorker) confirmed() (lsn int64) {
	s.Helper()
	if err := s.conn.QueryRow(s.Context(), "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name = $1", s.slot).Scan(&lsn); err != nil {
		s.Fatal(err)
	}
	return lsn
}
