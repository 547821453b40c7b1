package client

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/tandem-cdc/tandem/kafka"
)

var batchTable = crc32.MakeTable(crc32.Castagnoli)

// answer appends an answer to a Fetch request to dst, its batches folded. ok is false when it is not built as it should be: sarama may say what is wrong.
//
// Layout behind the correlation id, versions 4 to 12; [n: from version n on; (t): followed by tagged fields from 12 on, which has compact arrays,
// strings and bytes, too:
// (t) Int32 throttle time | [7 Int16 error | [7 Int32 session | topics: String name | partitions: Int32 id | Int16 error | Int64 high watermark |
// Int64 last stable offset | [5 Int64 log start offset | aborted transactions: Int64 producer | Int64 first offset (t) | [11 Int32 preferred replica |
// Bytes records (t) (t) (t)
func (f *folder) answer(dst []byte, in *answerFrame, version int16) (out []byte, ok bool) {
	a := answerCursor{data: in.data, tagged: version >= fetchTagged}
	a.tags()
	a.skip(4)
	if version >= 7 {
		a.skip(6)
	}
	done := 0 // of in.data
	for range a.array() {
		topic := string(a.bytes(2))
		for range a.array() {
			at := kafka.TopicPartition{Topic: topic, Partition: int32(a.number(4))}
			sound := a.number(2) == 0
			end, committed := a.number(8), a.number(8)
			if f.committed {
				end = committed
			}
			if version >= 5 {
				a.skip(8)
			}
			w := tailWalk{aborted: a.aborted()}
			if version >= 11 {
				a.skip(4)
			}
			start := a.pos
			records := a.bytes(4)
			if a.err != nil {
				return dst[:answerHeader], false
			}
			if len(records) > 0 {
				dst = f.records(append(dst, in.data[done:start]...), in, at, records, a.tagged, &w)
				done = a.pos
			}
			if sound {
				f.ended(at, &w, end)
			}
			a.tags()
		}
		a.tags()
	}
	if a.err != nil { // what was folded waits in vain, until other batches of its partition come
		return dst[:answerHeader], false
	}
	return append(dst, in.data[done:]...), true
}

// records appends a partition's records with their length, and shows them to the walk.
func (f *folder) records(dst []byte, in *answerFrame, at kafka.TopicPartition, records []byte, compact bool, w *tailWalk) []byte {
	size := 4
	if compact {
		size = binary.MaxVarintLen32
	}
	head := len(dst)
	dst = append(dst, make([]byte, size)...)
	body := len(dst)
	for len(records) > 0 {
		batch, known := cutBatch(records)
		w.batch(batch)
		if known {
			dst = appendStandIn(dst, batch, f.fold(at, in, batch))
		} else {
			dst = append(dst, batch...)
		}
		records = records[len(batch):]
	}
	n := len(dst) - body
	if !compact {
		binary.BigEndian.PutUint32(dst[head:], uint32(n))
		return dst
	}
	used := binary.PutUvarint(dst[head:body], uint64(n)+1)
	return append(dst[:head+used], dst[body:]...)
}

// Layout of a batch, all of it big-endian: Int64 first offset | Int32 length of what follows | Int32 leader epoch | Int8 magic | Int32 CRC-32C of what
// follows | Int16 attributes | Int32 last offset delta | Int64 first timestamp | Int64 last timestamp | Int64 producer | Int16 producer epoch |
// Int32 first sequence | Int32 number of records | the records, compressed as the attributes say. Kafka documentation, "Record Batch".
const (
	batchLength     = 8
	batchMagic      = 16
	batchCRC        = 17
	batchAttributes = 21
	batchLastDelta  = 23
	batchFirstTime  = 27
	batchLastTime   = 35
	batchProducer   = 43
	batchCount      = 57
	batchHeader     = 61

	attributeCodec       = 0x07
	attributeLogAppend   = 0x08
	attributeTransaction = 0x10
	attributeControl     = 0x20

	codecNone = 0
	codecLZ4  = 3
)

// cutBatch returns the first batch, and whether it is one to fold; what cannot be told apart comes as one.
func cutBatch(records []byte) (batch []byte, known bool) {
	if len(records) < batchHeader {
		return records, false
	}
	size := batchSize(records)
	if size < batchHeader || size > int64(len(records)) || records[batchMagic] != 2 {
		return records, false
	}
	batch = records[:size:size]
	attributes := binary.BigEndian.Uint16(batch[batchAttributes:])
	codec := attributes & attributeCodec
	return batch, attributes&attributeControl == 0 && (codec == codecNone || codec == codecLZ4) && int32(binary.BigEndian.Uint32(batch[batchCount:])) > 0
}

// batchSize is how long a batch says that it is.
func batchSize(b []byte) int64 {
	return int64(int32(binary.BigEndian.Uint32(b[batchLength:]))) + batchLength + 4
}

// appendStandIn appends a batch of one record, without a value and of the last offset, which sarama treats as it would the batch.
func appendStandIn(dst, batch []byte, key [24]byte) []byte {
	start := len(dst)
	dst = append(dst, batch[:batchHeader]...)
	last := int64(int32(binary.BigEndian.Uint32(batch[batchLastDelta:])))
	// Layout of a record: Varint length | Int8 attributes | Varlong timestamp delta | Varint offset delta | Varint length of the key | key |
	// Varint length of the value, -1: null | Varint number of headers.
	var record [2 * binary.MaxVarintLen64]byte
	r := append(record[:0], 0, 0)
	r = binary.AppendVarint(r, last)
	r = binary.AppendVarint(r, int64(len(key)))
	dst = binary.AppendVarint(dst, int64(len(r)+len(key)+2))
	dst = append(append(append(dst, r...), key[:]...), 1, 0)
	made := dst[start:]
	binary.BigEndian.PutUint32(made[batchLength:], uint32(len(made)-batchLength-4))
	binary.BigEndian.PutUint16(made[batchAttributes:], binary.BigEndian.Uint16(batch[batchAttributes:])&^attributeCodec)
	binary.BigEndian.PutUint32(made[batchCount:], 1)
	binary.BigEndian.PutUint32(made[batchCRC:], crc32.Checksum(made[batchAttributes:], batchTable))
	return dst
}

var errAnswer = errors.New("the answer ends early")

// answerCursor walks an answer. Behind an error everything is empty.
type answerCursor struct {
	data   []byte
	pos    int
	tagged bool
	err    error
}

func (a *answerCursor) take(n int64) []byte {
	if a.err != nil || n < 0 || n > int64(len(a.data)-a.pos) {
		a.err = errAnswer
		return nil
	}
	b := a.data[a.pos : a.pos+int(n) : a.pos+int(n)]
	a.pos += int(n)
	return b
}

func (a *answerCursor) skip(n int64) { a.take(n) }

// number is a big-endian integer of two, four or eight bytes.
func (a *answerCursor) number(size int64) int64 {
	switch b := a.take(size); len(b) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b)))
	case 8:
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (a *answerCursor) uvarint() uint64 {
	if a.err != nil {
		return 0
	}
	u, n := binary.Uvarint(a.data[a.pos:])
	if n <= 0 {
		a.err = errAnswer
		return 0
	}
	a.pos += n
	return u
}

// length is that of an array, or of what has its length in size bytes; 0 also for null.
func (a *answerCursor) length(size int64) int64 {
	n := int64(0)
	if a.tagged {
		n = int64(a.uvarint()) - 1
	} else {
		n = a.number(size)
	}
	return max(n, 0)
}

// array is a number of elements, each of which takes a byte at least.
func (a *answerCursor) array() int64 {
	n := a.length(4)
	if n > int64(len(a.data)-a.pos) {
		a.err = errAnswer
	}
	if a.err != nil {
		return 0
	}
	return n
}

func (a *answerCursor) bytes(size int64) []byte { return a.take(a.length(size)) }

func (a *answerCursor) tags() {
	if !a.tagged {
		return
	}
	for n := a.uvarint(); n > 0 && a.err == nil; n-- {
		a.uvarint()
		a.take(int64(a.uvarint()))
	}
}
