//go:build unix

package transaction

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/diskfull"
	"github.com/tandem-cdc/tandem/internal/diskfull/diskfulltest"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

// TestFullDiskWhileWaiting: a transaction is larger than the memory for what waits, and the disk becomes full again and again. The error is retriable,
// and of the batch that comes again, some of whose records were taken in before, nothing is lost and nothing doubled.
func TestFullDiskWhileWaiting(t *testing.T) {
	if !diskfulltest.Child(t) {
		return
	}
	const rows, batch = 12_000, 500
	var l topics
	var want []string
	for id := range int64(rows) {
		l.add("p.s.t", 0, record("t", id, fmt.Sprintf("7:%d", id), id+1, "false"))
		want = append(want, fmt.Sprintf("p.s.t/%d", id))
		if id%3 == 0 {
			l.add("p.s.t", 0, sink.Record{KeySchema: number, Key: record("t", id, "", 0, "false").Key})
			want = append(want, fmt.Sprintf("p.s.t/tombstone %d", id))
		}
	}
	l.add("p.transaction", 0, ending("END", "7:99999", map[string]int64{"t": rows}))
	a := assembler(t, l.order, nil)
	put := func(records []sink.Record) error {
		for i := range records {
			if err := a.Add(&records[i], start); err != nil {
				return err
			}
		}
		return nil
	}
	all := l.records[kafka.TopicPartition{Topic: "p.s.t"}]
	full := 0
	for from := 0; from < len(all); from += batch {
		records := all[from:min(from+batch, len(all))]
		diskfulltest.Limit(t, a.spool.end+int64(from%7)*1000)
		for range 2 {
			err := put(records)
			var told *diskfull.Error
			if err == nil {
				break
			}
			if full++; !errors.As(err, &told) || !strings.Contains(err.Error(), "transaction.buffer.dir") || !strings.Contains(err.Error(), "tandem-transactions-") {
				t.Fatalf("Add with a full disk = %v, want a *diskfull.Error that names option and file", err)
			}
		}
		diskfulltest.Limit(t, diskfulltest.Unlimited)
		if err := put(records); err != nil {
			t.Fatal(err)
		}
	}
	if full < 3 {
		t.Errorf("the disk was full %d times, want some", full)
	}
	feed(t, a, &l, "p.transaction")
	got, err := drain(t, a)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got)\n%s", diff)
	}
}
