package replication

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tandem-cdc/tandem/cdc"
)

// Trap 35: positions are confirmed by other goroutines while one reads and answers. Every status comes whole, between two messages, and none goes back.
// What protects: one goroutine owns the connection, and all that crosses is one LSN, which Stream.Confirm moves forward alone.
func TestTrap35ConfirmWhileReceiving(t *testing.T) {
	const transactions, confirmers = 400, 4
	s, b := scripted(t, StreamOptions{}, 0x10)
	var messages []pgproto3.BackendMessage
	for n := range transactions {
		at := cdc.LSN(0x100 * (n + 1))
		messages = append(messages, transaction(at, at+0x80, "row")...)
		messages = append(messages, keepalive(at+0x80, true))
	}
	sent := b.send(messages...)
	var reached sync.WaitGroup
	confirm := make(chan cdc.LSN, 64) // sender and closer: the test. Bound: what the goroutines are behind.
	for seed := range confirmers {
		reached.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(seed), 35))
			for lsn := range confirm {
				s.Confirm(lsn)
				s.Confirm(lsn - cdc.LSN(rng.IntN(0x100))) // an older one, late
			}
		})
	}
	rows := 0
	for rows < transactions {
		var batch cdc.Batch
		if err := s.Receive(context.Background(), &batch); err != nil {
			t.Fatal(err)
		}
		rows += len(insertsOf(&batch))
		confirm <- batch.ServerLSN
	}
	close(confirm)
	reached.Wait()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	end := cdc.LSN(0x100*transactions + 0x80)
	closed := make(chan error, 1) // sender: the goroutine below, once
	go func() { closed <- s.Close(context.Background()) }()
	last, statuses := cdc.LSN(0x10), 0
	for m := range b.got { // pgproto3 would have ended it at a status in pieces
		got, ok := m.(status)
		if !ok {
			break
		}
		statuses++
		if got.flushed < last || got.flushed != got.written || got.flushed != got.applied {
			t.Fatalf("status %d = %v behind one of %s, want it no less, three times", statuses, got, last)
		}
		last = got.flushed
	}
	if last != end || statuses < 2 {
		t.Errorf("the last of %d statuses confirms %s, want %s", statuses, last, end)
	}
	b.conn.Close()
	<-closed // how the farewell ends without an answer is of no interest here
}
