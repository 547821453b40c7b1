//go:build unix

package filestream

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/diskfull"
	"github.com/tandem-cdc/tandem/internal/diskfull/diskfulltest"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// TestFullDiskSink: where there is no room, the error names the file and is retriable, no position moves, and the batch that comes again is
// continued where the disk became full: no line twice, none in halves.
func TestFullDiskSink(t *testing.T) {
	if !diskfulltest.Child(t) {
		return
	}
	line := func(partition int32, offset int64, text string) sink.Record {
		return record(partition, offset, schema.Of(schema.String), schema.OfString(text))
	}
	batch := []sink.Record{line(0, 0, "first"), line(0, 1, "second"), line(0, 2, "third")}
	const whole = "first\nsecond\nthird\n"
	for size := range int64(len(whole)) {
		file := filepath.Join(t.TempDir(), "out.txt")
		put := func(task *SinkTask, records []sink.Record, full bool) {
			t.Helper()
			err := task.Put(t.Context(), records)
			var told *diskfull.Error
			if full && (!errors.As(err, &told) || !strings.Contains(err.Error(), file)) || !full && err != nil {
				t.Fatalf("Put of %d records with room for %d bytes = %v, want an error that names the file: %t", len(records), size, err, full)
			}
		}
		task := newSink(t, file, nil)
		open(t, task, 0)
		for range 2 {
			diskfulltest.Limit(t, size)
			put(task, batch, true)
		}
		if positions, err := task.Flush(t.Context()); err != nil || len(positions) != 0 {
			t.Errorf("Flush with room for %d bytes = %v, %v, want no position", size, positions, err)
		}
		diskfulltest.Limit(t, size+3)
		put(task, batch, size+3 < int64(len(whole)))
		diskfulltest.Limit(t, diskfulltest.Unlimited)
		if size+3 < int64(len(whole)) {
			put(task, batch, false)
		}
		if positions, err := task.Flush(t.Context()); err != nil || len(positions) != 1 || positions[0].Offset != 3 {
			t.Errorf("Flush when there is room = %v, %v, want offset 3", positions, err)
		}
		closing(t, task, 0)
		if got := content(t, file); got != whole {
			t.Errorf("after %d bytes of room the file holds %q, want %q", size, got, whole)
		}
	}
}

// TestFullDiskSinkEndsLines: a line that was begun and does not come again, at least not to the same task, is ended, not continued.
func TestFullDiskSinkEndsLines(t *testing.T) {
	if !diskfulltest.Child(t) {
		return
	}
	file := filepath.Join(t.TempDir(), "out.txt")
	begin := func(task *SinkTask, partition int32, text string) error {
		return task.Put(t.Context(), []sink.Record{record(partition, 0, schema.Of(schema.String), schema.OfString(text))})
	}
	task := newSink(t, file, nil)
	open(t, task, 0, 1)
	diskfulltest.Limit(t, 3)
	for _, partition := range []int32{0, 1, 1} {
		if err := begin(task, partition, []string{"first", "second"}[partition]); !diskfull.Is(err) {
			t.Fatalf("Put = %v, want a full disk", err)
		}
	}
	diskfulltest.Limit(t, diskfulltest.Unlimited)
	if err := begin(task, 1, "second"); err != nil {
		t.Fatal(err)
	}
	diskfulltest.Limit(t, int64(len("fir\nsecond\nth")))
	if err := begin(task, 0, "third"); !diskfull.Is(err) {
		t.Fatalf("Put = %v, want a full disk", err)
	}
	if err := task.Close(t.Context(), []kafka.TopicPartition{{Topic: "letters"}, {Topic: "letters", Partition: 1}}); err != nil {
		t.Fatal(err)
	}
	diskfulltest.Limit(t, diskfulltest.Unlimited)
	next := newSink(t, file, nil)
	open(t, next, 0)
	if err := begin(next, 0, "third"); err != nil {
		t.Fatal(err)
	}
	closing(t, next, 0)
	if got, want := content(t, file), "fir\nsecond\nth\nthird\n"; got != want {
		t.Errorf("the file holds %q, want %q", got, want)
	}
}

func content(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
