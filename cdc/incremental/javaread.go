package incremental

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// deserialize reads what serialize, or Debezium, wrote: a key, nil for null. It reads any object graph, of whatever class, but only values
// that a key can have are accepted. No input makes it panic, or allocate more than a few times its length.
func deserialize(text string) ([]javaValue, error) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("read a serialised key: %w", err)
	}
	r := &javaReader{rest: raw}
	if string(r.take(len(streamHeader))) != streamHeader {
		return nil, errors.New("read a serialised key: it does not begin as a stream of Java objects")
	}
	root := r.content(0)
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes follow the key", len(r.rest))
	}
	if r.err != nil {
		return nil, fmt.Errorf("read a serialised key: %w", r.err)
	}
	if root == nil {
		return nil, nil
	}
	list, ok := root.(*readArray)
	if !ok || list.values == nil && list.bytes != nil {
		return nil, errors.New("read a serialised key: it is no array of objects")
	}
	key := make([]javaValue, len(list.values))
	for i, v := range list.values {
		if key[i], err = valueOf(v); err != nil {
			return nil, fmt.Errorf("read a serialised key: element %d: %w", i, err)
		}
	}
	return key, nil
}

// What a stream holds: nil, string, *readClass, *readObject, *readArray.
type (
	readClass struct {
		name   string
		flags  byte
		fields []readField
		super  *readClass
	}
	readField struct {
		code byte
		name string
	}
	readObject struct {
		class  *readClass
		fields map[string]any    // uint64 of numbers, else an object; names of a subclass win
		blocks map[string][]byte // by class: what its writeObject wrote behind the fields
	}
	readArray struct {
		class  *readClass
		values []any
		bytes  []byte // of byte[]
	}
)

// javaReader reads one stream.
type javaReader struct {
	rest    []byte
	handles []any
	err     error
}

// maxDepth bounds nesting: a BigDecimal in an array is three deep.
const maxDepth = 32

func (r *javaReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// take returns the next n bytes; nil, and an error, when there are fewer.
func (r *javaReader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.rest) {
		r.fail("it ends too soon")
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// uint reads an integer of n bytes, big endian.
func (r *javaReader) uint(n int) uint64 {
	var v uint64
	for _, b := range r.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *javaReader) byte() byte { return byte(r.uint(1)) }

func (r *javaReader) keep(v any) int {
	r.handles = append(r.handles, v)
	return len(r.handles) - 1
}

func (r *javaReader) reference() any {
	at := int64(r.uint(4)) - firstHandle
	if r.err != nil || at < 0 || at >= int64(len(r.handles)) {
		r.fail("reference %d to nothing", at)
		return nil
	}
	return r.handles[at]
}

// content reads one object.
func (r *javaReader) content(depth int) any {
	if depth > maxDepth {
		r.fail("nested too deeply")
		return nil
	}
	switch tag := r.byte(); {
	case r.err != nil, tag == tcNull:
		return nil
	case tag == tcReference:
		return r.reference()
	case tag == tcString:
		return r.text(int(r.uint(2)), true)
	case tag == tcLongString:
		return r.text(r.length(8), true)
	case tag == tcObject:
		return r.object(depth)
	case tag == tcArray:
		return r.array(depth)
	default:
		r.fail("content of kind 0x%02x", tag)
		return nil
	}
}

// length reads a count of bytes, which cannot be more than are left.
func (r *javaReader) length(size int) int {
	n := r.uint(size)
	if n > uint64(len(r.rest)) {
		r.fail("a length of %d with %d bytes left", n, len(r.rest))
		return 0
	}
	return int(n)
}

// text reads modified UTF-8; objects get a handle, names do not.
func (r *javaReader) text(n int, object bool) string {
	s := decodeModifiedUTF8(r.take(n))
	if object {
		r.keep(s)
	}
	return s
}

// decodeModifiedUTF8 joins surrogates; what is no character becomes U+FFFD.
func decodeModifiedUTF8(b []byte) string {
	out := make([]byte, 0, len(b))
	unit := func(at int) (rune, int) {
		switch c := b[at]; {
		case c < 0x80:
			return rune(c), 1
		case c&0xe0 == 0xc0 && at+1 < len(b):
			return rune(c&0x1f)<<6 | rune(b[at+1]&0x3f), 2
		case c&0xf0 == 0xe0 && at+2 < len(b):
			return rune(c&0x0f)<<12 | rune(b[at+1]&0x3f)<<6 | rune(b[at+2]&0x3f), 3
		}
		return utf8.RuneError, 1
	}
	for at := 0; at < len(b); {
		c, n := unit(at)
		at += n
		if c >= 0xd800 && c < 0xdc00 && at < len(b) {
			if low, n := unit(at); low >= 0xdc00 && low < 0xe000 {
				c = 0x10000 + (c-0xd800)<<10 + low - 0xdc00
				at += n
			}
		}
		out = utf8.AppendRune(out, c) // half of a pair becomes U+FFFD
	}
	return string(out)
}

// class reads a class descriptor; nil for none.
func (r *javaReader) class(depth int) *readClass {
	if depth > maxDepth {
		r.fail("nested too deeply")
		return nil
	}
	switch tag := r.byte(); {
	case r.err != nil, tag == tcNull:
		return nil
	case tag == tcReference:
		c, ok := r.reference().(*readClass)
		if !ok {
			r.fail("a reference where a class is wanted")
		}
		return c
	case tag != tcClassDesc:
		r.fail("0x%02x where a class is wanted", tag)
		return nil
	}
	c := &readClass{name: r.text(int(r.uint(2)), false)}
	r.take(8) // serialVersionUID
	r.keep(c)
	c.flags = r.byte()
	for n := r.uint(2); n > 0 && r.err == nil; n-- {
		f := readField{code: r.byte(), name: r.text(int(r.uint(2)), false)}
		if f.code == 'L' || f.code == '[' {
			if _, ok := r.content(depth + 1).(string); !ok {
				r.fail("field %q has no type", f.name)
			}
		}
		c.fields = append(c.fields, f)
	}
	r.annotation(depth)
	c.super = r.class(depth + 1)
	return c
}

// annotation reads what a writeObject wrote by itself, up to its end, and returns the bytes of its blocks.
func (r *javaReader) annotation(depth int) []byte {
	var blocks []byte
	for r.err == nil && len(r.rest) > 0 {
		switch r.rest[0] {
		case tcEndBlockData:
			r.take(1)
			return blocks
		case tcBlockData:
			r.take(1)
			blocks = append(blocks, r.take(r.length(1))...)
		case tcBlockDataLong:
			r.take(1)
			blocks = append(blocks, r.take(r.length(4))...)
		default:
			r.content(depth + 1)
		}
	}
	r.fail("an object has no end")
	return nil
}

func (r *javaReader) object(depth int) any {
	c := r.class(depth + 1)
	o := &readObject{class: c, fields: make(map[string]any), blocks: make(map[string][]byte)}
	r.keep(o)
	if c == nil {
		r.fail("an object without a class")
		return nil
	}
	var chain []*readClass
	for ; c != nil; c = c.super {
		if chain = append(chain, c); len(chain) > maxDepth {
			r.fail("nested too deeply")
			return nil
		}
	}
	for i := len(chain) - 1; i >= 0 && r.err == nil; i-- {
		r.data(o, chain[i], depth)
	}
	return o
}

// data reads what one class of an object's wrote.
func (r *javaReader) data(o *readObject, c *readClass, depth int) {
	if c.flags&scExternalizable != 0 {
		if c.flags&scBlockData == 0 {
			r.fail("class %s is written in a form of its own", c.name)
			return
		}
		o.blocks[c.name] = r.annotation(depth)
		return
	}
	for _, f := range c.fields {
		o.fields[f.name] = r.field(f.code, depth)
	}
	if c.flags&scWriteMethod != 0 {
		o.blocks[c.name] = r.annotation(depth)
	}
}

// sizes are the bytes of primitive types.
var sizes = map[byte]int{'B': 1, 'C': 2, 'D': 8, 'F': 4, 'I': 4, 'J': 8, 'S': 2, 'Z': 1}

func (r *javaReader) field(code byte, depth int) any {
	if size := sizes[code]; size > 0 {
		return r.uint(size)
	}
	if code != 'L' && code != '[' {
		r.fail("a field of type %q", code)
		return nil
	}
	return r.content(depth + 1)
}

func (r *javaReader) array(depth int) any {
	c := r.class(depth + 1)
	a := &readArray{class: c}
	r.keep(a)
	if c == nil || len(c.name) < 2 || c.name[0] != '[' {
		r.fail("an array without a class")
		return nil
	}
	n := r.length(4) // an element takes a byte at least
	code := c.name[1]
	if code == 'B' {
		a.bytes = append([]byte{}, r.take(n)...)
		return a
	}
	a.values = make([]any, 0, min(n, 64))
	for ; n > 0 && r.err == nil; n-- {
		a.values = append(a.values, r.field(code, depth))
	}
	return a
}

// num is a primitive field, 0 when the object has none of the name.
func (o *readObject) num(name string) uint64 {
	n, _ := o.fields[name].(uint64)
	return n
}

func (o *readObject) text(name string) (string, bool) {
	s, ok := o.fields[name].(string)
	return s, ok
}

// valueOf makes a key's column of what was read.
func valueOf(v any) (javaValue, error) {
	switch v := v.(type) {
	case nil:
		return javaValue{}, nil
	case string:
		return javaValue{kind: javaString, text: v}, nil
	case *readArray:
		if v.bytes != nil {
			return javaValue{kind: javaBytes, bytes: v.bytes}, nil
		}
		return javaValue{}, fmt.Errorf("an array of class %s", v.class.name)
	case *readObject:
		return v.value()
	}
	return javaValue{}, errors.New("a class where a value is wanted")
}

func (o *readObject) value() (javaValue, error) {
	switch o.class.name {
	case classInteger.name:
		return javaValue{kind: javaInteger, n: int64(int32(o.num("value")))}, nil
	case classLong.name:
		return javaValue{kind: javaLong, n: int64(o.num("value"))}, nil
	case classShort.name:
		return javaValue{kind: javaShort, n: int64(int16(o.num("value")))}, nil
	case classByte.name:
		return javaValue{kind: javaByte, n: int64(int8(o.num("value")))}, nil
	case classBoolean.name:
		return javaValue{kind: javaBoolean, n: int64(min(o.num("value"), 1))}, nil
	case classFloat.name:
		return javaValue{kind: javaFloat, f: float64(math.Float32frombits(uint32(o.num("value"))))}, nil
	case classDouble.name:
		return javaValue{kind: javaDouble, f: math.Float64frombits(o.num("value"))}, nil
	case classBigInteger.name:
		return o.bigInteger()
	case classBigDecimal.name:
		return o.bigDecimal()
	case classUUID.name:
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], o.num("mostSigBits"))
		binary.BigEndian.PutUint64(b[8:], o.num("leastSigBits"))
		return javaValue{kind: javaUUID, text: fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])}, nil
	case classPGObject.name:
		typ, _ := o.text("type")
		text, ok := o.text("value")
		if !ok {
			return javaValue{}, nil
		}
		return javaValue{kind: javaPGObject, typ: typ, text: text}, nil
	case classPGInterval.name:
		v := javaValue{kind: javaInterval}
		for i, name := range []string{"years", "months", "days", "hours", "minutes", "wholeSeconds", "microSeconds"} {
			v.parts[i] = int32(o.num(name))
		}
		return v, nil
	}
	return o.temporal()
}

func (o *readObject) bigInteger() (javaValue, error) {
	magnitude, ok := o.fields["magnitude"].(*readArray)
	if !ok || magnitude.bytes == nil {
		return javaValue{}, errors.New("a BigInteger without its digits")
	}
	v := javaValue{kind: javaInt, big: newInt(magnitude.bytes)}
	if int32(o.num("signum")) < 0 {
		v.big.Neg(v.big)
	}
	return v, nil
}

func (o *readObject) bigDecimal() (javaValue, error) {
	of, ok := o.fields["intVal"].(*readObject)
	if !ok || of.class.name != classBigInteger.name {
		return javaValue{}, errors.New("a BigDecimal without its digits")
	}
	v, err := of.bigInteger()
	v.kind, v.scale = javaDecimal, int32(o.num("scale"))
	if v.scale > maxScale || v.scale < -maxScale {
		return v, fmt.Errorf("a BigDecimal of scale %d", v.scale)
	}
	return v, err
}
