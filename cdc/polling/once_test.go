package polling

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestExact: a transaction of the worker's may end behind a row only when a restart goes on right behind it: in mode timestamp not between rows of one
// time, of which only the end of the query or a later row tells that there are no more.
func TestExact(t *testing.T) {
	db := sqliteDB(t)
	db.exec("create table a (id integer primary key, at timestamp not null)")
	db.exec("create table b (id integer primary key, at timestamp not null)")
	db.exec("insert into a values (1, 1000), (2, 1000), (3, 2000)")
	db.exec("insert into b values (1, 1000), (2, 3000), (3, 3000)")
	for mode, want := range map[string][]bool{ // behind each row, as far as is known when the next one is at hand
		"bulk":                   {true, true, true, true, true, true},
		"incrementing":           {true, true, true, true, true, true},
		"timestamp+incrementing": {true, true, true, true, true, true},
		"timestamp":              {false, true, true, true, false, true},
	} {
		t.Run(mode, func(t *testing.T) {
			props := []string{"mode", mode}
			if mode != "bulk" && mode != "incrementing" {
				props = append(props, "timestamp.column.name", "at")
			}
			var got []bool
			if got := ExactlyOnce(db.props(props...)); got != (mode != "bulk") {
				t.Errorf("ExactlyOnce = %v, want it said of modes with offsets", got)
			}
			r := startWith(t, db.one(props...), newStore(), func(r *run, n int) {
				if n > 1 {
					got = append(got, r.Exact(uint64(n-1), false))
				}
				if !r.Exact(uint64(n), true) {
					t.Errorf("Exact(%d, late) = false, want a transaction that is late not to wait", n)
				}
			})
			r.polled(t)
			got = append(got, r.Exact(uint64(len(r.out.all())), false))
			r.stop(t)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Exact (-want +got)\n%s", diff)
			}
		})
	}
	if r := newPositions(1); !r.exact(0) {
		t.Error("exact(0) = false, want true before all")
	}
}

// TestExactSurvivesAsking: what the worker has taken away is known on.
func TestExactSurvivesAsking(t *testing.T) {
	p := newPositions(2)
	p.mark(3, 1, offset{id: 7, hasID: true})
	for _, n := range []uint64{3, 3} {
		p.behind(n, 2)
		if !p.exact(3) || p.exact(4) {
			t.Errorf("exact(3), exact(4) = %v, %v, want true, false", p.exact(3), p.exact(4))
		}
	}
	p.mark(5, 0, offset{id: 1, hasID: true})
	if !p.exact(5) || p.exact(4) || p.exact(6) {
		t.Errorf("exact(5), exact(4), exact(6) = %v, %v, %v, want true, false, false", p.exact(5), p.exact(4), p.exact(6))
	}
}

// TestRestartBehindExact is the promise: whatever row a task is killed behind, if it is exact the records up to it and those of the next task, which
// goes on from Offsets, are all rows once.
func TestRestartBehindExact(t *testing.T) {
	db := sqliteDB(t)
	const tables, rows = 3, 40
	var want []string
	for i := range tables {
		db.exec(fmt.Sprintf("create table t%d (id integer primary key, at timestamp not null)", i))
		for id := range rows {
			db.exec(fmt.Sprintf("insert into t%d values (?, ?)", i), id+1, 1_000_000+1000*(id/3))
			want = append(want, fmt.Sprintf("t-t%d %d", i, id+1))
		}
	}
	slices.Sort(want)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, mode := range []string{"incrementing", "timestamp", "timestamp+incrementing"} {
		t.Run(mode, func(t *testing.T) {
			props := []string{"mode", mode}
			if mode != "incrementing" {
				props = append(props, "timestamp.column.name", "at")
			}
			offsets := newStore()
			var got []string
			for lives := 0; len(got) < len(want); lives++ {
				if lives > 200 {
					t.Fatalf("after %d lives there are %d records of %d", lives, len(got), len(want))
				}
				killAt := 1 + rnd.IntN(50)
				committed := 0
				commit := func(r *run, n int) {
					if !r.Exact(uint64(n), false) {
						return
					}
					r.Offsets(uint64(n), func(partition, offset []byte) {
						offsets.mu.Lock()
						defer offsets.mu.Unlock()
						offsets.offsets[string(partition)] = string(offset)
					})
					r.Stored(uint64(n))
					committed = n
				}
				var killed bool
				r := startWith(t, db.one(props...), offsets, func(r *run, n int) {
					switch {
					case killed:
					case n == killAt:
						killed = true
						commit(r, n-1)
						r.cancel()
					}
				})
				select {
				case <-r.idle:
					if !killed {
						commit(r, len(r.out.all()))
					}
					r.stop(t)
				case err := <-r.ended:
					if err != nil {
						t.Fatal(err)
					}
				}
				for _, rec := range r.out.all()[:committed] {
					got = append(got, fmt.Sprintf("%s %d", rec.topic, rec.value.Struct().Values[0].Int()))
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rows (-want +got)\n%s", diff)
			}
		})
	}
}

// breaking is a session whose results break off behind a row, once.
type breaking struct {
	session
	behind *int // 0: they do not
}

func (b breaking) query(ctx context.Context, id *tableID, s *statement, args []any) (rows, error) {
	r, err := b.session.query(ctx, id, s, args)
	return &brokenRows{rows: r, left: b.behind}, err
}

type brokenRows struct {
	rows
	left *int
	lost bool
}

func (b *brokenRows) next() bool {
	if *b.left > 0 {
		*b.left--
		b.lost = *b.left == 0
	}
	return !b.lost && b.rows.next()
}

func (b *brokenRows) close() error {
	err := b.rows.close()
	if b.lost {
		return &databaseError{"read", errors.New("connection reset by peer"), true}
	}
	return err
}

// TestFailureBetweenRowsOfOneTime: what was sent and has no offset would be sent again by the next try. With exactly-once delivery the task ends instead,
// to be started again from the stored offset, when the rows sent are given up. Behind a whole time there is nothing to repeat.
func TestFailureBetweenRowsOfOneTime(t *testing.T) {
	db := sqliteDB(t)
	db.exec("create table item (id integer primary key, at timestamp not null)")
	db.exec("insert into item values (1, 1000), (2, 2000), (3, 2000), (4, 2000)")
	props := db.one("mode", "timestamp", "timestamp.column.name", "at")
	for _, c := range []struct {
		behind int // the query breaks off instead of this row
		once   bool
		want   string // ids; "" when the task ends
	}{
		{3, true, ""},
		{3, false, "[1 2 2 3 4]"},
		{1, true, "[1 2 3 4]"},
	} {
		task, err := NewTask(props, Env{Log: quiet(), StoredOffset: newStore().get, ExactlyOnce: c.once})
		if err != nil {
			t.Fatal(err)
		}
		connect := task.db.connect
		task.db.connect = func(ctx context.Context) (session, error) {
			s, err := connect(ctx)
			return breaking{s, &c.behind}, err
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out := new(collector)
		naps := 0
		task.sleep = func(context.Context, time.Duration) bool {
			naps++
			return naps < 3
		}
		err = task.Run(ctx, out)
		switch got := fmt.Sprint(ids(out.all(), "id")); {
		case c.want == "" && (err == nil || !isRetriable(err)):
			t.Errorf("exactly once %v: Run = %v with rows %s, want it to end with an error that may pass", c.once, err, got)
		case c.want != "" && (err != nil || got != c.want):
			t.Errorf("exactly once %v: rows %s, %v, want %s", c.once, got, err, c.want)
		}
	}
}
