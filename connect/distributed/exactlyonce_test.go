package distributed

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/kafka"
)

func onceProps(b *brokers) map[string]string {
	props := workerProps(b.addr)
	props["exactly.once.source.support"] = "enabled"
	return props
}

// A leader that another has followed can write no more, even if it does not know.
func TestFormerLeaderCannotWrite(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	w := startWorker(t, r, onceProps(b), "a")
	create(t, "x", 2, w)
	r.awaitTasks(2, 1)
	c := following() // its own reader is not needed: what it writes must not be there
	c.topic, c.leader = w.configs.topic, newLeaderWriter(w.configs.topic.write, "connect-cluster")
	defer c.leader.close()
	former, cancel := context.WithCancel(testContext(t))
	defer cancel()
	if err := c.lead(former, kafka.Record{Key: []byte("connector-by-another"), Value: []byte(props)}); err != nil {
		t.Fatal(err)
	}
	var err error
	if told := w.tell(testContext(t), func() {
		err = w.configs.lead(w.place.tenure, kafka.Record{Key: []byte("connector-late"), Value: []byte(props)})
	}); told != nil {
		t.Fatal(told)
	}
	if err == nil {
		t.Error("a leader wrote although another one has begun to")
	}
	create(t, "y", 2, w) // which leads, and takes its place again
	r.awaitTasks(4, 1)
	if err := c.lead(former, kafka.Record{Key: []byte("connector-late"), Value: []byte(props)}); err == nil {
		t.Error("the other one wrote although this one has begun to")
	}
	if names, err := w.Names(testContext(t)); err != nil || strings.Join(names, ",") != "by-another,x,y" {
		t.Errorf("Names = %q, %v, want what was written by who led", names, err)
	}
}

// Before a task writes, those that the connector had before are fenced, once; afterwards it must still be the worker's.
func TestGuard(t *testing.T) {
	b, r := startBrokers(t), newRuns(t)
	workers := []*worker{startWorker(t, r, onceProps(b), "a"), startWorker(t, r, onceProps(b), "b")}
	create(t, "x", 4, workers...)
	running := r.awaitTasks(4, 2)
	for _, w := range workers {
		for id, on := range running {
			before, after := guard{w.Herder}.Before(testContext(t), id), guard{w.Herder}.After(testContext(t), id)
			if mine := on == w.name; mine != (before == nil) || mine != (after == nil) {
				t.Errorf("on %s, %s of %s: Before = %v, After = %v", w.name, id, on, before, after)
			}
		}
	}
	fenced := 0
	for _, rec := range records(t, b.addr, "configs") {
		if string(rec.Key) == "tasks-fencing-x" {
			fenced++
			if string(rec.Value) != `{"task-count":4}` {
				t.Errorf("record %s, want one for four tasks", rec.Value)
			}
		}
	}
	if fenced != 1 {
		t.Errorf("%d rounds of fencing, want 1", fenced)
	}
	gone := connect.TaskID{Connector: "x", Task: 9}
	var r9 interface{ Retriable() bool }
	if err := (guard{workers[0].Herder}).After(testContext(t), gone); err == nil || errors.As(err, &r9) && r9.Retriable() {
		t.Errorf("After of a task that is none = %v, want a final error", err)
	}
}
