package replication

import (
	"context"
	"net"
	"slices"
	"testing"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgscript"
)

// framed are messages of a transaction that has begun, as a read brings them: one insert each.
func framed(tb testing.TB, n int) []byte {
	tb.Helper()
	one, err := xlog(0x30, pgscript.Insert("a value of some twenty")).Encode(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return slices.Repeat(one, n)
}

// begun is a stream within a transaction, on a socket that nobody answers.
func begun(tb testing.TB) *Stream {
	tb.Helper()
	client, server := net.Pipe()
	tb.Cleanup(func() { client.Close(); server.Close() })
	o := StreamOptions{Slot: "s", Publication: "p"}
	o.complete()
	s := newStream(newNetWire(client), o, 1)
	head, err := pgscript.Encode(transaction(0x20, 0x40, "a")[:2]...)
	if err != nil {
		tb.Fatal(err)
	}
	s.w = copy(s.buf, head)
	if err := s.drain(new(cdc.Batch)); err != nil {
		tb.Fatal(err)
	}
	return s
}

// BenchmarkFrames takes messages out of the bytes of a read: framing, decoding and the copy into the batch, without the socket.
func BenchmarkFrames(b *testing.B) {
	const n = 1000
	s, data := begun(b), framed(b, n)
	batch := new(cdc.Batch)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		s.r, s.w = 0, copy(s.buf, data)
		batch.Reset()
		if err := s.drain(batch); err != nil || len(batch.Changes) != n {
			b.Fatalf("drain = %v, %d changes, want %d", err, len(batch.Changes), n)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "changes/s")
}

// BenchmarkReceive takes messages from a socket of the kernel, whose other end writes as fast as it can.
func BenchmarkReceive(b *testing.B) {
	const n = 1000
	s, data := begun(b), framed(b, n)
	client, server := pair(b)
	s.wire = newNetWire(&socket{Conn: client}).poll()
	written := make(chan error, 1) // sender: the goroutine, once. Bound: that one.
	go func() {
		for {
			if _, err := server.Write(data); err != nil {
				written <- err
				return
			}
		}
	}()
	batch, got := new(cdc.Batch), 0
	b.SetBytes(int64(len(data) / n))
	for got < b.N {
		batch.Reset()
		if err := s.Receive(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		got += len(batch.Changes)
	}
	b.ReportMetric(float64(got)/b.Elapsed().Seconds(), "changes/s")
	b.ReportMetric(float64(got)/float64(s.Stats().Reads), "changes/read")
	client.Close()
	server.Close()
	<-written
}
