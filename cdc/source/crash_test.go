package source_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/schema"
)

// crashTables are read in this order: one that nobody changes, TOASTed values, a key of two columns, partitions, no key, a small one that may be
// empty, one row.
const crashTables = "public.still,public.plain,public.comp,public.part,public.nokey,public.small,public.tail"

const crashSetup = `
	CREATE TABLE still (id int PRIMARY KEY, v int, pad text DEFAULT repeat('.', 500));
	INSERT INTO still SELECT g, g FROM generate_series(1, 150) g;
	CREATE TABLE plain (id int PRIMARY KEY, v int NOT NULL, pad text DEFAULT repeat('.', 500), big text);
	ALTER TABLE plain ALTER big SET STORAGE EXTERNAL;
	INSERT INTO plain SELECT g * 2, 0, repeat('.', 500), CASE WHEN g % 3 = 0 THEN repeat(md5(g::text), 90) ELSE 'b' || g END FROM generate_series(1, 400) g;
	CREATE TABLE comp (a text, b int, v int NOT NULL, pad text DEFAULT repeat('.', 500), big text, PRIMARY KEY (a, b));
	ALTER TABLE comp ALTER big SET STORAGE EXTERNAL;
	INSERT INTO comp SELECT 'k' || g % 7, g, 0, repeat('.', 500), CASE WHEN g % 4 = 0 THEN repeat(md5(g::text), 90) END FROM generate_series(1, 300) g;
	CREATE TABLE part (id int PRIMARY KEY, v int NOT NULL, pad text DEFAULT repeat('.', 500)) PARTITION BY RANGE (id);
	CREATE TABLE part_a PARTITION OF part FOR VALUES FROM (0) TO (300);
	CREATE TABLE part_b PARTITION OF part FOR VALUES FROM (300) TO (600);
	CREATE TABLE part_c PARTITION OF part DEFAULT;
	INSERT INTO part SELECT g * 3, 0 FROM generate_series(1, 280) g;
	CREATE TABLE nokey (x int, note text, pad text DEFAULT repeat('.', 500));
	ALTER TABLE nokey REPLICA IDENTITY FULL;
	INSERT INTO nokey SELECT g, 'n' || g FROM generate_series(1, 200) g;
	-- Room in every block, so that updates move rows to the front.
	DELETE FROM plain WHERE id % 4 = 0; DELETE FROM comp WHERE b % 2 = 0; DELETE FROM part WHERE id % 2 = 0; DELETE FROM nokey WHERE x % 2 = 0;
	CREATE TABLE small (id int PRIMARY KEY, v int);
	INSERT INTO small SELECT g, 0 FROM generate_series(1, 20) g;
	CREATE TABLE tail (id int PRIMARY KEY);
	INSERT INTO tail VALUES (1);
	CREATE PUBLICATION dbz_publication FOR ALL TABLES WITH (publish_via_partition_root = true)`

// published is one record as the broker keeps it.
type published struct {
	run            int
	topic, key     string
	op             string // "" for a tombstone
	snapshot       string
	lsn            int64
	before, after  map[string]string
	newKey, oldKey string // of a key change
}

// broker stands for the worker and the broker of one scenario: it survives the runs that are killed.
type broker struct {
	*testing.T
	rng       *rand.Rand
	log       []published
	stored    []byte
	run       int
	writing   *pgx.Conn // where other people's transactions are run from, while records are published
	every     int       // records between two of them
	sentinels int
	exact     bool // a killed run leaves no record behind the offset it stored

	seen func(n uint64, offset []byte) // of the dry run
}

// life is the emitter of one run.
type life struct {
	*broker
	task    *source.Task
	streams []liveStream
	current int
	key     *schema.Builder
	value   *schema.Builder
	n       uint64 // ended
	kill    uint64 // at this record; 0: never
	acked   uint64
	until   func(*published) bool // ends the run in good order
	stop    context.CancelFunc
}

type liveStream struct {
	topic      string
	key, value *schema.Schema
}

var errKilled = errors.New("kill -9")

func (l *life) Stream(topic string, _ int32, key, value *schema.Schema, _ []schema.Header) (int, error) {
	l.streams = append(l.streams, liveStream{topic, key, value})
	return len(l.streams) - 1, nil
}

func (l *life) Begin(handle int) (key, value schema.Writer) {
	l.current, l.key, l.value = handle, nil, nil
	if s := l.streams[handle].key; s != nil {
		l.key = schema.NewBuilder(s)
		key = l.key
	}
	if s := l.streams[handle].value; s != nil {
		l.value = schema.NewBuilder(s)
		value = l.value
	}
	return key, value
}

func (l *life) Flush() error { return nil }

func (l *life) End(first []schema.Header) error {
	p := published{run: l.run, topic: strings.TrimPrefix(l.streams[l.current].topic, "p.public.")}
	if l.key != nil {
		p.key = render(l.key.Value())
	}
	for _, h := range first {
		switch h.Key {
		case "__debezium.newkey":
			p.newKey = render(h.Value)
		case "__debezium.oldkey":
			p.oldKey = render(h.Value)
		}
	}
	if l.value != nil {
		v := l.value.Value().Struct()
		at := v.Field("source").Struct()
		p.op, p.before, p.after, p.snapshot, p.lsn = v.Field("op").Text(), row(v.Field("before")), row(v.Field("after")), at.Field("snapshot").Text(), at.Field("lsn").Int()
	}
	l.log = append(l.log, p)
	l.n++
	if l.seen != nil {
		_, offset, _ := l.task.Offset(l.n - 1)
		l.seen(l.n, offset)
	}
	if l.every > 0 && l.rng.IntN(l.every) == 0 {
		l.transact()
	}
	if l.rng.IntN(30) == 0 { // the broker has acknowledged, and the worker stores
		l.acked += uint64(l.rng.IntN(int(l.n-l.acked) + 1))
		if l.acked == l.n {
			l.acked-- // the position behind this record is not noted yet
		}
		l.store()
	}
	switch {
	case l.n == l.kill:
		return errKilled
	case l.until != nil && l.until(&p):
		l.stop()
	}
	return nil
}

func (l *life) store() {
	if _, offset, ok := l.task.Offset(l.acked); ok {
		l.stored = slices.Clone(offset)
		l.task.Stored(l.acked)
		if bytes.Contains(offset, []byte("tandem_snapshot")) && !bytes.Contains(offset, []byte(`"snapshot":"INITIAL","snapshot_completed":false`)) {
			l.Errorf("offset %s: Debezium would not see that the snapshot is unfinished", offset)
		}
	}
}

func render(v schema.Value) string {
	switch {
	case v.IsNull():
		return "<null>"
	case v.Type() == schema.Struct:
		var parts []string
		for name, text := range row(v) {
			parts = append(parts, name+"="+text)
		}
		slices.Sort(parts)
		return strings.Join(parts, ",")
	case v.Type() == schema.String:
		return strings.Clone(v.Text()) // which would hold the whole record's memory
	}
	return strconv.FormatInt(v.Int(), 10)
}

func row(v schema.Value) map[string]string {
	if v.IsNull() {
		return nil
	}
	m := map[string]string{}
	s := v.Struct()
	for i := range s.Schema.Fields {
		f := &s.Schema.Fields[i]
		m[f.Name] = render(s.Field(f.Name))
	}
	return m
}

// transact is somebody else's transaction.
func (b *broker) transact() {
	b.Helper()
	var sql []string
	for range 1 + b.rng.IntN(3) {
		sql = append(sql, b.statement())
	}
	text := "BEGIN; " + strings.Join(sql, "; ") + "; COMMIT"
	switch b.rng.IntN(10) {
	case 0:
		text = "BEGIN; " + strings.Join(sql, "; ") + "; ROLLBACK"
	case 1:
		text = "BEGIN; " + sql[0] + "; SAVEPOINT s; " + b.statement() + "; ROLLBACK TO s; " + b.statement() + "; COMMIT"
	}
	b.exec(text)
}

func (b *broker) exec(sql string) {
	b.Helper()
	if _, err := b.writing.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		b.Fatalf("%s: %v", sql, err)
	}
}

func (b *broker) statement() string {
	id, to, n := b.rng.IntN(850), b.rng.IntN(850), b.rng.IntN(1_000_000)
	// Whoever sees the stream twice sees the first row deleted that has the value already, and the placeholder after that. No snapshot helps.
	moved := ""
	if !b.exact {
		moved = " AND length(big) < 100"
	}
	key := fmt.Sprintf("a = 'k%d' AND b = %d", id%7, id%320)
	return []string{
		fmt.Sprintf("UPDATE plain SET v = v + 1 WHERE id BETWEEN %d AND %d", id, id+12),
		fmt.Sprintf("UPDATE plain SET big = repeat(md5('%d'), 90) WHERE id BETWEEN %d AND %d", n, id, id+6),
		// Keys change in both directions, also into the place of a row that was deleted; large values stay untouched.
		fmt.Sprintf("UPDATE plain SET id = %d WHERE id = (SELECT min(id) FROM plain WHERE id >= %d) AND NOT EXISTS (SELECT FROM plain WHERE id = %[1]d)", to, id),
		fmt.Sprintf("DELETE FROM plain WHERE id = %d; UPDATE plain SET id = %[1]d WHERE id = (SELECT min(id) FROM plain WHERE id >= %d)", to, id) + moved,
		fmt.Sprintf("DELETE FROM plain WHERE id BETWEEN %d AND %d", id, id+3),
		fmt.Sprintf("INSERT INTO plain VALUES (%d, 0, DEFAULT, repeat(md5('%d'), %d)) ON CONFLICT DO NOTHING", id, n, 90*b.rng.IntN(2)+1),
		"UPDATE comp SET v = v + 1 WHERE " + key,
		fmt.Sprintf("UPDATE comp SET b = b + 1000 WHERE a = 'k%d' AND b < 1000 AND b %% 5 = %d AND b > %d", id%7, n%5, n%300),
		fmt.Sprintf("UPDATE comp SET b = b - 1000 WHERE a = 'k%d' AND b >= 1000 AND NOT EXISTS (SELECT FROM comp o WHERE o.a = comp.a AND o.b = comp.b - 1000)", id%7),
		fmt.Sprintf("DELETE FROM comp WHERE a = 'k%d' AND b BETWEEN %d AND %d", id%7, n%300, n%300+9),
		fmt.Sprintf("INSERT INTO comp VALUES ('k%d', %d, 0, DEFAULT, repeat(md5('%[2]d'), 90)) ON CONFLICT DO NOTHING", id%7, n%320),
		fmt.Sprintf("UPDATE part SET v = v + 1 WHERE id BETWEEN %d AND %d", id, id+12),
		fmt.Sprintf("UPDATE part SET id = %d WHERE id = (SELECT min(id) FROM part WHERE id >= %d) AND NOT EXISTS (SELECT FROM part WHERE id = %[1]d)", to, id),
		fmt.Sprintf("DELETE FROM part WHERE id = %d", id),
		fmt.Sprintf("UPDATE nokey SET note = 'm%d' WHERE x BETWEEN %d AND %d", n, id%210, id%210+5),
		fmt.Sprintf("DELETE FROM nokey WHERE x BETWEEN %d AND %d", id%210, id%210+2),
		fmt.Sprintf("INSERT INTO nokey SELECT %d, 'i%d' WHERE NOT EXISTS (SELECT FROM nokey WHERE x = %[1]d)", id%250, n),
		fmt.Sprintf("UPDATE small SET v = %d WHERE id = %d", n, id%20),
		fmt.Sprintf("DELETE FROM small WHERE id = %d", id%20),
		fmt.Sprintf("INSERT INTO small VALUES (%d, 0) ON CONFLICT DO NOTHING", id%25),
	}[b.rng.IntN(20)]
}

// betweenRuns happens while the connector is down: also what moves rows without changing them, and what empties tables.
func (b *broker) betweenRuns() {
	for range b.rng.IntN(25) {
		b.transact()
	}
	switch b.rng.IntN(9) {
	case 0:
		b.exec("VACUUM FULL plain")
	case 1:
		b.exec("CLUSTER comp USING comp_pkey")
	case 2:
		b.exec("TRUNCATE small, comp")
	case 3:
		b.exec("TRUNCATE part; INSERT INTO part SELECT g * 3, 7 FROM generate_series(1, 100) g")
	case 4:
		b.exec("VACUUM FULL part_a")
	default:
		b.exec("VACUUM")
	}
	for range b.rng.IntN(10) {
		b.transact()
	}
}

// live runs the task until it is killed, or until says so.
func (b *broker) live(u *url.URL, kill uint64, until func(*published) bool, props map[string]string) {
	b.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	b.run++
	l := &life{broker: b, kill: kill, until: until, stop: stop}
	l.task = taskOn(b.T, u, b.stored, slog.New(slog.DiscardHandler), props)
	ended := make(chan error, 1) // sender: the goroutine below, once
	go func() { ended <- l.task.Run(ctx, l) }()
	var err error
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-time.After(5 * time.Millisecond): // the worker goes on storing while a task ends in good order
			if ctx.Err() != nil {
				l.acked = l.n
				l.store()
			}
		}
	}
	switch {
	case kill != 0 && errors.Is(err, errKilled):
		lost := int(l.n - l.acked) // of what was not acknowledged, the broker has some
		if !b.exact {
			lost = b.rng.IntN(lost + 1)
		}
		b.log = b.log[:len(b.log)-lost]
	case err == nil && ctx.Err() == context.Canceled: // it ended in good order, perhaps before the record it was to be killed at
		l.acked = l.n
		l.store()
	default:
		b.Fatalf("Run() = %v after %d records (context: %v), kill at %d", err, l.n, ctx.Err(), kill)
	}
}

// fold is what a consumer has after all records. A placeholder keeps the value; a key change takes it along.
func (b *broker) fold() map[string]map[string]string {
	const unavailable = "__debezium_unavailable_value"
	state, moved := map[string]map[string]string{}, map[string]map[string]string{}
	for _, p := range b.log {
		key := p.topic + " " + p.key
		if p.topic == "nokey" { // its column x is unique, though no constraint says so
			if p.before != nil {
				delete(state, "nokey "+p.before["x"])
			}
			key = "nokey " + p.after["x"]
		}
		switch {
		case p.op == "t":
			for k := range state {
				if strings.HasPrefix(k, p.topic+" ") {
					delete(state, k)
				}
			}
		case p.after != nil:
			old := state[key]
			if from := moved[key]; p.oldKey != "" && from != nil {
				old = from
			}
			for name, text := range p.after {
				if text == unavailable && old != nil {
					p.after[name] = old[name]
				}
			}
			state[key] = p.after
			delete(moved, key)
		case p.op == "d":
			if p.newKey != "" && state[key] != nil { // it may come again
				moved[p.topic+" "+p.newKey] = state[key]
			}
			if p.topic != "nokey" {
				delete(state, key)
			}
		}
	}
	return state
}

// table is what the database holds.
func (b *broker) table() map[string]map[string]string {
	keys := map[string][]string{"still": {"id"}, "plain": {"id"}, "comp": {"a", "b"}, "part": {"id"}, "nokey": {"x"}, "small": {"id"}, "tail": {"id"}}
	state := map[string]map[string]string{}
	for name, key := range keys {
		rows, err := b.writing.Query(context.Background(), "SELECT to_jsonb(t)::text FROM "+name+" t")
		if err != nil {
			b.Fatal(err)
		}
		var text string
		if _, err := pgx.ForEachRow(rows, []any{&text}, func() error {
			var fields map[string]any
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber()
			if err := d.Decode(&fields); err != nil {
				return err
			}
			r := map[string]string{}
			for k, v := range fields {
				if r[k] = fmt.Sprint(v); v == nil {
					r[k] = "<null>"
				}
			}
			var parts []string
			for _, k := range key {
				parts = append(parts, k+"="+r[k])
			}
			id := strings.Join(parts, ",")
			if name == "nokey" {
				id = r["x"]
			}
			state[name+" "+id] = r
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	return state
}

// once checks the tables that one run read wholly: each row comes once, and no change of before comes first. No run publishes a change twice.
func (b *broker) once() {
	b.Helper()
	seen := map[string]bool{}
	for _, p := range b.log {
		if p.op != "" && p.op != "r" {
			id := fmt.Sprint(p.run, p.topic, p.key, p.op, p.lsn, p.before["x"], p.after["x"])
			if seen[id] {
				b.Errorf("run %d published change %s of %s %s at %d twice", p.run, p.op, p.topic, p.key, p.lsn)
			}
			seen[id] = true
		}
	}
	runs, rows, changes := map[string][]int{}, map[string]int{}, map[string]int{}
	for _, p := range b.log {
		switch {
		case p.op == "r":
			if !slices.Contains(runs[p.topic], p.run) {
				runs[p.topic] = append(runs[p.topic], p.run)
			}
			rows[p.topic+" "+p.key+" "+p.after["x"]]++
		case len(runs[p.topic]) == 0 && (p.op == "c" || p.op == "u"):
			changes[p.topic]++
		}
	}
	for key, n := range rows {
		topic, _, _ := strings.Cut(key, " ")
		if len(runs[topic]) == 1 && n > 1 {
			b.Errorf("row %s was read %d times, and its table by one run", key, n)
		}
	}
	for topic, n := range changes {
		if len(runs[topic]) == 1 && topic != "small" { // small may be empty when it is read
			b.Errorf("%d changes of table %s, which one run read, came before its rows", n, topic)
		}
	}
}

func crashBroker(t *testing.T, seed uint64) (*broker, *url.URL) {
	t.Helper()
	return brokerOn(t, pgtest.Database(t), seed)
}

func brokerOn(t *testing.T, database string, seed uint64) (*broker, *url.URL) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{T: t, rng: rand.New(rand.NewPCG(seed, 6)), every: 25, exact: seed%2 == 0}
	if b.writing, err = pgx.Connect(context.Background(), database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.writing.Close(context.Background()) })
	b.exec(crashSetup)
	b.exec("VACUUM (ANALYZE) still, plain, comp, part, nokey, small")
	return b, u
}

func crashProps(rng *rand.Rand) map[string]string {
	return map[string]string{"table.include.list": crashTables, "snapshot.fetch.size": "20", "skipped.operations": "none", "publish.via.partition.root": "true",
		"max.queue.size.in.bytes": []string{"0", "9000"}[rng.IntN(2)], "snapshot.max.threads": []string{"1", "1", "3"}[rng.IntN(3)], "provide.transaction.metadata": "false"}
}

// scenario kills the run at records, one run after another, and compares what a consumer has in the end with the tables.
func scenario(t *testing.T, seed uint64, kills []uint64) {
	b, u := crashBroker(t, seed)
	props := crashProps(b.rng)
	for _, kill := range kills {
		b.every = 25
		b.live(u, kill, b.sentinel(), props)
		b.betweenRuns()
	}
	b.every = 25
	b.live(u, 0, b.sentinel(), props)
	b.once()
	if diff := cmp.Diff(b.table(), b.fold()); diff != "" {
		t.Errorf("seed %d, killed at %v: tables and what a consumer has (-tables +consumer):\n%s", seed, kills, diff)
	}
}

// sentinel ends a run behind a row that is written once the snapshot is complete.
func (b *broker) sentinel() func(*published) bool {
	b.sentinels++
	id, asked := 4711+b.sentinels, false
	ask := func() {
		asked, b.every = true, 0
		b.exec(fmt.Sprintf("INSERT INTO small VALUES (%d, 0)", id))
	}
	if b.stored != nil && !bytes.Contains(b.stored, []byte(`"snapshot_completed":false`)) {
		ask()
	}
	return func(p *published) bool {
		if !asked && p.snapshot == "last" {
			for range min(10, b.every) {
				b.transact()
			}
			ask()
		}
		return p.topic == "small" && p.key == fmt.Sprintf("id=%d", id)
	}
}

// TestSnapshotGoesOnAfterCrash kills runs within their snapshots, while tables are changed all the time, and checks that the records add up to
// the tables. TANDEM_CRASHES=all kills at every record behind which an offset says something new, and a second and third time; a
// number is that many random scenarios.
func TestSnapshotGoesOnAfterCrash(t *testing.T) {
	n := 12
	if text := os.Getenv("TANDEM_CRASHES"); text != "" && text != "all" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getenv("TANDEM_CRASHES") == "all" {
		for i, at := range boundaries(t) {
			t.Run(fmt.Sprintf("boundary at %d", at), func(t *testing.T) {
				scenario(t, uint64(i), []uint64{at, 1 + uint64(i*37%400), 1 + uint64(i*91%200)}[:1+i%3])
			})
		}
		return
	}
	first := rand.Uint64() >> 32
	for seed := first; seed < first+uint64(n); seed++ {
		rng := rand.New(rand.NewPCG(seed, 7))
		kills := []uint64{1 + rng.Uint64N(750)}
		for range rng.IntN(3) {
			kills = append(kills, 1+rng.Uint64N(150))
		}
		t.Run(fmt.Sprint(seed, kills), func(t *testing.T) { scenario(t, seed, kills) })
	}
}

// boundaries are the records behind which the offset tells of something new.
func boundaries(t *testing.T) []uint64 {
	b, u := crashBroker(t, 0)
	b.every = 0
	var at []uint64
	last := ""
	b.seen = func(n uint64, offset []byte) {
		if _, progress, ok := strings.Cut(string(offset), "tandem_snapshot"); ok && progress != last {
			last = progress
			at = append(at, n)
		}
	}
	b.live(u, 0, b.sentinel(), crashProps(b.rng))
	if len(at) < 30 {
		t.Fatalf("the offset changed %d times, want a chunk of a few blocks to change it", len(at))
	}
	return at
}
