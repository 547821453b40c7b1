package java

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The offset file of Kafka Connect is one java.util.HashMap<byte[],byte[]> as java.io.ObjectOutputStream writes it.
// Layout (Java Object Serialization Specification, section 6.4), all numbers big-endian:
//
//	AC ED 00 05                       stream magic and version
//	73 72 len "java.util.HashMap"     TC_OBJECT, TC_CLASSDESC (handle 0)
//	   05 07 DA C1 C3 16 60 D1        serialVersionUID
//	   03 00 02                       SC_WRITE_METHOD | SC_SERIALIZABLE, two fields
//	   'F' len "loadFactor"  'I' len "threshold"
//	   78 70                          no annotation, no superclass; the object is handle 1
//	   Float32 load factor | Int32 threshold
//	   77 08 Int32 buckets | Int32 entries
//	   per entry key and value, each 70 (null) or a byte array:
//	     75 72 len "[B" AC F3 17 F8 06 08 54 E0 02 00 00 78 70 Int32 len, bytes    the first; its class is handle 2
//	     75 71 00 7E 00 02                                     Int32 len, bytes    the others
//	   78                             end of the map's own data
//
// An array that stands in several places is written once and referred to by 71 Int32 handle.
const (
	tcNull         = 0x70
	tcReference    = 0x71
	tcClassDesc    = 0x72
	tcObject       = 0x73
	tcArray        = 0x75
	tcBlockData    = 0x77
	tcEndBlockData = 0x78

	baseHandle = 0x7E0000

	mapClass   = "java.util.HashMap"
	mapUID     = 0x0507DAC1C31660D1
	bytesClass = "[B"
	bytesUID   = 0xACF317F8060854E0

	loadFactor = 0x3F400000 // 0.75, HashMap's default, as float bits
	minBuckets = 16         // HashMap's default capacity
)

// Entry is one entry of a map of bytes; nil is Java's null.
type Entry struct{ Key, Value []byte }

// AppendMap writes entries in their order, with the capacity and threshold that HashMap has after so many puts.
func AppendMap(dst []byte, entries []Entry) []byte {
	buckets, threshold := minBuckets, 0
	for buckets*3/4 < len(entries) {
		buckets *= 2
	}
	if len(entries) > 0 { // HashMap allocates with the first put
		threshold = buckets * 3 / 4
	}
	dst = append(dst, 0xAC, 0xED, 0x00, 0x05, tcObject)
	dst = appendClassDesc(dst, mapClass, mapUID, 0x03, 2)
	dst = appendUTF(append(dst, 'F'), "loadFactor")
	dst = appendUTF(append(dst, 'I'), "threshold")
	dst = append(dst, tcEndBlockData, tcNull)
	dst = binary.BigEndian.AppendUint32(dst, loadFactor)
	dst = binary.BigEndian.AppendUint32(dst, uint32(threshold))
	dst = append(dst, tcBlockData, 8)
	dst = binary.BigEndian.AppendUint32(dst, uint32(buckets))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(entries)))
	described := false
	for _, e := range entries {
		dst = appendBytes(dst, e.Key, &described)
		dst = appendBytes(dst, e.Value, &described)
	}
	return append(dst, tcEndBlockData)
}

func appendClassDesc(dst []byte, name string, uid uint64, flags byte, fields uint16) []byte {
	dst = appendUTF(append(dst, tcClassDesc), name)
	dst = append(binary.BigEndian.AppendUint64(dst, uid), flags)
	return binary.BigEndian.AppendUint16(dst, fields)
}

func appendUTF(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

func appendBytes(dst, b []byte, described *bool) []byte {
	if b == nil {
		return append(dst, tcNull)
	}
	dst = append(dst, tcArray)
	if *described {
		dst = append(dst, tcReference, 0x00, 0x7E, 0x00, 0x02)
	} else {
		dst = appendClassDesc(dst, bytesClass, bytesUID, 0x02, 0)
		dst = append(dst, tcEndBlockData, tcNull)
		*described = true
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(b)))
	return append(dst, b...)
}

// DecodeMap reads what AppendMap and Java write; the slices point into b. An error names the byte where it stopped.
func DecodeMap(b []byte) ([]Entry, error) {
	r := &reader{rest: b, size: len(b)}
	entries := r.document()
	if r.err != nil {
		return nil, fmt.Errorf("byte %d: %w", r.size-len(r.rest), r.err)
	}
	return entries, nil
}

var errShort = errors.New("the stream ends early")

// reader walks the stream. After the first error it stands still and answers zero.
type reader struct {
	rest    []byte
	size    int
	err     error
	handles []handle
}

// handle is what a reference may point to: a class by its name, or an array.
type handle struct {
	class string
	array []byte
}

func (r *reader) document() []Entry {
	if string(r.take(4)) != "\xAC\xED\x00\x05" {
		r.fail("not a Java serialization stream (it begins with AC ED 00 05)")
	}
	r.expect(tcObject)
	if class := r.classDesc(); class != mapClass {
		r.fail("the object is a %q, want %s", class, mapClass)
	}
	r.handles = append(r.handles, handle{}) // the map itself
	r.take(8)                               // load factor, threshold
	r.expect(tcBlockData)
	r.expect(8)
	r.take(4) // buckets
	count := int(int32(r.uint32()))
	if r.err == nil && (count < 0 || count > len(r.rest)/2) { // an entry is two bytes at least
		r.fail("%d entries claimed in %d bytes", count, len(r.rest))
	}
	var entries []Entry
	for i := 0; i < count && r.err == nil; i++ {
		key := r.byteArray()
		entries = append(entries, Entry{key, r.byteArray()})
	}
	r.expect(tcEndBlockData)
	if len(r.rest) > 0 {
		r.fail("%d bytes behind the end", len(r.rest))
	}
	return entries
}

// classDesc reads a class description, or a reference to one, and returns the class's name.
func (r *reader) classDesc() string {
	switch tag := r.byte(); {
	case r.err != nil:
	case tag == tcReference:
		return r.reference().class
	case tag != tcClassDesc:
		r.fail("tag %#02x where a class description is due", tag)
	default:
		class := r.text()
		uid := binary.BigEndian.Uint64(r.take(8))
		r.handles = append(r.handles, handle{class: class})
		r.take(1) // flags
		want := map[string]uint64{mapClass: mapUID, bytesClass: bytesUID}[class]
		if uid != want {
			r.fail("class %q with serialVersionUID %#x, want a %s of byte arrays", class, uid, mapClass)
		}
		for n := int(r.uint16()); n > 0 && r.err == nil; n-- {
			r.take(1)
			r.text()
		}
		r.expect(tcEndBlockData)
		r.expect(tcNull)
		return class
	}
	return ""
}

func (r *reader) byteArray() []byte {
	switch tag := r.byte(); {
	case r.err != nil || tag == tcNull:
		return nil
	case tag == tcReference:
		array := r.reference().array
		if array == nil {
			r.fail("a reference to something else where a byte array is due")
		}
		return array
	case tag != tcArray:
		r.fail("tag %#02x where a byte array is due", tag)
		return nil
	}
	if class := r.classDesc(); class != bytesClass {
		r.fail("an array of class %q, want %s", class, bytesClass)
	}
	n := int(int32(r.uint32()))
	if n < 0 {
		r.fail("an array of %d bytes", n)
	}
	array := r.take(n)
	r.handles = append(r.handles, handle{array: array})
	return array
}

func (r *reader) reference() handle {
	i := int(r.uint32()) - baseHandle
	if i < 0 || i >= len(r.handles) {
		r.fail("reference to handle %d of %d", i, len(r.handles))
		return handle{}
	}
	return r.handles[i]
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

var javaZeros [8]byte

// take returns the next n bytes; after an error, zeros (at most the eight that numbers need).
func (r *reader) take(n int) []byte {
	if r.err == nil && n > len(r.rest) {
		r.err = errShort
	}
	if r.err != nil {
		return javaZeros[:min(max(n, 0), len(javaZeros))]
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) expect(want byte) {
	if got := r.byte(); got != want {
		r.fail("byte %#02x, want %#02x", got, want)
	}
}

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) uint16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) text() string   { return string(r.take(int(r.uint16()))) }
