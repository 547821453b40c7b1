package polling

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/schema"
)

// Emitter is what the worker gives a source task; see cdc/source.Emitter, of which it is the same type.
type Emitter = interface {
	Stream(topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (handle int, err error)
	Begin(handle int) (key, value schema.Writer)
	End(first []schema.Header) error
	Flush() error
}

// Env is what the worker knows and a task may use.
type Env struct {
	Log *slog.Logger
	// StoredOffset reads the stored offset of a source partition (JSON object); nil when there is none.
	StoredOffset func(ctx context.Context, partition []byte) ([]byte, error)
	// ExactlyOnce tells that what has no offset behind it is given up with the task, and must not be sent a second time before.
	ExactlyOnce bool
}

// Task reads the tables that it was given, or the query. Run it once; Offset, Offsets, Exact and Stored may be called from another goroutine meanwhile and after.
type Task struct {
	cfg     Config
	env     Env
	db      *database
	typing  typing
	sources []*source
	offsets *positions
	now     func() time.Time                                // a test's clock
	sleep   func(ctx context.Context, d time.Duration) bool // false when ctx ended

	out     Emitter
	session session
	count   uint64 // records ended
	batched int    // of them since the last flush
}

// source is one table, or the query.
type source struct {
	id        *tableID // nil: a query
	name      string   // for messages
	number    int      // its partition's, in the task's positions
	partition []byte
	topic     string
	schema    string // name of the records' schema
	from      string // what is selected from, as SQL
	idColumn  string
	times     []string

	at       offset
	due      time.Time // when to ask again
	failures int
	handle   int
	plan     *plan           // of the last query that had rows
	wide     map[string]bool // columns of integers that some row did not fit
	skipped  map[string]bool // columns that were said to be left out
	said     string          // the statement that was logged last
}

// NewTask makes a task of a configuration; nothing is opened before Run.
func NewTask(props map[string]string, env Env) (*Task, error) {
	c, r := Parse(props)
	if err := r.Err(); err != nil {
		return nil, err
	}
	db, err := c.open()
	if err != nil {
		return nil, err
	}
	z, err := parseZone(c.Zone)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", c.Zone, err)
	}
	t := &Task{cfg: c, env: env, db: db, typing: typing{c.Numeric, c.Granularity, z}, now: time.Now, sleep: pause.For}
	if err := t.divide(); err != nil {
		return nil, err
	}
	t.offsets = newPositions(len(t.sources))
	return t, nil
}

// divide makes the sources of the task.
func (t *Task) divide() error {
	if query, masked := t.cfg.query(); query != "" {
		name := "the query"
		if !masked {
			name = fmt.Sprintf("query %q", query)
		}
		t.sources = []*source{{name: name, partition: queryPartition, topic: t.cfg.TopicPrefix, from: "(" + query + ") q", idColumn: t.cfg.ID, times: t.cfg.Times}}
		return nil
	}
	for _, text := range splitTables(t.cfg.Tables, t.db.mark) {
		id, err := parseTableID(text, t.db.mark, t.db.useCatalog)
		if err != nil {
			return err
		}
		s := &source{id: &id, name: id.String(), number: len(t.sources), partition: tablePartition(id.String()), topic: t.cfg.TopicPrefix + id.table,
			schema: id.table, from: id.quoted(t.db.quote), idColumn: t.cfg.ID, times: t.cfg.Times}
		if err := t.cfg.mapColumns(s, t.db.catalog); err != nil {
			return err
		}
		t.sources = append(t.sources, s)
	}
	return nil
}

// Run polls until ctx ends (nil) or it fails for a reason that does not pass.
func (t *Task) Run(ctx context.Context, out Emitter) error {
	t.out = out
	defer t.disconnect()
	if len(t.sources) == 0 { // the connector looks for tables and divides anew
		if t.cfg.TablesFetched {
			t.env.Log.Warn("no table of the database matches the configuration; this task has nothing to read until there is one", "next look", t.cfg.TablePoll)
		} else {
			t.env.Log.Warn("the list of tables could not be read yet; this task has nothing to read until it is there")
		}
		<-ctx.Done()
		return nil
	}
	err := t.start(ctx)
	for err == nil && ctx.Err() == nil {
		s := t.next()
		if wait := s.due.Sub(t.now()); wait > 0 && !t.sleep(ctx, wait) {
			break
		}
		err = t.turn(ctx, s)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// next is the source that waits longest.
func (t *Task) next() *source {
	first := t.sources[0]
	for _, s := range t.sources[1:] {
		if s.due.Before(first.due) {
			first = s
		}
	}
	return first
}

// turn polls a source and says what becomes of a failure: one that may pass is tried again after the poll interval.
func (t *Task) turn(ctx context.Context, s *source) error {
	err := t.poll(ctx, s)
	s.due = t.now().Add(t.cfg.Poll)
	var given *emitError
	switch {
	case err == nil:
		s.failures = 0
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &given):
		return given.err
	case t.env.ExactlyOnce && !t.Exact(t.count, false): // rows of one time were sent, and would be again: the next task reads them from the stored offset
		return err
	}
	t.disconnect() // whatever it was, the next try has a connection of its own
	s.failures++
	var lost *connectError
	if errors.As(err, &lost) || !isRetriable(err) || t.cfg.Retries > 0 && s.failures >= t.cfg.Retries {
		return err
	}
	if s.failures&(s.failures-1) == 0 { // the first, second, fourth, …
		t.env.Log.Warn("the query failed and will be tried again", "table", s.name, "error", err, "attempt", s.failures, "wait", t.cfg.Poll)
	}
	return nil
}

// emitError is a failure of the worker's side: it ends the task.
type emitError struct{ err error }

func (e *emitError) Error() string { return e.err.Error() }
func (e *emitError) Unwrap() error { return e.err }

// connectError: no connection after all attempts.
type connectError struct{ err error }

func (e *connectError) Error() string   { return e.err.Error() }
func (e *connectError) Unwrap() error   { return e.err }
func (e *connectError) Retriable() bool { return isRetriable(e.err) }

// connect opens the connection, as often and as patiently as configured.
func (t *Task) connect(ctx context.Context) error {
	if t.session != nil {
		return nil
	}
	for attempt := 1; ; attempt++ {
		s, err := t.db.connect(ctx)
		if err == nil {
			t.session = s
			return nil
		}
		if attempt >= t.cfg.Attempts || !isRetriable(err) || ctx.Err() != nil {
			return &connectError{fmt.Errorf("%w (attempt %d of connection.attempts=%d)", err, attempt, t.cfg.Attempts)}
		}
		t.env.Log.Warn("cannot connect to the database, trying again", "error", err, "attempt", attempt, "attempts", t.cfg.Attempts, "wait", t.cfg.Backoff)
		if !t.sleep(ctx, t.cfg.Backoff) {
			return ctx.Err()
		}
	}
}

func (t *Task) disconnect() {
	if t.session != nil {
		t.session.close()
		t.session = nil
	}
}

// start reads the stored offsets and looks whether the tables are as the mode needs them.
func (t *Task) start(ctx context.Context) error {
	if err := t.connect(ctx); err != nil {
		return err
	}
	for _, s := range t.sources {
		if s.id != nil {
			if err := t.checkTable(ctx, s); err != nil {
				return err
			}
		}
		if err := t.restore(ctx, s); err != nil {
			return err
		}
		t.offsets.begin(s.number, s.at)
	}
	return nil
}

// restore finds where a source goes on: each form that its partition ever had is looked for, the newest first.
func (t *Task) restore(ctx context.Context, s *source) error {
	if t.cfg.Mode == Bulk {
		return nil
	}
	for _, f := range t.forms(s) {
		stored, err := t.env.StoredOffset(ctx, f.partition)
		if err != nil {
			return fmt.Errorf("read the stored offset of %s: %w", s.name, err)
		}
		if isNull(stored) {
			continue
		}
		if s.at, err = parseOffset(stored); err != nil {
			return fmt.Errorf("read the stored offset of %s: %w", s.name, err)
		}
		if f.keep {
			s.partition = f.partition
		}
		t.env.Log.Info("going on from the stored offset", "table", s.name, "offset", string(stored))
		return nil
	}
	if t.cfg.Initial == initialUnset || !t.cfg.Mode.usesTime() {
		return nil
	}
	s.at.at, s.at.hasMoment = momentOf(t.cfg.Initial), true
	if t.cfg.Initial == initialNow {
		now, err := t.session.now(ctx, t.typing.zone)
		if err != nil {
			return t.db.failed(err, "ask the database for its time (timestamp.initial=-1)")
		}
		s.at.at = momentOf(now.millis())
	}
	return nil
}

// form is one spelling of a source partition.
type form struct {
	partition []byte
	keep      bool // offsets go on under this spelling: whoever wrote it so looks for it so
}

// forms are the spellings of a source's partition, the newest first.
func (t *Task) forms(s *source) []form {
	if s.id == nil {
		return []form{{s.partition, true}}
	}
	forms := []form{{s.partition, true}}
	if t.db.catalog != "" && s.id.catalog == "" { // newer drivers tell the catalog of PostgreSQL's tables, too
		whole := *s.id
		whole.catalog = t.db.catalog
		forms = append(forms, form{tablePartition(whole.String()), true})
	}
	// As a user may write it, and as releases before 5.0 did.
	return append(forms, form{userPartition(s.id.String()), false}, form{oldTablePartition(*s.id), false})
}

// checkTable looks whether a table has the columns that the mode needs. The sentences are the original's.
func (t *Task) checkTable(ctx context.Context, s *source) error {
	columns, err := t.session.describe(ctx, *s.id)
	if err != nil {
		return t.db.failed(err, "look at table %s", s.name)
	}
	if t.cfg.Mode == Bulk {
		return nil
	}
	if len(columns) == 0 {
		return fmt.Errorf("table %s does not exist, or the user may not see it", s.name)
	}
	if t.cfg.Mode.usesID() {
		if err := t.checkID(s, columns); err != nil {
			return err
		}
	}
	if !t.cfg.Mode.usesTime() {
		return nil
	}
	required := false
	var missing []string
	for i, name := range s.times {
		c := findColumn(columns, name)
		if c == nil {
			missing = append(missing, name)
			continue
		}
		s.times[i] = c.name
		required = required || !c.nullable
	}
	switch {
	case len(missing) > 0:
		return say("Timestamp columns: %s do not exist in table '%s'", strings.Join(missing, ", "), s.name)
	case !required && t.cfg.NonNull:
		return say("Cannot make incremental queries using timestamp columns %s on %s because all of these columns are nullable. (Rows without a timestamp are never read; validate.non.null=false accepts that.)", strings.Join(s.times, ","), s.name)
	}
	return nil
}

func (t *Task) checkID(s *source, columns []described) error {
	if s.idColumn == "" {
		for _, c := range columns {
			if c.automatic {
				s.idColumn = c.name
				break
			}
		}
		if s.idColumn == "" {
			return fmt.Errorf("table %s has no auto-increment column: name the column that only grows in incrementing.column.name", s.name)
		}
	}
	c := findColumn(columns, s.idColumn)
	switch {
	case c == nil:
		return say("Incrementing column: %s does not exist in table '%s'", s.idColumn, s.name)
	case c.nullable && t.cfg.NonNull:
		return say("Cannot make incremental queries using incrementing column %s on %s because this column is nullable. (Rows without an id are never read; validate.non.null=false accepts that.)", s.idColumn, s.name)
	}
	s.idColumn = c.name
	return nil
}

// Offset implements the worker's SourceTask: the offset of one partition that has moved.
func (t *Task) Offset(n uint64) (partition, offset []byte, ok bool) {
	for _, m := range t.offsets.behind(n, 1) {
		return t.sources[m.partition].partition, m.at.appendJSON(nil), true
	}
	return nil, nil, false
}

// Offsets implements the worker's SpreadSource: those of all tables that have moved.
func (t *Task) Offsets(n uint64, give func(partition, offset []byte)) {
	for _, m := range t.offsets.behind(n, len(t.sources)) {
		give(t.sources[m.partition].partition, m.at.appendJSON(nil))
	}
}

// Exact tells whether a restart from the offsets behind the n-th record repeats none up to it: in mode timestamp it may be one of several of the same
// time. If a transaction cannot wait for the last of them, as it is late, they count too. Bulk mode has no offsets, and repeats everything in any case.
func (t *Task) Exact(n uint64, late bool) bool {
	return late || t.cfg.Mode == Bulk || t.offsets.exact(n)
}

// Stored implements the worker's SourceTask.
func (t *Task) Stored(uint64) { t.offsets.stored() }
