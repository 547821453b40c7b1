//go:build unix

package s3

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/diskfull"
	"github.com/tandem-cdc/tandem/internal/diskfull/diskfulltest"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// TestFullDiskSpill: open files need more memory than there is, and the folder for temporary files is full. The error is retriable and names it, no
// position moves, and when there is room the batch goes on where it was: the objects are those of a task that never ran out of room.
func TestFullDiskSpill(t *testing.T) {
	if !diskfulltest.Child(t) {
		return
	}
	t.Setenv("TMPDIR", t.TempDir())
	config := parsed(t, "flush.size", "1000", "s3.part.size", "5242880", "s3.buffer.memory.bytes", "6000000", "partitioner.class", fieldPartitioner, "partition.field.name", "d")
	var batches [][]sink.Record
	for o := range int64(240) {
		if o%20 == 0 {
			batches = append(batches, nil)
		}
		last := &batches[len(batches)-1]
		*last = append(*last, record(0, o, schema.Entry{Key: schema.OfString("d"), Value: schema.OfInt64(o % 4)},
			schema.Entry{Key: schema.OfString("x"), Value: schema.OfString(strings.Repeat("y", 100_000))}))
	}
	want, got := newMemoryStore(), newMemoryStore()
	run := func(s *memoryStore, room []int64) (full int) {
		task := testTask(t, s, &testClock{}, config, assignment("t", 0, 0))
		for i, batch := range batches {
			if room != nil {
				diskfulltest.Limit(t, room[i%len(room)])
			}
			for attempt := 0; ; attempt++ {
				err := task.Put(t.Context(), batch)
				if err == nil {
					break
				}
				var told *diskfull.Error
				if full++; !errors.As(err, &told) || !strings.Contains(err.Error(), "tandem-s3-") || !strings.Contains(err.Error(), "s3.buffer.memory.bytes") {
					t.Fatalf("Put with a full disk = %v, want a *diskfull.Error that names file and option", err)
				}
				if positions, err := task.Flush(t.Context()); len(positions) != 0 {
					t.Fatalf("Flush with a full disk = %v, %v, want no position", positions, err)
				}
				if attempt == 1 {
					diskfulltest.Limit(t, diskfulltest.Unlimited)
				}
			}
		}
		diskfulltest.Limit(t, diskfulltest.Unlimited)
		for _, p := range task.partitions {
			if err := task.finish(p); err != nil {
				t.Fatal(err)
			}
		}
		if positions, err := task.Flush(t.Context()); err != nil || len(positions) != 1 || positions[0].Offset != 240 {
			t.Errorf("Flush at the end = %v, %v, want offset 240", positions, err)
		}
		return full
	}
	run(want, nil)
	if full := run(got, []int64{0, 1000, 300_000, diskfulltest.Unlimited}); full < 3 {
		t.Errorf("the disk was full %d times, want some", full)
	}
	if diff := cmp.Diff(want.names(), got.names()); diff != "" {
		t.Fatalf("objects (-want +got)\n%s", diff)
	}
	for _, name := range want.names() {
		if want.text(name) != got.text(name) {
			t.Errorf("object %s has %d bytes that are not those of a task with room, which are %d", name, len(got.text(name)), len(want.text(name)))
		}
	}
}
