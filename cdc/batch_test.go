package cdc

import (
	"bytes"
	"testing"
)

func TestBatchOwnsCopies(t *testing.T) {
	var b Batch
	p := []byte("one")
	one := b.Copy(p)
	p[0] = 'X'
	two := b.Copy([]byte("two"))
	_ = append(one, "overflow"...) // must not reach two
	if string(one) != "one" || string(two) != "two" {
		t.Errorf("Copy = %q, %q, want one, two", one, two)
	}
	if empty := b.Copy(nil); empty == nil || len(empty) != 0 {
		t.Errorf("Copy(nil) = %v, want empty and not nil", empty)
	}
	if row := b.Tuple(0); row == nil {
		t.Error("Tuple(0) = nil, want a row without columns")
	}
}

// Blocks are replaced while they grow; what was handed out stays as it was.
func TestBatchGrows(t *testing.T) {
	var b Batch
	var copies [][]byte
	var rows []Tuple
	for i := range 2000 {
		copies = append(copies, b.Copy(bytes.Repeat([]byte{byte(i)}, 100)))
		row := b.Tuple(3)
		row[2] = Datum{Kind: Text, Bytes: copies[i]}
		rows = append(rows, row)
	}
	for i := range copies {
		if copies[i][0] != byte(i) || copies[i][99] != byte(i) || rows[i][0].Kind != Null || rows[i][2].Bytes[50] != byte(i) {
			t.Fatalf("row %d was overwritten", i)
		}
	}
}

func TestBatchSize(t *testing.T) {
	var b Batch
	b.Copy(make([]byte, 1000))
	b.Tuple(10)
	b.Next()
	want := 1000 + 10*datumBytes + changeBytes
	if b.Size() != want {
		t.Errorf("Size = %d, want %d", b.Size(), want)
	}
	b.Next().Kind = Insert
	b.Drop(1)
	if b.Size() != want || len(b.Changes) != 1 || b.Changes[:2][1].Kind != 0 {
		t.Errorf("after Drop: Size = %d, %d changes, want %d, 1", b.Size(), len(b.Changes), want)
	}
	b.ServerLSN = 7
	b.Reset()
	if b.Size() != 0 || len(b.Changes) != 0 || b.ServerLSN != 0 {
		t.Errorf("after Reset: Size = %d, %d changes, ServerLSN %s, want none", b.Size(), len(b.Changes), b.ServerLSN)
	}
}

// One huge row does not hold its memory for ever.
func TestBatchGivesHugeBlocksBack(t *testing.T) {
	var b Batch
	b.Copy(make([]byte, 4*keepBytes))
	if cap(b.arena) > 4*keepBytes {
		t.Errorf("block of a row of %d bytes = %d", 4*keepBytes, cap(b.arena))
	}
	b.Copy(make([]byte, 10))
	if cap(b.arena) > keepBytes {
		t.Errorf("block behind a huge one = %d, want %d at most", cap(b.arena), keepBytes)
	}
	b.Copy(make([]byte, 2*keepBytes))
	b.Tuple(keepBytes)
	b.Reset()
	if b.arena != nil || b.datums != nil {
		t.Error("Reset keeps huge blocks")
	}
}

func TestBatchAllocatesNothing(t *testing.T) {
	var b Batch
	p := make([]byte, 200)
	if allocs := testing.AllocsPerRun(100, func() {
		b.Reset()
		for range 100 {
			b.Next().New = b.Tuple(5)
			b.Copy(p)
		}
	}); allocs != 0 {
		t.Errorf("AllocsPerRun = %v, want 0", allocs)
	}
}
