package connect

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shelf keeps what is put, and fails from the n-th put on.
type shelf struct {
	put    []string
	failAt int
}

func (s *shelf) Get(context.Context, string, []byte) ([]byte, error)     { return nil, nil }
func (s *shelf) List(context.Context, string) ([]PartitionOffset, error) { return nil, nil }
func (s *shelf) Put(_ context.Context, _ string, offsets ...PartitionOffset) error {
	if len(s.put)+1 == s.failAt {
		return errors.New("the shelf is full")
	}
	for _, o := range offsets {
		s.put = append(s.put, string(o.Partition)+string(o.Offset))
	}
	return nil
}

// several is a task whose records come from partitions that have all moved.
type several struct {
	SourceTask
	moved []int
}

func (s *several) Offset(n uint64) (partition, offset []byte, ok bool) {
	if len(s.moved) == 0 {
		return nil, nil, false
	}
	return fmt.Append(nil, s.moved[0]), fmt.Append(nil, n), true
}

func (s *several) Stored(uint64) { s.moved = s.moved[1:] }

// One commit stores the offset of every partition that has moved: a task that stops gets no second one.
func TestCommitStoresEveryPartition(t *testing.T) {
	offsets, task := new(shelf), &several{moved: []int{7, 8, 9}}
	l := &sourceLife{sourceRunner: &sourceRunner{offsets: offsets}, hard: t.Context(), task: task, emitter: &emitter{producer: newFakeProducer()}}
	if err := l.commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"70", "80", "90"}, offsets.put); diff != "" {
		t.Errorf("stored offsets (-want +got)\n%s", diff)
	}
	if l.stored != 3 {
		t.Errorf("stored = %d, want 3", l.stored)
	}
	offsets.put, offsets.failAt, task.moved = nil, 2, []int{1, 2, 3}
	if err := l.commit(); err == nil || len(task.moved) != 2 {
		t.Errorf("commit() to a shelf that is full = %v with %v left, want an error and 2 left", err, task.moved)
	}
}

// spread is several, all of which it gives at once.
type spread struct{ several }

func (s *spread) Offsets(n uint64, give func(partition, offset []byte)) {
	for _, partition := range s.moved {
		give(fmt.Append(nil, partition), fmt.Append(nil, n))
	}
}

func (s *spread) Stored(uint64) { s.moved = nil }

// TestCommitStoresAtOnce: the offsets of a source that gives all that have moved are stored together.
func TestCommitStoresAtOnce(t *testing.T) {
	offsets, task := new(shelf), &spread{several{moved: []int{7, 8, 9}}}
	l := &sourceLife{sourceRunner: &sourceRunner{offsets: offsets}, hard: t.Context(), task: task, emitter: &emitter{producer: newFakeProducer()}}
	if err := l.commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"70", "80", "90"}, offsets.put); diff != "" || l.stored != 1 {
		t.Errorf("%d puts of offsets (-want +got)\n%s; want one", l.stored, diff)
	}
	if err := l.commit(); err != nil || l.stored != 1 {
		t.Errorf("commit with nothing moved = %v with %d puts, want no more than the one", err, l.stored)
	}
}
