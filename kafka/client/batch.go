package client

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
)

const (
	// Bounds of the wire format beside the bytes: Kafka protocol guide, "Record Batch".
	batchHead   = 61
	recordHead  = 36 // length, attributes, two deltas, key and value length, header count, as varints at their longest
	headersHead = 10
)

// batch is records of one partition that are sent together. They stand there as the wire has them, one behind the other, so that a record
// costs no memory beside its bytes; in a queue they are soon compressed.
type batch struct {
	part     *partition
	first    uint64 // number of the first record, or one before it
	created  time.Time
	baseMs   int64 // timestamp of the first record
	maxMs    int64
	count    int   // records
	size     int   // upper bound of the bytes on the wire, uncompressed
	charged  int64 // against buffer.memory, until the batch is done with: compression gives memory back, not room for more records
	sequence int32
	attempts int
	flush    bool // do not linger
	dated    bool // a record came with its time

	body    pile
	form    form
	dropped bool // while it was packed; whoever packs it is the last to see it

	// As of the first attempt.
	producer      int64
	epoch         int16
	transactional bool
}

// form is what has become of a batch's records.
type form uint8

const (
	plain   form = iota
	packing      // a sender compresses them, without the producer's mutex
	packed
)

// sizeOf bounds the record on the wire, without the batch's head.
func sizeOf(r *kafka.Record) int {
	n := recordHead + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += headersHead + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

// add copies the record and returns what memory that took.
func (b *batch) add(pool *chunkPool, r *kafka.Record, size int, nowMs int64) (cost int64) {
	ms := nowMs
	if !r.Timestamp.IsZero() {
		ms, b.dated = r.Timestamp.UnixMilli(), true
	}
	if b.count == 0 {
		b.baseMs, b.maxMs, b.size = ms, ms, batchHead
	}
	b.maxMs = max(b.maxMs, ms)
	b.size += size
	delta := ms - b.baseMs
	before := b.body.room
	n := recordBytes(r, delta, b.count)
	if free := b.body.free(); n+varintBytes(int64(n)) <= len(free) {
		b.body.took(len(appendRecord(free[:0], n, r, delta, b.count)))
	} else {
		pool.scratch = appendRecord(pool.scratch[:0], n, r, delta, b.count)
		b.body.write(pool, pool.scratch)
		if cap(pool.scratch) > chunkBytes {
			pool.scratch = nil // a rare large record
		}
	}
	b.count++
	cost = int64(b.body.room - before)
	b.charged += cost
	return cost
}

// restamp gives records whose time is that of their sending the time of now. It reports whether they are such.
func (b *batch) restamp(now time.Time) bool {
	if b.dated {
		return false
	}
	b.baseMs, b.maxMs = now.UnixMilli(), now.UnixMilli()+b.maxMs-b.baseMs // the records have what is between
	return true
}

// recordBytes is the length of a record on the wire without the length itself.
func recordBytes(r *kafka.Record, delta int64, index int) int {
	n := 1 + varintBytes(delta) + varintBytes(int64(index)) + fieldBytes(r.Key) + fieldBytes(r.Value) + varintBytes(int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		n += varintBytes(int64(len(h.Key))) + len(h.Key) + fieldBytes(h.Value)
	}
	return n
}

// varintBytes is the length of a varint in zigzag form.
func varintBytes(v int64) int {
	n := 1
	for u := uint64(v)<<1 ^ uint64(v>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}

func fieldBytes(p []byte) int {
	if p == nil {
		return 1 // -1
	}
	return varintBytes(int64(len(p))) + len(p)
}

// appendRecord appends a record. Its numbers are varints in zigzag form.
// Layout: length | Int8 attributes | timestamp delta | offset delta | key | value | number of headers | headers.
// A key or value is its length, -1 for null, and its bytes.
func appendRecord(dst []byte, length int, r *kafka.Record, delta int64, index int) []byte {
	dst = append(binary.AppendVarint(dst, int64(length)), 0)
	dst = binary.AppendVarint(dst, delta)
	dst = binary.AppendVarint(dst, int64(index))
	dst = appendField(appendField(dst, r.Key), r.Value)
	dst = binary.AppendVarint(dst, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		dst = append(binary.AppendVarint(dst, int64(len(h.Key))), h.Key...)
		dst = appendField(dst, h.Value)
	}
	return dst
}

func appendField(dst, p []byte) []byte {
	if p == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(p))), p...)
}

// recover reads the records back, one call of each for every record. The slices point into a copy. Only a batch that is too large for the
// broker takes this way.
func (b *batch) recover(codec Compression, each func(i int, r *kafka.Record)) error {
	raw := b.body.appendTo(nil)
	if b.form == packed {
		var err error
		if raw, err = unpack(codec, raw); err != nil {
			return err
		}
	}
	for i := range b.count {
		r := kafka.Record{Topic: b.part.topic.name, Partition: b.part.id}
		delta, rest, err := readRecord(raw, &r)
		if err != nil {
			return err
		}
		r.Timestamp, raw = time.UnixMilli(b.baseMs+delta), rest
		each(i, &r)
	}
	if len(raw) > 0 {
		return errBadRecord
	}
	return nil
}

// errBadRecord: bytes that are not a record.
var errBadRecord = errors.New("a record in a batch is cut off or has a length that cannot be")

// readRecord reads what appendRecord wrote; rest is what follows.
func readRecord(p []byte, r *kafka.Record) (delta int64, rest []byte, err error) {
	d := recordReader{p: p}
	whole := d.field()
	if d.bad || len(whole) == 0 {
		return 0, nil, errBadRecord
	}
	rest, d.p = d.p, whole[1:]
	delta, _ = d.varint(), d.varint()
	r.Key, r.Value = d.field(), d.field()
	for n := d.varint(); n > 0 && !d.bad; n-- {
		r.Headers = append(r.Headers, kafka.Header{Key: string(d.field()), Value: d.field()})
	}
	if d.bad || len(d.p) > 0 {
		return 0, nil, errBadRecord
	}
	return delta, rest, nil
}

// recordReader takes fields off p; after a bad one it gives zeroes.
type recordReader struct {
	p   []byte
	bad bool
}

func (d *recordReader) varint() int64 {
	v, n := binary.Varint(d.p)
	if n <= 0 {
		d.bad, d.p = true, nil
		return 0
	}
	d.p = d.p[n:]
	return v
}

func (d *recordReader) field() []byte {
	n := d.varint()
	if n < 0 {
		return nil
	}
	if n > int64(len(d.p)) {
		d.bad, d.p = true, nil
		return nil
	}
	field := d.p[:n:n]
	d.p = d.p[n:]
	return field
}
