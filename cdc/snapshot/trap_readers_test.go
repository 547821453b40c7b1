package snapshot_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
)

// Trap 11: every connection that reads, however many there are and however late it is opened, sees the one snapshot; and one that is lost in between
// is not made up for by one that sees another. What protects: Snapshot.reader, which joins the exported snapshot (join), and Run, which fails with the
// first reader.
func TestTrap11EveryReaderSeesTheSnapshot(t *testing.T) {
	d := database(t, "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, pad text DEFAULT repeat('x', 300)); CREATE PUBLICATION p FOR ALL TABLES; INSERT INTO t SELECT g, 0 FROM generate_series(1, 3000) g")
	ctx := context.Background()
	rc, err := replication.Connect(ctx, d.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rc.Close(ctx) })
	created, err := rc.CreateSlot(ctx, "s_"+d.cfg.Name, false, 0)
	if err != nil {
		t.Fatal(err)
	}
	opts := d.options()
	opts.Import, opts.LSN, opts.BatchBytes, opts.Readers, opts.ChunkRows = created.Snapshot, created.ConsistentPoint, 20_000, 3, 200
	var mu sync.Mutex // readers connect side by side
	opened := 0
	connect := opts.Connect
	opts.Connect = func(ctx context.Context) (conn *pgx.Conn, err error) {
		mu.Lock()
		defer mu.Unlock()
		if opened++; opened > 1 { // the keeper is there: whoever comes now comes late
			d.exec("UPDATE t SET v = v + 1; DELETE FROM t WHERE id % 100 = 0; INSERT INTO t SELECT max(id) + 1, 99 FROM t")
		}
		return connect(ctx)
	}
	s := d.open(opts)
	if err := rc.Close(ctx); err != nil { // and the one that exported it is gone
		t.Fatal(err)
	}
	read := func(each func()) (rows int, err error) {
		err = s.Run(ctx, []snapshot.Table{d.table("t")}, func(b *snapshot.Rows) error {
			for i := range b.Changes {
				if c := &b.Changes[i]; c.Kind == cdc.Read {
					if rows++; string(c.New[1].Bytes) != "0" {
						return fmt.Errorf("row %s has value %s, want 0: it was written behind the snapshot", c.New[0].Bytes, c.New[1].Bytes)
					}
				}
			}
			each()
			return nil
		})
		return rows, err
	}
	if rows, err := read(func() {}); err != nil || rows != 3000 {
		t.Errorf("Run() = %d rows, %v; want 3000", rows, err)
	}
	if opened < 4 {
		t.Fatalf("%d connections were opened, want the keeper's and three readers': what is to be tried is not there", opened)
	}
	cut := false
	rows, err := read(func() {
		if !cut {
			cut = true
			mu.Lock()
			defer mu.Unlock()
			d.exec("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'")
		}
	})
	if err == nil && rows != 3000 || err != nil && strings.Contains(err.Error(), "written behind") {
		t.Errorf("Run() whose readers were cut = %d rows, %v; want all 3000 of the snapshot or an error", rows, err)
	}
}
