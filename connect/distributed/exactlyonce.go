package distributed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// leaderWriter writes what only the leader may write into the config topic, each time in a transaction of the cluster's transactional id: a
// leader that does not know yet that another one leads can write no more once that one has begun to.
type leaderWriter struct {
	cfg client.Config

	mu       sync.Mutex // one writes at a time
	producer *client.Producer
	tenure   context.Context // in which it was initialised
	stop     func()
}

func newLeaderWriter(c client.Config, group string) *leaderWriter {
	c.Producer.TransactionalID = "connect-cluster-" + group
	c.Producer.Idempotent, c.Producer.Acks = true, client.AcksAll
	return &leaderWriter{cfg: c}
}

// put writes records in one transaction and returns when it is committed. ctx ends with the membership in which this worker leads.
func (w *leaderWriter) put(ctx context.Context, tenure context.Context, topic string, records ...kafka.Record) (err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() {
		if err != nil {
			w.resign()
			err = fmt.Errorf("write to topic %q as the leader: %w", topic, err)
		}
	}()
	if w.producer == nil || w.tenure != tenure {
		if err := w.claim(ctx, tenure); err != nil {
			return err
		}
	}
	for i := range records {
		records[i].Topic, records[i].Partition = topic, kafka.AnyPartition
		if err := w.producer.Send(ctx, &records[i]); err != nil {
			return err
		}
	}
	w.producer.Cut()
	return w.producer.Commit(ctx)
}

// claim takes the transactional id.
func (w *leaderWriter) claim(ctx, tenure context.Context) error {
	w.resign()
	p := client.NewProducer(w.cfg)
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() { defer close(ended); _ = p.Run(run) }() // its error is that of the next call
	w.producer, w.tenure, w.stop = p, tenure, func() { cancel(); <-ended }
	return p.Init(ctx)
}

// resign ends the producer. Under mu.
func (w *leaderWriter) resign() {
	if w.producer != nil {
		w.stop()
		w.producer, w.tenure, w.stop = nil, nil, nil
	}
}

// close ends the producer, if there is one.
func (w *leaderWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resign()
}

// guard is connect.Guard: what a source task with exactly-once delivery must know of the group before it writes.
type guard struct{ h *Herder }

// Before implements connect.Guard: the producers of the tasks that the connector had before are fenced, by the leader.
func (g guard) Before(ctx context.Context, id connect.TaskID) error {
	h := g.h
	if err := g.After(ctx, id); err != nil {
		return err
	}
	if !h.configs.snapshot().unfenced[id.Connector] {
		return nil
	}
	err := h.fenceAs(ctx, id.Connector, func() error { return nil })
	var redirect *connect.RedirectError
	if errors.As(err, &redirect) {
		if redirect.URL == "" {
			err = errors.New("the leader is not known")
		} else {
			err = h.ask(ctx, http.MethodPut, redirect.URL, id.Connector, "fence", nil)
		}
	}
	if err != nil {
		return &againError{fmt.Errorf("fence the former tasks of connector %s: %w", id.Connector, err)}
	}
	return nil
}

// After implements connect.Guard: the task is still this worker's, and its configuration the present one.
func (g guard) After(ctx context.Context, id connect.TaskID) error {
	h := g.h
	ctx, cancel := context.WithTimeout(ctx, max(h.group.SyncTimeout, time.Second))
	defer cancel()
	if err := h.configs.topic.toEnd(ctx); err != nil {
		return &againError{fmt.Errorf("see whether task %s is still this worker's: %w", id, err)}
	}
	h.gate.Lock()
	began, runs := h.commits[id], h.running.has(id)
	h.gate.Unlock()
	if now := h.configs.snapshot().commits[id.Connector]; !runs || began != now {
		return fmt.Errorf("task %s is not this worker's any more, or has another configuration by now", id)
	}
	return nil
}

// againError passes.
type againError struct{ err error }

func (e *againError) Error() string   { return e.err.Error() }
func (e *againError) Unwrap() error   { return e.err }
func (e *againError) Retriable() bool { return true }
