package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/kafka/client"
)

// Times between two looks at the topics: few while nothing is there, so that the first record is seen soon; afterwards the broker is left alone
// for as long as it needs for nine looks, and firstEvery at least.
const (
	firstEvery = 5 * time.Millisecond
	lookShare  = 9
)

// firstTopics is in how many topics the first record is looked for. A load writes into its first table first; a snapshot may have another order.
const firstTopics = 8

// watched is what was seen of one run.
type watched struct {
	first, last         time.Time
	present             int           // records or rows that were there already when the first was seen
	firstCPU, lastCPU   time.Duration // of the contender
	serverBefore, after time.Duration // of the process of the server that feeds it; 0: it was not found
}

// watch waits until the topics hold what is expected, which is asked of the ends of their partitions: nothing is read meanwhile, so that nobody
// competes with the contender. Each topic has one partition.
func (b *bench) watch(ctx context.Context, p *process, todo work, sender func(context.Context) (int, error)) (w watched, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.patience, fmt.Errorf("the contender has not come to its end within %s", b.patience))
	defer cancel()
	var begun []expectation
	for _, e := range todo.expect[:min(firstTopics, len(todo.expect))] {
		begun = append(begun, expectation{e.topic, 1})
	}
	if todo.round > 0 { // its last table is the last one to have rows
		begun = []expectation{{todo.expect[len(todo.expect)-1].topic, 1}}
	}
	if err := b.reached(ctx, p, begun...); err != nil {
		return w, fmt.Errorf("wait for the first record: %w", err)
	}
	w.first, w.firstCPU = time.Now(), p.usedCPU()
	w.present = todo.round
	if todo.round == 0 {
		if w.present, err = b.records(ctx, begun); err != nil {
			return w, err
		}
	}
	pid := 0
	if sender != nil {
		if pid, err = sender(ctx); err != nil {
			return w, err
		}
		w.serverBefore, _ = cpuOf(pid) // 0 when there is none
	}
	for _, e := range todo.expect {
		if err := b.reached(ctx, p, e); err != nil {
			return w, fmt.Errorf("wait for the records of topic %q: %w", e.topic, err)
		}
	}
	w.last, w.lastCPU = time.Now(), p.usedCPU()
	w.after, _ = cpuOf(pid)
	return w, nil
}

// records is how many records topics hold together.
func (b *bench) records(ctx context.Context, topics []expectation) (n int, err error) {
	for _, t := range topics {
		ends, err := b.admin.EndOffsets(ctx, t.topic, client.ReadUncommitted)
		if err != nil {
			return n, err
		}
		for _, end := range ends {
			n += int(end)
		}
	}
	return n, nil
}

// rate is how many of n records came in a second, from when the first was seen. When most had come by then there is nothing to measure.
func (w *watched) rate(n int) (float64, error) {
	if 2*w.present > n {
		return 0, fmt.Errorf("%s of %s were there when the first was looked for: the load is too small to be measured", grouped(int64(w.present)), grouped(int64(n)))
	}
	return float64(n-w.present) / seconds(w.last.Sub(w.first)), nil
}

// expectation is how many records a topic is to hold.
type expectation struct {
	topic   string
	records int
}

// reached waits until one of the topics holds its records.
func (b *bench) reached(ctx context.Context, p *process, any ...expectation) error {
	for {
		began := time.Now()
		var ends []int64
		for _, e := range any {
			at, err := b.admin.EndOffsets(ctx, e.topic, client.ReadUncommitted)
			if err != nil {
				return errors.Join(context.Cause(ctx), err)
			}
			if len(at) == 1 && at[0] >= int64(e.records) {
				return nil
			}
			ends = append(ends, at...)
		}
		if err := p.failed(); err != nil {
			return err
		}
		pause := time.NewTimer(max(firstEvery, lookShare*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("%w; topics %v hold %v records; last said: %s", context.Cause(ctx), any, ends, p.lastSaid())
		case <-pause.C:
		}
	}
}

// freshTopics makes the topics of a run, of one partition each; those of the run before are deleted.
func (b *bench) freshTopics(ctx context.Context, topics []string) error {
	if err := b.dropTopics(ctx, topics); err != nil {
		return err
	}
	return b.eachTopic(ctx, topics, func(ctx context.Context, admin *client.Admin, t string) error {
		_, err := admin.CreateTopic(ctx, client.NewTopic{Name: t, Partitions: 1, Replicas: 1})
		return err
	})
}

// topicClients share the topics: the broker answers one request of a client after the other, and thousands of topics take minutes so.
const topicClients = 16

// eachTopic calls f for all topics, some at the same time, each with a client that nobody else uses meanwhile.
func (b *bench) eachTopic(ctx context.Context, topics []string, f func(context.Context, *client.Admin, string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for k := range min(topicClients, len(topics)) {
		g.Go(func() error {
			config := client.DefaultConfig(client.ForAdmin)
			config.Brokers = b.consumer.Brokers
			admin := client.NewAdmin(config)
			defer admin.Close()
			for i := k; i < len(topics); i += topicClients {
				if err := f(ctx, admin, topics[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// dropTopics deletes those that there are, and waits until they are gone.
func (b *bench) dropTopics(ctx context.Context, topics []string) error {
	all, err := b.admin.Topics(ctx)
	if err != nil {
		return err
	}
	there := make(map[string]bool)
	for _, t := range all {
		there[t.Name] = true
	}
	var old []string
	for _, t := range topics {
		if there[t] {
			old = append(old, t)
		}
	}
	if len(old) == 0 {
		return nil
	}
	if err := b.admin.DeleteTopics(ctx, old...); err != nil {
		return err
	}
	return b.eachTopic(ctx, old, func(ctx context.Context, admin *client.Admin, t string) error {
		err := poll(ctx, time.Minute, func() (bool, error) { _, there, err := admin.Topic(ctx, t); return !there, err })
		if err != nil {
			return fmt.Errorf("wait until topic %q is deleted: %w", t, err)
		}
		return nil
	})
}
