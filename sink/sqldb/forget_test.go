package sqldb

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

func TestForgetPositions(t *testing.T) {
	d := newDatabase(t)
	forget := func(partitions ...kafka.TopicPartition) {
		t.Helper()
		if err := ForgetPositions(t.Context(), d.task().config, "sinktest", partitions, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
	}
	forget() // there is no table yet
	topic := func(name string) *source { return newSource(name, 1, field("id", int32Of())) }
	items, shops := topic("shop.public.items"), topic("shop.public.shops")
	task := d.task()
	open(t, task, items.topic)
	put(t, task, items.create(i32(1)))
	other := d.task()
	open(t, other, shops.topic)
	put(t, other, shops.create(i32(1)))
	positions := func() string { return d.rows("SELECT topic, next_offset FROM tandem_positions ORDER BY topic") }

	forget(kafka.TopicPartition{Topic: items.topic}, kafka.TopicPartition{Topic: "unknown", Partition: 7})
	if diff := cmp.Diff("shop.public.shops|1\n", positions()); diff != "" {
		t.Errorf("positions after one was forgotten (-want +got):\n%s", diff)
	}
	if got := open(t, d.task(), items.topic); got != nil {
		t.Errorf("Open after the position was forgotten = %v, want none: the group's offset counts", got)
	}
	forget()
	if diff := cmp.Diff("", positions()); diff != "" {
		t.Errorf("positions after all were forgotten (-want +got):\n%s", diff)
	}
	err := task.Put(t.Context(), []sink.Record{items.create(i32(2))})
	if err == nil || !strings.Contains(err.Error(), "position") {
		t.Errorf("Put of the task from before = %v, want that it is fenced", err)
	}
}
