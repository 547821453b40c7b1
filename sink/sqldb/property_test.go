package sqldb

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/faultproxy"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

var (
	seedFlag = flag.Uint64("seed", 0, "seed of the property tests; 0 takes one after the other")
	runsFlag = flag.Int("runs", 6, "seeds each property test tries")
)

// world is a source table, the log of its changes in the partitions of a topic, and what the target must hold in the end.
type world struct {
	rng        *rand.Rand
	partitions int
	sources    []*source         // one per partition
	logs       [][]sink.Record   // by partition
	rows       map[int][4]string // id → a, big, n
	added      bool              // the table has its later column
	ids        int
}

func newWorld(rng *rand.Rand) *world {
	w := &world{rng: rng, partitions: 1 + rng.IntN(3), rows: make(map[int][4]string), ids: 30}
	for p := range w.partitions {
		s := newSource("w.public.t", 1, w.fields()...)
		s.partition = int32(p)
		w.sources = append(w.sources, s)
		w.logs = append(w.logs, nil)
	}
	return w
}

func (w *world) fields() []schema.Field {
	f := []schema.Field{field("id", int32Of()), field("a", nullable()), field("big", stringOf()), field("n", typed(schema.Int64, ""))}
	if w.added {
		f = append(f, field("later", nullable()))
	}
	return f
}

// of is the partition of a key.
func (w *world) of(id int) int { return id % w.partitions }

func (w *world) values(id int, row [4]string) []schema.Value {
	v := []schema.Value{i32(id), str(row[0]), str(row[1]), schema.OfInt64(int64(len(row[2])))}
	if row[0] == "NULL" {
		v[1] = schema.NullValue
	}
	if w.added {
		v = append(v, schema.NullValue)
		if row[3] != "NULL" {
			v[4] = str(row[3])
		}
	}
	return v
}

func (w *world) text() string {
	if w.rng.IntN(10) == 0 {
		return "NULL"
	}
	return fmt.Sprintf("t%d'\"\\,{}", w.rng.IntN(1000))
}

func (w *world) random() [4]string {
	row := [4]string{w.text(), strings.Repeat("b", w.rng.IntN(60)+1) + fmt.Sprint(w.rng.IntN(100)), strings.Repeat("x", w.rng.IntN(50)), "NULL"}
	if w.added {
		row[3] = w.text()
	}
	return row
}

func (w *world) emit(p int, records ...sink.Record) { w.logs[p] = append(w.logs[p], records...) }

// step makes one change of the source.
func (w *world) step() {
	id := w.rng.IntN(w.ids)
	p := w.of(id)
	s := w.sources[p]
	row, exists := w.rows[id]
	switch {
	case !exists:
		w.rows[id] = w.random()
		w.emit(p, s.create(w.values(id, w.rows[id])...))
	case w.rng.IntN(100) < 25:
		delete(w.rows, id)
		w.emit(p, s.remove(w.values(id, row)...)...)
	case w.rng.IntN(100) < 20:
		w.rekey(id, row)
	default:
		next := w.random()
		values := w.values(id, next)
		if w.rng.IntN(2) == 0 { // big was not touched, and is not in the WAL
			next[1] = row[1]
			values[2] = unavailable()
		}
		if w.rng.IntN(4) == 0 && row[0] != "NULL" {
			next[0] = row[0]
			values[1] = unavailable()
		}
		w.rows[id] = next
		w.emit(p, s.update(values...))
	}
}

// rekey moves a row to a free key. Where both halves go to one partition, the columns that were not touched are unknown.
func (w *world) rekey(id int, row [4]string) {
	to := w.rng.IntN(w.ids)
	if _, taken := w.rows[to]; taken {
		return
	}
	next := w.random()
	values := w.values(to, next)
	if w.of(to) == w.of(id) && w.rng.IntN(2) == 0 {
		next[1] = row[1]
		values[2] = unavailable()
	}
	delete(w.rows, id)
	w.rows[to] = next
	records := w.sources[w.of(id)].rekey(w.values(id, row), values)
	if w.of(to) == w.of(id) {
		w.emit(w.of(id), records...)
		return
	}
	w.emit(w.of(id), records[:2]...)
	w.sources[w.of(id)].next--
	create := w.sources[w.of(to)].create(values...)
	create.Headers = records[2].Headers
	w.emit(w.of(to), create)
}

// alter adds a column to the source.
func (w *world) alter() {
	w.added = true
	for _, s := range w.sources {
		s.alter(1, w.fields()...)
	}
}

func (w *world) want() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(w.rows)) {
		r := w.rows[id]
		fmt.Fprintf(&b, "%d|%s|%s|%d|%s\n", id, r[0], r[1], len(r[2]), r[3])
	}
	return b.String()
}

// crashTarget is a database that the property tests write to.
type crashTarget interface {
	task(options ...string) *Task
	rows(sql string, args ...any) string
	through() *faultproxy.Proxy // from then on tasks connect through it; nil: there is no connection to cut
}

func (d *database) through() *faultproxy.Proxy { return newProxy(d.t, d) }

// runner puts the logs through tasks that are killed, replaced and held up.
type runner struct {
	t       *testing.T
	d       crashTarget
	rng     *rand.Rand
	proxy   *faultproxy.Proxy
	options []string
	logs    [][]sink.Record
	task    *Task
	at      []int // by partition: index of the next record
	zombie  *Task // a task that was replaced without knowing
	late    []sink.Record
	fenced  int
}

func (r *runner) assignments() []sink.Assignment {
	var out []sink.Assignment
	for p := range r.logs {
		out = append(out, assignment("w.public.t", int32(p)))
	}
	return out
}

// open takes all partitions with a new task and goes on where the positions say.
func (r *runner) open() {
	r.task = r.d.task(append([]string{"flush.max.retries", fmt.Sprint(r.rng.IntN(2))}, r.options...)...)
	task := r.task
	task.holdFor = time.Hour // the other half comes with a later batch
	r.t.Cleanup(func() { closeTask(r.t, task) })
	for {
		got, err := r.task.Open(context.Background(), r.assignments())
		if isRetriable(err) {
			continue
		}
		if err != nil {
			r.t.Fatalf("Open = %v", err)
		}
		r.at = make([]int, len(r.logs))
		for _, p := range got {
			r.at[p.Partition] = r.index(p)
		}
		return
	}
}

func (r *runner) index(p kafka.Position) int {
	log := r.logs[p.Partition]
	i, _ := slices.BinarySearchFunc(log, p.Offset, func(rec sink.Record, offset int64) int { return int(rec.Offset - offset) })
	return i
}

// batch takes the next records of all partitions, some of each, mixed.
func (r *runner) batch() []sink.Record {
	var out []sink.Record
	for p, log := range r.logs {
		n := min(r.rng.IntN(25), len(log)-r.at[p])
		out = append(out, log[r.at[p]:r.at[p]+n]...)
		r.at[p] += n
	}
	return out
}

func (r *runner) left() int {
	n := 0
	for p, log := range r.logs {
		n += len(log) - r.at[p]
	}
	return n
}

// run goes on until everything was put.
func (r *runner) run() {
	ctx := context.Background()
	r.open()
	for r.left() > 0 {
		batch := r.batch()
		if r.rng.IntN(4) == 0 && r.proxy != nil {
			r.proxy.CutAfter(int64(r.rng.IntN(4000)), nil)
		}
		if r.zombie == nil && r.rng.IntN(6) == 0 { // it stops here, and thinks it goes on later
			r.zombie, r.late = r.task, batch
			r.open()
			continue
		}
		err := r.task.Put(ctx, batch)
		switch {
		case err == nil:
		case !isRetriable(err):
			r.t.Fatalf("Put = %v", err)
		case r.rng.IntN(2) == 0:
			r.open() // the process died
		default:
			for err != nil { // the worker puts the same again
				if err = r.task.Put(ctx, batch); err != nil && !isRetriable(err) {
					r.t.Fatalf("Put again = %v", err)
				}
			}
		}
		if r.zombie != nil && r.rng.IntN(3) == 0 {
			r.wake()
		}
	}
	if r.proxy != nil {
		r.proxy.Heal()
	}
	r.task.holdFor = 0
	if _, err := r.task.Flush(ctx); err != nil && !isRetriable(err) {
		r.t.Fatalf("Flush = %v", err)
	}
	if _, err := r.task.Flush(ctx); err != nil {
		r.t.Fatalf("Flush = %v", err)
	}
	if r.zombie != nil {
		r.wake()
	}
}

// wake lets the replaced task go on with its batch: it must not get anything done.
func (r *runner) wake() {
	before := r.zombie.Stats().Transactions
	err := r.zombie.Put(context.Background(), r.late)
	var fenced *FencedError
	switch {
	case errors.As(err, &fenced):
		r.fenced++
	case len(r.late) == 0, isRetriable(err):
	case err == nil && r.zombie.Stats().Transactions == before: // first halves of key changes only: they are held
	default:
		r.t.Fatalf("Put of a task that was replaced = %v, want a *FencedError", err)
	}
	r.zombie, r.late = nil, nil
}

func seeds(t *testing.T, f func(t *testing.T, rng *rand.Rand)) {
	for i := range *runsFlag {
		seed := *seedFlag
		if seed == 0 {
			seed = uint64(i + 1)
		}
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { f(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

// Traps 25 and 26, and whatever crashes: any changes in any batches over any crashes give the rows of the source.
func TestTrap25And26UpsertsSurviveCrashes(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a PostgreSQL server") // skipped whole: what its runs did together is looked at in the end
	}
	testUpsertsSurviveCrashes(t, func(t *testing.T) crashTarget { return newDatabase(t) })
}

func testUpsertsSurviveCrashes(t *testing.T, open func(t *testing.T) crashTarget) {
	cutting := false
	var cuts, fenced int64
	seeds(t, func(t *testing.T, rng *rand.Rand) {
		w := newWorld(rng)
		for i := range 1500 {
			if i == 900 {
				w.alter()
			}
			w.step()
		}
		d := open(t)
		r := &runner{t: t, d: d, rng: rng, proxy: d.through(), logs: w.logs, options: []string{"batch.size", fmt.Sprint(1 + rng.IntN(40))}}
		r.run()
		got := d.rows("SELECT id, a, big, n, later FROM w_public_t ORDER BY id")
		if d := cmp.Diff(w.want(), got); d != "" {
			t.Errorf("the target differs: (-want +got)\n%s", d)
		}
		if r.proxy != nil {
			cutting = true
			cuts += r.proxy.Stats().Cuts
		}
		fenced += int64(r.fenced)
	})
	if *seedFlag == 0 && *runsFlag > 3 && (cuts == 0 && cutting || fenced == 0) {
		t.Errorf("%d cuts, %d tasks fenced, want both to have happened", cuts, fenced)
	}
	t.Logf("%d connections cut, %d tasks fenced", cuts, fenced)
}

// Plain inserts into a table without key: a row for each record, neither fewer nor more.
func TestInsertsAreExactlyOnce(t *testing.T) {
	testInsertsAreExactlyOnce(t, func(t *testing.T) crashTarget { return newDatabase(t) })
}

func testInsertsAreExactlyOnce(t *testing.T, open func(t *testing.T) crashTarget) {
	seeds(t, func(t *testing.T, rng *rand.Rand) {
		var logs [][]sink.Record
		var want strings.Builder
		for p := range 2 {
			s := newSource("w.public.t", 0, field("seq", int32Of()), field("text", stringOf()))
			s.partition = int32(p)
			var log []sink.Record
			for i := range 600 {
				s.next += int64(rng.IntN(3)) // compaction and transaction markers leave gaps
				log = append(log, s.create(i32(p*1000+i), str("x")))
				fmt.Fprintf(&want, "%d\n", p*1000+i)
			}
			logs = append(logs, log)
		}
		d := open(t)
		r := &runner{t: t, d: d, rng: rng, proxy: d.through(), logs: logs, options: []string{"insert.mode", "insert", "primary.key.mode", "none", "delete.enabled", "false"}}
		r.run()
		if d := cmp.Diff(want.String(), d.rows("SELECT seq FROM w_public_t ORDER BY seq")); d != "" {
			t.Errorf("rows: (-want +got)\n%s", d)
		}
	})
}
