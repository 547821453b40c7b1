package replication

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/pgoutput"
	"github.com/tandem-cdc/tandem/internal/pgscript"
)

func TestReceive(t *testing.T) {
	s, b := scripted(t, StreamOptions{}, 0x10)
	b.send(transaction(0x20, 0x40, "a", "b")...)
	var batch cdc.Batch
	if err := s.Receive(context.Background(), &batch); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, c := range batch.Changes {
		kinds = append(kinds, fmt.Sprintf("%s %s", c.LSN, c.Kind))
	}
	if diff := cmp.Diff([]string{"0/20 begin", "0/0 announce", "0/20 insert", "0/20 insert", "0/40 commit"}, kinds); diff != "" {
		t.Errorf("Receive (-want +got):\n%s", diff)
	}
	if batch.ServerLSN != 0x40 || s.ServerLSN() != 0x40 {
		t.Errorf("ServerLSN = %s in the batch, %s of the stream, want 0/40", batch.ServerLSN, s.ServerLSN())
	}
	if got := s.Stats(); got.Messages != 5 || got.Reads == 0 || got.Bytes == 0 {
		t.Errorf("Stats = %+v, want 5 messages", got)
	}
}

// However the bytes are cut, the changes are the same.
func TestReceiveFragmented(t *testing.T) {
	var want []string
	var messages []pgproto3.BackendMessage
	for i := range 50 {
		at := cdc.LSN(0x100 * (i + 1))
		v := strings.Repeat("x", i*i*7) + fmt.Sprint(i)
		want = append(want, v)
		messages = append(messages, transaction(at, at+0x80, v)...)
		messages = append(messages, keepalive(at+0x90, false))
	}
	var whole []byte
	for _, m := range messages {
		var err error
		if whole, err = m.Encode(whole); err != nil {
			t.Fatal(err)
		}
	}
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	s, b := scripted(t, StreamOptions{BatchBytes: 2000}, 1)
	sent := make(chan error, 1)
	go func() {
		for rest := whole; len(rest) > 0; {
			n := min(1+rng.IntN(900), len(rest))
			if err := <-b.sendBytes(rest[:n]); err != nil {
				sent <- err
				return
			}
			rest = rest[n:]
		}
		sent <- nil
	}()
	var got []string
	for last := cdc.LSN(0x100*50 + 0x90); s.ServerLSN() < last; {
		var batch cdc.Batch
		if err := s.Receive(context.Background(), &batch); err != nil {
			t.Fatal(err)
		}
		got = append(got, insertsOf(&batch)...)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seed %d: rows (-want +got):\n%s", seed, diff)
	}
}

func TestReceiveBoundsBatches(t *testing.T) {
	const limit = 4000
	s, b := scripted(t, StreamOptions{BatchBytes: limit}, 1)
	b.send(transaction(0x20, 0x40, slices.Repeat([]string{strings.Repeat("v", 100)}, 200)...)...)
	rows := 0
	for rows < 200 {
		var batch cdc.Batch
		if err := s.Receive(context.Background(), &batch); err != nil {
			t.Fatal(err)
		}
		if batch.Size() > limit+1000 {
			t.Errorf("batch of %d bytes, want %d and one row at most", batch.Size(), limit)
		}
		rows += len(insertsOf(&batch))
	}
}

// A message larger than the buffer is read whole, and its memory is given back.
func TestReceiveHugeMessage(t *testing.T) {
	s, b := scripted(t, StreamOptions{}, 1)
	huge := strings.Repeat("h", 3*readBuffer)
	b.send(append(transaction(0x20, 0x40, "a", huge, "b"), transaction(0x50, 0x60, "c")...)...)
	rows, _ := receiveRows(t, s, 4)
	if rows[1] != huge || rows[0]+rows[2]+rows[3] != "abc" {
		t.Errorf("rows = %.10q, want a, the huge one, b, c", rows)
	}
	b.send(transaction(0x70, 0x80, "d")...)
	receiveRows(t, s, 1)
	if len(s.buf) != readBuffer {
		t.Errorf("buffer after a huge message = %d bytes, want %d", len(s.buf), readBuffer)
	}
}

func TestReceiveErrors(t *testing.T) {
	good := transaction(0x20, 0x40, "a")
	for _, tt := range []struct {
		name      string
		bad       pgproto3.BackendMessage
		raw       []byte
		closes    bool
		want      error
		retriable bool
		text      string
	}{
		{name: "cut in a message", raw: []byte{'d', 0, 0, 0, 100, 'w', 1, 2}, closes: true, retriable: true},
		{name: "slot lost", bad: &pgproto3.ErrorResponse{Severity: "ERROR", Code: "58P01", Message: "gone"}, want: ErrSlotLost, text: "max_slot_wal_keep_size"},
		{name: "shutdown", bad: &pgproto3.ErrorResponse{Severity: "FATAL", Code: "57P01", Message: "bye"}, retriable: true, text: `stream from slot "s"`},
		{name: "out of memory", bad: &pgproto3.ErrorResponse{Severity: "ERROR", Code: "53200", Message: "oom"}, retriable: true},
		{name: "other error", bad: &pgproto3.ErrorResponse{Severity: "ERROR", Code: "XX000", Message: "oops"}, text: "oops"},
		{name: "no publication", bad: &pgproto3.ErrorResponse{Severity: "ERROR", Code: "42704", Message: "no p"}, want: ErrPublicationMissing, text: `publication "p"`},
		{name: "no publication, version 18", bad: &pgproto3.NoticeResponse{Severity: "WARNUNG", SeverityUnlocalized: "WARNING", Code: "55000", Message: "skipped"}, want: ErrPublicationMissing},
		{name: "end of the stream", bad: &pgproto3.CopyDone{}, retriable: true, text: "ended the stream"},
		{name: "undecodable", bad: xlog(0x50, []byte("Z")), want: pgoutput.ErrUnknownTag, text: "0/50"},
		{name: "unexpected message", bad: &pgproto3.DataRow{}, retriable: true, text: `message 'D'`},
		{name: "impossible length", raw: []byte{'d', 0, 0, 0, 3}, retriable: true, text: "length 3"},
		{name: "huge length", raw: []byte{'d', 0xff, 0xff, 0xff, 0xff}, retriable: true, text: "length 4294967295"},
		{name: "short XLogData", bad: &pgproto3.CopyData{Data: []byte("w123")}, retriable: true, text: "XLogData of 4 bytes"},
		{name: "short keepalive", bad: &pgproto3.CopyData{Data: []byte("k123")}, retriable: true, text: "keepalive of 4 bytes"},
		{name: "empty CopyData", bad: &pgproto3.CopyData{}, retriable: true, text: "empty CopyData"},
		{name: "unknown CopyData", bad: &pgproto3.CopyData{Data: []byte("x")}, retriable: true, text: `kind 'x'`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, b := scripted(t, StreamOptions{}, 1)
			var p []byte
			for _, m := range good {
				p, _ = m.Encode(p)
			}
			if tt.bad != nil {
				p, _ = tt.bad.Encode(p)
			}
			sent := b.sendBytes(append(p, tt.raw...))
			if rows, _ := receiveRows(t, s, 1); rows[0] != "a" { // what came before a failure is handed out
				t.Errorf("row before the failure = %q, want a", rows[0])
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if tt.closes {
				b.conn.Close()
			}
			for range 2 { // and the failure stays
				var batch cdc.Batch
				err := s.Receive(context.Background(), &batch)
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("Receive = %v, want %v with %q", err, tt.want, tt.text)
				}
				if retriable(err) != tt.retriable {
					t.Errorf("retriable(%v) = %t, want %t", err, !tt.retriable, tt.retriable)
				}
				if len(batch.Changes) != 0 {
					t.Errorf("%d changes beside an error", len(batch.Changes))
				}
			}
		})
	}
}

// Notices and settings of the session are no business of the stream's.
func TestReceiveIgnoresNotices(t *testing.T) {
	s, b := scripted(t, StreamOptions{}, 1)
	b.send(append([]pgproto3.BackendMessage{
		&pgproto3.NoticeResponse{Severity: "WARNING", SeverityUnlocalized: "WARNING", Code: "01000", Message: "hm"},
		&pgproto3.NoticeResponse{Severity: "LOG", SeverityUnlocalized: "LOG", Code: "55000", Message: "hm"},
		&pgproto3.ParameterStatus{Name: "TimeZone", Value: "UTC"}}, transaction(0x20, 0x40, "a")...)...)
	receiveRows(t, s, 1)
}

// receiving calls Receive in a goroutine of the bubble until it fails.
func receiving(ctx context.Context, s *Stream) <-chan error {
	ended := make(chan error, 1) // sender: the goroutine, once
	go func() {
		for {
			var batch cdc.Batch
			if err := s.Receive(ctx, &batch); err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended
}

func TestStatusInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := scripted(t, StreamOptions{StatusInterval: 10 * time.Second, ReadTimeout: time.Hour}, 0x10)
		ctx, cancel := context.WithCancel(t.Context())
		ended := receiving(ctx, s)
		start := time.Now()
		for i := range 3 {
			if got := <-b.got; got != (status{0x10, 0x10, 0x10, false}) {
				t.Errorf("status = %v, want 0/10", got)
			}
			if got, want := time.Since(start), time.Duration(i+1)*10*time.Second; got != want {
				t.Errorf("status %d after %s, want %s", i+1, got, want)
			}
		}
		s.Confirm(0x50)
		confirmed := time.Now()
		if got := <-b.got; got != (status{0x50, 0x50, 0x50, false}) {
			t.Errorf("status = %v, want 0/50", got)
		}
		if took := time.Since(confirmed); took > confirmPoll {
			t.Errorf("a confirmed position was sent after %s, want %s at most", took, confirmPoll)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Receive = %v, want %v", err, context.Canceled)
		}
		b.send(transaction(0x60, 0x70, "a")...)
		receiveRows(t, s, 1) // the stream goes on
	})
}

func TestKeepAliveWithoutReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := scripted(t, StreamOptions{StatusInterval: 10 * time.Second, ReadTimeout: time.Hour}, 0x10)
		for _, wait := range []time.Duration{0, 9 * time.Second, time.Second, 5 * time.Second, 5 * time.Second} {
			time.Sleep(wait)
			if err := s.KeepAlive(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := len(b.got); got != 2 {
			t.Errorf("statuses in 20 s = %d, want 2", got)
		}
	})
}

// Trap 33: a peer that says nothing is asked, and one that does not answer is dead.
func TestTrap33DeadPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b := scripted(t, StreamOptions{StatusInterval: 10 * time.Second, ReadTimeout: 60 * time.Second}, 0x10)
		ended := receiving(t.Context(), s)
		start := time.Now()
		for {
			if got := <-b.got; got == (status{0x10, 0x10, 0x10, true}) {
				break
			}
		}
		if asked := time.Since(start); asked < 30*time.Second || asked > 32*time.Second {
			t.Errorf("asked after %s, want half of 60 s", asked)
		}
		b.send(keepalive(0x20, false)) // alive after all
		asks := 0
		var err error
		for err == nil {
			select {
			case got := <-b.got:
				if got.(status).reply {
					asks++
				}
			case err = <-ended:
			}
		}
		var dead *DeadPeerError
		if !errors.As(err, &dead) || !retriable(err) {
			t.Errorf("Receive = %v, want a retriable DeadPeerError", err)
		}
		if took := time.Since(start); took < 90*time.Second || took > 93*time.Second {
			t.Errorf("given up after %s, want 60 s after the keepalive", took)
		}
		if asks != 1 {
			t.Errorf("asked %d times, want once", asks)
		}
	})
}

// Trap 36: the last confirmed position reaches the server at an orderly stop, and the slot is free when Close returns.
func TestTrap36Close(t *testing.T) {
	s, b := scripted(t, StreamOptions{}, 0x10)
	b.send(transaction(0x20, 0x40, "a")...)
	receiveRows(t, s, 1)
	s.Confirm(0x40)
	closed := make(chan error, 1)
	go func() { closed <- s.Close(context.Background()) }()
	if got := <-b.got; got != (status{0x40, 0x40, 0x40, false}) {
		t.Errorf("last status = %v, want 0/40", got)
	}
	if got := <-b.got; got != "copy done" {
		t.Errorf("then %v, want copy done", got)
	}
	if err := <-b.send(append(transaction(0x50, 0x60, "late"), &pgproto3.CopyDone{}, &pgproto3.CommandComplete{CommandTag: []byte("COPY 0")}, &pgproto3.ReadyForQuery{TxStatus: 'I'})...); err != nil {
		t.Fatal(err)
	}
	if got := <-b.got; got != "terminate" {
		t.Errorf("then %v, want terminate", got)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close = %v", err)
	}
}

// A server that does not answer the good-bye does not hold Close up.
func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := scripted(t, StreamOptions{}, 0x10)
		start := time.Now()
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("Close = %v", err)
		}
		if took := time.Since(start); took > closeTimeout+time.Second {
			t.Errorf("Close took %s, want %s", took, closeTimeout)
		}
	})
}

func TestStreamParams(t *testing.T) {
	got, err := ParseStreamParams(" origin = none ;; a=b=c;")
	if diff := cmp.Diff([]Param{{"origin", "none"}, {"a", "b=c"}}, got); diff != "" || err != nil {
		t.Errorf("ParseStreamParams = %v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"origin", "=x", "proto_version=2", "Streaming=on", "binary=true"} {
		if got, err := ParseStreamParams(bad); err == nil {
			t.Errorf("ParseStreamParams(%q) = %v, want an error", bad, got)
		}
	}
	o := StreamOptions{Slot: "s", Publication: `My "Pub'`, Params: []Param{{"origin", "none"}}}
	for version, want := range map[int]string{
		13: `START_REPLICATION SLOT "s" LOGICAL 1/2 ("proto_version" '1', "publication_names" '"My ""Pub''"', "origin" 'none')`,
		14: `START_REPLICATION SLOT "s" LOGICAL 1/2 ("proto_version" '1', "publication_names" '"My ""Pub''"', "messages" 'true', "origin" 'none')`,
	} {
		if got := o.command(1<<32|2, version); got != want {
			t.Errorf("command(%d) = %s, want %s", version, got, want)
		}
	}
}

func TestReceiveAllocatesLittle(t *testing.T) {
	s, b := scripted(t, StreamOptions{}, 1)
	message, err := xlog(0x30, pgscript.Insert("value")).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.send(transaction(0x20, 0x40, "a")[:2]...)
	var batch cdc.Batch
	for len(batch.Changes) < 2 {
		batch.Reset()
		if err := s.Receive(context.Background(), &batch); err != nil {
			t.Fatal(err)
		}
	}
	many := slices.Repeat(message, 100)
	if allocs := testing.AllocsPerRun(50, func() {
		copy(s.buf, many)
		s.r, s.w = 0, len(many)
		batch.Reset()
		if err := s.drain(&batch); err != nil || len(batch.Changes) != 100 {
			t.Fatalf("drain = %v, %d changes", err, len(batch.Changes))
		}
	}); allocs != 0 {
		t.Errorf("AllocsPerRun(100 messages) = %v, want 0", allocs)
	}
}

func FuzzFrames(f *testing.F) {
	var whole []byte
	for _, m := range append(transaction(0x20, 0x40, "a"), keepalive(0x50, true)) {
		whole, _ = m.Encode(whole)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte{'d', 0, 0, 0, 4})
	f.Add([]byte{'E', 0, 0, 0, 8, 'C', '5', '8', 0})
	f.Fuzz(func(t *testing.T, bytes []byte) {
		s := newStream(nil, StreamOptions{BatchBytes: 1 << 20}, 1)
		s.buf, s.w = bytes, len(bytes)
		_ = s.drain(new(cdc.Batch)) // must not panic
		if s.r > s.w {
			t.Errorf("read %d of %d bytes", s.r, s.w)
		}
	})
}
