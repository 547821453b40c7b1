package connect

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

// behindTask is a task that writes behind Put: FlushBehind comes up to done, Flush to all that was put.
type behindTask struct {
	sink.Task
	put, done int64
	calls     []string
}

func (b *behindTask) position(n int64) []kafka.Position {
	return []kafka.Position{{TopicPartition: kafka.TopicPartition{Topic: "orders"}, Offset: n}}
}

func (b *behindTask) Put(_ context.Context, records []sink.Record) error {
	b.put += int64(len(records))
	return nil
}

func (b *behindTask) Flush(context.Context) ([]kafka.Position, error) {
	b.calls, b.done = append(b.calls, "Flush"), b.put
	return b.position(b.done), nil
}

func (b *behindTask) FlushBehind(context.Context) ([]kafka.Position, error) {
	b.calls = append(b.calls, "FlushBehind")
	return b.position(b.done), nil
}

func (b *behindTask) Skip([]kafka.Position) {}
func (b *behindTask) Holds() bool           { return b.done < b.put }

func (b *behindTask) Close(context.Context, []kafka.TopicPartition) error { return nil }

// TestBackgroundTask: the regular flush does not wait and comes again until nothing is on its way; where partitions are given up all is waited for.
func TestBackgroundTask(t *testing.T) {
	task := &behindTask{}
	l := newSinkLife(t, task)
	group := &commits{}
	l.task, l.consumer, l.conv = task, group, converters{key: new(rawConverter), value: new(rawConverter), header: rawHeaders{}}
	if err := l.Records(t.Context(), []kafka.Record{{Topic: "orders"}, {Topic: "orders", Offset: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := l.land(); err != nil {
		t.Fatal(err)
	}
	task.done = 1
	for range 2 {
		if err := l.flush(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	if !l.dirty || !slices.Equal(task.calls, []string{"FlushBehind", "FlushBehind"}) || offset(group.last) != 1 {
		t.Errorf("while a record is on its way: calls %q, committed %d, want two of FlushBehind, and 1", task.calls, offset(group.last))
	}
	if err := l.Revoked(t.Context(), []kafka.TopicPartition{{Topic: "orders"}}, false); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(task.calls, []string{"FlushBehind", "FlushBehind", "Flush"}) || offset(group.last) != 2 {
		t.Errorf("when partitions are given up: calls %q, committed %d, want Flush at the end, and 2", task.calls, offset(group.last))
	}
}

// offset is that of the only position, -1 without one.
func offset(positions []kafka.Position) int64 {
	if len(positions) == 0 {
		return -1
	}
	return positions[0].Offset
}

// TestReport: what a task leaves out on its own is counted; whether it may is for errors.tolerance, or for the task's own options.
func TestReport(t *testing.T) {
	for _, c := range []struct {
		tolerance Tolerance
		tolerated bool
		fails     bool
	}{{TolerateNone, false, true}, {TolerateNone, true, false}, {TolerateAll, false, false}, {TolerateAll, true, false}} {
		l := newSinkLife(t, nil)
		l.config.Tolerance = c.tolerance
		bad := errors.New("bad")
		err := l.tolerance.report(t.Context(), &kafka.Record{Topic: "orders", Offset: 3}, bad, c.tolerated)
		if (err != nil) != c.fails || err != nil && !errors.Is(err, bad) || err != nil && retriable(err) {
			t.Errorf("errors.tolerance=%s, tolerated %t: report = %v, an error is wanted: %t", c.tolerance, c.tolerated, err, c.fails)
		}
		if got := l.tolerance.skipped.Load(); (got == 1) == c.fails {
			t.Errorf("errors.tolerance=%s, tolerated %t: %d counted", c.tolerance, c.tolerated, got)
		}
	}
}
