package client

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/kafka"
)

// A consumer's records do not go through sarama, which makes half a dozen objects of each, unpacks whole answers at once and hands over one record at a
// time. Its membership in the group, its view of leaders, replicas, transactions and errors stay: sarama asks for records, and a folder, which stands
// between it and its connections, takes the batches out of the answers. In the place of each goes one with the same header and a single record, the last
// one's offset, whose key says where the batch is. The session finds it there and unpacks it when it is its turn (foldbatch.go). Why, and
// what it rests on: docs/adr/0014-batches-past-sarama.md.
//
// What a folder does not know, it lets pass: other requests, control batches, the formats before Kafka 0.11, compressions but lz4, the batch that was cut
// off at the end of an answer.
type folder struct {
	mark      [16]byte // begins the keys of its records; by chance
	recycle   bool     // whoever gets the records is done with their bytes when they say so: the memory is used again
	committed bool     // only records of committed transactions are read

	mu      sync.Mutex
	number  uint64
	waiting map[kafka.TopicPartition][]*folded // those that sarama has yet to hand over, in their order
	free    []*answerFrame                     // in the order of their return
	kept    int                                // bytes of free
	tails   map[kafka.TopicPartition]tail      // of the partitions that are read, or were
}

// folded is one batch of records that was taken out of an answer.
type folded struct {
	number uint64
	frame  *answerFrame
	batch  []byte // as Kafka stores it, a part of the frame
	from   int64  // records before it are not wanted; set by the session
}

// answerFrame is the memory of an answer, or of what was decompressed. It goes back to the folder with the last of its users.
type answerFrame struct {
	data  []byte
	users int // guarded by folder.mu
}

// Limits of what is kept for the next answers.
const (
	maxFreeBytes      = 16 << 20 // two batches of a sink's, one at work and one being unpacked, and the answers that follow
	maxFreeFrameBytes = 8 << 20
	// frameUnit is what the sizes are multiples of, so that one memory fits many answers.
	frameUnit = 128 << 10
)

func newFolder(recycle bool, isolation Isolation) *folder {
	f := &folder{recycle: recycle, committed: isolation == ReadCommitted, waiting: make(map[kafka.TopicPartition][]*folded), tails: make(map[kafka.TopicPartition]tail)}
	_, _ = rand.Read(f.mark[:]) // it never fails
	return f
}

// wrap puts the folder between sarama and a connection.
func (f *folder) wrap(conn net.Conn) net.Conn {
	return &foldConn{Conn: conn, folder: f, asked: make(map[int32]int16)}
}

// fold takes a batch in, and returns the key of the record that stands for it.
func (f *folder) fold(at kafka.TopicPartition, in *answerFrame, batch []byte) (key [24]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.number++
	in.users++
	f.waiting[at] = append(f.waiting[at], &folded{number: f.number, frame: in, batch: batch})
	copy(key[:], f.mark[:])
	binary.BigEndian.PutUint64(key[16:], f.number)
	return key
}

// unfold returns the batch that a record stands for; ok is false when it is a record like any other. Those before it were left out by sarama: they belong
// to transactions that were aborted, or were asked for again.
func (f *folder) unfold(m *sarama.ConsumerMessage) (batch *folded, ok bool) {
	if len(m.Key) != 24 || [16]byte(m.Key) != f.mark || m.Value != nil {
		return nil, false
	}
	number := binary.BigEndian.Uint64(m.Key[16:])
	at := kafka.TopicPartition{Topic: m.Topic, Partition: m.Partition}
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting := f.waiting[at]
	for len(waiting) > 0 && waiting[0].number <= number {
		if waiting[0].number == number {
			batch = waiting[0]
		} else {
			f.drop(waiting[0].frame)
		}
		waiting[0] = nil
		waiting = waiting[1:]
	}
	f.waiting[at] = waiting
	return batch, batch != nil
}

// forget drops what waits: sarama has ended the session, and hands nothing of it over any more.
func (f *folder) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.waiting)
}

// share makes one more user of a frame.
func (f *folder) share(in *answerFrame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	in.users++
}

// release gives a batch's part of its frame back.
func (f *folder) release(in *answerFrame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(in)
}

// drop is release with mu held.
func (f *folder) drop(in *answerFrame) {
	// What frameOf did not make is small, and would only be in the way of those who look for memory.
	if in.users--; in.users > 0 || !f.recycle || cap(in.data) < frameUnit || cap(in.data) > maxFreeFrameBytes {
		return
	}
	f.free = append(f.free, in)
	for f.kept += cap(in.data); f.kept > maxFreeBytes; { // what nobody has had a use for gives way
		f.take(0)
	}
}

// frameOf returns memory for an answer of n bytes, with one user.
func (f *folder) frameOf(n int) *answerFrame {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := len(f.free) - 1; i >= 0; i-- {
		if in := f.free[i]; cap(in.data) >= n && cap(in.data)/4 <= n {
			f.take(i)
			in.data, in.users = in.data[:n], 1
			return in
		}
	}
	return &answerFrame{data: make([]byte, n, (n+frameUnit-1)/frameUnit*frameUnit), users: 1}
}

// take takes a free frame out.
func (f *folder) take(i int) {
	f.kept -= cap(f.free[i].data)
	f.free = slices.Delete(f.free, i, i+1)
}

// foldConn is one connection. sarama writes whole requests, from one goroutine, and reads from another.
type foldConn struct {
	net.Conn
	folder *folder

	mu    sync.Mutex
	asked map[int32]int16 // Fetch requests without an answer: their versions by correlation id

	// Of the reading goroutine: what sarama is to be given before anything else, and how much of the present answer then passes as it comes.
	ready []byte
	out   []byte // ready's memory
	pass  int
}

// The Fetch requests that are understood. Kafka protocol guide, "Fetch API (Key: 1)"; 13 names topics by their ids.
const (
	fetchAPIKey  = 1
	fetchOldest  = 4
	fetchNewest  = 12
	fetchTagged  = 12 // the first one with tagged fields
	answerHeader = 8  // Int32 length | Int32 correlation id
)

// Write notes what is asked. Layout of a request: Int32 length | Int16 API key | Int16 version | Int32 correlation id | …
func (c *foldConn) Write(b []byte) (int, error) {
	if len(b) >= 12 && int(binary.BigEndian.Uint32(b)) == len(b)-4 && binary.BigEndian.Uint16(b[4:]) == fetchAPIKey {
		if version := int16(binary.BigEndian.Uint16(b[6:])); version >= fetchOldest && version <= fetchNewest {
			c.mu.Lock()
			c.asked[int32(binary.BigEndian.Uint32(b[8:]))] = version
			c.mu.Unlock()
		}
	}
	return c.Conn.Write(b)
}

// versionOf is the version of the Fetch request with that id, once.
func (c *foldConn) versionOf(id int32) (version int16, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	version, ok = c.asked[id]
	delete(c.asked, id)
	return version, ok
}

// Read gives sarama the answers, those with records folded. An answer that is folded is read whole, within the deadline that sarama set for its head.
func (c *foldConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if len(c.ready) == 0 && c.pass == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.ready) > 0 {
		n := copy(b, c.ready)
		c.ready = c.ready[n:]
		return n, nil
	}
	n, err := c.Conn.Read(b[:min(len(b), c.pass)])
	c.pass -= n
	return n, err
}

// next begins an answer.
func (c *foldConn) next() error {
	head := append(c.out[:0], make([]byte, answerHeader)...)
	c.out = head
	if _, err := io.ReadFull(c.Conn, head[:4]); err != nil {
		return err
	}
	size := int(int32(binary.BigEndian.Uint32(head)))
	if size < 4 { // of SASL's, before there are correlation ids
		c.ready = head[:4]
		return nil
	}
	if n, err := io.ReadFull(c.Conn, head[4:]); err != nil {
		c.ready = head[:4+n]
		return err
	}
	version, ok := c.versionOf(int32(binary.BigEndian.Uint32(head[4:])))
	if !ok || size > int(sarama.MaxResponseSize) {
		c.ready, c.pass = head, size-4
		return nil
	}
	in := c.folder.frameOf(size - 4)
	defer c.folder.release(in)
	if n, err := io.ReadFull(c.Conn, in.data); err != nil {
		c.ready = append(head, in.data[:n]...)
		return err
	}
	out, ok := c.folder.answer(head, in, version)
	if !ok {
		out = append(head[:answerHeader], in.data...)
	}
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	c.out, c.ready = out, out
	return nil
}
