package source

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
)

// lagWatch asks the server every lag.interval.ms where it stands and what the slot holds back, on a connection of its own: where the rest of the
// task waits for a broker, just then somebody wants to know.
type lagWatch struct {
	every time.Duration
	slot  string
	dial  func(context.Context) (*pgx.Conn, error)
	log   *slog.Logger

	conn   *pgx.Conn // run's
	failed bool      // run's: that was said

	mu     sync.Mutex // guards what follows
	server serverState
	track  track
}

// serverState is what the server last said; at is zero before.
type serverState struct {
	at                   time.Time
	lsn, sent            cdc.LSN // sent is 0 where the role may not see it, or nobody reads the slot
	restart, confirmed   cdc.LSN
	safe                 int64 // bytes that can be written before the slot is in danger of being lost; negative: without bound, or lost
	lost, active, exists bool
}

// run watches until stop is called, which waits for its end. A zero interval watches nothing.
func (w *lagWatch) run(ctx context.Context) (stop func()) {
	if w.every <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{}) // closed by the goroutine when it ended
	go func() { defer close(ended); w.watch(ctx) }()
	return func() { cancel(); <-ended }
}

func (w *lagWatch) watch(ctx context.Context) {
	ticks := time.NewTicker(w.every)
	defer ticks.Stop()
	defer w.hangUp()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// look asks once. What fails is said once, and tried again with the next tick.
func (w *lagWatch) look(ctx context.Context) {
	state, err := w.ask(ctx)
	if err != nil {
		w.hangUp()
		if ctx.Err() == nil && !w.failed {
			w.failed = true
			w.log.Warn("cannot ask the server where it stands: metrics of the lag stay as they are; trying on", "slot", w.slot, "every", w.every, "error", err)
		}
		return
	}
	w.failed = false
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server = state
	w.track.add(state.lsn, state.at)
}

// lagQuery is one row: the server's position, and the slot's if there is one. On a standby the position is the last one replayed.
const lagQuery = `select now.lsn::text, s.slot_name is not null, coalesce(s.restart_lsn, '0/0')::text, coalesce(s.confirmed_flush_lsn, '0/0')::text,
	coalesce(s.safe_wal_size, -1), coalesce(s.wal_status = 'lost', false), coalesce(s.active, false), coalesce(r.sent_lsn, '0/0')::text
from (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end) as now(lsn)
left join pg_replication_slots s on s.slot_name = $1
left join pg_stat_replication r on r.pid = s.active_pid`

// lagPatience is how long an answer may take, at least.
const lagPatience = 5 * time.Second

func (w *lagWatch) ask(ctx context.Context) (s serverState, err error) {
	ctx, cancel := context.WithTimeout(ctx, max(w.every, lagPatience))
	defer cancel()
	if w.conn == nil {
		if w.conn, err = w.dial(ctx); err != nil {
			return s, err
		}
	}
	var lsn, restart, confirmed, sent string
	if err := w.conn.QueryRow(ctx, lagQuery, w.slot).Scan(&lsn, &s.exists, &restart, &confirmed, &s.safe, &s.lost, &s.active, &sent); err != nil {
		return s, err
	}
	s.at = time.Now()
	for _, p := range []struct {
		text string
		into *cdc.LSN
	}{{lsn, &s.lsn}, {restart, &s.restart}, {confirmed, &s.confirmed}, {sent, &s.sent}} {
		if *p.into, err = cdc.ParseLSN(p.text); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (w *lagWatch) hangUp() {
	if w.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = w.conn.Close(ctx) // it only read
	w.conn = nil
}

// state is what the server last said, and how long ago it went beyond a position.
func (w *lagWatch) state() (serverState, func(cdc.LSN) time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.server, func(lsn cdc.LSN) time.Duration {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.track.since(lsn, time.Now())
	}
}

// track remembers when the server was where. It grows thinner rather than longer: of a long time the samples lie further apart.
type track struct{ samples []trackSample }

type trackSample struct {
	lsn cdc.LSN
	at  time.Time
}

// trackSamples is half an hour of a position every 5 s before the first thinning.
const trackSamples = 360

func (t *track) add(lsn cdc.LSN, at time.Time) {
	if n := len(t.samples); n > 0 && lsn < t.samples[n-1].lsn {
		t.samples = t.samples[:0] // another server: what was before says nothing of it
	}
	if n := len(t.samples); n > 1 && t.samples[n-1].lsn == lsn && t.samples[n-2].lsn == lsn {
		t.samples[n-1].at = at // it stands still: when it came there and when it was last seen there are enough
		return
	}
	if len(t.samples) == trackSamples {
		kept := t.samples[:0]
		for i := 0; i < len(t.samples); i += 2 {
			kept = append(kept, t.samples[i])
		}
		t.samples = kept
	}
	t.samples = append(t.samples, trackSample{lsn, at})
}

// since tells how long ago the server went beyond a position; 0 when it has not. Between two samples it is taken to have gone evenly.
func (t *track) since(lsn cdc.LSN, now time.Time) time.Duration {
	for i, s := range t.samples {
		if s.lsn <= lsn {
			continue
		}
		if i == 0 {
			return now.Sub(s.at)
		}
		before := t.samples[i-1]
		share := float64(lsn-before.lsn) / float64(s.lsn-before.lsn)
		return now.Sub(before.at.Add(time.Duration(share * float64(s.at.Sub(before.at)))))
	}
	return 0
}
