package converter

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// avroWriter is the schema.Writer that appends Avro binary: specification 1.11, "Binary Encoding". Steady state is no allocation
// when the buffer it is given is large enough.
type avroWriter struct {
	buf     []byte
	cur     *avroNode // what the next call must fit
	plan    *avroNode
	open    []avroOpen  // arrays, maps and unions that are open
	entries []avroEntry // of the maps that are open
	scratch []byte
	null    bool // the value as a whole is null
	err     error
}

// avroOpen is an open array, map or union.
type avroOpen struct {
	start     int // of its bytes behind the union index
	announced int
	count     int
	entries   int // of a map: its first in avroWriter.entries
}

// avroEntry is a map's entry.
type avroEntry struct {
	start, end int
	keyEnd     int
	hash       uint32
	bucket     uint32
}

func (w *avroWriter) begin(dst []byte) {
	w.buf, w.cur, w.err, w.null = dst, w.plan, nil, false
	w.open, w.entries = w.open[:0], w.entries[:0]
}

func (w *avroWriter) end() error {
	if w.err == nil && w.cur != doneNode {
		w.err = schema.ErrIncomplete
	}
	return w.err
}

// Err implements schema.Writer.
func (w *avroWriter) Err() error { return w.err }

// Int implements schema.Writer.
func (w *avroWriter) Int(v int64) {
	n := w.cur
	if n.kind != nodeInt || v < n.low || v > n.high {
		w.misuse(strconv.FormatInt(v, 10))
		return
	}
	b := w.buf
	if n.union {
		b = append(b, n.prefix)
	}
	if u := uint64(v<<1) ^ uint64(v>>63); u < 0x80 { // zigzag
		w.buf = append(b, byte(u))
	} else {
		w.buf = binary.AppendUvarint(b, u)
	}
	w.cur = n.next
	if n.hook != hookNone {
		w.hooked(n)
	}
}

// Text implements schema.Writer.
func (w *avroWriter) Text(v []byte) {
	n := w.cur
	if n.kind != nodeString {
		w.symbol(string(v))
		return
	}
	b := w.buf
	if n.union {
		b = append(b, n.prefix)
	}
	b = appendAvroLen(b, len(v))
	w.buf = append(b, v...)
	w.cur = n.next
	if n.hook != hookNone {
		w.hooked(n)
	}
}

// symbol writes an enum's symbol as its number.
func (w *avroWriter) symbol(v string) {
	n := w.cur
	if n.kind != nodeEnum {
		w.misuse("string")
		return
	}
	i := slices.Index(n.symbols, v)
	if i < 0 {
		w.misuse(strconv.Quote(v))
		return
	}
	if n.union {
		w.buf = append(w.buf, n.prefix)
	}
	w.buf = binary.AppendUvarint(w.buf, uint64(i)<<1)
	w.done(n)
}

// String implements schema.Writer.
func (w *avroWriter) String(v string) {
	n := w.cur
	if n.kind != nodeString {
		w.symbol(v)
		return
	}
	b := w.buf
	if n.union {
		b = append(b, n.prefix)
	}
	b = appendAvroLen(b, len(v))
	w.buf = append(b, v...)
	w.cur = n.next
	if n.hook != hookNone {
		w.hooked(n)
	}
}

// Null implements schema.Writer.
func (w *avroWriter) Null() {
	n := w.cur
	if n.null == nil {
		w.misuse("null")
		return
	}
	w.buf = append(w.buf, n.null...)
	w.cur = n.next
	if n.hook != hookNone && n.hook != hookBranch {
		w.hooked(n)
	}
	w.null = n == w.plan
}

// Bool implements schema.Writer.
func (w *avroWriter) Bool(v bool) {
	n := w.cur
	if n.kind != nodeBool {
		w.misuse("boolean")
		return
	}
	if n.union {
		w.buf = append(w.buf, n.prefix)
	}
	if v {
		w.buf = append(w.buf, 1)
	} else {
		w.buf = append(w.buf, 0)
	}
	w.done(n)
}

// Float32 implements schema.Writer.
func (w *avroWriter) Float32(v float32) {
	n := w.cur
	if n.kind != nodeFloat32 {
		w.misuse("float32")
		return
	}
	if n.union {
		w.buf = append(w.buf, n.prefix)
	}
	bits := math.Float32bits(v)
	if v != v {
		bits = 0x7fc00000 // Java's only NaN
	}
	w.buf = binary.LittleEndian.AppendUint32(w.buf, bits)
	w.done(n)
}

// Float64 implements schema.Writer.
func (w *avroWriter) Float64(v float64) {
	n := w.cur
	if n.kind != nodeFloat64 {
		w.misuse("float64")
		return
	}
	if n.union {
		w.buf = append(w.buf, n.prefix)
	}
	bits := math.Float64bits(v)
	if v != v {
		bits = 0x7ff8000000000000
	}
	w.buf = binary.LittleEndian.AppendUint64(w.buf, bits)
	w.done(n)
}

// Bytes implements schema.Writer.
func (w *avroWriter) Bytes(v []byte) {
	n := w.cur
	if n.kind != nodeBytes && (n.kind != nodeFixed || len(v) != n.size) {
		w.misuse(strconv.Itoa(len(v)) + " bytes")
		return
	}
	if n.union {
		w.buf = append(w.buf, n.prefix)
	}
	if n.kind == nodeBytes {
		w.buf = appendAvroLen(w.buf, len(v))
	}
	w.buf = append(w.buf, v...)
	w.done(n)
}

// BeginStruct implements schema.Writer.
func (w *avroWriter) BeginStruct() {
	n := w.cur
	switch n.kind {
	case nodeStruct:
		if n.union {
			w.buf = append(w.buf, n.prefix)
		}
	case nodeUnion:
		w.open = append(w.open, avroOpen{start: len(w.buf)})
	default:
		w.misuse("struct")
		return
	}
	w.cur = n.first
}

// EndStruct implements schema.Writer.
func (w *avroWriter) EndStruct() {
	if w.cur.kind != nodeEnd {
		w.misuse("end of struct")
		return
	}
	n := w.cur.owner
	if n.kind == nodeUnion {
		top := len(w.open) - 1
		if w.open[top].count != 1 {
			w.cur = n
			if w.open[top].count > 1 || n.null == nil {
				w.misuse(strconv.Itoa(w.open[top].count) + " values of a union")
				return
			}
			w.buf = append(w.buf, n.null...)
		}
		w.open = w.open[:top]
	}
	w.done(n)
}

// BeginArray implements schema.Writer.
func (w *avroWriter) BeginArray(count int) {
	if w.cur.kind != nodeArray {
		w.misuse("array")
		return
	}
	w.begins(count)
}

// BeginMap implements schema.Writer.
func (w *avroWriter) BeginMap(count int) {
	if w.cur.kind != nodeMap && w.cur.kind != nodePairs {
		w.misuse("map")
		return
	}
	w.begins(count)
}

// begins writes the count of the block that holds all elements.
func (w *avroWriter) begins(count int) {
	n := w.cur
	if n.union {
		w.buf = append(w.buf, n.prefix)
	}
	w.open = append(w.open, avroOpen{start: len(w.buf), announced: count, entries: len(w.entries)})
	if count > 0 {
		w.buf = appendAvroLen(w.buf, count)
	}
	if n.kind == nodeMap {
		w.entries = append(w.entries, avroEntry{start: len(w.buf)})
	}
	w.cur = n.first
}

// EndArray implements schema.Writer.
func (w *avroWriter) EndArray() {
	n := w.cur.owner
	if n == nil || n.kind != nodeArray {
		w.misuse("end of array")
		return
	}
	w.ends(n)
}

// EndMap implements schema.Writer.
func (w *avroWriter) EndMap() {
	n := w.cur.owner
	if n == nil || n.kind != nodeMap && n.kind != nodePairs || w.cur != n.first {
		w.misuse("end of map")
		return
	}
	w.ends(n)
}

// ends closes the block and writes the empty one behind it.
func (w *avroWriter) ends(n *avroNode) {
	top := len(w.open) - 1
	o := &w.open[top]
	if n.kind == nodeMap {
		w.sortEntries(o)
	}
	if o.count != o.announced {
		w.recount(o)
	}
	if o.count > 0 {
		w.buf = append(w.buf, 0)
	} else {
		w.buf = append(w.buf[:o.start], 0)
	}
	w.open = w.open[:top]
	w.done(n)
}

// recount replaces the announced count by the true one.
func (w *avroWriter) recount(o *avroOpen) {
	var was, is []byte
	var room [2 * binary.MaxVarintLen64]byte
	if o.announced > 0 {
		was = appendAvroLen(room[:0:binary.MaxVarintLen64], o.announced)
	}
	if o.count > 0 {
		is = appendAvroLen(room[binary.MaxVarintLen64:binary.MaxVarintLen64], o.count)
	}
	w.buf = slices.Replace(w.buf, o.start, o.start+len(was), is...)
}

// sortEntries puts the entries of a map in the order in which a java.util.HashMap hands them out, for AvroData copies every map
// into one; of equal keys the last value stays.
func (w *avroWriter) sortEntries(o *avroOpen) {
	entries := w.entries[o.entries : len(w.entries)-1] // the last one was begun and has no key
	w.entries = w.entries[:o.entries]
	if len(entries) < 2 {
		return
	}
	sorted := true
	for i := range entries {
		entries[i].bucket = javaBucket(entries[i].hash, len(entries))
		if i > 0 && entries[i].bucket <= entries[i-1].bucket {
			sorted = false
		}
	}
	if sorted {
		return
	}
	begin := entries[0].start
	slices.SortStableFunc(entries, func(a, b avroEntry) int { return int(a.bucket) - int(b.bucket) })
	entries = w.lastOfEqualKeys(entries)
	o.count = len(entries)
	w.scratch = w.scratch[:0]
	for _, e := range entries {
		w.scratch = append(w.scratch, w.buf[e.start:e.end]...)
	}
	w.buf = append(w.buf[:begin], w.scratch...)
}

func (w *avroWriter) lastOfEqualKeys(entries []avroEntry) []avroEntry {
	kept := entries[:0]
next:
	for _, e := range entries {
		for i := len(kept) - 1; i >= 0 && kept[i].bucket == e.bucket; i-- {
			if kept[i].hash == e.hash && string(w.buf[kept[i].start:kept[i].keyEnd]) == string(w.buf[e.start:e.keyEnd]) {
				kept[i] = e
				continue next
			}
		}
		kept = append(kept, e)
	}
	return kept
}

// done moves on behind a complete value.
func (w *avroWriter) done(n *avroNode) {
	w.cur = n.next
	if n.hook != hookNone {
		w.hooked(n)
	}
}

func (w *avroWriter) hooked(n *avroNode) {
	o := &w.open[len(w.open)-1]
	switch n.hook {
	case hookElem, hookPair, hookBranch:
		o.count++
	case hookKey:
		e := &w.entries[len(w.entries)-1]
		e.keyEnd = len(w.buf)
		_, size := binary.Uvarint(w.buf[e.start:])
		e.hash = javaStringHash(w.buf[e.start+size:])
	case hookEntry:
		o.count++
		w.entries[len(w.entries)-1].end = len(w.buf)
		w.entries = append(w.entries, avroEntry{start: len(w.buf)})
	}
}

func (w *avroWriter) misuse(given string) {
	if w.err != nil {
		return
	}
	want := wanted(w.cur.kind, w.cur.schema)
	if w.cur.kind == nodeFixed {
		want += " of " + strconv.Itoa(w.cur.size) + " bytes"
	}
	w.err = &schema.MisuseError{Path: w.cur.path(), Given: given, Want: want}
	w.cur = deadNode
}

// wanted says what a writer at a node of the kind takes.
func wanted(kind nodeKind, s *schema.Schema) string {
	switch kind {
	case nodeDone:
		return "nothing more"
	case nodeEnd:
		return "end of struct"
	}
	return schema.Describe(s)
}

// path names the place, from the top.
func (n *avroNode) path() string {
	var parts []string
	for ; n != nil; n = n.owner {
		switch {
		case n.name != "":
			parts = append(parts, n.name)
		case n.owner != nil && n.kind != nodeEnd:
			parts = append(parts, "[]")
		}
	}
	slices.Reverse(parts)
	return strings.Join(parts, ".")
}

// appendAvroLen appends a length or count: a long that is not negative.
func appendAvroLen(dst []byte, n int) []byte {
	if n < 0x40 {
		return append(dst, byte(n<<1))
	}
	return binary.AppendUvarint(dst, uint64(n)<<1)
}
