package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/cdc/incremental"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// chunkBytes bounds the memory of a chunk's rows, unless max.queue.size.in.bytes allows more: 1024 rows of 16 KiB.
const chunkBytes = 16 << 20

// countTimeout bounds the counting of a table that was never analysed, for the stream waits meanwhile.
const countTimeout = 10 * time.Second

// readChunk reads the next chunk, of the table at hand or, when it is at its end, of the tables behind it, between two watermarks. When
// nothing is left it writes them all the same, as Debezium does.
func (i *incrementalRun) readChunk(ctx context.Context) error {
	if err := i.stopTables(ctx); err != nil {
		return err
	}
	for i.running() && !i.paused {
		err := i.openWindow(ctx)
		for err == nil && i.running() {
			var rows bool
			if rows, err = i.readTable(ctx); rows {
				break
			}
			err = i.skip(ctx, err)
		}
		if err == nil {
			err = i.closeWindow(ctx)
		}
		if err == nil {
			i.closing = true
			return nil
		}
		// The watermark was refused: without it the rows cannot be published.
		i.held.Clear()
		if !i.running() {
			return i.onlyLog(err)
		}
		if err := i.skip(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// onlyLog leaves what was refused when there is no table any more to leave out.
func (i *incrementalRun) onlyLog(err error) error {
	var skip *errSkip
	if !errors.As(err, &skip) {
		return err
	}
	i.log.Warn("the last watermark of an incremental snapshot was not written", "error", skip.err)
	return nil
}

// readTable reads a chunk of the table at hand; rows tells that there are some. Without, it has moved on to the next table.
func (i *incrementalRun) readTable(ctx context.Context) (rows bool, err error) {
	for attempt := 0; ; attempt++ {
		if err := i.prepare(ctx); err != nil {
			return false, err
		}
		end := i.end
		chunk, err := i.readRows(ctx)
		altered, lookErr := i.altered(ctx, err)
		switch {
		case lookErr != nil:
			return false, lookErr
		case altered && attempt < 3:
			i.held.Clear()
			i.end, i.table.stale = end, true
			i.scanned -= int64(chunk.Rows)
		case err != nil:
			return false, refusedTo(err)
		case chunk.Rows == 0:
			return false, i.scannedAll(ctx)
		default:
			return true, i.tellProgress(ctx)
		}
	}
}

// altered tells whether the table at hand is not, any more, what it was when it was looked up; err is that of reading it.
func (i *incrementalRun) altered(ctx context.Context, err error) (bool, error) {
	if err != nil && refusedTo(err) == err {
		return false, nil
	}
	shape, err := i.shape(ctx, i.table.oid)
	return shape != i.table.shape, err
}

// shape is a text that changes with the name, the columns and the indexes of a table; "" when it was dropped.
func (i *incrementalRun) shape(ctx context.Context, oid uint32) (shape string, err error) {
	conn, err := i.connection(ctx)
	if err != nil {
		return "", err
	}
	err = conn.QueryRow(ctx, `SELECT coalesce((SELECT concat_ws(' ', n.nspname, c.relname,
			(SELECT string_agg(a.xmin::text, ',' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0),
			(SELECT string_agg(i.indexrelid || ':' || i.xmin, ',' ORDER BY i.indexrelid) FROM pg_index i WHERE i.indrelid = c.oid))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1), '')`, oid).Scan(&shape)
	return shape, pgerror.Wrap(err, "read the shape of a table from the catalog")
}

// refusedTo makes a statement that the server refuses for good, or answers with other columns than asked for, a reason to leave the table out;
// what may pass, and a lost connection, is the task's to try again.
func refusedTo(err error) error {
	var shape *incremental.ShapeError
	if err == nil || pgerror.Code(err) == "" && !errors.As(err, &shape) || pgerror.Retriable(err) {
		return err
	}
	return &errSkip{scanFailed, err}
}

// scannedAll ends the table at hand: all its rows were read.
func (i *incrementalRun) scannedAll(ctx context.Context) error {
	status := scanSucceeded
	if i.maximum == nil {
		status = scanEmpty
	}
	i.log.Info("incremental snapshot of a table complete", "table", i.queue[0].ID, "rows", i.scanned)
	if err := i.tellScanned(ctx, status); err != nil {
		return err
	}
	if status == scanSucceeded {
		i.scanned = 0
	}
	return i.nextTable(ctx)
}

// readRows reads the largest key, once, and the next chunk into the window.
func (i *incrementalRun) readRows(ctx context.Context) (incremental.Chunk, error) {
	conn, err := i.connection(ctx)
	if err != nil {
		return incremental.Chunk{}, err
	}
	t := i.table
	if i.maximum == nil {
		if i.maximum, err = t.reader.ReadMaximum(ctx, conn.PgConn()); err != nil || i.maximum == nil {
			return incremental.Chunk{}, err
		}
		total, err := i.countRows(ctx)
		if err != nil {
			return incremental.Chunk{}, err
		}
		i.plan = i.plan.Table(t.reader.Table.Key, i.maximum, total)
		i.publishState()
	}
	if err := i.settle(ctx); err != nil {
		return incremental.Chunk{}, err
	}
	i.held.Begin(t.names, t.of, t.reader.Table.Unique)
	chunk, err := t.reader.Read(ctx, conn.PgConn(), &i.held, i.end, i.maximum, i.limit)
	if err != nil {
		return chunk, err
	}
	if chunk.Cut {
		i.limit = chunk.Rows
		i.close()
		i.conn = nil
	}
	if chunk.Rows > 0 {
		i.end = chunk.Last.Clone()
		i.scanned += int64(chunk.Rows)
	}
	return chunk, nil
}

// countRows tells how many rows the table has: what the server estimates, or a count when it has no estimate or a condition narrows the rows.
// -1 when that takes too long.
func (i *incrementalRun) countRows(ctx context.Context) (int64, error) {
	t := i.table.reader.Table
	if t.Condition == "" {
		var estimate int64
		err := i.conn.QueryRow(ctx, "SELECT reltuples::bigint FROM pg_class WHERE oid = $1", i.table.oid).Scan(&estimate)
		if err != nil || estimate > 0 {
			return estimate, pgerror.Wrap(err, "read the estimate of rows of table %s.%s", t.Schema, t.Name)
		}
	}
	if _, err := i.conn.Exec(ctx, "SELECT set_config('statement_timeout', $1, false)", strconv.FormatInt(countTimeout.Milliseconds(), 10)); err != nil {
		return 0, pgerror.Wrap(err, "set statement_timeout")
	}
	s := t.Count(i.maximum)
	result := i.conn.PgConn().ExecParams(ctx, s.SQL, s.Params, s.Types, nil, nil).Read()
	err, total := result.Err, int64(-1)
	if err == nil && len(result.Rows) == 1 {
		total, err = strconv.ParseInt(string(result.Rows[0][0]), 10, 64)
	}
	if pgerror.Code(err) == "57014" { // query_canceled
		i.log.Info("the rows of a table are too many to count; notifications will not say how many", "table", i.queue[0].ID)
		err = nil
	}
	if err != nil {
		return 0, pgerror.Wrap(err, "count the rows of table %s.%s", t.Schema, t.Name)
	}
	_, err = i.conn.Exec(ctx, "SET statement_timeout = 0")
	return total, pgerror.Wrap(err, "set statement_timeout")
}

// prepare looks the table at hand up and plans it, unless it was and nothing has changed.
func (i *incrementalRun) prepare(ctx context.Context) error {
	if i.table != nil && !i.table.stale {
		return nil
	}
	i.current = ""
	id := i.queue[0].ID
	tables, err := i.s.captured(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(tables, func(n catalog.TableName) bool { return n.Schema+"."+n.Name == id })
	if at < 0 {
		return &errSkip{scanUnknown, errors.New("it does not exist or is not captured")}
	}
	shape, err := i.shape(ctx, tables[at].OID) // before the columns: what happens between is noticed
	if err != nil {
		return err
	}
	rel, table, ok, err := i.s.catalog.ByName(ctx, tables[at].Schema, tables[at].Name)
	if err != nil {
		return err
	}
	if !ok {
		return &errSkip{scanUnknown, errors.New("it does not exist")}
	}
	i.current = id
	before := i.table
	if i.table, err = i.planTable(rel, table); err != nil {
		return err
	}
	i.table.shape = shape
	if before != nil && !sameKey(before.reader.Table.Key, i.table.reader.Table.Key) {
		i.log.Warn("the key of a table was altered; its incremental snapshot begins again", "table", id)
		table := i.table
		i.forget()
		i.table, i.scanned = table, 0
	}
	return i.takeUp()
}

// takeUp goes on where the run before stopped.
func (i *incrementalRun) takeUp() error {
	if !i.resuming {
		return nil
	}
	i.resuming = false
	i.plan = i.plan.Resumed(i.table.reader.Table.Key)
	var err, endErr error
	i.maximum, err = i.plan.Maximum()
	i.end, endErr = i.plan.Stored()
	if err = errors.Join(err, endErr); err != nil {
		i.log.Warn("the stored place of the incremental snapshot does not fit the table; its snapshot begins again", "table", i.queue[0].ID, "error", err)
		i.forget()
		return nil
	}
	i.publishState()
	return nil
}

func sameKey(a, b []incremental.KeyColumn) bool {
	return slices.EqualFunc(a, b, func(a, b incremental.KeyColumn) bool { return a.Name == b.Name && a.TypeOID == b.TypeOID })
}

// planTable compiles a table. Generated columns are left out, as the stream does, unless this table's stream is known to have them.
func (i *incrementalRun) planTable(rel *cdc.Relation, table *cdc.Table) (*incrementalTable, error) {
	streamed := i.pub.plans[rel.OID].rel
	generated := make(map[string]bool)
	for n := range table.Columns {
		if c := &table.Columns[n]; c.Generated && !hasColumn(streamed, c.Name) {
			generated[c.Name] = true
		}
	}
	shape := *rel
	shape.Columns = slices.DeleteFunc(slices.Clone(rel.Columns), func(c cdc.Column) bool { return generated[c.Name] })
	plan, err := i.pub.enc.Plan(&shape, table)
	if err != nil {
		return nil, fmt.Errorf("plan table %s.%s: %w", rel.Schema, rel.Name, err)
	}
	t := &incrementalTable{oid: rel.OID, rel: &shape, plan: plan}
	names, unique := keyNames(plan, table)
	order := names
	if surrogate := i.queue[0].SurrogateKey; surrogate != "" {
		if !hasColumn(&shape, surrogate) {
			return nil, &errSkip{scanFailed, fmt.Errorf("it has no column %q, the surrogate key of the signal", surrogate)}
		}
		order = []string{surrogate}
		if len(names) == 0 {
			names = order
		}
	}
	if len(order) == 0 {
		return nil, &errSkip{scanNoKey, errors.New("it has neither primary key nor unique index; give a surrogate-key in the signal, or message.key.columns")}
	}
	t.names = names
	for _, name := range names {
		t.of = append(t.of, columnIndex(&shape, name))
	}
	t.reader = i.reader(&shape, table, order, names, unique)
	return t, nil
}

// keyNames are the columns that identify a row: those of message.key.columns, else the table's key. unique tells that no two rows agree in them.
func keyNames(plan *envelope.Plan, table *cdc.Table) (names []string, unique bool) {
	own := true // the record's key is the table's
	for _, f := range plan.KeyFields() {
		names = append(names, f.Column)
		own = own && slices.Contains(table.Key, f.Column)
	}
	if own {
		names = table.Key // with the columns whose types have no form in a record
	}
	unique = len(table.Key) > 0
	for _, key := range table.Key {
		unique = unique && slices.Contains(names, key) && (table.PrimaryKey || notNull(table, key))
	}
	return names, unique
}

// reader compiles the reading of a table in the order of some columns.
func (i *incrementalRun) reader(rel *cdc.Relation, table *cdc.Table, order, names []string, unique bool) incremental.Reader {
	c := &i.queue[0]
	t := &incremental.Table{Schema: rel.Schema, Name: rel.Name, Condition: c.Condition, Unique: unique && slices.Equal(order, names)}
	for _, name := range order {
		at := columnIndex(rel, name)
		t.Key = append(t.Key, incremental.NewKeyColumn(name, at, rel.Columns[at].TypeOID, notNull(table, name), i.s.catalog))
	}
	r := incremental.Reader{Table: t, Relation: rel, MaxBytes: max(chunkBytes, int(min(i.s.cfg.QueueBytes, 1<<40)))}
	for n := range rel.Columns {
		name := rel.Columns[n].Name
		if slices.Contains(names, name) || slices.Contains(order, name) || i.s.encoder.Includes(rel.Schema, rel.Name, name) {
			t.Columns = append(t.Columns, name)
			r.Fields = append(r.Fields, n)
		}
	}
	return r
}

func columnIndex(rel *cdc.Relation, name string) int {
	return slices.IndexFunc(rel.Columns, func(c cdc.Column) bool { return c.Name == name })
}

func hasColumn(rel *cdc.Relation, name string) bool { return rel != nil && columnIndex(rel, name) >= 0 }

func notNull(table *cdc.Table, name string) bool {
	at := slices.IndexFunc(table.Columns, func(c cdc.TableColumn) bool { return c.Name == name })
	return at >= 0 && table.Columns[at].NotNull
}

// publishWindow publishes the rows that are left of a chunk. They bear the position of the stream, which is that of the window's end.
func (i *incrementalRun) publishWindow(ctx context.Context) error {
	if i.held.Len() == 0 {
		i.held.Clear()
		return nil
	}
	p, t := i.pub, i.table
	states := make([]incremental.State, 0, i.held.Len()) // one block; the positions point into it
	keys := newKeyCopier(i.held.Len() * len(t.reader.Table.Key))
	change := cdc.Change{Kind: cdc.Read, Relation: t.rel, LSN: p.at.lsn, Snapshot: cdc.MarkIncremental}
	at := envelope.Source{Snapshot: cdc.MarkIncremental, LastCommitLSN: p.lastCommit, SequenceLSN: p.at.lsn}
	err := i.held.Rows(func(tuple cdc.Tuple, key incremental.Key) error {
		now := time.Now()
		at.Micros, at.Nanos = cdc.MicrosOf(now), int64(now.Nanosecond()%1000)
		change.New, change.CommitTime = tuple, at.Micros
		if t.plan.Outgrown(&change) {
			if err := i.grow(ctx); err != nil {
				return err
			}
		}
		n, err := p.enc.Encode(t.plan, &change, &at)
		p.records += uint64(n)
		if err != nil {
			return err
		}
		p.tally.kinds[cdc.Read]++
		i.sent = keys.copy(key)
		states = append(states, i.plan.Behind(i.sent, true))
		p.at.inc, p.at.micros = &states[len(states)-1], at.Micros
		p.note(false)
		return nil
	})
	i.held.Clear()
	i.publishState()
	return err
}

// grow plans the table anew, one of whose enums has new labels.
func (i *incrementalRun) grow(ctx context.Context) error {
	if err := i.s.LoadTypes(ctx); err != nil {
		return err
	}
	table, err := i.s.catalog.Table(ctx, i.table.rel)
	if err != nil {
		return err
	}
	i.table.plan, err = i.pub.enc.Plan(i.table.rel, table)
	return err
}

// keyCopier copies keys out of the window, whose memory is used again, into blocks.
type keyCopier struct {
	datums []cdc.Datum
	bytes  []byte
}

func newKeyCopier(datums int) *keyCopier { return &keyCopier{datums: make([]cdc.Datum, 0, datums)} }

func (k *keyCopier) copy(key incremental.Key) incremental.Key {
	from := len(k.datums)
	for _, d := range key {
		if cap(k.bytes)-len(k.bytes) < len(d.Bytes) {
			k.bytes = make([]byte, 0, max(16<<10, len(d.Bytes)))
		}
		at := len(k.bytes)
		k.bytes = append(k.bytes, d.Bytes...)
		k.datums = append(k.datums, cdc.Datum{Kind: d.Kind, Bytes: k.bytes[at:len(k.bytes):len(k.bytes)]})
	}
	return k.datums[from:len(k.datums):len(k.datums)]
}
