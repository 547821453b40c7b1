package polling

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/schema"
)

// record is what a collector keeps of one record.
type record struct {
	topic  string
	schema *schema.Schema
	value  schema.Value
}

// collector is an emitter that keeps records. It acknowledges what acked says.
type collector struct {
	mu      sync.Mutex
	streams []record
	records []record
	builder *schema.Builder
	current int
	flushes int
	fail    error       // of End
	onEnd   func(n int) // told of each record
}

func (c *collector) Stream(topic string, _ int32, key, value *schema.Schema, _ []schema.Header) (int, error) {
	if key != nil {
		return 0, fmt.Errorf("stream of topic %s has a key", topic)
	}
	c.streams = append(c.streams, record{topic: topic, schema: value})
	return len(c.streams) - 1, nil
}

func (c *collector) Begin(handle int) (key, value schema.Writer) {
	c.current = handle
	c.builder = schema.NewBuilder(c.streams[handle].schema)
	return nil, c.builder
}

func (c *collector) End([]schema.Header) error {
	if c.fail != nil {
		return c.fail
	}
	if err := c.builder.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	s := c.streams[c.current]
	c.records = append(c.records, record{s.topic, s.schema, c.builder.Value()})
	n := len(c.records)
	c.mu.Unlock()
	if c.onEnd != nil {
		c.onEnd(n)
	}
	return nil
}

func (c *collector) Flush() error { c.flushes++; return nil }

func (c *collector) all() []record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records[:len(c.records):len(c.records)]
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// store is an offset storage.
type store struct {
	mu      sync.Mutex
	offsets map[string]string
}

func newStore() *store { return &store{offsets: make(map[string]string)} }

func (s *store) get(_ context.Context, partition []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text, ok := s.offsets[string(partition)]; ok {
		return []byte(text), nil
	}
	return nil, nil
}

// commit does what the worker does when n records are acknowledged.
func (s *store) commit(t *Task, n uint64) {
	for {
		partition, offset, ok := t.Offset(n)
		if !ok {
			return
		}
		s.mu.Lock()
		s.offsets[string(partition)] = string(offset)
		s.mu.Unlock()
		t.Stored(n)
	}
}

// run is a task that a test lets poll turn by turn.
type run struct {
	*Task
	out    *collector
	idle   chan struct{} // sender: the task, when all sources have been polled. Bound: none waits in it.
	again  chan struct{} // sender: the test, to have them polled again. Bound: none waits in it.
	ended  chan error    // sender: the task's goroutine, once. Bound: that one.
	cancel context.CancelFunc
}

// start runs a task until its first pause; wait for it with idle or ended.
func start(t *testing.T, props map[string]string, offsets *store) *run {
	t.Helper()
	return startWith(t, props, offsets, nil)
}

// startWith is start with a function that hears of each record.
func startWith(t *testing.T, props map[string]string, offsets *store, onEnd func(r *run, n int)) *run {
	t.Helper()
	task, err := NewTask(props, Env{Log: slog.New(slog.DiscardHandler), StoredOffset: offsets.get})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &run{Task: task, out: new(collector), idle: make(chan struct{}), again: make(chan struct{}), ended: make(chan error, 1), cancel: cancel}
	if onEnd != nil {
		r.out.onEnd = func(n int) { onEnd(r, n) }
	}
	clock := time.Unix(1_000_000, 0)
	task.now = func() time.Time { return clock }
	task.sleep = func(ctx context.Context, d time.Duration) bool {
		select {
		case r.idle <- struct{}{}:
		case <-ctx.Done():
			return false
		}
		select {
		case <-r.again:
			clock = clock.Add(d)
			return true
		case <-ctx.Done():
			return false
		}
	}
	go func() { r.ended <- task.Run(ctx, r.out) }()
	t.Cleanup(cancel)
	return r
}

// polled waits until all sources were polled.
func (r *run) polled(t *testing.T) {
	t.Helper()
	select {
	case <-r.idle:
	case err := <-r.ended:
		t.Fatalf("Run() = %v, want it to go on", err)
	case <-time.After(30 * time.Second):
		t.Fatal("no pause within 30 s")
	}
}

// more has all sources polled again.
func (r *run) more(t *testing.T) {
	t.Helper()
	r.again <- struct{}{}
	r.polled(t)
}

// stop ends the task.
func (r *run) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Errorf("Run() = %v after its context ended", err)
	}
}

// failure waits for the task's error.
func (r *run) failure(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-r.idle:
		t.Fatal("Run() goes on, want an error")
	case <-time.After(30 * time.Second):
		t.Fatal("no error within 30 s")
	}
	return nil
}

// once polls all sources once and returns the records.
func once(t *testing.T, props map[string]string) []record {
	t.Helper()
	r := start(t, props, newStore())
	r.polled(t)
	r.stop(t)
	return r.out.all()
}

// testDB is a database of a test.
type testDB struct {
	t    *testing.T
	url  string
	exec func(statement string, args ...any)
	// catalog is the database that alone is meant, where the server has others; "" for all.
	catalog string
}

func (d *testDB) props(more ...string) map[string]string {
	p := map[string]string{"name": "c", "connection.url": d.url, "topic.prefix": "t-", "mode": "bulk"}
	if d.catalog != "" {
		p["catalog.pattern"] = d.catalog
	}
	for i := 0; i < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return p
}

// tasks divides the work, as the worker does.
func (d *testDB) tasks(props map[string]string, max int) []map[string]string {
	d.t.Helper()
	c := NewConnector(quiet)
	configs, err := c.TaskConfigs(maps.Clone(props), max)
	if err != nil {
		d.t.Fatal(err)
	}
	return configs
}

// one divides the work over one task.
func (d *testDB) one(more ...string) map[string]string { return d.tasks(d.props(more...), 1)[0] }

// benchPostgres and benchSQLite open databases of a benchmark.
func benchPostgres(b *testing.B) (jdbc string, exec func(string)) {
	dsn := pgtest.Database(b)
	conn, err := pgx.Connect(b.Context(), dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(context.Background()) })
	return jdbcOf(b, dsn), func(statement string) {
		if _, err := conn.Exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
}

func benchSQLite(b *testing.B) (jdbc string, exec func(string)) {
	path := filepath.Join(b.TempDir(), "bench.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return "jdbc:sqlite:" + path, func(statement string) {
		if _, err := db.ExecContext(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
}

func sqliteDB(t *testing.T) *testDB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return &testDB{t, "jdbc:sqlite:" + path, func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}, ""}
}

func postgresDB(t *testing.T) *testDB {
	t.Helper()
	dsn := pgtest.Database(t)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return &testDB{t, jdbcOf(t, dsn), func(statement string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}, ""}
}

// jdbcOf is the JDBC URL of a PostgreSQL URL.
func jdbcOf(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{"user": {u.User.Username()}, "sslmode": {"disable"}}
	if password, ok := u.User.Password(); ok {
		query.Set("password", password)
	}
	return "jdbc:postgresql://" + u.Host + u.Path + "?" + query.Encode()
}

// describe prints a schema, a field a line.
func describe(s *schema.Schema) string {
	var b strings.Builder
	name := s.Name
	if name == "" {
		name = "(no name)"
	}
	fmt.Fprintf(&b, "%s\n", name)
	for _, f := range s.Fields {
		fmt.Fprintf(&b, "  %s %s", f.Name, f.Schema.Type)
		if f.Schema.Name != "" {
			fmt.Fprintf(&b, " %s", f.Schema.Name[strings.LastIndexByte(f.Schema.Name, '.')+1:])
		}
		for _, p := range f.Schema.Parameters {
			fmt.Fprintf(&b, " %s=%s", p.Name, p.Value)
		}
		if !f.Schema.Optional {
			b.WriteString(" required")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// render prints a value, fields that are null left out.
func render(r record) string {
	var b strings.Builder
	b.WriteString(r.topic)
	for i, f := range r.schema.Fields {
		if v := r.value.Struct().Values[i]; !v.IsNull() {
			fmt.Fprintf(&b, " %s=%s", f.Name, plain(f.Schema, v))
		}
	}
	return b.String()
}

func plain(s *schema.Schema, v schema.Value) string {
	switch v.Type() {
	case schema.Boolean:
		return fmt.Sprint(v.Bool())
	case schema.Float32, schema.Float64:
		return fmt.Sprint(v.Float64())
	case schema.String:
		return fmt.Sprintf("%q", v.Text())
	case schema.Bytes:
		if s.Name == schema.DecimalName {
			return schema.Unscaled(v.Bytes()).String() + "e-" + s.Parameter(schema.ScaleParameter)
		}
		return "0x" + hex.EncodeToString(v.Bytes())
	}
	return fmt.Sprint(v.Int())
}

func renderAll(records []record) []string {
	var out []string
	for _, r := range records {
		out = append(out, render(r))
	}
	return out
}
