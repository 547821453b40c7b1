//go:build integration

package source_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// failover is a primary and its standby.
type failover struct {
	*testing.T
	primary, standby         *pgserver.Server
	primaryConn, standbyConn *pgx.Conn
}

const standbySlot = "standby"

// newFailover starts a primary that sends nothing to subscribers before the standby has it, and the standby, made of a copy of its folder.
func newFailover(t *testing.T) *failover {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) { // the server's user reaches it
		if err := os.Chmod(d, 0o755); err != nil {
			break
		}
	}
	f := &failover{T: t, primary: pgtest.PrivateServer(t, pgserver.Options{Version: 18, Dir: filepath.Join(dir, "primary")})}
	f.primaryConn = f.connect(f.primary)
	f.exec(f.primaryConn, "SELECT pg_create_physical_replication_slot('"+standbySlot+"', true)")
	f.copyTo(filepath.Join(dir, "primary"), filepath.Join(dir, "standby"))
	f.standby = pgtest.PrivateServer(t, pgserver.Options{Version: 18, Dir: filepath.Join(dir, "standby"), Settings: map[string]string{
		"hot_standby_feedback": "on", "primary_slot_name": standbySlot,
		"primary_conninfo": fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s dbname=postgres", f.primary.Port(), pgserver.User, f.primary.Password())}})
	f.standbyConn = f.connect(f.standby)
	f.exec(f.primaryConn, "ALTER SYSTEM SET synchronized_standby_slots = '"+standbySlot+"'")
	f.exec(f.primaryConn, "SELECT pg_reload_conf()")
	return f
}

func (f *failover) connect(s *pgserver.Server) *pgx.Conn {
	f.Helper()
	conn, err := pgx.Connect(f.Context(), s.URL("postgres"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (f *failover) exec(conn *pgx.Conn, sql string) {
	f.Helper()
	if _, err := conn.Exec(f.Context(), sql); err != nil {
		f.Fatalf("%s: %v", sql, err)
	}
}

// copyTo copies the folder of the running primary, between the statements that PostgreSQL has for it.
func (f *failover) copyTo(from, to string) {
	f.Helper()
	f.exec(f.primaryConn, "SELECT pg_backup_start('standby', true)")
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile, as a backup may find it
			return nil
		case err != nil:
			return err
		case strings.HasPrefix(rel, "data/pg_replslot/"), rel == "data/postmaster.pid", rel == "server.log":
			return nil
		}
		return copyEntry(path, filepath.Join(to, rel), entry)
	})
	if err != nil {
		f.Fatal(err)
	}
	var label string
	if err := f.primaryConn.QueryRow(f.Context(), "SELECT labelfile FROM pg_backup_stop(false)").Scan(&label); err != nil {
		f.Fatal(err)
	}
	for name, text := range map[string]string{"backup_label": label, "standby.signal": ""} {
		path := filepath.Join(to, "data", name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			f.Fatal(err)
		}
		if err := owned(path, filepath.Join(from, "data")); err != nil {
			f.Fatal(err)
		}
	}
}

func copyEntry(from, to string, entry fs.DirEntry) error {
	info, err := entry.Info()
	switch {
	case err != nil:
		return err
	case entry.IsDir():
		if err := os.MkdirAll(to, 0o700); err != nil {
			return err
		}
		if err := os.Chmod(to, info.Mode().Perm()); err != nil {
			return err
		}
	default:
		content, err := os.ReadFile(from)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, content, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return owned(to, from)
}

// owned gives a file the owner of another.
func owned(path, as string) error {
	info, err := os.Stat(as)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}

// Trap 38: with slot.failover the slot is there on the promoted standby, and the task goes on from its stored offset: every row that the new primary has
// comes once, and none that it has not, for synchronized_standby_slots held back what the standby did not have. CreateSlot protects, with FAILOVER.
func TestIntegrationTrap38Failover(t *testing.T) {
	f := newFailover(t)
	f.exec(f.primaryConn, "CREATE DATABASE shop")
	s := newShelfOn(t, f.primary.URL("shop"), "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE z (id int PRIMARY KEY)", map[string]string{"slot.failover": "true", "database.sslmode": "disable", "status.update.interval.ms": "200"})
	slot := strings.TrimPrefix(s.database.Path, "/")
	r := &running{T: t, conn: f.standbyConn, slot: slot}
	end := 0
	write := func(rows int) {
		s.exec(fmt.Sprintf("INSERT INTO t SELECT g FROM generate_series(%d, %d) g", end+1, end+rows))
		end += rows
	}
	last := func(r *shelved) error {
		if r.topic == "t" && r.key == "id="+strconv.Itoa(end) {
			s.stop()
		}
		return nil
	}
	s.ended = last
	s.live(func() {
		// A first copy of the slot that fails, for want of its database, is in the way of all later ones.
		r.until("the standby has the database", func() bool { return r.count("SELECT count(*) FROM pg_database WHERE datname = 'shop'") == 1 })
		// The slot can be copied once it has moved to where the standby can decode from: what a server writes by itself, and the offsets of an
		// idle server, which are stored, help that along.
		r.until("the standby has the slot", func() bool {
			f.exec(f.primaryConn, "SELECT pg_log_standby_snapshot()")
			s.store(math.MaxUint64)
			if _, err := f.standbyConn.Exec(t.Context(), "SELECT pg_sync_replication_slots()"); err != nil {
				t.Logf("pg_sync_replication_slots: %v", err)
			}
			return r.count("SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1 AND synced AND NOT temporary", slot) == 1
		})
		write(500)
	})
	s.store(s.n / 2) // the rest is in flight when the primary is gone
	if err := f.primary.Kill(); err != nil {
		t.Fatal(err)
	}
	f.exec(f.standbyConn, "SELECT pg_promote()")
	u, err := url.Parse(f.standby.URL("shop"))
	if err != nil {
		t.Fatal(err)
	}
	s.database = u
	if s.conn, err = pgx.Connect(t.Context(), f.standby.URL("shop")); err != nil {
		t.Fatal(err)
	}
	defer s.conn.Close(context.Background())
	first := len(s.log)
	s.log = slices.Clip(s.log[:first/2]) // the broker has what is stored
	write(500)
	s.live(nil)
	var got, want []string
	for _, r := range s.log {
		if r.topic == "t" {
			got = append(got, r.key)
		}
	}
	for id := range end {
		want = append(want, "id="+strconv.Itoa(id+1))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows over a failover (-the new primary's +published):\n%s", diff)
	}
}
