//go:build !race

package converter

import (
	"context"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

// Readers are kept in a sync.Pool, which forgets some at random for the race detector: what they allocate is counted without it.

// What is read with a schema takes its memory from an arena, a piece of which serves several rows. Without one, objects become maps of their own.
func TestReadAllocs(t *testing.T) {
	avro, _ := avroRead(t)
	plain, _ := jsonRead(t, "false")
	withSchema, _ := jsonRead(t, "true")
	for _, c := range []struct {
		name string
		read func()
		most float64
	}{{"avro", avro, 0}, {"json", plain, 14}, {"json with schema", withSchema, 0}} {
		if got := testing.AllocsPerRun(1000, c.read); got > c.most {
			t.Errorf("%s: %v allocations per row, want %v at most", c.name, got, c.most)
		}
	}
}

// TestBorrow: each converter that lends its values lends the ones that it gives, of every record of the corpus; with a room a row makes no garbage.
func TestBorrow(t *testing.T) {
	s, v := bikeEnvelope(t)
	c, report := New(JSONClass, nil, false, Env{})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	w, err := c.NewSerializer(t.Context(), "t", s)
	if err != nil {
		t.Fatal(err)
	}
	v.WriteTo(w.Begin(nil))
	data, err := w.End()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	_, want, err := c.Deserialize(ctx, "t", data)
	if err != nil {
		t.Fatal(err)
	}
	room := schema.NewRoom()
	read := func() {
		room.Reset()
		_, got, err := c.(Borrower).Borrow(ctx, "t", data, room)
		if err != nil || !got.Equal(want) {
			t.Fatalf("Borrow = %v, %v, want what Deserialize gives", got, err)
		}
	}
	read()
	if n := testing.AllocsPerRun(100, read); n > 0 {
		t.Errorf("Borrow allocates %v times a row, want 0", n)
	}
}
