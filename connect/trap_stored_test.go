package connect

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// brokenStore is an offset store that can refuse to write.
type brokenStore struct {
	OffsetStore
	broken   atomic.Bool
	attempts atomic.Int64
}

func (s *brokenStore) Put(ctx context.Context, connector string, offsets ...PartitionOffset) error {
	s.attempts.Add(1)
	if s.broken.Load() {
		return &storeError{errors.New("no space left on device")}
	}
	return s.OffsetStore.Put(ctx, connector, offsets...)
}

// Trap 3: the broker has acknowledged, and the offset cannot be written. The source does not hear of it, so that the server keeps what is behind the
// offset that is written; who dies then goes on from there. What protects: sourceLife.commit, which calls Stored behind a Put without an error only.
func TestTrap03StoredOnlyWhatIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "offsets")
	b := newBench(t, path)
	store := &brokenStore{OffsetStore: b.worker.offsets}
	b.worker.offsets = store
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	p, c := <-b.producers, <-b.counters
	eventually(t, "all sent", func() bool { return p.Sent() == 10 })
	p.ack(3)
	eventually(t, "3 stored", func() bool { return c.stored() == 3 })
	store.broken.Store(true)
	before := store.attempts.Load()
	p.ack(8)
	eventually(t, "the store has refused thrice", func() bool { return store.attempts.Load() >= before+3 })
	if n := c.stored(); n != 3 {
		t.Errorf("the source heard of %d records, want of the 3 whose offset is written", n)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if n := c.stored(); n != 3 {
		t.Errorf("the source heard of %d records at the end, want of 3", n)
	}

	again := newBench(t, path) // another process
	again.start(t)
	if _, err := again.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	p = <-again.producers
	eventually(t, "the rest sent", func() bool { return p.Sent() == 7 })
	if got := string(p.records[0].Value); got != "4" {
		t.Errorf("first record after the restart = %s, want 4", got)
	}
}

// Trap 14: acknowledgements of which no sign comes are found all the same, and one that comes makes up for all before. What protects: sourceLife.follow,
// which looks at every tick, and at numbers, not at signs.
func TestTrap14AcknowledgementWithoutASign(t *testing.T) {
	b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
	b.start(t)
	if _, err := b.Create(t.Context(), counterConfig()); err != nil {
		t.Fatal(err)
	}
	p, c := <-b.producers, <-b.counters
	eventually(t, "all sent", func() bool { return p.Sent() == 10 })
	p.mu.Lock()
	p.acked = 6 // and nothing in p.progress
	p.mu.Unlock()
	eventually(t, "6 stored", func() bool { return c.stored() == 6 })
	p.ack(10)
	eventually(t, "10 stored", func() bool { return c.stored() == 10 })
}
