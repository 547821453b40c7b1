package schema

import (
	"strconv"
	"strings"
	"unsafe"
)

// Builder is the Writer that makes a Value in memory. Reset makes it ready for the next one; Values it has given out stay valid.
// Nulls are kept: a null at a field with a default stays null, as in a Connect Struct.
// Not safe for concurrent use.
type Builder struct {
	schema *Schema
	arena  *Arena
	own    Arena
	views  bool // texts and bytes are not copied
	stack  []frame
	loose  []Value // elements, keys and values of the arrays and maps that are open
	root   Value
	done   bool
	err    error
}

// frame is an open struct, array or map.
type frame struct {
	kind   Type
	schema *Schema      // nil: elements have no schema
	into   *StructValue // of a struct
	next   int          // fields, elements, or keys and values so far
	start  int          // of an array or map: its first in Builder.loose
}

// NewBuilder makes a Builder for a schema. With nil it takes values without a schema: integers become Int64, and whole Values
// given by Value.WriteTo are taken as they are.
func NewBuilder(s *Schema) *Builder {
	b := &Builder{schema: s}
	b.arena = &b.own
	return b
}

// Borrow has the Values from now on made in room, and of views of the texts and bytes that are written: they live as long as both do. A nil room is
// the Builder's own again.
func (b *Builder) Borrow(room *Arena) {
	if b.arena, b.views = room, room != nil; room == nil {
		b.arena = &b.own
	}
}

// Reset drops what was written and clears Err.
func (b *Builder) Reset() {
	clear(b.loose[:cap(b.loose)]) // let go of the last value's memory
	b.stack, b.loose = b.stack[:0], b.loose[:0]
	b.root, b.done, b.err = NullValue, false, nil
}

// ResetTo is Reset for another schema.
func (b *Builder) ResetTo(s *Schema) {
	b.Reset()
	b.schema = s
}

// Value is what was written. It is null until that is complete.
func (b *Builder) Value() Value {
	if b.err != nil || !b.done {
		return NullValue
	}
	return b.root
}

// Done tells whether a value was written to its end without misuse.
func (b *Builder) Done() bool { return b.done && b.err == nil }

// Err implements Writer.
func (b *Builder) Err() error { return b.err }

// want is the schema of the place that is written next; ok is false when there is none.
func (b *Builder) want() (s *Schema, ok bool) {
	if len(b.stack) == 0 {
		return b.schema, !b.done
	}
	f := &b.stack[len(b.stack)-1]
	switch {
	case f.kind == Struct:
		if f.next >= len(f.schema.Fields) {
			return nil, false
		}
		return f.schema.Fields[f.next].Schema, true
	case f.schema == nil:
		return nil, true
	case f.kind == Map && f.next%2 == 0:
		return f.schema.Key, true
	}
	return f.schema.Elem, true
}

// accept checks that a value of type t fits the next place.
func (b *Builder) accept(t Type) (*Schema, bool) {
	if b.err != nil {
		return nil, false
	}
	s, ok := b.want()
	if !ok {
		b.misuse(t.String(), "nothing more")
		return nil, false
	}
	if s == nil {
		if t == Struct {
			b.misuse("struct", "a value that needs no schema")
			return nil, false
		}
		return nil, true
	}
	if s.Type != t {
		b.misuse(t.String(), Describe(s))
		return nil, false
	}
	return s, true
}

func (b *Builder) put(v Value) {
	if len(b.stack) == 0 {
		b.root, b.done = v, true
		return
	}
	f := &b.stack[len(b.stack)-1]
	if f.kind == Struct {
		f.into.Values[f.next] = v
	} else {
		b.loose = append(b.loose, v)
	}
	f.next++
}

// putValue takes a whole value where no schema says what fits.
func (b *Builder) putValue(v Value) bool {
	if b.err != nil {
		return true
	}
	s, ok := b.want()
	if !ok || s != nil {
		return false
	}
	b.put(v)
	return true
}

// Null implements Writer.
func (b *Builder) Null() {
	if b.err != nil {
		return
	}
	s, ok := b.want()
	if !ok {
		b.misuse("null", "nothing more")
		return
	}
	if s != nil && !s.Optional && s.Default == nil {
		b.misuse("null", Describe(s))
		return
	}
	b.put(NullValue)
}

// Bool implements Writer.
func (b *Builder) Bool(v bool) {
	if _, ok := b.accept(Boolean); ok {
		b.put(OfBool(v))
	}
}

// Int implements Writer.
func (b *Builder) Int(v int64) {
	if b.err != nil {
		return
	}
	s, ok := b.want()
	if !ok {
		b.misuse("int", "nothing more")
		return
	}
	t := Int64
	if s != nil {
		t = s.Type
	}
	if t < Int8 || t > Int64 || !FitsInt(t, v) {
		b.misuse(strconv.FormatInt(v, 10), Describe(s))
		return
	}
	b.put(OfInt(t, v))
}

// FitsInt tells whether v is in the range of an integer type.
func FitsInt(t Type, v int64) bool {
	switch t {
	case Int8:
		return v == int64(int8(v))
	case Int16:
		return v == int64(int16(v))
	case Int32:
		return v == int64(int32(v))
	}
	return t == Int64
}

// Float32 implements Writer.
func (b *Builder) Float32(v float32) {
	if _, ok := b.accept(Float32); ok {
		b.put(OfFloat32(v))
	}
}

// Float64 implements Writer.
func (b *Builder) Float64(v float64) {
	if _, ok := b.accept(Float64); ok {
		b.put(OfFloat64(v))
	}
}

// Text implements Writer.
func (b *Builder) Text(v []byte) {
	if _, ok := b.accept(String); ok {
		if b.views {
			b.put(OfString(unsafe.String(unsafe.SliceData(v), len(v))))
			return
		}
		b.put(OfString(b.arena.Text(v)))
	}
}

// String implements Writer.
func (b *Builder) String(v string) {
	if _, ok := b.accept(String); ok {
		b.put(OfString(v))
	}
}

// Bytes implements Writer.
func (b *Builder) Bytes(v []byte) {
	if _, ok := b.accept(Bytes); ok {
		if !b.views {
			v = b.arena.Bytes(v)
		}
		b.put(OfBytes(v))
	}
}

// BeginStruct implements Writer.
func (b *Builder) BeginStruct() {
	if s, ok := b.accept(Struct); ok {
		b.stack = append(b.stack, frame{kind: Struct, schema: s, into: b.arena.Struct(s)})
	}
}

// EndStruct implements Writer.
func (b *Builder) EndStruct() {
	f, ok := b.close(Struct)
	if !ok {
		return
	}
	if f.next != len(f.schema.Fields) {
		b.stack = append(b.stack, f) // for the path
		b.misuse("end of struct", Describe(f.schema.Fields[f.next].Schema))
		return
	}
	b.put(OfStruct(f.into))
}

// BeginArray implements Writer.
func (b *Builder) BeginArray(int) { b.open(Array) }

// BeginMap implements Writer.
func (b *Builder) BeginMap(int) { b.open(Map) }

func (b *Builder) open(t Type) {
	if s, ok := b.accept(t); ok {
		b.stack = append(b.stack, frame{kind: t, schema: s, start: len(b.loose)})
	}
}

// close takes the innermost frame, which must be of kind t, off the stack.
func (b *Builder) close(t Type) (frame, bool) {
	if b.err != nil {
		return frame{}, false
	}
	if len(b.stack) == 0 || b.stack[len(b.stack)-1].kind != t {
		b.misuse("end of "+t.String(), "a value")
		return frame{}, false
	}
	f := b.stack[len(b.stack)-1]
	b.stack = b.stack[:len(b.stack)-1]
	return f, true
}

// EndArray implements Writer.
func (b *Builder) EndArray() {
	f, ok := b.close(Array)
	if !ok {
		return
	}
	elems := b.arena.Values(len(b.loose) - f.start)
	copy(elems, b.loose[f.start:])
	b.loose = b.loose[:f.start]
	b.put(OfArray(elems))
}

// EndMap implements Writer.
func (b *Builder) EndMap() {
	f, ok := b.close(Map)
	if !ok {
		return
	}
	if f.next%2 != 0 {
		b.stack = append(b.stack, f)
		b.misuse("end of map", "a value for the last key")
		return
	}
	loose := b.loose[f.start:]
	entries := make([]Entry, len(loose)/2)
	for i := range entries {
		entries[i] = Entry{Key: loose[2*i], Value: loose[2*i+1]}
	}
	b.loose = b.loose[:f.start]
	b.put(OfMap(entries))
}

func (b *Builder) misuse(given, want string) {
	b.err = &MisuseError{Path: b.path(), Given: given, Want: want}
}

func (b *Builder) path() string {
	var p strings.Builder
	for _, f := range b.stack {
		switch {
		case f.kind != Struct:
			p.WriteString("[" + strconv.Itoa(f.next) + "]")
		case f.next < len(f.schema.Fields):
			if p.Len() > 0 {
				p.WriteByte('.')
			}
			p.WriteString(f.schema.Fields[f.next].Name)
		}
	}
	return p.String()
}
