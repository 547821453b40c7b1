package client

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
)

// frameOf is a frame of n bytes that begins with a number.
func frameOf(first uint16, n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(n))
	b = append(b, make([]byte, n)...)
	if n >= 2 {
		binary.BigEndian.PutUint16(b[4:], first)
	}
	return b
}

func TestFramerFindsFramesHoweverTheyAreCut(t *testing.T) {
	var stream []byte
	sizes := []int{2, 0, 1, 500, 8, 0, 70000}
	for i, n := range sizes {
		stream = append(stream, frameOf(uint16(i), n)...)
	}
	for _, piece := range []int{1, 2, 3, 5, 7, 4096, len(stream)} {
		var f framer
		var got []int
		for rest := stream; len(rest) > 0; {
			part := rest[:min(piece, len(rest))]
			rest = rest[len(part):]
			for len(part) > 0 {
				size, api, whole := f.next(&part)
				if !whole {
					continue
				}
				if size >= 2 && int(api) != len(got) {
					t.Errorf("pieces of %d: frame %d has API %d", piece, len(got), api)
				}
				got = append(got, size)
			}
		}
		if len(got) != len(sizes) {
			t.Fatalf("pieces of %d: frames %v, want %v", piece, got, sizes)
		}
		for i := range sizes {
			if got[i] != sizes[i] {
				t.Errorf("pieces of %d: frame %d has %d bytes, want %d", piece, i, got[i], sizes[i])
			}
		}
	}
}

func FuzzFramer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, 0, 1, 0xff, 0xff, 0xff, 0xff}, uint8(3))
	f.Add(frameOf(3, 0), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		var whole, cut framer
		var a, b []int
		read := func(f *framer, part []byte, into *[]int) {
			for len(part) > 0 {
				before := len(part)
				if size, _, ok := f.next(&part); ok {
					*into = append(*into, size)
				} else if len(part) == before {
					t.Fatal("next took nothing and found nothing")
				}
			}
		}
		read(&whole, stream, &a)
		for n := int(max(piece, 1)); len(stream) > 0; stream = stream[min(n, len(stream)):] {
			read(&cut, stream[:min(n, len(stream))], &b)
		}
		// An empty frame at the end of a piece is seen with the next byte.
		if len(a) != len(b) {
			t.Errorf("frames %v at once, %v in pieces", a, b)
		}
	})
}

func TestTrafficPairsRequestsWithAnswers(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	traffic := new(Traffic)
	c := traffic.counted(here, "broker:9092")
	go func() {
		defer there.Close()
		_, _ = io.ReadFull(there, make([]byte, 4+10+4+20))
		_, _ = there.Write(bytes.Join([][]byte{frameOf(0, 100), frameOf(0, 40)}, nil))
	}()
	for _, b := range [][]byte{frameOf(uint16(APIFetch), 10), frameOf(uint16(APIHeartbeat), 20)} {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadAll(c); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Close()
	s := traffic.Sample()
	if n := s.Nodes[-1]; n.Requests != 2 || n.Responses != 2 || n.BytesOut != 30 || n.BytesIn != 140 || n.Opened != 1 || n.Closed != 1 || n.MostIn != 100 {
		t.Errorf("Stats().Nodes[-1] = %+v, want 2 requests of 30 bytes, 2 answers of 140, the largest of 100, one connection that was closed", n)
	}
	if f := s.Of(APIFetch); f.Requests != 1 || f.BytesIn != 100 || f.Slowest < 0 || f.Last.IsZero() {
		t.Errorf("Stats().Of(APIFetch) = %+v, want one request whose answer has 100 bytes", f)
	}
	if p := s.Of(APIProduce); p.Requests != 0 || p.Slowest >= 0 {
		t.Errorf("Stats().Of(APIProduce) = %+v, want nothing", p)
	}
	if again := traffic.Stats(); again.Total.MostIn != -1 || again.Total.Responses != 2 {
		t.Errorf("Stats() after a sample = %+v, want the counts and no peaks", again.Total)
	}
}

func TestTrafficOfAProducer(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	c := testConfig(ForProducer, brokers)
	c.Traffic = new(Traffic)
	p := startProducer(t, c)
	send(t, p.Producer, text(topic, "k", strings.Repeat("v", 1000)))
	waitAcked(t, p.Producer, 1)
	s := c.Traffic.Stats()
	if got := s.Of(APIProduce); got.Requests != 1 || got.Responses != 1 || got.BytesOut < 1000 || got.Latency <= 0 {
		t.Errorf("Stats().Of(APIProduce) = %+v, want one request of more than 1000 bytes that was answered", got)
	}
	named := 0
	for id := range s.Nodes {
		if id >= 0 {
			named++
		}
	}
	if s.Total.Opened == 0 {
		t.Errorf("Stats().Total = %+v, want connections that were opened", s.Total)
	}
	if named == 0 {
		t.Errorf("Stats().Nodes = %+v, want a broker by its id", s.Nodes)
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
}
