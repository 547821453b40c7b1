//go:build integration

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/kafka/client"
)

var (
	boundsRows   = flag.Int("bounds-rows", 300_000, "rows of the one transaction")
	boundsTables = flag.Int("bounds-tables", 100, "tables at once")
	boundsLarge  = flag.Int("bounds-large", 4, "rows of 16 MB")
)

// memoryBound is what a worker must keep below, whatever it reads. GOMEMLIMIT says so to the collector, and the kernel ends what takes more.
const memoryBound = 256 << 20

// TestIntegrationBounds: one transaction of many rows, rows of 16 MB, and many tables at once, each by a worker of its own, in 256 MB.
// The long form is 10,000,000 rows and 2,000 tables: make bounds.
func TestIntegrationBounds(t *testing.T) {
	for _, c := range []struct {
		name     string
		setup    []string
		tables   int
		changes  string
		records  int
		override map[string]string
	}{
		{
			name:    "one transaction",
			setup:   []string{"CREATE TABLE store.t0 (id int PRIMARY KEY, n int NOT NULL, name text NOT NULL)"},
			tables:  1,
			changes: fmt.Sprintf("INSERT INTO store.t0 SELECT g, g %% 1000, 'name of row '||g FROM generate_series(1, %d) g", *boundsRows),
			records: *boundsRows,
		},
		{
			name:    "large rows",
			setup:   []string{"CREATE TABLE store.t0 (id int PRIMARY KEY, body text NOT NULL)"},
			tables:  1,
			changes: fmt.Sprintf("INSERT INTO store.t0 SELECT g, repeat(md5(g::text), 524288) FROM generate_series(1, %d) g", *boundsLarge),
			records: *boundsLarge,
			override: map[string]string{"producer.override.max.request.size": strconv.Itoa(20 << 20),
				"topic.creation.default.max.message.bytes": strconv.Itoa(20 << 20)},
		},
		{
			name: "many tables",
			setup: []string{fmt.Sprintf(`DO $$ BEGIN FOR i IN 0..%d LOOP
				EXECUTE format('CREATE TABLE store.t%%s (id int PRIMARY KEY, name text NOT NULL)', i); END LOOP; END $$`, *boundsTables-1)},
			tables: *boundsTables,
			changes: fmt.Sprintf(`DO $$ BEGIN FOR i IN 0..%d LOOP
				EXECUTE format('INSERT INTO store.t%%s SELECT g, ''name ''||g FROM generate_series(1, 200) g', i); END LOOP; END $$`, *boundsTables-1),
			records: 200 * *boundsTables,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			prefix := fmt.Sprintf("bounds%d", rand.Uint32())
			source := pgtest.Database(t)
			w := newWorker(t)
			w.within(memoryBound)
			w.exec(source, append([]string{"CREATE SCHEMA store"}, c.setup...)...)
			w.configure(requiredEnv(t, "TANDEM_KAFKA"), requiredEnv(t, "TANDEM_REGISTRY"))
			props := sourceProperties(t, prefix, source)
			props["snapshot.mode"], props["topic.creation.default.partitions"] = "no_data", "1"
			props["producer.override.compression.type"] = "lz4"
			for name, value := range c.override {
				props[name] = value
			}
			w.write("source.properties", props)
			w.start("source.properties")
			w.waitStreams(source, prefix)
			w.exec(source, c.changes)
			w.waitRecords(prefix, c.tables, c.records)
			peak, data := w.memory("VmHWM"), w.memory("VmData")
			t.Logf("%d records of %d tables: peak RSS %d MB, writable memory %d MB", c.records, c.tables, peak>>20, data>>20)
			if peak > memoryBound {
				t.Errorf("peak RSS = %d MB, want %d or less", peak>>20, memoryBound>>20)
			}
		})
	}
}

// waitStreams waits until the slot is read.
func (w *worker) waitStreams(source, slot string) {
	w.Helper()
	conn := w.dial(source)
	w.until("the slot is read", func() (active bool, _ string) {
		if err := conn.QueryRow(w.Context(), "SELECT coalesce(bool_or(active), false) FROM pg_replication_slots WHERE slot_name = $1", slot).Scan(&active); err != nil {
			w.Fatal(err)
		}
		return active, "it is not"
	})
}

// waitRecords waits until the topics of store.t0, t1, … have so many records.
func (w *worker) waitRecords(prefix string, tables, records int) {
	w.Helper()
	c, report := client.FromProperties(map[string]string{"bootstrap.servers": requiredEnv(w.T, "TANDEM_KAFKA")}, client.ForAdmin)
	if err := report.Err(); err != nil {
		w.Fatal(err)
	}
	a := client.NewAdmin(c)
	w.Cleanup(a.Close)
	topics := make([]string, tables)
	for i := range topics {
		topics[i] = fmt.Sprintf("%s.store.t%d", prefix, i)
	}
	w.until("the topics have all records", func() (bool, string) {
		ends, err := a.EndsOf(w.Context(), client.ReadUncommitted, topics...)
		if err != nil {
			return false, err.Error()
		}
		var sum int64
		for _, partitions := range ends {
			for _, end := range partitions {
				sum += end
			}
		}
		return sum == int64(records), fmt.Sprintf("%d of %d records", sum, records)
	})
}

// TestIntegrationBoundsAreKept: the limit that TestIntegrationBounds sets ends a worker that wants more. Rows of 16 MB do not fit into 64.
func TestIntegrationBoundsAreKept(t *testing.T) {
	prefix := fmt.Sprintf("bounds%d", rand.Uint32())
	source := pgtest.Database(t)
	w := newWorker(t)
	w.within(64 << 20)
	w.exec(source, "CREATE SCHEMA store", "CREATE TABLE store.t0 (id int PRIMARY KEY, body text NOT NULL)")
	w.configure(requiredEnv(t, "TANDEM_KAFKA"), requiredEnv(t, "TANDEM_REGISTRY"))
	props := sourceProperties(t, prefix, source)
	props["snapshot.mode"], props["producer.override.max.request.size"] = "no_data", strconv.Itoa(20<<20)
	w.write("source.properties", props)
	w.start("source.properties")
	w.waitStreams(source, prefix)
	w.exec(source, "INSERT INTO store.t0 SELECT g, repeat(md5(g::text), 524288) FROM generate_series(1, 8) g")
	patience := time.AfterFunc(time.Minute, func() { _ = w.cmd.Process.Kill() })
	_ = w.cmd.Wait()
	state := w.cmd.ProcessState
	w.cmd = nil
	t.Logf("the worker ended with %v", state)
	if ended := patience.Stop(); !ended || state.Success() {
		t.Errorf("the worker ended with %v, by itself: %t; want the kernel's signal, or its own end for want of memory", state, ended)
	}
}

// notHeld is what Go maps and does not hold: 100 MB when a worker is idle, and more where large rows leave gaps.
const notHeld = 160 << 20

// within has the worker started with a limit on its memory: that of a control group, if one can be made. Else the limit is on what it maps, and
// notHeld more.
func (w *worker) within(limit int) {
	w.Helper()
	w.environment = append(w.environment, "GOMEMLIMIT="+strconv.Itoa(limit*3/4))
	for _, group := range []struct{ root, file string }{{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}} { // version 1, version 2
		dir, err := os.MkdirTemp(group.root, "tandem-bounds-")
		if err != nil {
			w.Logf("control group: %v", err)
			continue
		}
		w.Cleanup(func() {
			w.kill()
			_ = os.Remove(dir)
		})
		if err := writeExisting(filepath.Join(dir, group.file), strconv.Itoa(limit)); err != nil {
			w.Logf("control group: %v", err)
			continue
		}
		w.prelude = fmt.Sprintf("echo $$ >%s/cgroup.procs", dir)
		return
	}
	w.prelude = fmt.Sprintf("ulimit -d %d", (limit+notHeld)>>10)
	w.Logf("no control group can be made here: the limit is on what is mapped (%s)", w.prelude)
}

// writeExisting writes a file that must be there.
func writeExisting(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// memory is a size of the process in bytes, by its name among what the kernel tells of it.
func (w *worker) memory(name string) int {
	w.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(w.cmd.Process.Pid), "status"))
	if err != nil {
		w.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte(name+":"))
	fields := strings.Fields(string(rest))
	if len(fields) < 2 || fields[1] != "kB" {
		w.Fatalf("no %s in %s", name, text)
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil {
		w.Fatal(err)
	}
	return n << 10
}
