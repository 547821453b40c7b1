package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/kafka"
)

// sending is a connection of sarama's, of which what is written is kept.
type sending struct {
	net.Conn
	wrote   []byte
	version int16
	head    []byte
}

func newSending(version int16) *sending { return &sending{version: version} }

func (s *sending) Write(p []byte) (int, error) {
	s.wrote = append(s.wrote, p...)
	return len(p), nil
}

// send gives an outbox's connection what sarama would write for a request of the batches.
func (s *sending) send(t testing.TB, out *outbox, batches ...*batch) {
	t.Helper()
	r := &request{batches: batches, acks: -1, timeoutMs: 30_000}
	s.sendRequest(t, out, r)
}

func (s *sending) sendRequest(t testing.TB, out *outbox, r *request) {
	t.Helper()
	name, done := out.put(r)
	defer done()
	s.wrote = s.wrote[:0]
	s.head = saramaHead(s.head[:0], s.version, name)
	if n, err := s.conn(out).Write(s.head); n != len(s.head) || err != nil {
		t.Fatalf("Write = %d, %v, want %d, nil", n, err, len(s.head))
	}
}

// conn is one connection, however often it is asked for.
func (s *sending) conn(out *outbox) net.Conn {
	if s.Conn == nil {
		s.Conn = out.wrap(struct{ writerConn }{writerConn{s}})
	}
	return s.Conn
}

type writerConn struct{ *sending }

// saramaHead is an empty Produce request as sarama writes it.
func saramaHead(dst []byte, version int16, transactional string) []byte {
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, byte(version), 0, 0, 0, 7, 0, 6)
	dst = append(dst, "tandem"...)
	w := produceWriting{dst: dst, flexible: version >= 9}
	w.tags()
	w.text(transactional)
	w.dst = append(w.dst, 0xff, 0xff, 0, 0, 0, 0)
	w.count(0)
	w.tags()
	binary.BigEndian.PutUint32(w.dst, uint32(len(w.dst)-4))
	return w.dst
}

func packFor(t testing.TB, k *packer, b *batch) {
	t.Helper()
	if k.cfg.Compression == None {
		return
	}
	out, err := k.pack(&b.body)
	if err != nil {
		t.Fatal(err)
	}
	k.pool.put(&b.body)
	b.body, b.form = out, packed
}

// anyRecords are records of every shape: null and empty, tiny and larger than a chunk, with and without headers, and with clocks that go back.
func anyRecords(rnd *rand.Rand, topic string, partition int32, n int) []kafka.Record {
	field := func() []byte {
		switch rnd.IntN(12) {
		case 0:
			return nil
		case 1:
			return []byte{}
		case 2:
			return bytes.Repeat([]byte{byte(rnd.Uint32())}, rnd.IntN(3*chunkBytes))
		case 3:
			p := make([]byte, rnd.IntN(chunkBytes)) // does not compress
			for i := range p {
				p[i] = byte(rnd.Uint32())
			}
			return p
		}
		return fmt.Appendf(nil, "value %d of %d", rnd.IntN(100), rnd.Uint32())
	}
	records := make([]kafka.Record, n)
	for i := range records {
		r := kafka.Record{Topic: topic, Partition: partition, Key: field(), Value: field(), Timestamp: time.UnixMilli(1_700_000_000_000 + rnd.Int64N(1<<34) - 1<<33)}
		for range rnd.IntN(4) {
			r.Headers = append(r.Headers, kafka.Header{Key: strings.Repeat("h", rnd.IntN(200)), Value: field()})
		}
		records[i] = r
	}
	return records
}

// sameBytes holds null and empty apart. Without it cmp looks at each byte by reflection.
var sameBytes = cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) })

// TestProduceRequestAsFranzReadsIt: what is written is read by the code of another client, byte for byte, in every version and compression.
func TestProduceRequestAsFranzReadsIt(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, compression := range []Compression{None, LZ4, Snappy, GZIP, Zstd} {
		for version := int16(produceLeast); version <= produceMost; version++ {
			t.Run(fmt.Sprintf("%s v%d", compression, version), func(t *testing.T) {
				c := DefaultConfig(ForProducer).Producer
				c.Compression = compression
				var pool chunkPool
				pack, conn, r := packer{cfg: &c, pool: &pool}, newSending(version), &request{acks: 1, timeoutMs: 1234, codec: codecs[compression], transaction: "txn"}
				if version%2 == 0 {
					r.transaction = ""
				}
				want := make(map[string][]kafka.Record)
				for i := range 5 {
					b := &batch{part: &partition{topic: &topic{name: fmt.Sprintf("t%d", i%2)}, id: int32(i)}, producer: 99, epoch: 3, sequence: int32(1000 * i), transactional: version%2 == 1}
					if i >= 2 {
						b.part.topic = r.batches[i-2].part.topic
					}
					records := anyRecords(rnd, b.part.topic.name, b.part.id, 1+rnd.IntN(40))
					for j := range records {
						b.add(&pool, &records[j], sizeOf(&records[j]), 0)
					}
					if at := b.body.size + batchHead; at > b.size {
						t.Errorf("batch.size = %d, want at least the %d bytes on the wire", b.size, at)
					}
					packFor(t, &pack, b)
					r.batches = append(r.batches, b)
					want[fmt.Sprint(b.part.topic.name, b.part.id)] = records
				}
				var out outbox
				conn.sendRequest(t, &out, r)
				checkRequest(t, conn, r, compression, want)
			})
		}
	}
}

func checkRequest(t *testing.T, conn *sending, r *request, compression Compression, want map[string][]kafka.Record) {
	t.Helper()
	_, head, _ := produceHead(conn.head)
	if n := binary.BigEndian.Uint32(conn.wrote); int(n) != len(conn.wrote)-4 {
		t.Errorf("the request says that it has %d bytes, want %d", n, len(conn.wrote)-4)
	}
	if !bytes.Equal(conn.wrote[4:head], conn.head[4:head]) {
		t.Errorf("the request begins with %x, want sarama's %x", conn.wrote[4:head], conn.head[4:head])
	}
	read := kmsg.NewPtrProduceRequest()
	read.SetVersion(conn.version)
	if err := read.ReadFrom(conn.wrote[head:]); err != nil {
		t.Fatal(err)
	}
	if id := read.TransactionID; (id == nil) != (r.transaction == "") || id != nil && *id != r.transaction || read.Acks != 1 || read.TimeoutMillis != 1234 {
		t.Errorf("read transactional id %v, acks %d, timeout %d, want %q, 1, 1234", id, read.Acks, read.TimeoutMillis, r.transaction)
	}
	got, topics := make(map[string][]kafka.Record), make(map[string]bool)
	for _, top := range read.Topics {
		if topics[top.Topic] {
			t.Errorf("topic %s stands in the request twice, of which brokers see one", top.Topic)
		}
		topics[top.Topic] = true
		for _, part := range top.Partitions {
			got[fmt.Sprint(top.Topic, part.Partition)] = recordsOf(t, top.Topic, part.Partition, part.Records, r, compression)
		}
	}
	if diff := cmp.Diff(want, got, sameBytes); diff != "" {
		t.Errorf("records differ from those sent (-want +got):\n%.2000s", diff)
	}
}

// recordsOf reads a batch with franz-go's types.
func recordsOf(t *testing.T, topic string, partition int32, p []byte, r *request, compression Compression) (records []kafka.Record) {
	t.Helper()
	var b kmsg.RecordBatch
	if err := b.ReadFrom(p); err != nil {
		t.Fatal(err)
	}
	attributes := codecs[compression]
	if r.transaction != "" {
		attributes |= inTransaction
	}
	sum := crc32.Checksum(p[21:], crc32.MakeTable(crc32.Castagnoli))
	if b.Magic != 2 || b.Attributes != attributes || b.ProducerID != 99 || b.ProducerEpoch != 3 || b.FirstSequence != 1000*partition || uint32(b.CRC) != sum ||
		b.LastOffsetDelta != b.NumRecords-1 || int(b.Length) != len(p)-12 {
		t.Errorf("read batch %+v, want magic 2, attributes %x, producer 99 epoch 3 sequence %d, CRC %x, length %d", b, attributes, 1000*partition, sum, len(p)-12)
	}
	raw, err := unpack(compression, b.Records)
	if err != nil {
		t.Fatal(err)
	}
	most := int64(0)
	for i := range b.NumRecords {
		length, n := binary.Varint(raw)
		var rec kmsg.Record
		if err := rec.ReadFrom(raw[:n+int(length)]); err != nil {
			t.Fatal(err)
		}
		raw = raw[n+int(length):]
		if rec.OffsetDelta != i {
			t.Errorf("record %d has offset delta %d", i, rec.OffsetDelta)
		}
		most = max(most, b.FirstTimestamp+rec.TimestampDelta64)
		out := kafka.Record{Topic: topic, Partition: partition, Key: rec.Key, Value: rec.Value, Timestamp: time.UnixMilli(b.FirstTimestamp + rec.TimestampDelta64)}
		for _, h := range rec.Headers {
			out.Headers = append(out.Headers, kafka.Header{Key: h.Key, Value: h.Value})
		}
		records = append(records, out)
	}
	if len(raw) > 0 || b.MaxTimestamp != most {
		t.Errorf("read %d bytes behind the last record and greatest timestamp %d, want none and %d", len(raw), b.MaxTimestamp, most)
	}
	return records
}

// TestBatchRecover: a batch gives back what was put in, from plain and from packed bytes.
func TestBatchRecover(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, compression := range []Compression{None, LZ4, Snappy, GZIP, Zstd} {
		for _, isPacked := range []bool{false, true} {
			c := DefaultConfig(ForProducer).Producer
			c.Compression = compression
			var pool chunkPool
			b, want := &batch{part: &partition{topic: &topic{name: "t"}, id: 4}}, anyRecords(rnd, "t", 4, 60)
			for i := range want {
				b.add(&pool, &want[i], sizeOf(&want[i]), 0)
			}
			if isPacked {
				packFor(t, &packer{cfg: &c, pool: &pool}, b)
			}
			var got []kafka.Record
			if err := b.recover(compression, func(i int, r *kafka.Record) { got = append(got, *r) }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, sameBytes); diff != "" {
				t.Errorf("recover(%s, packed %t) differs (-want +got):\n%.2000s", compression, isPacked, diff)
			}
		}
	}
}

// TestQueueMemory bounds what a queue takes of the process per byte of records: nothing beside the bytes while they wait to be compressed, a fraction
// of them then.
func TestQueueMemory(t *testing.T) {
	const recordsOf, value = 40_000, 400
	records := orderRecords("t", recordsOf)
	total := 0
	for i := range records {
		records[i].Value = records[i].Value[:value]
		total += len(records[i].Key) + value + 24
	}
	held := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	p := queueOf(t, LZ4, 1)
	before := held()
	for i := range records {
		if err := p.Send(t.Context(), &records[i]); err != nil {
			t.Fatal(err)
		}
	}
	if got := (held() - before) / float64(total); got > 1.1 {
		t.Errorf("a queue holds %.2f bytes per byte of its records, want at most 1.1", got)
	}
	s := &sender{pending: p.topics["t"].parts, pack: packer{cfg: &p.cfg.Producer, pool: &p.pool}}
	for {
		done, err := p.packAhead(s)
		if err != nil {
			t.Fatal(err)
		}
		if !done {
			break
		}
	}
	if got := (held() - before) / float64(total); got > 0.6 { // 4 MiB of empty chunks included
		t.Errorf("a queue that is compressed holds %.2f bytes per byte of its records, want at most 0.6", got)
	}
	runtime.KeepAlive(p)
}

// TestManyPartitionsMemory: a record each for thousands of partitions does not take a large chunk each, nor stop for buffer.memory.
func TestManyPartitionsMemory(t *testing.T) {
	p := queueOf(t, LZ4, 2000)
	for i := range 2000 {
		if err := p.Send(t.Context(), &kafka.Record{Topic: "t", Partition: int32(i), Key: []byte("k"), Value: make([]byte, 300)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Stats().Buffered; got != 2000*leastChunk {
		t.Errorf("Stats().Buffered = %d with a record for each of 2000 partitions, want %d", got, 2000*leastChunk)
	}
}

// queueOf is a producer that knows a topic t and has nobody to send to.
func queueOf(t *testing.T, compression Compression, partitions int) *Producer {
	t.Helper()
	c := testConfig(ForProducer, nil)
	c.Producer.Compression = compression
	p := NewProducer(c)
	top := &topic{name: "t"}
	for i := range partitions {
		top.parts = append(top.parts, &partition{topic: top, id: int32(i)})
	}
	p.topics["t"] = top
	return p
}

// TestOpenBatchesArePacked: when many partitions share buffer.memory, what waits for a broker is compressed before a batch is full; a few
// partitions go on filling theirs.
func TestOpenBatchesArePacked(t *testing.T) {
	for _, c := range []struct {
		partitions int
		busy, want bool
	}{{100, true, true}, {100, false, false}, {2, true, false}} {
		p := queueOf(t, LZ4, c.partitions)
		records := orderRecords("t", 16_000)
		if c.partitions == 2 {
			records = records[:1500] // their batches are open still
		}
		for i := range records {
			records[i].Partition = int32(i % c.partitions)
			if err := p.Send(t.Context(), &records[i]); err != nil {
				t.Fatal(err)
			}
		}
		s := &sender{pending: p.topics["t"].parts, pack: packer{cfg: &p.cfg.Producer, pool: &p.pool}}
		if c.busy {
			s.inFlight = p.cfg.Producer.MaxInFlight
		}
		was := plainBytes(p)
		for {
			done, err := p.packAhead(s)
			if err != nil {
				t.Fatal(err)
			}
			if !done {
				break
			}
		}
		got := plainBytes(p)
		if c.want && (got > mostOpen || was <= mostOpen) || !c.want && got != was {
			t.Errorf("of %d bytes for %d partitions, broker busy %t, %d stay as they are, want %d at the most only if it is busy and they are more", was, c.partitions, c.busy, got, mostOpen)
		}
	}
}

// TestBacklogInManyPartitions: small batches of many partitions wait for more records, twice as long each time, until somebody asks for what there is.
func TestBacklogInManyPartitions(t *testing.T) {
	const partitions = 2 * manyBatches
	p := queueOf(t, None, partitions)
	s := &sender{wake: make(chan struct{}, 1)}
	p.senders[0] = s
	for _, part := range p.topics["t"].parts {
		part.sender = s
	}
	now := time.Now()
	write := func(size int) {
		for i := range partitions {
			if err := p.Send(t.Context(), &kafka.Record{Topic: "t", Partition: int32(i), Value: make([]byte, size)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	send := func() int { // and have it answered
		p.mu.Lock()
		defer p.mu.Unlock()
		r, _ := p.pick(s, now)
		if r == nil {
			return 0
		}
		for _, b := range r.batches {
			p.settle(b, nil)
		}
		return len(r.batches)
	}
	var waits []time.Duration
	for range 11 {
		write(100)
		now = s.next
		if n := send(); n != partitions {
			t.Fatalf("%d batches are sent when the time is over, want %d", n, partitions)
		}
		waits = append(waits, s.next.Sub(now))
	}
	ms := time.Millisecond
	want := []time.Duration{2 * ms, 4 * ms, 8 * ms, 16 * ms, 32 * ms, 64 * ms, 128 * ms, 256 * ms, mostLinger, mostLinger, mostLinger}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Errorf("open batches wait (-want +got)\n%s", diff)
	}
	write(100)
	if n := send(); n != 0 {
		t.Errorf("%d batches are sent at once, want 0 until %v have passed", n, mostLinger)
	}
	p.Flush()
	if n := send(); n != partitions || s.next.Sub(now) != p.cfg.Producer.Linger {
		t.Errorf("behind a Flush %d batches are sent, and the next wait %v, want %d and %v", n, s.next.Sub(now), partitions, p.cfg.Producer.Linger)
	}
	write(smallBatch)
	now = s.next
	if n := send(); n == 0 || s.linger != p.cfg.Producer.Linger {
		t.Errorf("large batches: %d are sent, and the next wait is %v, want some and %v", n, s.linger, p.cfg.Producer.Linger)
	}
}

// plainBytes is the memory of what is not compressed.
func plainBytes(p *Producer) (n int) {
	for _, part := range p.active {
		for _, b := range append(part.queue[:len(part.queue):len(part.queue)], part.open) {
			if b != nil && b.form == plain {
				n += b.body.room
			}
		}
	}
	return n
}

// TestPackingBatchIsDropped: an abort drops a batch that is being compressed; whoever compresses it gives its memory back.
func TestPackingBatchIsDropped(t *testing.T) {
	p := queueOf(t, LZ4, 1)
	if err := p.Send(t.Context(), &kafka.Record{Topic: "t", Key: []byte("k"), Value: make([]byte, 300)}); err != nil {
		t.Fatal(err)
	}
	part := p.topics["t"].parts[0]
	p.closeOpen(part)
	b := part.queue[0]
	b.form = packing
	p.discard()
	if len(part.queue) != 0 || len(p.pool.batches) != 0 || b.body.size == 0 {
		t.Fatalf("discard left %d batches queued and %d to be used again, and %d bytes of the one that is being compressed, want 0, 0 and its bytes", len(part.queue), len(p.pool.batches), b.body.size)
	}
	p.finishPacking(&sender{}, b, pile{})
	if len(p.pool.batches) != 1 || b.dropped {
		t.Errorf("the batch that was dropped is not used again")
	}
}

// TestProduceVersionUnknown: a version whose fields are not known is not guessed at.
func TestProduceVersionUnknown(t *testing.T) {
	var out outbox
	name, done := out.put(&request{})
	s := newSending(produceMost + 1)
	if _, err := s.conn(&out).Write(saramaHead(nil, produceMost+1, name)); err == nil || !strings.Contains(err.Error(), "version 11") {
		t.Errorf("Write of version 11 = %v, want an error that names it", err)
	}
	done()
	if _, err := s.conn(&out).Write(saramaHead(nil, produceMost, name)); !errors.Is(err, errNotInOutbox) {
		t.Errorf("Write of a request that is done with = %v, want %v", err, errNotInOutbox)
	}
	if len(s.wrote) > 0 {
		t.Errorf("%d bytes were written, want none", len(s.wrote))
	}
}

// FuzzProduceHead: what is not one of our requests passes as it is.
func FuzzProduceHead(f *testing.F) {
	f.Add(saramaHead(nil, 10, outboxPrefix+"1"))
	f.Add(saramaHead(nil, 3, outboxPrefix+"1"))
	f.Add([]byte("\x00\x00\x00\x06\x00\x00user"))                             // SASL without a request around it
	f.Add([]byte("\x00\x00\x00\x0a\x00\x00\x00\x0a\x00\x00\x00\x00\xff\xff")) // no client id
	f.Fuzz(func(t *testing.T, p []byte) {
		version, head, name := produceHead(p)
		if name != nil && (version < produceLeast || head > len(p) || len(name) > len(p)-head) {
			t.Errorf("produceHead(%x) = %d, %d, %q", p, version, head, name)
		}
		var out outbox
		s := newSending(0)
		if n, err := s.conn(&out).Write(p); err == nil && (n != len(p) || !bytes.Equal(s.wrote, p)) {
			t.Errorf("Write(%x) passed %x", p, s.wrote)
		}
	})
}

// FuzzReadRecord: no bytes make it panic; what it reads is written as it was, when it was written in the shortest form.
func FuzzReadRecord(f *testing.F) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for _, r := range anyRecords(rnd, "t", 0, 8) {
		if sizeOf(&r) < 4096 {
			f.Add(appendRecord(nil, recordBytes(&r, -5, 3), &r, -5, 3))
		}
	}
	f.Add([]byte{0x02, 0x00})
	f.Fuzz(func(t *testing.T, p []byte) {
		var r kafka.Record
		delta, rest, err := readRecord(p, &r)
		if err != nil {
			return
		}
		written := appendRecord(nil, recordBytes(&r, delta, 0), &r, delta, 0)
		var again kafka.Record
		delta2, rest2, err := readRecord(append(written, rest...), &again)
		if err != nil || delta2 != delta || !bytes.Equal(rest, rest2) || cmp.Diff(r, again, sameBytes) != "" {
			t.Errorf("readRecord of what was read = %d, %x, %v, want %d, %x, nil", delta2, rest2, err, delta, rest)
		}
	})
}
