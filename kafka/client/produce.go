package client

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/IBM/sarama"
)

// sarama makes a Produce request out of a struct per record and header, and copies, walks and compresses them in memory that is new for each:
// of all a drain allocated that was four fifths, and a third of its CPU time. Its connections take requests of its own types only. So the
// request it is given is an empty one with the name of ours where the transactional id stands, and produceConn, between sarama and
// the connection, puts ours in its place, behind sarama's header: version and correlation are sarama's, and so is the response.

// outbox holds the requests that sarama is about to write, by name. Safe for concurrent use.
type outbox struct {
	mu      sync.Mutex
	last    uint64
	waiting map[string]*request
}

// outboxPrefix begins the names. No transactional id of a user's gets where they stand.
const outboxPrefix = "tandem\x00produce\x00"

// put gives r a name until done is called.
func (o *outbox) put(r *request) (name string, done func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting == nil {
		o.waiting = make(map[string]*request)
	}
	o.last++
	name = outboxPrefix + strconv.FormatUint(o.last, 10)
	o.waiting[name] = r
	return name, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.waiting, name)
	}
}

func (o *outbox) take(name []byte) *request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.waiting[string(name)]
}

// wrap has the requests of a connection replaced.
func (o *outbox) wrap(conn net.Conn) net.Conn { return &produceConn{Conn: conn, outbox: o} }

// produceConn is a connection of sarama's, which writes a whole request at once and reads no answer before Write has returned.
type produceConn struct {
	net.Conn
	outbox *outbox
	frame  frame
	w      *bufio.Writer
}

// produceWriter is what a connection gathers of small pieces. Larger ones go by it.
const produceWriter = 16 << 10

// Write implements net.Conn.
func (c *produceConn) Write(p []byte) (int, error) {
	version, head, name := produceHead(p)
	if !strings.HasPrefix(string(name), outboxPrefix) {
		return c.Conn.Write(p)
	}
	r := c.outbox.take(name)
	if r == nil {
		return 0, errNotInOutbox
	}
	if err := c.frame.build(p[:head], version, r); err != nil {
		return 0, err
	}
	if c.w == nil {
		c.w = bufio.NewWriterSize(c.Conn, produceWriter)
	}
	if err := c.frame.writeTo(c.w); err != nil {
		return 0, err
	}
	return len(p), nil
}

var errNotInOutbox = errors.New("write a Produce request: the one that is meant is gone")

// produceHead looks at a request. The name is empty when it is not a Produce request with one.
// Layout: Int32 size | Int16 API key | Int16 version | Int32 correlation | nullable string client id | since version 9 Int8 0 |
// nullable string transactional id | … The version tells how the length of the last one is written; head is where it begins.
func produceHead(p []byte) (version int16, head int, name []byte) {
	if len(p) < 14 || binary.BigEndian.Uint16(p[4:]) != 0 {
		return 0, 0, nil
	}
	version = int16(binary.BigEndian.Uint16(p[6:]))
	head = 14 + max(0, int(int16(binary.BigEndian.Uint16(p[12:]))))
	if version >= produceFlexible {
		head++
	}
	if version < produceLeast || head+2 > len(p) {
		return 0, 0, nil
	}
	rest, n := p[head:], 0
	if version >= produceFlexible {
		length, size := binary.Uvarint(rest)
		if size <= 0 || length > uint64(len(rest)) {
			return 0, 0, nil
		}
		rest, n = rest[size:], int(length)-1
	} else {
		rest, n = rest[2:], int(int16(binary.BigEndian.Uint16(rest)))
	}
	if n < 0 || n > len(rest) {
		return 0, 0, nil
	}
	return version, head, rest[:n]
}

// Versions of the Produce request.
const (
	produceLeast    = 3  // takes record batches, and transactions
	produceFlexible = 9  // writes lengths as varints, and tagged fields
	produceMost     = 10 // knows no more fields in the request than 9
)

// frame is a request on its way: what is written anew, and piles of records between it.
type frame struct {
	small []byte
	cuts  []cut
}

// cut is a pile that comes behind the first bytes of small.
type cut struct {
	behind int
	body   *pile
}

// build makes the frame. head is sarama's, up to the transactional id.
// Layout: nullable string transactional id | Int16 acks | Int32 timeout in ms | array of topics: string name | array of partitions: Int32 index |
// bytes of a record batch.
func (f *frame) build(head []byte, version int16, r *request) error {
	if version > produceMost {
		return fmt.Errorf("write a Produce request of version %d, of which %d is the last that is known", version, produceMost)
	}
	slices.SortStableFunc(r.batches, func(a, b *batch) int { return cmp.Compare(a.part.topic.name, b.part.topic.name) })
	w := produceWriting{dst: append(f.small[:0], head...), flexible: version >= produceFlexible}
	f.cuts = f.cuts[:0]
	if r.transaction == "" {
		w.noText()
	} else {
		w.text(r.transaction)
	}
	w.dst = binary.BigEndian.AppendUint16(w.dst, uint16(r.acks))
	w.dst = binary.BigEndian.AppendUint32(w.dst, uint32(r.timeoutMs))
	w.count(topicsIn(r.batches))
	body := 0
	for rest := r.batches; len(rest) > 0; {
		n := sameTopic(rest)
		w.text(rest[0].part.topic.name)
		w.count(n)
		for _, b := range rest[:n] {
			w.dst = binary.BigEndian.AppendUint32(w.dst, uint32(b.part.id))
			w.length(batchHead + b.body.size)
			w.dst = b.appendHead(w.dst, r.codec)
			f.cuts = append(f.cuts, cut{len(w.dst), &b.body})
			body += b.body.size
			w.tags()
		}
		w.tags()
		rest = rest[n:]
	}
	w.tags()
	f.small = w.dst
	binary.BigEndian.PutUint32(f.small, uint32(len(f.small)+body-4))
	return nil
}

// topicsIn counts the topics of batches that are sorted by topic.
func topicsIn(batches []*batch) (n int) {
	for ; len(batches) > 0; n++ {
		batches = batches[sameTopic(batches):]
	}
	return n
}

// sameTopic is how many of the first batches are of one topic.
func sameTopic(batches []*batch) int {
	n := 1
	for n < len(batches) && batches[n].part.topic == batches[0].part.topic {
		n++
	}
	return n
}

func (f *frame) writeTo(w *bufio.Writer) error {
	from := 0
	for _, c := range f.cuts {
		if _, err := w.Write(f.small[from:c.behind]); err != nil {
			return err
		}
		from = c.behind
		for _, chunk := range c.body.chunks {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
		}
	}
	if _, err := w.Write(f.small[from:]); err != nil {
		return err
	}
	clear(f.cuts)
	return w.Flush()
}

// produceWriting writes what differs between versions.
type produceWriting struct {
	dst      []byte
	flexible bool
}

func (w *produceWriting) noText() {
	if w.flexible {
		w.dst = append(w.dst, 0)
	} else {
		w.dst = append(w.dst, 0xff, 0xff)
	}
}

func (w *produceWriting) text(s string) {
	if w.flexible {
		w.dst = binary.AppendUvarint(w.dst, uint64(len(s))+1)
	} else {
		w.dst = binary.BigEndian.AppendUint16(w.dst, uint16(len(s)))
	}
	w.dst = append(w.dst, s...)
}

// count begins an array; length begins bytes.
func (w *produceWriting) count(n int) {
	if w.flexible {
		w.dst = binary.AppendUvarint(w.dst, uint64(n)+1)
	} else {
		w.dst = binary.BigEndian.AppendUint32(w.dst, uint32(n))
	}
}

func (w *produceWriting) length(n int) { w.count(n) }

// tags ends a struct.
func (w *produceWriting) tags() {
	if w.flexible {
		w.dst = append(w.dst, 0)
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Bits of a batch's attributes, beside the compression's.
const inTransaction = 0x10

// appendHead appends what stands before the records of a batch.
// Layout: Int64 base offset | Int32 length of what follows | Int32 leader epoch | Int8 magic 2 | Uint32 CRC-32C of what follows | Int16 attributes |
// Int32 last offset delta | Int64 first timestamp | Int64 greatest timestamp | Int64 producer | Int16 epoch | Int32 first sequence |
// Int32 number of records.
func (b *batch) appendHead(dst []byte, codec int16) []byte {
	attributes := codec
	if b.transactional {
		attributes |= inTransaction
	}
	from := len(dst)
	dst = binary.BigEndian.AppendUint64(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(batchHead-12+b.body.size))
	dst = append(dst, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(attributes))
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.count-1))
	dst = binary.BigEndian.AppendUint64(dst, uint64(b.baseMs))
	dst = binary.BigEndian.AppendUint64(dst, uint64(b.maxMs))
	dst = binary.BigEndian.AppendUint64(dst, uint64(b.producer))
	dst = binary.BigEndian.AppendUint16(dst, uint16(b.epoch))
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.sequence))
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.count))
	sum := crc32.Update(0, castagnoli, dst[from+21:])
	for _, chunk := range b.body.chunks {
		sum = crc32.Update(sum, castagnoli, chunk)
	}
	binary.BigEndian.PutUint32(dst[from+17:], sum)
	return dst
}

// wireOf is the request that sarama is given for r: empty but for its name. sarama lowers the version to what the broker offers.
func wireOf(r *request, name *string) *sarama.ProduceRequest {
	return &sarama.ProduceRequest{Version: produceMost, RequiredAcks: r.acks, Timeout: r.timeoutMs, TransactionalID: name}
}
