package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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
	begun, first := todo.expect[:min(firstTopics, len(todo.expect))], make([]expectation, 0, firstTopics)
	if todo.round > 0 { // its last table is the last one to have rows
		begun = todo.expect[len(todo.expect)-1:]
	}
	for _, e := range begun {
		first = append(first, expectation{e.topic, 1})
	}
	if err := b.reached(ctx, p, 1, 1, first...); err != nil {
		return w, fmt.Errorf("wait for the first record: %w", err)
	}
	w.first, w.firstCPU = time.Now(), p.usedCPU()
	if todo.round > 0 {
		first = todo.expect
	}
	if w.present, err = b.records(ctx, first); err != nil {
		return w, err
	}
	pid := 0
	if sender != nil {
		if pid, err = sender(ctx); err != nil {
			return w, err
		}
		w.serverBefore, _ = cpuOf(pid) // 0 when there is none
	}
	// The last table is the cheapest to watch, and when it is complete the others are, or soon will be.
	if err = b.reached(ctx, p, lookShare, 1, todo.expect[len(todo.expect)-1]); err == nil {
		err = b.reached(ctx, p, lookShare, len(todo.expect), todo.expect...)
	}
	if err != nil {
		return w, fmt.Errorf("wait for the records: %w", err)
	}
	w.last, w.lastCPU = time.Now(), p.usedCPU()
	w.after, _ = cpuOf(pid)
	return w, nil
}

// records is how many records topics hold together.
func (b *bench) records(ctx context.Context, topics []expectation) (n int, err error) {
	ends, err := b.admin.EndsOf(ctx, client.ReadUncommitted, names(topics)...)
	for _, of := range ends {
		for _, end := range of {
			n += int(end)
		}
	}
	return n, err
}

func names(topics []expectation) (names []string) {
	for _, t := range topics {
		names = append(names, t.topic)
	}
	return names
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

// reached waits until so many of the topics, which have one partition each, hold their records. Between two looks it waits share times as long as
// a look takes.
func (b *bench) reached(ctx context.Context, p *process, share time.Duration, many int, topics ...expectation) error {
	var missing []expectation
	for left := topics; ; left = missing {
		began := time.Now()
		ends, err := b.admin.EndsOf(ctx, client.ReadUncommitted, names(left)...)
		if err != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		missing = nil
		for i, e := range left {
			if ends[i][0] < int64(e.records) {
				missing = append(missing, e)
			}
		}
		if len(topics)-len(missing) >= many {
			return nil
		}
		if err := p.failed(); err != nil {
			return err
		}
		pause := time.NewTimer(max(firstEvery, share*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("%w; %d topics lack records, among them %v; last said: %s", context.Cause(ctx), len(missing), missing[0], p.lastSaid())
		case <-pause.C:
		}
	}
}

// topicsAtOnce is how many topics are made or deleted by one request.
const topicsAtOnce = 250

// freshTopics makes the topics of a run, of one partition each; those of the run before are deleted.
func (b *bench) freshTopics(ctx context.Context, topics []string) error {
	if err := b.dropTopics(ctx, topics); err != nil {
		return err
	}
	for some := range slices.Chunk(topics, topicsAtOnce) {
		var wanted []client.NewTopic
		for _, name := range some {
			wanted = append(wanted, client.NewTopic{Name: name, Partitions: 1, Replicas: 1})
		}
		if _, err := b.admin.CreateTopics(ctx, wanted...); err != nil {
			return err
		}
		made := func() (bool, error) {
			found, err := b.admin.TopicsNamed(ctx, some...)
			return len(found) == len(some), err
		}
		if err := poll(ctx, time.Minute, made); err != nil {
			return fmt.Errorf("wait until %d topics are made, %q first: %w", len(some), some[0], err)
		}
	}
	return nil
}

// dropTopics deletes those that there are, and waits until they are gone.
func (b *bench) dropTopics(ctx context.Context, topics []string) error {
	for some := range slices.Chunk(topics, topicsAtOnce) {
		left := func() (old []string, err error) {
			found, err := b.admin.TopicsNamed(ctx, some...)
			for i := range found {
				old = append(old, found[i].Name)
			}
			return old, err
		}
		old, err := left()
		if err == nil {
			err = b.admin.DeleteTopics(ctx, old...)
		}
		if err != nil {
			return err
		}
		if err := poll(ctx, time.Minute, func() (bool, error) { old, err = left(); return len(old) == 0, err }); err != nil {
			return fmt.Errorf("wait until %d topics are deleted, %q first: %w", len(old), some[0], err)
		}
	}
	return nil
}
