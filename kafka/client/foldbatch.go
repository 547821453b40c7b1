package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
)

// BatchError says that a batch of records is not what Kafka writes.
type BatchError struct {
	kafka.Position // of its first record
	Err            error
	Transient      bool // it was damaged on its way
}

func (e *BatchError) Error() string {
	return fmt.Sprintf("read the batch at %s-%d@%d: %v", e.Topic, e.Partition, e.Offset, e.Err)
}

func (e *BatchError) Unwrap() error { return e.Err }

// Retriable tells whether reading it again may help.
func (e *BatchError) Retriable() bool { return e.Transient }

var (
	errChecksum = errors.New("its checksum is not that of its bytes")
	errRecord   = errors.New("a record does not have the length that it claims")
)

// unpacker walks the records of a batch, which it decompresses bit by bit.
type unpacker struct {
	folder    *folder
	record    kafka.Record // what all have in common
	first     int64        // offset
	from      int64        // records before it are not wanted
	firstTime time.Time
	lastTime  time.Time
	logAppend bool
	left      int // records to come

	memory *answerFrame // what data is a part of: the batch's frame, or one of its own
	data   []byte       // not walked yet
	blocks *lz4Blocks   // what follows data; nil: nothing
}

// unpack begins with a batch. The unpacker is done with at the first error, and when no record is left: see close.
func (f *folder) unpack(at kafka.TopicPartition, b *folded) (*unpacker, error) {
	batch := b.batch
	attributes := binary.BigEndian.Uint16(batch[batchAttributes:])
	u := &unpacker{folder: f, record: kafka.Record{Topic: at.Topic, Partition: at.Partition}, first: int64(binary.BigEndian.Uint64(batch)), from: b.from,
		firstTime: batchTime(batch[batchFirstTime:]), left: b.count(), memory: b.frame, data: batch[batchHeader:]}
	if attributes&attributeLogAppend != 0 {
		u.lastTime, u.logAppend = batchTime(batch[batchLastTime:]), true
	}
	if crc32.Checksum(batch[batchAttributes:], batchTable) != binary.BigEndian.Uint32(batch[batchCRC:]) {
		return nil, u.fail(errChecksum)
	}
	if attributes&attributeCodec == codecNone {
		return u, nil
	}
	blocks, ok := cutLZ4(u.data)
	if !ok {
		plain, err := readLZ4(u.data)
		if err != nil {
			return nil, u.fail(err)
		}
		u.swap(&answerFrame{data: plain, users: 1})
		u.data = plain
		return u, nil
	}
	blocks.from = u.memory
	u.memory, u.data, u.blocks = &answerFrame{users: 1}, nil, blocks
	return u, nil
}

// count is how many records the batch claims to have.
func (b *folded) count() int { return int(int32(binary.BigEndian.Uint32(b.batch[batchCount:]))) }

// fail closes the unpacker and says where it stood.
func (u *unpacker) fail(err error) error {
	u.close()
	first := kafka.Position{TopicPartition: kafka.TopicPartition{Topic: u.record.Topic, Partition: u.record.Partition}, Offset: u.first}
	return &BatchError{Position: first, Err: err, Transient: errors.Is(err, errChecksum)}
}

// close gives the memory back; the records that were taken have their own claim to it.
func (u *unpacker) close() {
	u.swap(nil)
	if u.blocks != nil {
		u.folder.release(u.blocks.from)
		u.blocks = nil
	}
}

func (u *unpacker) swap(memory *answerFrame) {
	if u.memory != nil {
		u.folder.release(u.memory)
	}
	u.memory = memory
}

// size is the length of the next record with its own length in front, as far as it can be told; ok is false when data ends before the record does.
func (u *unpacker) size() (body int64, head int, ok bool) {
	body, head = binary.Varint(u.data)
	return body, head, head > 0 && body <= int64(len(u.data)-head)
}

// plainChunk is how much is decompressed at once: enough for some hundred records, and what fits a processor's cache.
const plainChunk = 256 << 10

// refill decompresses more, until the next record is whole.
func (u *unpacker) refill() error {
	for {
		body, head, ok := u.size()
		switch {
		case ok:
			return nil
		case u.blocks == nil || head < 0 || body < 0:
			return errRecord
		}
		want := plainChunk
		if head > 0 && body < 1<<31 {
			want = max(want, min(int(body)+head-len(u.data), 2*len(u.data)+plainChunk)) // a length is only believed as far as its bytes have come
		}
		keep := len(u.data)
		if u.blocks.linked {
			keep = min(max(keep, lz4Window), len(u.memory.data))
		}
		next := u.folder.frameOf(keep + want + u.blocks.most)
		n := copy(next.data, u.memory.data[len(u.memory.data)-keep:])
		n, err := u.blocks.read(next.data, n, keep+want)
		next.data = next.data[:n]
		unread := keep - len(u.data)
		u.swap(next)
		u.data = next.data[unread:]
		if err != nil {
			return err
		}
		if u.blocks.done() {
			u.folder.release(u.blocks.from)
			u.blocks = nil
		}
	}
}

// batchTime is a timestamp of a batch; -1 is none.
func batchTime(b []byte) time.Time {
	if millis := int64(binary.BigEndian.Uint64(b)); millis >= 0 {
		return time.UnixMilli(millis)
	}
	return time.Time{}
}

// next takes one record into the poll; false when it is not well built. Layout at appendStandIn; of a header: Varint length | key | Varint length | value.
func (u *unpacker) next(p *poll) bool {
	size, n, ok := u.size()
	if !ok || size < 0 {
		return false
	}
	c := recordCursor{data: u.data[n : n+int(size) : n+int(size)]}
	u.data = u.data[n+int(size):]
	c.skipByte()
	millis := c.varint()
	offset := u.first + c.varint()
	key, value := c.bytes(), c.bytes()
	headers := c.varint()
	if headers < 0 || headers > int64(len(c.data)) {
		return false
	}
	wanted := offset >= u.from
	start := len(p.headers)
	for range headers {
		key, value := c.bytes(), c.bytes()
		if wanted {
			p.headers = append(p.headers, kafka.Header{Key: p.name(key), Value: value})
		}
	}
	if c.bad || len(c.data) != 0 {
		return false
	}
	u.left--
	if !wanted {
		return true
	}
	p.records = append(p.records, u.record)
	r := &p.records[len(p.records)-1]
	r.Offset, r.Key, r.Value = offset, key, value
	if end := len(p.headers); end > start {
		r.Headers = p.headers[start:end:end]
	}
	if r.Timestamp = u.lastTime; !u.logAppend {
		r.Timestamp = u.firstTime.Add(time.Duration(millis) * time.Millisecond)
	}
	p.bytes += len(key) + len(value)
	return true
}

// recordCursor walks one record.
type recordCursor struct {
	data []byte
	bad  bool
}

func (c *recordCursor) skipByte() {
	if len(c.data) == 0 {
		c.bad = true
		return
	}
	c.data = c.data[1:]
}

func (c *recordCursor) varint() int64 {
	if len(c.data) > 0 && c.data[0] < 0x80 { // most are
		b := c.data[0]
		c.data = c.data[1:]
		return int64(b>>1) ^ -int64(b&1)
	}
	v, n := binary.Varint(c.data)
	if n <= 0 {
		c.bad = true
		return 0
	}
	c.data = c.data[n:]
	return v
}

// bytes is nil for null.
func (c *recordCursor) bytes() []byte {
	n := c.varint()
	if n < 0 || c.bad {
		c.bad = c.bad || n < -1
		return nil
	}
	if n > int64(len(c.data)) {
		c.bad = true
		return nil
	}
	b := c.data[:n:n]
	c.data = c.data[n:]
	return b
}
