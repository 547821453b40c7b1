package schema

import "unsafe"

// Arena hands out the memory of Values in blocks, so that a row of twenty texts costs a fraction of an allocation instead of
// twenty. What it handed out stays valid for ever and is never handed out again; a block lives as long as any Value in it.
// The zero Arena is ready. Not safe for concurrent use.
//
// One that NewRoom made is different: Reset takes back all that it handed out, and hands the same memory out again.
type Arena struct {
	values  []Value
	structs []StructValue
	text    []byte
	room    *room // nil: blocks are used once
}

// room is the blocks of an Arena that are used again.
type room struct {
	values  blocks[Value]
	structs blocks[StructValue]
	text    blocks[byte]
}

// blocks is what was made so far; those before next are in use.
type blocks[E any] struct {
	all  [][]E
	next int
}

// take returns a block, one that was used before if there is one.
func (b *blocks[E]) take(size int) []E {
	if b.next == len(b.all) {
		b.all = append(b.all, make([]E, size))
	}
	b.next++
	return b.all[b.next-1]
}

// release takes all blocks back. Those that were not needed since the last release go, but for as many as were: one large batch does not keep its
// memory for ever.
func (b *blocks[E]) release() {
	if most := 2*b.next + 1; len(b.all) > most {
		clear(b.all[most:])
		b.all = b.all[:most]
	}
	b.next = 0
}

// NewRoom makes an Arena for Values that all die together: see Reset.
func NewRoom() *Arena { return &Arena{room: new(room)} }

// Reset ends the life of all that an Arena of NewRoom handed out. Another Arena just goes on.
func (a *Arena) Reset() {
	if a.room == nil {
		return
	}
	a.values, a.structs, a.text = nil, nil, nil
	a.room.values.release()
	a.room.structs.release()
	a.room.text.release()
}

// Blocks: large enough that the cost of a block spreads over some rows, small enough that one row kept holds little else.
const (
	valuesPerBlock  = 256
	structsPerBlock = 32
	textPerBlock    = 8 << 10

	// Those of a room live as long as it does: a batch of 500 rows takes a few.
	valuesPerRoomBlock  = 4096
	structsPerRoomBlock = 512
	textPerRoomBlock    = 64 << 10
)

// Values returns n null Values.
func (a *Arena) Values(n int) []Value {
	if n > len(a.values) {
		if n > valuesPerBlock/2 {
			return make([]Value, n)
		}
		if a.room == nil {
			a.values = make([]Value, valuesPerBlock)
		} else {
			a.values = a.room.values.take(valuesPerRoomBlock)
		}
	}
	v := a.values[:n:n]
	a.values = a.values[n:]
	if a.room != nil {
		clear(v) // of what it held before
	}
	return v
}

// Struct returns a StructValue of a Struct schema, with all its Values null.
func (a *Arena) Struct(s *Schema) *StructValue {
	if len(a.structs) == 0 {
		if a.room == nil {
			a.structs = make([]StructValue, structsPerBlock)
		} else {
			a.structs = a.room.structs.take(structsPerRoomBlock)
		}
	}
	v := &a.structs[0]
	a.structs = a.structs[1:]
	v.Schema, v.Values = s, a.Values(len(s.Fields))
	return v
}

// Bytes returns a copy of b.
func (a *Arena) Bytes(b []byte) []byte {
	c := a.Space(len(b))
	copy(c, b)
	return c
}

// Space returns n bytes to be written to, with anything in them.
func (a *Arena) Space(n int) []byte {
	if n > textPerBlock/4 {
		return make([]byte, n)
	}
	if n > cap(a.text)-len(a.text) {
		if a.room == nil {
			a.text = make([]byte, 0, textPerBlock)
		} else {
			a.text = a.room.text.take(textPerRoomBlock)[:0]
		}
	}
	start := len(a.text)
	a.text = a.text[:start+n]
	return a.text[start : start+n : start+n]
}

// Text returns b as a string.
func (a *Arena) Text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	c := a.Bytes(b) // nobody else sees c, and nothing writes to it again
	return unsafe.String(&c[0], len(c))
}
