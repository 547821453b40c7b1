package client

import (
	"time"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/kafka"
)

const (
	chunkBytes = 64 << 10
	// What a record and a header take beside their bytes, for buffer.memory: the structs below and their pointers.
	recordCost = 160
	headerCost = 56
	// Bounds of the wire format beside the bytes: Kafka protocol guide, "Record Batch".
	batchHead   = 61
	recordHead  = 36 // length, attributes, two deltas, key and value length, header count, as varints at their longest
	headersHead = 10
)

// batch is records of one partition that are sent together. Its bytes are copies, in chunks that never move: the slices of records point
// into them.
type batch struct {
	part     *partition
	first    uint64 // number of the first record, or one before it
	created  time.Time
	baseMs   int64 // timestamp of the first record
	maxMs    int64
	size     int   // upper bound of the bytes on the wire, uncompressed
	charged  int64 // against buffer.memory
	sequence int32
	attempts int
	flush    bool // do not linger

	records    []sarama.Record
	headers    []sarama.RecordHeader // of all records, in order
	headerEnds []int                 // where each record's headers end
	chunks     [][]byte
	free       []byte // rest of the last chunk

	pointers       []*sarama.Record
	headerPointers []*sarama.RecordHeader
	wire           sarama.RecordBatch // keeps the compressed bytes for another attempt
}

// sizeOf bounds the record on the wire, without the batch's head.
func sizeOf(r *kafka.Record) int {
	n := recordHead + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += headersHead + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

// add copies the record and returns what it costs.
func (b *batch) add(pool *chunkPool, r *kafka.Record, size int, nowMs int64) int64 {
	ms := nowMs
	if !r.Timestamp.IsZero() {
		ms = r.Timestamp.UnixMilli()
	}
	if len(b.records) == 0 {
		b.baseMs, b.maxMs, b.size = ms, ms, batchHead
	}
	b.maxMs = max(b.maxMs, ms)
	b.size += size
	cost := int64(recordCost + headerCost*len(r.Headers))
	for i := range r.Headers {
		h := &r.Headers[i]
		b.headers = append(b.headers, sarama.RecordHeader{Key: b.keepText(pool, h.Key, &cost), Value: b.keep(pool, h.Value, &cost)})
	}
	b.headerEnds = append(b.headerEnds, len(b.headers))
	b.records = append(b.records, sarama.Record{
		TimestampDelta: time.Duration(ms-b.baseMs) * time.Millisecond,
		OffsetDelta:    int64(len(b.records)),
		Key:            b.keep(pool, r.Key, &cost),
		Value:          b.keep(pool, r.Value, &cost),
	})
	b.charged += cost
	return cost
}

// keep copies p; nil stays nil.
func (b *batch) keep(pool *chunkPool, p []byte, cost *int64) []byte {
	if p == nil {
		return nil
	}
	dst := b.room(pool, len(p), cost)
	copy(dst, p)
	return dst
}

func (b *batch) keepText(pool *chunkPool, s string, cost *int64) []byte {
	dst := b.room(pool, len(s), cost)
	copy(dst, s)
	return dst
}

// room cuts n bytes off the chunk; many bytes get memory of their own. It is not nil for n = 0, which would be null on the wire.
func (b *batch) room(pool *chunkPool, n int, cost *int64) []byte {
	if n == 0 {
		return []byte{}
	}
	if n > len(b.free) {
		if n > chunkBytes/4 {
			*cost += int64(n)
			return make([]byte, n)
		}
		b.free = pool.get()
		b.chunks = append(b.chunks, b.free)
		*cost += chunkBytes
	}
	dst := b.free[:n:n]
	b.free = b.free[n:]
	return dst
}

// seal makes the sarama form. producer and epoch are -1 without idempotence.
func (b *batch) seal(c *ProducerConfig, producer int64, epoch int16) {
	b.pointers, b.headerPointers = b.pointers[:0], b.headerPointers[:0]
	for i := range b.headers {
		b.headerPointers = append(b.headerPointers, &b.headers[i])
	}
	from := 0
	for i := range b.records {
		r := &b.records[i]
		r.Headers = b.headerPointers[from:b.headerEnds[i]]
		from = b.headerEnds[i]
		b.pointers = append(b.pointers, r)
	}
	b.wire = sarama.RecordBatch{
		Version:          2,
		Codec:            codecs[c.Compression],
		CompressionLevel: c.level(),
		LastOffsetDelta:  int32(len(b.records) - 1),
		FirstTimestamp:   time.UnixMilli(b.baseMs),
		MaxTimestamp:     time.UnixMilli(b.maxMs),
		ProducerID:       producer,
		ProducerEpoch:    epoch,
		FirstSequence:    b.sequence,
		Records:          b.pointers,
	}
}

// record rebuilds the i-th record, without copying.
func (b *batch) record(i int) kafka.Record {
	from := 0
	if i > 0 {
		from = b.headerEnds[i-1]
	}
	r := &b.records[i]
	out := kafka.Record{
		Topic: b.part.topic.name, Partition: b.part.id, Key: r.Key, Value: r.Value,
		Timestamp: time.UnixMilli(b.baseMs).Add(r.TimestampDelta),
	}
	for _, h := range b.headers[from:b.headerEnds[i]] {
		out.Headers = append(out.Headers, kafka.Header{Key: string(h.Key), Value: h.Value})
	}
	return out
}

// reset empties the batch, keeps its slices and gives its chunks back.
func (b *batch) reset(pool *chunkPool) {
	pool.put(b.chunks)
	clear(b.records)
	clear(b.headers)
	clear(b.chunks)
	*b = batch{
		records: b.records[:0], headers: b.headers[:0], headerEnds: b.headerEnds[:0], chunks: b.chunks[:0],
		pointers: b.pointers[:0], headerPointers: b.headerPointers[:0],
	}
}

var codecs = map[Compression]sarama.CompressionCodec{
	None: sarama.CompressionNone, GZIP: sarama.CompressionGZIP, Snappy: sarama.CompressionSnappy, LZ4: sarama.CompressionLZ4, Zstd: sarama.CompressionZSTD,
}

func (c *ProducerConfig) level() int {
	switch {
	case c.Compression == Zstd:
		return c.ZstdLevel
	case c.Compression == GZIP && c.GzipLevel >= 0:
		return c.GzipLevel
	}
	return sarama.CompressionLevelDefault
}

// chunkPool keeps chunks and emptied batches for the next ones. Not safe for concurrent use: the producer's mutex guards it.
type chunkPool struct {
	chunks  [][]byte
	most    int // chunks kept
	batches []*batch
}

func (p *chunkPool) get() []byte {
	if n := len(p.chunks); n > 0 {
		c := p.chunks[n-1]
		p.chunks = p.chunks[:n-1]
		return c
	}
	return make([]byte, chunkBytes)
}

func (p *chunkPool) put(chunks [][]byte) {
	p.chunks = append(p.chunks, chunks[:min(len(chunks), max(0, p.most-len(p.chunks)))]...)
}

func (p *chunkPool) batch() *batch {
	if n := len(p.batches); n > 0 {
		b := p.batches[n-1]
		p.batches = p.batches[:n-1]
		return b
	}
	return new(batch)
}

// keptBatches is enough for a few partitions under load; beyond it the collector has them.
const keptBatches = 32

func (p *chunkPool) recycle(b *batch) {
	b.reset(p)
	if len(p.batches) < keptBatches {
		p.batches = append(p.batches, b)
	}
}
