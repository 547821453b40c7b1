package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/internal/pause"
)

// faults make a plan happen. Two faults of one thing come one behind the other.
type faults struct {
	*cluster

	mu    sync.Mutex // guards what follows
	locks map[string]*sync.Mutex
	count map[kind]int
}

// follow makes the faults of a plan happen; it returns when all are over, which they are soon after ctx.
func (f *faults) follow(ctx context.Context, plan []event) error {
	began := time.Now()
	g, running := errgroup.WithContext(ctx)
	for _, e := range plan {
		if !pause.For(running, e.at-time.Since(began)) {
			break
		}
		g.Go(func() error {
			lock := f.lock(e.thing())
			lock.Lock()
			defer lock.Unlock()
			if running.Err() != nil {
				return nil
			}
			f.say("%v", e)
			f.mu.Lock()
			f.count[e.kind]++
			f.mu.Unlock()
			if err := f.happen(ctx, e); err != nil {
				return fmt.Errorf("%v: %w", e, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// thing is what an event happens to.
func (e event) thing() string {
	switch e.kind {
	case killWorker, freezeWorker, terminateWorker:
		return fmt.Sprintf("worker %d", e.which)
	case killKafka, pauseKafka:
		return "kafka"
	}
	return fmt.Sprint(e.kind, e.which)
}

func (f *faults) lock(thing string) *sync.Mutex {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locks[thing] == nil {
		f.locks[thing] = new(sync.Mutex)
	}
	return f.locks[thing]
}

// happen makes one fault happen and undoes it. What must be undone is undone also when ctx has ended.
func (f *faults) happen(ctx context.Context, e event) error {
	whole := context.WithoutCancel(ctx)
	switch e.kind {
	case killWorker, terminateWorker:
		w := f.workers[e.which]
		end := w.kill
		if e.kind == terminateWorker {
			end = w.terminate
		}
		if err := end(); err != nil {
			return err
		}
		pause.For(ctx, e.lasts)
		return w.start()
	case freezeWorker:
		w := f.workers[e.which]
		if err := w.signal(sigStop); err != nil {
			return err
		}
		pause.For(ctx, e.lasts)
		return w.signal(sigCont)
	case networkSource:
		f.captures[e.which].source.Suffer(ctx, e.network)
	case networkTarget:
		f.captures[e.which].sink.Suffer(ctx, e.network)
	case networkKafka:
		f.kafka.Proxy(e.which).Suffer(ctx, e.network)
	case killKafka:
		if err := f.kafka.Kill(); err != nil {
			return err
		}
		pause.For(ctx, e.lasts)
		return f.kafka.Start(whole)
	case pauseKafka:
		if err := f.kafka.Pause(); err != nil {
			return err
		}
		pause.For(ctx, e.lasts)
		return f.kafka.Resume()
	case crashPostgres:
		if err := f.postgres.Kill(); err != nil {
			return err
		}
		pause.For(ctx, e.lasts)
		return f.postgres.Restart(whole)
	case endSenders:
		// A server that is away just now has no walsenders.
		if err := f.execute(ctx, sourceDatabase, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"); err != nil {
			f.say("no walsender was ended: %v", err)
		}
	}
	return nil
}

// heal ends all faults that there may be: whatever was interrupted is undone.
func (f *faults) heal() error {
	for _, x := range f.captures {
		x.source.Heal()
		x.sink.Heal()
	}
	for i, w := range f.workers {
		f.kafka.Proxy(i).Heal()
		if err := w.signal(sigCont); err != nil {
			return err
		}
	}
	return nil
}

func newFaults(c *cluster) *faults {
	return &faults{cluster: c, locks: make(map[string]*sync.Mutex), count: make(map[kind]int)}
}
