package converter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/tandem-cdc/tandem/schema"
)

// avroReader is the schema.Reader of Avro binary: specification 1.11, "Binary Encoding". It is compiled from the writer's schema.
// No input makes it panic, and it makes room for nothing by a length that the input only claims.
type avroReader struct {
	schema *schema.Schema
	root   *readNode
}

type readKind uint8

const (
	readInt readKind = iota
	readInt8
	readInt16
	readLong
	readFloat
	readDouble
	readBool
	readString
	readBytes
	readFixed
	readEnum
	readRecord
	readArray
	readMap
	readPairs // a map as an array of records
	readNullable
	readSingle // a union of one type, which is that type
	readUnion  // a struct with one field per type
)

// readNode is one place of the writer's schema.
type readNode struct {
	kind     readKind
	size     int        // of fixed
	least    int        // bytes that a value takes at least
	nulls    int64      // the branch of null; -1 when there is none
	elem     *readNode  // of array, map, nullable
	parts    []readNode // fields of a record, branches of a union without null, key and value of pairs
	branches []int      // of a union: branch → part; of null -1
	symbols  []string
}

// maxEmpty bounds the elements of a value that take no bytes at all: for them the input's length says nothing.
const maxEmpty = 1 << 16

func newAvroReader(t *avroType, o avroOptions) (schema.Reader, error) {
	s, err := avroTo(t, o)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return &valueReader{read: readAnything}, nil
	}
	r := &avroReader{schema: s, root: new(readNode)}
	r.root.compile(t, o)
	return r, nil
}

// Schema implements schema.Reader.
func (r *avroReader) Schema() *schema.Schema { return r.schema }

// Read implements schema.Reader. Bytes behind the value are ignored, as Java's decoder ignores them.
func (r *avroReader) Read(data []byte, w schema.Writer) error {
	c := avroCursor{data: data}
	r.root.read(&c, w)
	if c.err != nil {
		return fmt.Errorf("read Avro at byte %d of %d: %w", c.pos, len(data), c.err)
	}
	return w.Err()
}

// compile fills n for t, which avroTo has translated, so that it does not contain itself.
func (n *readNode) compile(t *avroType, o avroOptions) {
	n.nulls = -1
	switch t.kind {
	case "int":
		n.kind, n.least = readInt, 1
		if s, err := intTo(t); err == nil {
			switch s.Type {
			case schema.Int8:
				n.kind = readInt8
			case schema.Int16:
				n.kind = readInt16
			}
		}
	case "long":
		n.kind, n.least = readLong, 1
	case "float":
		n.kind, n.least = readFloat, 4
	case "double":
		n.kind, n.least = readDouble, 8
	case "boolean":
		n.kind, n.least = readBool, 1
	case "string":
		n.kind, n.least = readString, 1
	case "bytes":
		n.kind, n.least = readBytes, 1
	case "fixed":
		n.kind, n.size, n.least = readFixed, t.size, t.size
	case "enum":
		n.kind, n.symbols, n.least = readEnum, t.symbols, 1
	case "record":
		n.kind = readRecord
		n.compileFields(t, o)
	case "array":
		if isEntry(t.elem) {
			n.kind, n.least = readPairs, 1
			entry := readNode{}
			entry.compileFields(t.elem, o)
			n.parts, n.size = entry.parts, entry.least
			return
		}
		n.kind, n.elem, n.least = readArray, new(readNode), 1
		n.elem.compile(t.elem, o)
	case "map":
		n.kind, n.elem, n.least = readMap, new(readNode), 1
		n.elem.compile(t.elem, o)
	case "union":
		n.least = 1
		n.compileUnion(t, o)
	}
}

func (n *readNode) compileFields(t *avroType, o avroOptions) {
	n.parts = make([]readNode, len(t.fields))
	for i, f := range t.fields {
		n.parts[i].compile(f.typ, o)
		n.least = min(n.least+n.parts[i].least, math.MaxInt32)
	}
}

func (n *readNode) compileUnion(t *avroType, o avroOptions) {
	for i, b := range t.branches {
		if b.kind == "null" {
			n.nulls = int64(i)
		}
	}
	if inner := nullable(t); inner != nil {
		n.kind, n.elem = readNullable, new(readNode)
		n.elem.compile(inner, o)
		return
	}
	if o.flattenSingle && len(t.branches) == 1 {
		n.kind, n.elem = readSingle, new(readNode)
		n.elem.compile(t.branches[0], o)
		return
	}
	n.kind = readUnion
	for _, b := range t.branches {
		if b.kind == "null" {
			n.branches = append(n.branches, -1)
			continue
		}
		n.branches = append(n.branches, len(n.parts))
		n.parts = append(n.parts, readNode{})
		n.parts[len(n.parts)-1].compile(b, o)
	}
}

// avroCursor is a place in Avro binary. Behind an error it stays where it is.
type avroCursor struct {
	data  []byte
	pos   int
	empty int // elements without bytes so far
	err   error
}

var (
	errAvroEnd    = errors.New("unexpected end of the value")
	errAvroVarint = errors.New("a number takes more than ten bytes")
)

func (c *avroCursor) fail(err error) {
	if c.err == nil {
		c.err = err
		c.data = c.data[:c.pos]
	}
}

func (c *avroCursor) long() int64 {
	if c.pos < len(c.data) && c.data[c.pos] < 0x80 {
		b := c.data[c.pos]
		c.pos++
		return int64(b>>1) ^ -int64(b&1)
	}
	u, n := binary.Uvarint(c.data[c.pos:])
	if n <= 0 {
		if n < 0 {
			c.fail(errAvroVarint)
		}
		c.fail(errAvroEnd)
		return 0
	}
	c.pos += n
	return int64(u>>1) ^ -int64(u&1)
}

func (c *avroCursor) int() int64 {
	v := c.long()
	if v != int64(int32(v)) {
		c.fail(fmt.Errorf("int %d is out of range", v))
	}
	return v
}

// take returns the next n bytes.
func (c *avroCursor) take(n int64) []byte {
	if n < 0 || n > int64(len(c.data)-c.pos) {
		if n < 0 {
			c.fail(fmt.Errorf("length %d", n))
		}
		c.fail(errAvroEnd)
		return nil
	}
	b := c.data[c.pos : c.pos+int(n)]
	c.pos += int(n)
	return b
}

// block reads the head of a block of an array or map: how many values follow; 0 at the end. least is what one takes at least.
func (c *avroCursor) block(least int) int {
	n := c.long()
	if n < 0 {
		if n == math.MinInt64 {
			c.fail(fmt.Errorf("block of %d values", n))
		}
		n = -n
		c.long() // the block's size in bytes
	}
	if c.err != nil {
		return 0
	}
	if least == 0 && n > maxEmpty || least > 0 && n > int64((len(c.data)-c.pos)/least) {
		c.fail(fmt.Errorf("block of %d values where %d bytes are left", n, len(c.data)-c.pos))
		return 0
	}
	return int(n)
}

func (n *readNode) read(c *avroCursor, w schema.Writer) {
	switch n.kind {
	case readNullable:
		switch c.long() {
		case n.nulls:
			if c.err == nil {
				w.Null()
			}
		case 1 - n.nulls:
			n.elem.read(c, w)
		default:
			c.fail(errors.New("a union of two types has a third"))
		}
	case readSingle:
		if i := c.long(); i != 0 {
			c.fail(fmt.Errorf("type %d of a union of 1", i))
			return
		}
		n.elem.read(c, w)
	case readLong:
		w.Int(c.long())
	case readString:
		w.Text(c.take(c.long()))
	case readInt:
		w.Int(c.int())
	case readInt8:
		w.Int(int64(int8(c.int())))
	case readInt16:
		w.Int(int64(int16(c.int())))
	case readFloat:
		if b := c.take(4); c.err == nil {
			w.Float32(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
	case readDouble:
		if b := c.take(8); c.err == nil {
			w.Float64(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
	case readBool:
		if b := c.take(1); c.err == nil {
			w.Bool(b[0] == 1)
		}
	case readBytes:
		w.Bytes(c.take(c.long()))
	case readFixed:
		w.Bytes(c.take(int64(n.size)))
	case readEnum:
		i := c.int()
		if i < 0 || i >= int64(len(n.symbols)) {
			c.fail(fmt.Errorf("symbol %d of an enum of %d", i, len(n.symbols)))
			return
		}
		w.String(n.symbols[i])
	case readRecord:
		w.BeginStruct()
		for i := range n.parts {
			n.parts[i].read(c, w)
			if c.err != nil {
				return
			}
		}
		w.EndStruct()
	case readUnion:
		n.readUnion(c, w)
	default:
		n.readBlocks(c, w)
	}
}

func (n *readNode) readUnion(c *avroCursor, w schema.Writer) {
	i := c.long()
	if c.err != nil {
		return
	}
	if i < 0 || i >= int64(len(n.branches)) {
		c.fail(fmt.Errorf("type %d of a union of %d", i, len(n.branches)))
		return
	}
	part := n.branches[i]
	if part < 0 {
		w.Null()
		return
	}
	w.BeginStruct()
	for j := range n.parts {
		if j == part {
			n.parts[j].read(c, w)
		} else {
			w.Null()
		}
	}
	w.EndStruct()
}

// readBlocks reads an array or map.
func (n *readNode) readBlocks(c *avroCursor, w schema.Writer) {
	var least int
	switch n.kind {
	case readArray:
		least = n.elem.least
	case readMap:
		least = 1 + n.elem.least
	case readPairs:
		least = n.size
	}
	left := c.block(least)
	if n.kind == readArray {
		w.BeginArray(left)
	} else {
		w.BeginMap(left)
	}
	for ; left > 0 && c.err == nil; left = c.block(least) {
		if least == 0 {
			if c.empty += left; c.empty > maxEmpty {
				c.fail(fmt.Errorf("more than %d values without bytes", maxEmpty))
			}
		}
		for ; left > 0 && c.err == nil && w.Err() == nil; left-- {
			switch n.kind {
			case readArray:
				n.elem.read(c, w)
			case readMap:
				w.Text(c.take(c.long()))
				n.elem.read(c, w)
			case readPairs:
				n.parts[0].read(c, w)
				n.parts[1].read(c, w)
			}
		}
		if w.Err() != nil {
			return
		}
	}
	if c.err != nil {
		return
	}
	if n.kind == readArray {
		w.EndArray()
	} else {
		w.EndMap()
	}
}
