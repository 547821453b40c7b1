package client

import (
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/internal/measure"
)

// Traffic counts what goes over the connections of a client: those of all that are made of a Config that has it. Responses of a Kafka broker
// come in the order of the requests, so a connection alone tells how long each took. The zero Traffic is ready; safe for concurrent use.
type Traffic struct {
	apis [apis]exchange

	mu     sync.Mutex
	nodes  map[string]*node // by address
	names  map[string]int32 // of brokers, by address
	client sarama.Client    // knows the brokers' ids; nil: nobody does
}

// apis is more than there are requests (Kafka 4.3 has 93); what does not fit counts as the last.
const apis = 128

// API is a kind of request, by its number in Kafka's protocol guide.
type API int16

// Requests whose figures Kafka's clients show.
const (
	APIProduce      API = 0
	APIFetch        API = 1
	APIMetadata     API = 3
	APIOffsetCommit API = 8
	APIJoinGroup    API = 11
	APIHeartbeat    API = 12
	APISyncGroup    API = 14
)

// node is what goes to and comes from one address.
type node struct {
	exchange
	opened, closed atomic.Uint64
}

// exchange counts requests and their answers.
type exchange struct {
	requests, responses, out, in, latency atomic.Uint64
	mostOut, mostIn, slowest              measure.Peak
	last                                  atomic.Int64 // when the last answer came, nanoseconds since 1970
}

// ExchangeStats counts requests and their answers. What is most is since the sample before, -1 when there was none.
type ExchangeStats struct {
	Requests, Responses uint64
	BytesOut, BytesIn   uint64
	Latency             time.Duration // of all answers together
	MostOut, MostIn     int64         // bytes of the largest request and answer
	Slowest             time.Duration // negative: none
	Last                time.Time     // of an answer; zero: none
}

// NodeStats is the traffic with one broker.
type NodeStats struct {
	ExchangeStats
	Opened, Closed uint64 // connections
}

// TrafficStats is what a Traffic has counted.
type TrafficStats struct {
	Total NodeStats
	// Nodes has a broker's id as key, -1 for an address that is not yet known as a broker's.
	Nodes map[int32]NodeStats
	APIs  map[API]ExchangeStats
}

// Stats returns the counts so far.
func (t *Traffic) Stats() TrafficStats { return t.counts(false) }

// Sample is Stats, and begins a new sample: peaks are forgotten.
func (t *Traffic) Sample() TrafficStats { return t.counts(true) }

func (t *Traffic) counts(sample bool) TrafficStats {
	out := TrafficStats{Nodes: make(map[int32]NodeStats), APIs: make(map[API]ExchangeStats), Total: NodeStats{ExchangeStats: none}}
	t.mu.Lock()
	if t.names == nil {
		t.names = make(map[string]int32)
	}
	if t.client != nil {
		for _, b := range t.client.Brokers() { // none once it is closed
			t.names[b.Addr()] = b.ID()
		}
	}
	nodes, names := maps.Clone(t.nodes), maps.Clone(t.names)
	t.mu.Unlock()
	for addr, n := range nodes {
		id, known := names[addr]
		if !known {
			id = -1
		}
		s := NodeStats{n.stats(sample), n.opened.Load(), n.closed.Load()}
		of, seen := out.Nodes[id]
		if !seen {
			of.ExchangeStats = none
		}
		out.Nodes[id] = of.plus(&s)
		out.Total = out.Total.plus(&s)
	}
	for i := range t.apis {
		if s := t.apis[i].stats(sample); s.Requests > 0 {
			out.APIs[API(i)] = s
		}
	}
	return out
}

// none has no peaks.
var none = ExchangeStats{MostOut: -1, MostIn: -1, Slowest: -1}

// Of is the figures of one kind of request.
func (s *TrafficStats) Of(a API) ExchangeStats {
	if x, ok := s.APIs[a]; ok {
		return x
	}
	return none
}

func (x *exchange) stats(sample bool) ExchangeStats {
	peak := (*measure.Peak).Value
	if sample {
		peak = (*measure.Peak).Take
	}
	s := ExchangeStats{
		Requests: x.requests.Load(), Responses: x.responses.Load(), BytesOut: x.out.Load(), BytesIn: x.in.Load(),
		Latency: time.Duration(x.latency.Load()), MostOut: peak(&x.mostOut), MostIn: peak(&x.mostIn), Slowest: time.Duration(peak(&x.slowest)),
	}
	if last := x.last.Load(); last != 0 {
		s.Last = time.Unix(0, last)
	}
	return s
}

func (n NodeStats) plus(o *NodeStats) NodeStats {
	n.Requests += o.Requests
	n.Responses += o.Responses
	n.BytesOut += o.BytesOut
	n.BytesIn += o.BytesIn
	n.Latency += o.Latency
	n.MostOut, n.MostIn, n.Slowest = max(n.MostOut, o.MostOut), max(n.MostIn, o.MostIn), max(n.Slowest, o.Slowest)
	if o.Last.After(n.Last) {
		n.Last = o.Last
	}
	n.Opened += o.Opened
	n.Closed += o.Closed
	return n
}

// node is that of an address.
func (t *Traffic) node(addr string) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[addr]
	if n == nil {
		if t.nodes == nil {
			t.nodes = make(map[string]*node)
		}
		n = new(node)
		t.nodes[addr] = n
	}
	return n
}

// follow asks a client which brokers there are.
func (t *Traffic) follow(c sarama.Client) {
	if t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.client = c
	}
}

// counted has a connection's traffic counted.
func (t *Traffic) counted(conn net.Conn, addr string) net.Conn {
	if t == nil {
		return conn
	}
	n := t.node(addr)
	n.opened.Add(1)
	return &countedConn{Conn: conn, all: t, node: n}
}

// countedConn finds the requests and responses in what passes. sarama writes from one goroutine at a time and reads from one.
type countedConn struct {
	net.Conn
	all    *Traffic
	node   *node
	out    framer
	in     framer
	closed atomic.Bool

	mu      sync.Mutex // guards waiting
	waiting []sent     // requests without answer, in order
}

type sent struct {
	api API
	at  time.Time
}

// mostWaiting is far beyond max.in.flight.requests.per.connection: more are requests that the broker does not answer.
const mostWaiting = 1024

func (c *countedConn) Write(b []byte) (int, error) {
	now := time.Now() // before: the answer may come while Write returns
	for rest := b; len(rest) > 0; {
		size, api, whole := c.out.next(&rest)
		if !whole {
			continue
		}
		for _, x := range []*exchange{&c.node.exchange, &c.all.apis[api]} {
			x.requests.Add(1)
			x.out.Add(uint64(size))
			x.mostOut.See(int64(size))
		}
		c.mu.Lock()
		if len(c.waiting) == mostWaiting {
			c.waiting = slices.Delete(c.waiting, 0, 1)
		}
		c.waiting = append(c.waiting, sent{api, now})
		c.mu.Unlock()
	}
	return c.Conn.Write(b)
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for rest := b[:n]; len(rest) > 0; {
		if size, _, whole := c.in.next(&rest); whole {
			c.answered(size)
		}
	}
	return n, err
}

func (c *countedConn) answered(size int) {
	c.mu.Lock()
	if len(c.waiting) == 0 {
		c.mu.Unlock()
		return
	}
	first := c.waiting[0]
	c.waiting = slices.Delete(c.waiting, 0, 1)
	c.mu.Unlock()
	now := time.Now()
	took := now.Sub(first.at)
	for _, x := range []*exchange{&c.node.exchange, &c.all.apis[first.api]} {
		x.responses.Add(1)
		x.in.Add(uint64(size))
		x.mostIn.See(int64(size))
		x.latency.Add(uint64(took))
		x.slowest.See(int64(took))
		x.last.Store(now.UnixNano())
	}
}

func (c *countedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.node.closed.Add(1)
	}
	return c.Conn.Close()
}

// framer finds the frames in a stream of bytes: Int32 length, and of a request Int16 API key behind it.
type framer struct {
	head [6]byte
	have int // of head
	left int // of the frame, behind what was seen
	size int
}

// next takes a frame's bytes, or as many as there are, off b. whole tells that the frame has ended; its size is without the length.
func (f *framer) next(b *[]byte) (size int, api API, whole bool) {
	for f.have < len(f.head) && len(*b) > 0 {
		if f.have >= 4 && f.left == 0 { // a response of fewer than two bytes
			break
		}
		f.head[f.have] = (*b)[0]
		*b = (*b)[1:]
		if f.have++; f.have == 4 {
			f.size = max(0, int(int32(uint32(f.head[0])<<24|uint32(f.head[1])<<16|uint32(f.head[2])<<8|uint32(f.head[3]))))
			f.left = f.size
		} else if f.have > 4 {
			f.left--
		}
	}
	if f.have < 4 {
		return 0, 0, false
	}
	n := min(f.left, len(*b))
	*b, f.left = (*b)[n:], f.left-n
	if f.left > 0 {
		return 0, 0, false
	}
	size, api = f.size, min(API(uint16(f.head[4])<<8|uint16(f.head[5])), apis-1)
	if api < 0 {
		api = apis - 1
	}
	*f = framer{}
	return size, api, true
}
