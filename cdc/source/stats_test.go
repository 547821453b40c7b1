package source

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
)

func TestTrackSince(t *testing.T) {
	start := time.Unix(1000, 0)
	var k track
	for i, lsn := range []cdc.LSN{100, 100, 100, 200, 400} {
		k.add(lsn, start.Add(time.Duration(i)*10*time.Second))
	}
	now := start.Add(50 * time.Second)
	for _, test := range []struct {
		lsn  cdc.LSN
		want time.Duration
	}{
		{400, 0}, {500, 0},
		{300, 15 * time.Second}, // half of the way from 200 to 400
		{200, 20 * time.Second},
		{100, 30 * time.Second}, // it stood there until then
		{50, 50 * time.Second},  // at least: there are no older samples
	} {
		if got := k.since(test.lsn, now); got != test.want {
			t.Errorf("since(%d) = %v, want %v", test.lsn, got, test.want)
		}
	}
	k.add(50, now)
	if got := k.since(20, now.Add(time.Second)); got != time.Second {
		t.Errorf("since(20) on another server = %v, want 1s", got)
	}
}

func TestTrackStaysSmall(t *testing.T) {
	var k track
	start := time.Unix(0, 0)
	for i := range 100_000 {
		k.add(cdc.LSN(i), start.Add(time.Duration(i)*time.Second))
	}
	if n := len(k.samples); n > trackSamples {
		t.Errorf("%d samples are kept, want %d at the most", n, trackSamples)
	}
	now := start.Add(100_000 * time.Second)
	for _, lsn := range []cdc.LSN{10, 50_000, 99_990} {
		want := time.Duration(100_000-int(lsn)) * time.Second
		if got := k.since(lsn, now); got < want-time.Second || got > want+time.Second {
			t.Errorf("since(%d) = %v, want %v", lsn, got, want)
		}
	}
}

func TestPeekIsBehindWithoutTaking(t *testing.T) {
	var q positions
	for n := uint64(1); n <= 5; n++ {
		q.add(n*10, &position{lsn: cdc.LSN(n)}, false, true)
	}
	for _, n := range []uint64{9, 10, 35, 60, 20} {
		at, ok := q.peek(n)
		want := cdc.LSN(min(n/10, 5))
		if at.lsn != want || ok != (want > 0) {
			t.Errorf("peek(%d) = %d, %v, want %d", n, at.lsn, ok, want)
		}
	}
	if at, _ := q.behind(20); at.lsn != 2 {
		t.Errorf("behind(20) after peek(60) = %d, want 2", at.lsn)
	}
	if at, _ := q.peek(5); at.lsn != 2 {
		t.Errorf("peek(5) after behind(20) = %d, want 2", at.lsn)
	}
}

func TestCountsOfATally(t *testing.T) {
	var c counts
	now := time.UnixMilli(100_000)
	tl := tally{commit: cdc.Micros(99_000_000), xid: 7, filtered: 3, erroneous: 1}
	tl.kinds[cdc.Insert], tl.kinds[cdc.Commit] = 5, 2
	c.add(&tl, now)
	if tl != (tally{}) {
		t.Errorf("the tally after add = %+v, want none", tl)
	}
	c.add(&tl, now) // nothing
	task := Task{}
	task.counts.add(&tally{}, now)
	s := eventStats(&c.streaming, c.streamed.Load())
	if s.Seen != 5 || s.Created != 5 || !s.Last.Equal(now) {
		t.Errorf("Streaming = %+v, want 5 rows created at %v", s, now)
	}
	if c.behind.Load() != 1001 || c.xid.Load() != 7 || c.filtered.Load() != 3 || c.erroneous.Load() != 1 {
		t.Errorf("behind %d, xid %d, filtered %d, erroneous %d, want 1001, 7, 3, 1", c.behind.Load(), c.xid.Load(), c.filtered.Load(), c.erroneous.Load())
	}
	if got := task.Stats(); got.Behind >= 0 || got.Streaming.Seen != 0 {
		t.Errorf("Stats() of a task that has seen nothing = %+v", got)
	}
}

func TestLagWatchSaysOnceThatTheServerIsAway(t *testing.T) {
	var said bytes.Buffer
	dials := 0
	w := lagWatch{every: time.Second, slot: "s", log: slog.New(slog.NewTextHandler(&said, nil)), dial: func(context.Context) (*pgx.Conn, error) {
		dials++
		return nil, errors.New("away")
	}}
	w.look(t.Context())
	w.look(t.Context())
	if n := strings.Count(said.String(), "cannot ask the server where it stands"); dials != 2 || n != 1 {
		t.Errorf("two looks at a server that is away: %d dials, said %d times, want 2 and once:\n%s", dials, n, said.String())
	}
	state, since := w.state()
	if !state.at.IsZero() || since(7) != 0 {
		t.Errorf("state() = %+v, since(7) = %v, want nothing", state, since(7))
	}
	off := lagWatch{dial: w.dial}
	off.run(t.Context())()
	if dials != 2 {
		t.Error("a watch without an interval dials")
	}
}
