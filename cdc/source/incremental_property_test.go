package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/schema"
)

const signalTable = `CREATE TABLE sig (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048));`

// incrementalProps are the options of every test of incremental snapshots.
func incrementalProps(more map[string]string) map[string]string {
	props := map[string]string{"snapshot.mode": "no_data", "signal.data.collection": "public.sig", "notification.enabled.channels": "sink", "notification.sink.topic.name": "notes"}
	for k, v := range more {
		props[k] = v
	}
	return props
}

// shelf is an Emitter that stands for worker and broker: it keeps every record over the runs of a task, and the offset stored last.
type shelf struct {
	*testing.T
	database *url.URL
	mu       sync.Mutex // guards conn: the test and the task's goroutine use it in turn
	conn     *pgx.Conn
	props    map[string]string
	stored   []byte
	logs     slog.Handler // nil: nobody reads them

	log     []shelved
	streams []liveStream
	current int
	key     *schema.Builder
	value   *schema.Builder
	n       uint64 // of this run

	ended func(*shelved) error // called with every record
	task  *source.Task
	stop  context.CancelFunc
}

// shelved is one record.
type shelved struct {
	topic, key, op, snapshot string
	after                    map[string]string
	note, status, table      string // of a notification
}

func newShelf(t *testing.T, setup string, props map[string]string) *shelf {
	t.Helper()
	return newShelfOn(t, pgtest.Database(t), setup, props)
}

func (s *shelf) exec(sql string) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.conn.Exec(s.Context(), sql); err != nil {
		s.Errorf("%s: %v", sql, err)
	}
}

func (s *shelf) signal(id, kind, data string) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.conn.Exec(s.Context(), "INSERT INTO sig VALUES ($1, $2, $3)", id, kind, data); err != nil {
		s.Error(err)
	}
}

func (s *shelf) Stream(topic string, _ int32, key, value *schema.Schema, _ []schema.Header) (int, error) {
	s.streams = append(s.streams, liveStream{topic, key, value})
	return len(s.streams) - 1, nil
}

func (s *shelf) Begin(handle int) (key, value schema.Writer) {
	s.current, s.key, s.value = handle, nil, nil
	if k := s.streams[handle].key; k != nil {
		s.key = schema.NewBuilder(k)
		key = s.key
	}
	if v := s.streams[handle].value; v != nil {
		s.value = schema.NewBuilder(v)
		value = s.value
	}
	return key, value
}

func (s *shelf) Flush() error { return nil }

func (s *shelf) End([]schema.Header) error {
	r := shelved{topic: strings.TrimPrefix(s.streams[s.current].topic, "p.public.")}
	if s.key != nil {
		r.key = render(s.key.Value())
	}
	switch {
	case s.value == nil:
	case r.topic == "notes":
		v := row(s.value.Value())
		r.note = v["type"]
		for _, e := range s.value.Value().Struct().Field("additional_data").Map() {
			switch e.Key.Text() {
			case "status":
				r.status = render(e.Value)
			case "scanned_collection":
				r.table = render(e.Value)
			}
		}
	default:
		v := s.value.Value().Struct()
		r.op, r.after, r.snapshot = render(v.Field("op")), row(v.Field("after")), render(v.Field("source").Struct().Field("snapshot"))
	}
	s.log = append(s.log, r)
	s.n++
	if s.ended != nil {
		return s.ended(&s.log[len(s.log)-1])
	}
	return nil
}

// store stores the offset behind the first n records of the run, as the worker does once they are acknowledged.
func (s *shelf) store(n uint64) {
	if _, offset, ok := s.task.Offset(n); ok {
		s.stored = bytes.Clone(offset)
		s.task.Stored(n)
	}
}

// live runs the task from the stored offset until a record's function stops or kills it. began is called once it streams.
func (s *shelf) live(began func()) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	s.stop, s.n, s.streams = cancel, 0, nil
	s.task = s.newTask()
	ended := make(chan error, 1) // sender: the goroutine below, once
	go func() { ended <- s.task.Run(ctx, s) }()
	if began != nil {
		s.streaming()
		began()
	}
	if err := <-ended; err != nil && !errors.Is(err, errKilled) {
		s.Fatalf("Run() = %v, want nil", err)
	}
}

// newTask makes a task that does not stay, when it is stopped, for what is not acknowledged.
func (s *shelf) newTask() *source.Task {
	s.Helper()
	password, _ := s.database.User.Password()
	name, stored := strings.TrimPrefix(s.database.Path, "/"), s.stored
	props := map[string]string{"name": "test", "topic.prefix": "p", "database.hostname": s.database.Hostname(), "database.port": s.database.Port(),
		"database.user": s.database.User.Username(), "database.password": password, "database.dbname": name, "slot.name": name, "status.update.interval.ms": "20"}
	for k, v := range s.props {
		props[k] = v
	}
	logs := s.logs
	if logs == nil {
		logs = slog.DiscardHandler
	}
	task, err := source.NewTask(props, source.Env{Connector: "test", Log: slog.New(logs),
		StoredOffset: func(context.Context, []byte) ([]byte, error) { return stored, nil }})
	if err != nil {
		s.Fatal(err)
	}
	return task
}

// streaming waits until the slot is streamed from.
func (s *shelf) streaming() {
	s.Helper()
	r := &running{T: s.T}
	r.until("the slot is streamed from", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		var n int
		if err := s.conn.QueryRow(s.Context(), "SELECT count(*) FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE s.slot_name = $1 AND r.state = 'streaming'",
			strings.TrimPrefix(s.database.Path, "/")).Scan(&n); err != nil {
			s.Fatal(err)
		}
		return n == 1
	})
}

// rows are the values of a column of the rows read of a table, in order.
func (s *shelf) rows(table, column string) (values []string) {
	for _, r := range s.log {
		if r.topic == table && r.op == "r" {
			values = append(values, r.after[column])
		}
	}
	return values
}

// fold is what a consumer that keeps the last record of each key has of a table: v by key.
func (s *shelf) fold(table string) map[string]string {
	state := make(map[string]string)
	for _, r := range s.log {
		switch {
		case r.topic != table:
		case r.after == nil:
			delete(state, r.key)
		default:
			state[r.key] = r.after["v"]
		}
	}
	return state
}

// table is v by key as it is in the database.
func (s *shelf) table(query string) map[string]string {
	s.Helper()
	rows, err := s.conn.Query(s.Context(), query)
	if err != nil {
		s.Fatal(err)
	}
	state := make(map[string]string)
	var key, v string
	if _, err := pgx.ForEachRow(rows, []any{&key, &v}, func() error { state[key] = v; return nil }); err != nil {
		s.Fatal(err)
	}
	return state
}

// changes are the sessions that write meanwhile: v comes from a sequence, so a later value is a larger one.
type changes struct {
	rng  *rand.Rand
	conn *pgx.Conn
	quit chan struct{}
}

func (c *changes) statement() string {
	id, v := c.rng.IntN(1300), "nextval('vs')"
	switch c.rng.IntN(10) {
	case 0:
		return fmt.Sprintf("INSERT INTO t (id, v) VALUES (%d, %s) ON CONFLICT DO NOTHING", id, v)
	case 1:
		return fmt.Sprintf("DELETE FROM t WHERE id = %d", id)
	case 2:
		return fmt.Sprintf("UPDATE t SET id = %d, v = %s WHERE id = %d AND NOT EXISTS (SELECT FROM t WHERE id = %[1]d)", c.rng.IntN(1300), v, id)
	case 3:
		return fmt.Sprintf("UPDATE t SET v = %s WHERE id BETWEEN %d AND %d", v, id, id+20)
	case 4:
		return fmt.Sprintf("DELETE FROM c WHERE b = %d", id)
	case 5:
		return fmt.Sprintf("INSERT INTO c (a, b, v) VALUES ('k%d', %d, %s) ON CONFLICT (a, b) DO UPDATE SET v = excluded.v", id%5, id%600, v)
	case 6:
		return fmt.Sprintf("UPDATE c SET a = a || 'x', v = %s WHERE b = %d AND length(a) < 9", v, id%600)
	}
	return fmt.Sprintf("UPDATE t SET v = %s WHERE id = %d", v, id)
}

// behind asks whether the stream is more than a MiB behind.
const behind = `SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(r.write_lsn, r.sent_lsn))) > 1 << 20, false) FROM pg_stat_replication r
	JOIN pg_replication_slots s ON s.active_pid = r.pid WHERE s.database = current_database()`

// follow waits until the stream is not far behind: with a reader slower than the writer every chunk would take longer than the one before.
func (c *changes) follow() error {
	for far := true; far; {
		select {
		case <-c.quit:
			return nil
		default:
		}
		if err := c.conn.QueryRow(context.Background(), behind).Scan(&far); err != nil {
			return err
		}
		if far {
			if _, err := c.conn.Exec(context.Background(), "SELECT pg_sleep(0.01)"); err != nil {
				return err
			}
		}
	}
	return nil
}

// run runs transactions until it is told to end, some of which are rolled back or emit a message outside of them.
func (c *changes) run() error {
	for n := 0; ; n++ {
		select {
		case <-c.quit:
			return nil
		default:
		}
		if n%20 == 0 {
			if err := c.follow(); err != nil {
				return err
			}
		}
		sql := "BEGIN;"
		for range 1 + c.rng.IntN(3) {
			sql += c.statement() + ";"
		}
		if c.rng.IntN(20) == 0 {
			sql += "SELECT pg_logical_emit_message(false, 'm', 'x');"
		}
		end := "COMMIT"
		if c.rng.IntN(12) == 0 {
			end = "ROLLBACK"
		}
		_, err := c.conn.Exec(context.Background(), sql+end)
		if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Code == "23505" { // unique_violation: a key that is taken
			_, err = c.conn.Exec(context.Background(), "ROLLBACK")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
}

// write begins to write; the function it returns ends that.
func (s *shelf) write(seed uint64) (end func()) {
	s.Helper()
	conn, err := pgx.Connect(s.Context(), s.database.String())
	if err != nil {
		s.Fatal(err)
	}
	c := &changes{rng: rand.New(rand.NewPCG(seed, 12)), conn: conn, quit: make(chan struct{})} // closer: end. Bound: 0
	ended := make(chan error, 1)                                                               // sender: the goroutine below, once
	go func() { ended <- c.run() }()
	end = sync.OnceFunc(func() {
		close(c.quit)
		if err := <-ended; err != nil {
			s.Error(err)
		}
		conn.Close(context.Background())
	})
	s.Cleanup(end)
	return end
}

const propertySetup = `CREATE SEQUENCE vs; CREATE TABLE t (id int PRIMARY KEY, v bigint NOT NULL, pad text DEFAULT repeat('.', 50));
	INSERT INTO t SELECT g, nextval('vs') FROM generate_series(1, 1200) g;
	CREATE TABLE c (a text, b int, v bigint NOT NULL, PRIMARY KEY (a, b)); INSERT INTO c SELECT 'k' || g % 5, g, nextval('vs') FROM generate_series(1, 500) g;`

// propertySignal asks for both tables, and has the server take its time: what is written while a chunk is read makes its rows out of date.
const propertySignal = `{"data-collections":["public.t","public.c"],"additional-conditions":[{"data-collection":"public.t","filter":"id % 13 <> 0 OR pg_sleep(0.0005) IS NOT NULL"},` +
	`{"data-collection":"public.c","filter":"b % 13 <> 0 OR pg_sleep(0.0005) IS NOT NULL"}]}`

// An incremental snapshot while others write: what a consumer keeps by key is the table, and no record of a run is older than one before it.
// The task is killed, and stopped in good order, at random records, and goes on from what was stored.
func TestIncrementalProperty(t *testing.T) {
	for seed, c := range []struct {
		name string
		more map[string]string
	}{
		{"insert_insert", nil},
		{"insert_delete", map[string]string{"incremental.snapshot.watermarking.strategy": "insert_delete"}},
		{"read only", map[string]string{"read.only": "true", "signal.enabled.channels": "file"}},
		{"large chunks", map[string]string{"incremental.snapshot.chunk.size": "1000"}},
	} {
		for _, breaks := range []int{0, 6} {
			t.Run(fmt.Sprintf("%s, %d breaks", c.name, breaks), func(t *testing.T) { property(t, uint64(seed*10+breaks), c.more, breaks) })
		}
	}
}

func property(t *testing.T, seed uint64, more map[string]string, breaks int) {
	file := t.TempDir() + "/signals"
	props := map[string]string{"incremental.snapshot.chunk.size": "37", "signal.file": file, "signal.poll.interval.ms": "10"}
	for k, v := range more {
		props[k] = v
	}
	s := newShelf(t, propertySetup, props)
	rng := rand.New(rand.NewPCG(seed, 11))
	var end func() // of the writing
	newest := make(map[string]int64)
	complete, finished, last := false, false, ""
	kill := uint64(0)
	s.ended = func(r *shelved) error {
		checkOrder(t, newest, r)
		if rng.IntN(40) == 0 {
			s.store(s.n - min(s.n, 1+uint64(rng.IntN(30))))
		}
		if r.note == "COMPLETED" { // what is written now is behind all of it
			end()
			complete, last = true, "end "+strconv.Itoa(len(s.log))
			s.exec("INSERT INTO t (id, v, pad) VALUES (-1, nextval('vs'), '" + last + "') ON CONFLICT (id) DO UPDATE SET v = nextval('vs'), pad = excluded.pad")
		}
		switch {
		case s.n == kill && rng.IntN(2) == 0:
			return errKilled
		case s.n == kill:
			s.stop()
		case complete && r.after["pad"] == last:
			finished = true
			s.stop()
		}
		return nil
	}
	begin := func() {
		if end == nil {
			end = s.write(seed)
		}
		if more["read.only"] != "" {
			writeFile(t, file, `{"id":"c","type":"execute-snapshot","data":`+propertySignal+`}`)
			return
		}
		s.signal("c", "execute-snapshot", propertySignal)
	}
	for run := begin; !finished; breaks-- {
		if kill = 0; breaks > 0 {
			kill = 60 + uint64(rng.IntN(500))
		}
		clear(newest) // what a killed run published comes again
		s.live(run)
		if run = nil; more["read.only"] != "" && !bytes.Contains(s.stored, []byte("incremental_snapshot_collections")) && !complete {
			run = begin // a signal of a file is gone with the run that read it
		}
	}
	if more["incremental.snapshot.watermarking.strategy"] == "" && more["read.only"] == "" {
		checkSignals(t, s)
	}
	for name, query := range map[string]string{"t": "SELECT 'id=' || id, v::text FROM t", "c": "SELECT 'a=' || a || ',b=' || b, v::text FROM c"} {
		if diff := cmp.Diff(s.table(query), s.fold(name)); diff != "" {
			t.Errorf("table %s, folded by key (-table +records):\n%s", name, diff)
		}
	}
}

// checkSignals holds the records of the signal table against it: the row of a signal is published, wherever the run that carried it out ended.
func checkSignals(t *testing.T, s *shelf) {
	t.Helper()
	published := make(map[string]string)
	for _, r := range s.log {
		if r.topic == "sig" {
			published[r.key] = ""
		}
	}
	stored := s.table("SELECT 'id=' || id, '' FROM sig")
	for key := range stored {
		if _, ok := published[key]; !ok && !strings.HasSuffix(key, "-close") && !strings.HasSuffix(key, "-open") {
			t.Errorf("signal %s was not published", key)
		}
	}
	missing := 0
	for key := range stored {
		if _, ok := published[key]; !ok {
			missing++
		}
	}
	if missing > 2 { // those of a window that was just being written when the run was ended
		t.Errorf("%d watermarks were not published, want those of one window at most", missing)
	}
}

// checkOrder holds every record of a key against those before it: a row that was read must not undo a change.
func checkOrder(t *testing.T, newest map[string]int64, r *shelved) {
	if r.topic != "t" && r.topic != "c" || r.op == "" {
		return
	}
	key := r.topic + " " + r.key
	if r.after == nil {
		newest[key] = -max(newest[key], -newest[key]) - 1 // whatever comes back has a later value
		return
	}
	v, err := strconv.ParseInt(r.after["v"], 10, 64)
	if err != nil {
		t.Errorf("v of %s: %v", key, err)
	}
	if before := newest[key]; v < before || before < 0 && v < -before {
		t.Errorf("%s of %s has v=%d behind v=%d", r.op, key, v, before)
	}
	newest[key] = v
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}
