//go:build unix

package sqldb

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/diskfull/diskfulltest"
	"github.com/tandem-cdc/tandem/sink"
)

// TestFullDiskSQLite: the disk of a target in a file is full. The error is retriable and names the file, nothing of the batch is in the target, the position
// with it, and when there is room the same task writes it.
func TestFullDiskSQLite(t *testing.T) {
	if !diskfulltest.Child(t) {
		return
	}
	path := filepath.Join(t.TempDir(), "target.db")
	d := openSQL(t, "jdbc:sqlite:"+path, true)
	task := d.task("flush.max.retries", "0")
	s := newSource("t", 1, field("id", int32Of()), field("v", stringOf()))
	open(t, task, s.topic)
	batch := func(n int) (records []sink.Record) {
		for range n {
			records = append(records, s.create(i32(int(s.next)), str(strings.Repeat("x", 1000))))
		}
		return records
	}
	put(t, task, batch(10)...)
	lost := batch(2000)
	state := "SELECT count(*), (SELECT next_offset FROM tandem_positions) FROM t"
	before := d.rows(state)
	for _, room := range []int64{0, 20_000, 300_000} {
		diskfulltest.Limit(t, room)
		var down *UnavailableError
		if err := task.Put(context.Background(), lost); !errors.As(err, &down) || !isRetriable(err) || !strings.Contains(err.Error(), path) {
			t.Errorf("Put with files up to %d bytes = %v, want a retriable *UnavailableError that names the file", room, err)
		}
		if positions, err := task.Flush(context.Background()); err == nil && len(positions) > 0 && positions[0].Offset > 10 {
			t.Errorf("Flush with files up to %d bytes = %v, want no more than offset 10", room, positions)
		}
		diskfulltest.Limit(t, diskfulltest.Unlimited)
		if got := d.rows(state); got != before {
			t.Errorf("with files up to %d bytes the target has %s, want %s as before", room, got, before)
		}
	}
	put(t, task, lost...)
	if got, want := d.rows(state), fmt.Sprintf("%d|%d\n", 2010, 2010); got != want {
		t.Errorf("when there is room the target has %s, want %s", got, want)
	}
}
