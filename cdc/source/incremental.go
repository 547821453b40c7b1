package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/cdc/incremental"
	"github.com/tandem-cdc/tandem/cdc/signal"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// incrementalRun reads tables in chunks while the stream goes on, as signals ask: one chunk is read, held while the stream passes the time of
// its reading, cleared of what the stream changed, and published; then the next. The publisher's goroutine owns it.
//
// Invariants:
//  1. queue is not empty as long as a snapshot runs; its first table is at hand.
//  2. The window's rows are of the table at hand, and lie behind every row published before.
//  3. pub.at.inc tells of all of this, as of the last row published, and is nil when queue is empty.
type incrementalRun struct {
	s    *session
	pub  *publisher
	log  *slog.Logger
	cfg  *incrementalConfig
	conn *pgx.Conn // of chunks and watermarks; dialled when first needed

	queue       []incremental.Collection
	correlation string // of the last signal that began or extended the snapshot
	paused      bool
	toStop      []string // expressions of stop signals; they take effect between two chunks

	plan     *incremental.Plan
	table    *incrementalTable // nil: to be looked up
	current  string            // the table last looked up: a stop signal ends it where it stands
	maximum  incremental.Key   // nil: to be read
	end      incremental.Key   // of the chunk last read; nil before the first
	sent     incremental.Key   // of the row last published in this run
	resuming bool              // the plan is that of the run before
	scanned  int64             // rows of the table at hand
	// completed tells that this run has completed a snapshot of another kind.
	completed bool
	limit     int // rows of a chunk; less where rows are so large that fewer fill the memory

	held    incremental.Window // the rows of the chunk
	chunk   string             // id of the chunk whose window is awaited
	open    bool               // the stream is inside of the window
	closing bool               // a chunk waits for the end of its window; read only: also when it has no rows
	mark    incremental.Watermark

	low     incremental.Visibility // what the server saw before the chunk was read
	streams recentXIDs

	signalTable string // quoted
	readOnly    *readOnlyWindow
}

// incrementalTable is the table at hand, compiled.
type incrementalTable struct {
	oid    uint32
	rel    *cdc.Relation
	plan   *envelope.Plan
	reader incremental.Reader
	names  []string // columns that identify a row
	of     []int    // where they are in its tuple
	shape  string   // as of when it was looked up
	stale  bool     // it was altered since
}

// incrementalRun makes the incremental snapshots of a run; nil when there can be none.
func (s *session) incrementalRun(p *publisher) *incrementalRun {
	c := &s.cfg.Incremental
	if !s.cfg.streams() || s.cfg.Signals.table() == "" && !c.readOnly {
		return nil
	}
	i := &incrementalRun{s: s, pub: p, log: s.task.log, cfg: c, limit: c.chunkSize, completed: p.at.snap == snapshotDone}
	if schema, table, ok := strings.Cut(s.cfg.Signals.table(), "."); ok {
		i.signalTable = pgx.Identifier{schema, table}.Sanitize()
	}
	if c.readOnly {
		i.readOnly = &readOnlyWindow{more: make(chan struct{}, 1)}
	}
	return i
}

// start goes on with the snapshot of the stored offset. A pause ends with the run that was asked for it, as in Debezium.
func (i *incrementalRun) start(ctx context.Context) error {
	if i == nil || i.pub.at.inc == nil {
		return nil
	}
	stored := i.pub.at.inc
	if i.pub.at.hasXID {
		i.streams.add(i.pub.at.xid)
	}
	i.queue, i.correlation, i.plan, i.resuming = slices.Clone(stored.Collections), stored.Correlation, stored.Plan, true
	i.completed = i.completed || stored.Completed
	i.log.Info("incremental snapshot goes on", "table", i.queue[0].ID, "waiting", len(i.queue)-1)
	return i.readChunk(ctx)
}

func (i *incrementalRun) running() bool { return len(i.queue) > 0 }

// execute queues the tables a signal asks for, and begins with the first if no snapshot runs.
func (i *incrementalRun) execute(ctx context.Context, id string, sig signal.Execute) error {
	conditions, err := conditionsOf(id, sig)
	if err != nil {
		return err
	}
	names, err := i.expand(ctx, id, signal.TypeExecute, sig.Collections)
	if err != nil {
		return err
	}
	begin := !i.running()
	for _, name := range names {
		filter, err := conditions.of(name)
		if err != nil {
			return ignored(id, signal.TypeExecute, err)
		}
		i.queue = append(i.queue, incremental.Collection{ID: name, Condition: filter, SurrogateKey: sig.SurrogateKey, CorrelationID: id})
	}
	i.correlation = id
	if !begin {
		i.plan = i.plan.With(slices.Clone(i.queue), i.correlation)
		i.publishState()
		i.log.Info("incremental snapshot extended", "signal", id, "tables", names)
		return nil
	}
	i.log.Info("incremental snapshot started", "signal", id, "tables", names)
	i.forget()
	if err := i.tell(ctx, noteStarted, "data_collections", i.waiting()); err != nil {
		return err
	}
	if err := i.tell(ctx, noteResolved, "data_collections", i.waiting()); err != nil {
		return err
	}
	return i.readChunk(ctx)
}

// stop notes what is to end; it does at the end of the chunk at hand.
func (i *incrementalRun) stop(_ context.Context, id string, sig signal.Stop) error {
	if !i.running() {
		i.log.Warn("no incremental snapshot runs; there is nothing to stop", "signal", id)
		return nil
	}
	for _, expr := range sig.Collections {
		if _, err := javaregex.Compile(expr, false); err != nil {
			return ignored(id, signal.TypeStop, err)
		}
	}
	if len(sig.Collections) == 0 {
		i.toStop = append(i.toStop, ".*")
	}
	i.toStop = append(i.toStop, sig.Collections...)
	return nil
}

// pause holds the snapshot behind the chunk at hand.
func (i *incrementalRun) pause(ctx context.Context, id string) error {
	if !i.running() || i.paused {
		return nil
	}
	i.paused = true
	i.log.Info("incremental snapshot paused", "signal", id)
	return i.tell(ctx, notePaused, "data_collections", i.waiting())
}

// resume goes on, with the next chunk unless one still waits for its window.
func (i *incrementalRun) resume(ctx context.Context, id string) error {
	if !i.running() || !i.paused {
		return nil
	}
	i.paused = false
	i.log.Info("incremental snapshot resumed", "signal", id)
	if err := i.tell(ctx, noteResumed, "data_collections", i.waiting()); err != nil {
		return err
	}
	if i.closing {
		return nil
	}
	return i.readChunk(ctx)
}

// window takes the watermarks out of the stream. Those of other chunks, of a run before, are none of ours.
func (i *incrementalRun) window(ctx context.Context, sig signal.Signal) error {
	if i.chunk == "" || !strings.HasPrefix(sig.ID, i.chunk) {
		return nil
	}
	if sig.Type == signal.TypeWindowOpen {
		i.open = true
		return nil
	}
	return i.next(ctx)
}

// next publishes the chunk that is held and reads another.
func (i *incrementalRun) next(ctx context.Context) error {
	i.open, i.closing = false, false
	if err := i.publishWindow(ctx); err != nil {
		return err
	}
	return i.readChunk(ctx)
}

// changed takes out of the window what a change of the stream makes out of date.
func (i *incrementalRun) changed(c *cdc.Change) {
	if i.held.Len() == 0 || c.Relation.OID != i.table.oid {
		return
	}
	if !i.open && i.low.Sees(c.XID) {
		return // it is in the chunk
	}
	i.held.Changed(c)
}

// announced notes that a table may have been altered.
func (i *incrementalRun) announced(rel *cdc.Relation) {
	if i != nil && i.table != nil && i.table.oid == rel.OID {
		i.table.stale = true
	}
}

// publishState puts the state into the positions that follow.
func (i *incrementalRun) publishState() {
	i.pub.at.inc = nil
	if i.running() {
		state := i.plan.Behind(i.sent, false)
		i.pub.at.inc = &state
	}
}

// forget begins with the first table of the queue.
func (i *incrementalRun) forget() {
	i.table, i.maximum, i.end, i.sent, i.resuming, i.limit = nil, nil, nil, nil, false, i.cfg.chunkSize
	i.plan = incremental.NewPlan(slices.Clone(i.queue), i.correlation, i.completed)
	i.publishState()
}

// nextTable leaves the table at hand.
func (i *incrementalRun) nextTable(ctx context.Context) error {
	i.queue = i.queue[1:]
	i.forget()
	if i.running() {
		return nil
	}
	i.log.Info("incremental snapshot complete", "signal", i.correlation)
	err := i.tell(ctx, noteCompleted)
	i.correlation = ""
	return err
}

// stopTables takes the tables of stop signals out of the queue.
func (i *incrementalRun) stopTables(ctx context.Context) error {
	if len(i.toStop) == 0 {
		return nil
	}
	exprs := i.toStop
	i.toStop = nil
	if !i.running() {
		i.log.Warn("no incremental snapshot runs; there is nothing to stop")
		i.correlation = ""
		return nil
	}
	names, err := i.expand(ctx, i.correlation, signal.TypeStop, exprs)
	if err != nil {
		return err
	}
	var stopped []string
	current := ""
	for _, name := range names {
		if name == i.current && i.queue[0].ID == name {
			current = name
			continue
		}
		before := len(i.queue)
		i.queue = slices.DeleteFunc(slices.Clone(i.queue), func(c incremental.Collection) bool { return c.ID == name })
		if len(i.queue) < before {
			stopped = append(stopped, name)
		}
		if len(i.queue) == 0 {
			break
		}
	}
	return i.aborted(ctx, stopped, current)
}

// aborted tells which tables were taken out; current is the one at hand, if it was.
func (i *incrementalRun) aborted(ctx context.Context, stopped []string, current string) error {
	switch {
	case current != "":
		stopped = append(stopped, current)
		i.scanned = 0
		i.plan = i.plan.With(slices.Clone(i.queue), i.correlation)
		if err := i.nextTable(ctx); err != nil {
			return err
		}
	case !i.running() || i.plan.Collections[0] != i.queue[0]:
		i.forget()
	default:
		i.plan = i.plan.With(slices.Clone(i.queue), i.correlation)
		i.publishState()
	}
	i.log.Info("tables taken out of the incremental snapshot", "tables", stopped)
	err := i.tell(ctx, noteAborted, "data_collections", strings.Join(stopped, ","))
	if !i.running() {
		i.correlation = ""
	}
	return err
}

// waiting lists the tables of the queue, as notifications do.
func (i *incrementalRun) waiting() string {
	names := make([]string, len(i.queue))
	for n := range i.queue {
		names[n] = i.queue[n].ID
	}
	return strings.Join(names, ",")
}

// Types of notifications of incremental snapshots, beside those of all snapshots.
const (
	aggregateIncremental = "Incremental Snapshot"
	notePaused           = "PAUSED"
	noteResumed          = "RESUMED"
)

// Statuses of TABLE_SCAN_COMPLETED.
const (
	scanEmpty     = "EMPTY"
	scanNoKey     = "NO_PRIMARY_KEY"
	scanFailed    = "SQL_EXCEPTION"
	scanSucceeded = "SUCCEEDED"
	scanUnknown   = "UNKNOWN_SCHEMA"
)

// tell sends a notification; details are keys and values in turn.
func (i *incrementalRun) tell(ctx context.Context, kind string, details ...string) error {
	if i.pub.notes == nil {
		return nil
	}
	n := envelope.Notification{ID: i.correlation, Aggregate: aggregateIncremental, Type: kind}
	for d := 0; d+1 < len(details); d += 2 {
		n.Data = append(n.Data, envelope.Detail{Key: details[d], Value: details[d+1]})
	}
	return i.pub.notify(ctx, n)
}

// tellScanned tells how the reading of the table at hand ended.
func (i *incrementalRun) tellScanned(ctx context.Context, status string) error {
	details := []string{"data_collections", i.waiting(), "scanned_collection", i.queue[0].ID, "total_rows_scanned", strconv.FormatInt(i.scanned, 10), "status", status}
	if status == scanSucceeded && i.plan.Total >= 0 {
		details = append(details, "total_rows", strconv.FormatInt(i.plan.Total, 10))
	}
	return i.tell(ctx, noteTableDone, details...)
}

// tellProgress tells of a chunk that was read.
func (i *incrementalRun) tellProgress(ctx context.Context) error {
	if i.pub.notes == nil {
		return nil
	}
	key := i.table.reader.Table.Key
	details := []string{"data_collections", i.waiting(), "current_collection_in_progress", i.queue[0].ID,
		"maximum_key", incremental.Text(key, i.maximum), "last_processed_key", incremental.Text(key, i.end)}
	if total, size := i.plan.Total, int64(i.cfg.chunkSize); total >= 0 {
		chunks := (total + size - 1) / size
		details = append(details, "total_rows", strconv.FormatInt(total, 10), "total_chunks", strconv.FormatInt(chunks, 10),
			"chunk_index", strconv.FormatInt(min((i.scanned+size-1)/size, chunks), 10))
	}
	return i.tell(ctx, noteInProgress, details...)
}

// expand finds the captured tables that expressions match, in Debezium's order; one that matches none stands for itself, without its quotes.
func (i *incrementalRun) expand(ctx context.Context, id, kind string, exprs []string) ([]string, error) {
	tables, err := i.s.captured(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(tables, func(a, b catalog.TableName) int {
		return cmp.Or(strings.Compare(a.Schema, b.Schema), strings.Compare(a.Name, b.Name))
	})
	all := make([]string, len(tables))
	for n, t := range tables {
		all[n] = t.Schema + "." + t.Name
	}
	all = incremental.MapOrder(all)
	var names []string
	for _, expr := range exprs {
		re, err := javaregex.Compile(expr, false)
		if err != nil {
			return nil, ignored(id, kind, err)
		}
		matched := false
		for _, name := range all {
			ok, err := re.MatchString(name)
			if err != nil {
				return nil, ignored(id, kind, err)
			}
			if matched = matched || ok; ok && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if literal := strings.ReplaceAll(expr, `"`, ""); !matched && !slices.Contains(names, literal) {
			names = append(names, literal)
		}
	}
	return names, nil
}

// ignored says why a signal is left undone.
func ignored(id, kind string, err error) error {
	return &signal.Error{Signal: signal.Signal{ID: id, Type: kind}, Problem: err.Error()}
}

// conditionList are the additional conditions of a signal.
type conditionList []condition

type condition struct {
	tables *javaregex.Regexp
	filter string
}

func conditionsOf(id string, sig signal.Execute) (conditionList, error) {
	var list conditionList
	for _, c := range sig.Conditions {
		re, err := javaregex.Compile(c.Collection, true)
		if err != nil {
			return nil, ignored(id, signal.TypeExecute, fmt.Errorf("additional condition: %w", err))
		}
		list = append(list, condition{re, c.Filter})
	}
	return list, nil
}

// of is the first condition for a table, "" for none.
func (l conditionList) of(table string) (string, error) {
	for _, c := range l {
		if ok, err := c.tables.MatchString(table); ok || err != nil {
			return c.filter, err
		}
	}
	return "", nil
}

// snapshotTaken notes that the run has completed a snapshot of another kind.
func (i *incrementalRun) snapshotTaken() {
	if i == nil {
		return
	}
	i.completed = true
	if i.plan != nil {
		plan := *i.plan
		plan.Completed = true
		i.plan = &plan
	}
}

// close ends the connection.
func (i *incrementalRun) close() {
	if i != nil && i.readOnly != nil && i.readOnly.timer != nil {
		i.readOnly.timer.Stop()
	}
	if i != nil && i.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = i.conn.Close(ctx) // nothing is under way on it
	}
}

// errSkip ends the reading of a table with a status; the snapshot goes on with the next.
type errSkip struct {
	status string
	err    error
}

func (e *errSkip) Error() string { return fmt.Sprintf("%s: %v", e.status, e.err) }

// skip leaves the table at hand when err is a reason to, and returns it else.
func (i *incrementalRun) skip(ctx context.Context, err error) error {
	var skip *errSkip
	if !errors.As(err, &skip) {
		return err
	}
	i.log.Warn("incremental snapshot leaves a table out", "table", i.queue[0].ID, "status", skip.status, "error", skip.err)
	if err := i.tellScanned(ctx, skip.status); err != nil {
		return err
	}
	return i.nextTable(ctx)
}
