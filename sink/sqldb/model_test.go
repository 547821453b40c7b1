package sqldb

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// modelTarget is a database that the model test writes to.
type modelTarget struct {
	url     string   // connection.url
	options []string // further options of each task
	// rows reads a table, a list of texts a row in the order of the columns, "NULL" for null; in any order. A text is as modelColumn.canonical
	// makes it of what the database says.
	rows func(t *testing.T, table string, columns []modelColumn) [][]string
	// disturb may break connections now and then, and calm ends that; nil: nothing can be broken.
	disturb func(rng *rand.Rand)
	calm    func()
}

// modelColumn is a column of the model's table.
type modelColumn struct {
	name   string
	schema *schema.Schema
	make   func(rng *rand.Rand) (schema.Value, string) // a value, and its canonical text
	key    bool
	never  bool // null
}

// canonical makes the texts of different databases equal: numbers without zeros that say nothing, true and false, bytes in hexadecimal digits,
// times with a blank and without zeros at their end.
func (c *modelColumn) canonical(text string) string {
	switch k := kindOf(c.schema); k {
	case kindBool:
		switch text {
		case "t", "1":
			return "true"
		case "f", "0":
			return "false"
		}
	case kindDecimal, kindFloat, kindInt:
		if n, ok := new(big.Rat).SetString(text); ok {
			return strings.TrimSuffix(strings.TrimRight(n.FloatString(6), "0"), ".")
		}
	case kindBytes:
		return strings.ToLower(strings.TrimPrefix(text, `\x`))
	case kindStampMillis, kindStampMicros:
		text = strings.Replace(strings.TrimSuffix(text, "Z"), "T", " ", 1)
		if strings.Contains(text, ".") {
			text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
		}
	}
	return text
}

// modelRow is a row as the table must hold it.
type modelRow struct {
	values []schema.Value
	texts  []string
}

// model is a source table, what it publishes, and what the target must hold in the end.
type model struct {
	rng     *rand.Rand
	flat    bool // rows without envelope, for Confluent's connector
	columns []modelColumn
	sources []*source // by partition
	logs    [][]sink.Record
	rows    map[int]modelRow
	tainted map[int]bool // the last record of the key is refused: what comes next must be a whole row
	bad     map[string]bool
	ids     int
}

const modelTopic = "modeled"

func newModel(rng *rand.Rand, flat bool) *model {
	m := &model{rng: rng, flat: flat, rows: make(map[int]modelRow), tainted: make(map[int]bool), bad: make(map[string]bool), ids: 25, columns: modelColumns(flat)}
	for p := range 1 + rng.IntN(3) {
		s := newSource(modelTopic, 1, m.fields()...)
		s.partition = int32(p)
		m.sources = append(m.sources, s)
		m.logs = append(m.logs, nil)
	}
	return m
}

func modelText(rng *rand.Rand) string {
	return []string{"", "x", "it's", `a"b\c`, "é ü 漢", "two\nlines", "%_?$1", strings.Repeat("long ", 60)}[rng.IntN(8)] + fmt.Sprint(rng.IntN(1000))
}

// modelColumns are one of each kind whose text is the same in every database.
func modelColumns(flat bool) []modelColumn {
	text := func(rng *rand.Rand) (schema.Value, string) { s := modelText(rng); return str(s), s }
	day, stamp := logicalOf(schema.Int32, "time.Date"), logicalOf(schema.Int64, "time.MicroTimestamp")
	unit := int64(1)
	if flat { // where Debezium's own types are but numbers
		day, stamp, unit = typed(schema.Int32, schema.DateName), typed(schema.Int64, schema.TimestampName), 1000
	}
	return []modelColumn{
		{name: "id", key: true, schema: int32Of()},
		{name: "must", never: true, schema: stringOf(), make: text},
		{name: "big", schema: nullable(), make: text}, // perhaps unknown
		{name: "n", schema: optional(i64Of()), make: func(rng *rand.Rand) (schema.Value, string) {
			n := rng.Int64N(1<<40) - 1<<39
			return i64(n), fmt.Sprint(n)
		}},
		{name: "small", schema: optional(typed(schema.Int16, "")), make: func(rng *rand.Rand) (schema.Value, string) {
			n := rng.IntN(60000) - 30000
			return schema.OfInt16(int16(n)), fmt.Sprint(n)
		}},
		{name: "x", schema: optional(typed(schema.Float64, "")), make: func(rng *rand.Rand) (schema.Value, string) {
			f := float64(rng.IntN(1_000_000)-500_000) / 8
			return schema.OfFloat64(f), fmt.Sprint(f)
		}},
		{name: "flag", schema: optional(typed(schema.Boolean, "")), make: func(rng *rand.Rand) (schema.Value, string) {
			b := rng.IntN(2) == 0
			return schema.OfBool(b), fmt.Sprint(b)
		}},
		{name: "price", schema: optional(decimalSchema("12", "2")), make: func(rng *rand.Rand) (schema.Value, string) {
			n := rng.Int64N(1e10) - 5e9
			return decimalOf(n), big.NewRat(n, 100).FloatString(2)
		}},
		{name: "raw", schema: optional(typed(schema.Bytes, "")), make: func(rng *rand.Rand) (schema.Value, string) {
			b := make([]byte, rng.IntN(20))
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			return schema.OfBytes(b), hex.EncodeToString(b)
		}},
		{name: "day", schema: optional(day), make: func(rng *rand.Rand) (schema.Value, string) {
			n := rng.IntN(40000) - 10000
			return i32(n), string(appendDateText(nil, int64(n)))
		}},
		{name: "at", schema: optional(stamp), make: func(rng *rand.Rand) (schema.Value, string) {
			n := rng.Int64N(4e9) * 1000 * 1000 / unit / 7 // 1970 to 1988
			return i64(n), string(appendStampText(nil, n*unit))
		}},
	}
}

func (m *model) fields() []schema.Field {
	var out []schema.Field
	for _, c := range m.columns {
		out = append(out, field(c.name, c.schema))
	}
	return out
}

// alter adds a column; rows that are there have null in it.
func (m *model) alter() {
	m.columns = append(m.columns, modelColumn{name: "later", schema: nullable(), make: func(rng *rand.Rand) (schema.Value, string) { s := modelText(rng); return str(s), s }})
	for _, s := range m.sources {
		s.alter(1, m.fields()...)
	}
	for id, r := range m.rows {
		m.rows[id] = modelRow{append(slices.Clone(r.values), schema.NullValue), append(slices.Clone(r.texts), "NULL")}
	}
}

func (m *model) random(id int) modelRow {
	var r modelRow
	for i := range m.columns {
		c := &m.columns[i]
		v, text := i32(id), fmt.Sprint(id)
		switch {
		case c.key:
		case !c.never && m.rng.IntN(5) == 0:
			v, text = schema.NullValue, "NULL"
		default:
			v, text = c.make(m.rng)
			text = c.canonical(text)
		}
		r.values, r.texts = append(r.values, v), append(r.texts, text)
	}
	return r
}

// of is the partition of a key.
func (m *model) of(id int) int { return id % len(m.sources) }

func (m *model) emit(p int, records ...sink.Record) {
	m.logs[p] = append(m.logs[p], records...)
	if m.rng.IntN(10) == 0 {
		m.sources[p].next += int64(m.rng.IntN(3)) // compaction and transaction markers leave gaps
	}
}

// write is a record that makes a row what values say.
func (m *model) write(id int, op string, values []schema.Value) sink.Record {
	s := m.sources[m.of(id)]
	if !m.flat {
		return s.change(op, nil, values)
	}
	r := s.record(s.keyValue(values), schema.OfStruct(&schema.StructValue{Schema: s.row, Values: values}))
	r.ValueSchema = s.row
	return r
}

// remove are the records that delete a row: an event and a tombstone, or the tombstone alone.
func (m *model) remove(id int, values []schema.Value) []sink.Record {
	s := m.sources[m.of(id)]
	if m.flat {
		return []sink.Record{s.record(s.keyValue(values), schema.NullValue)}
	}
	return s.remove(values...)
}

// step makes one change of the source.
func (m *model) step() {
	id := m.rng.IntN(m.ids)
	p := m.of(id)
	row, exists := m.rows[id]
	switch dice := m.rng.IntN(100); {
	case dice < 4:
		m.refused(id, p)
	case dice == 4 && !m.flat && len(m.sources) == 1:
		clear(m.rows)
		m.emit(p, m.sources[p].change("t", nil, nil))
	case !exists:
		m.put(id, m.random(id), nil)
	case dice < 30:
		delete(m.rows, id)
		m.emit(p, m.remove(id, row.values)...)
	case dice < 45:
		m.rekey(id, row)
	default:
		m.put(id, m.random(id), &row)
	}
}

// put writes a row; of one that is there, big may be unknown.
func (m *model) put(id int, next modelRow, before *modelRow) {
	values := slices.Clone(next.values)
	op := "c"
	if before != nil {
		op = "u"
		if m.rng.IntN(3) == 0 && !m.tainted[id] {
			next.values[2], next.texts[2] = before.values[2], before.texts[2]
			values[2] = unavailable()
		}
	}
	m.rows[id] = next
	m.tainted[id] = false
	m.emit(m.of(id), m.write(id, op, values))
}

// refused publishes a record that no database takes, and that must change nothing.
func (m *model) refused(id, p int) {
	row := m.random(id)
	row.values[1] = schema.NullValue // its column is NOT NULL
	r := m.write(id, "u", row.values)
	if m.rng.IntN(3) == 0 {
		r.Key = schema.NullValue // no database is asked
	} else {
		m.tainted[id] = true
	}
	m.bad[fmt.Sprintf("%d@%d", r.Partition, r.Offset)] = true
	m.emit(p, r)
}

// rekey moves a row to a free key. Where both halves go to one partition, a column that was not touched may be unknown.
func (m *model) rekey(id int, row modelRow) {
	to := m.rng.IntN(m.ids)
	if _, taken := m.rows[to]; taken || m.flat {
		return
	}
	next := m.random(to)
	values := slices.Clone(next.values)
	same := m.of(to) == m.of(id)
	if same && m.rng.IntN(2) == 0 && !m.tainted[id] && !m.tainted[to] {
		next.values[2], next.texts[2] = row.values[2], row.texts[2]
		values[2] = unavailable()
	}
	delete(m.rows, id)
	m.rows[to] = next
	m.tainted[to] = false
	records := m.sources[m.of(id)].rekey(row.values, values)
	if same {
		m.emit(m.of(id), records...)
		return
	}
	m.emit(m.of(id), records[:2]...)
	m.sources[m.of(id)].next--
	create := m.sources[m.of(to)].create(values...)
	create.Headers = records[2].Headers
	m.emit(m.of(to), create)
}

func (m *model) want() [][]string {
	var out [][]string
	for _, id := range slices.Sorted(maps.Keys(m.rows)) {
		out = append(out, m.rows[id].texts)
	}
	return out
}

// modelRun puts a model's records through tasks that are killed and replaced, and takes out what they refuse, as the worker does with
// errors.tolerance=all.
type modelRun struct {
	t      *testing.T
	m      *model
	target modelTarget
	task   *Task
	at     []int
	taken  int // records taken out
	skips  map[kafka.TopicPartition]int64
}

func (r *modelRun) newTask() *Task {
	props := map[string]string{"connection.url": r.target.url, "insert.mode": "upsert", "delete.enabled": "true", "batch.size": fmt.Sprint(1 + r.m.rng.IntN(40))}
	family := &Debezium
	if r.m.flat {
		family = &Confluent
		maps.Copy(props, map[string]string{"pk.mode": "record_key", "auto.create": "true", "auto.evolve": "true", "max.retries": "1", "retry.backoff.ms": "1", "connection.attempts": "1"})
	} else {
		maps.Copy(props, map[string]string{"primary.key.mode": "record_key", "schema.evolution": "basic", "truncate.enabled": "true", "flush.max.retries": "1", "flush.retry.delay.ms": "1"})
	}
	for i := 0; i+1 < len(r.target.options); i += 2 {
		props[r.target.options[i]] = r.target.options[i+1]
	}
	c, report := family.Parse(props)
	if err := report.Err(); err != nil {
		r.t.Fatal(err)
	}
	return New(c, "modeled", logger(r.t))
}

// open takes all partitions with a new task and goes on where the positions say.
func (r *modelRun) open() {
	task := r.newTask()
	r.task = task
	task.holdFor = time.Hour // the other half comes with a later batch
	r.t.Cleanup(func() { closeTask(r.t, task) })
	var parts []sink.Assignment
	for p := range r.m.logs {
		parts = append(parts, assignment(modelTopic, int32(p)))
	}
	r.at, r.skips = make([]int, len(r.m.logs)), make(map[kafka.TopicPartition]int64)
	for {
		got, err := task.Open(context.Background(), parts)
		if isRetriable(err) {
			r.settle()
			continue
		}
		if err != nil {
			r.t.Fatalf("Open = %v", err)
		}
		for _, p := range got {
			r.at[p.Partition], _ = slices.BinarySearchFunc(r.m.logs[p.Partition], p.Offset, func(rec sink.Record, offset int64) int { return int(rec.Offset - offset) })
		}
		return
	}
}

func (r *modelRun) settle() {
	if r.target.calm != nil {
		r.target.calm()
	}
}

func (r *modelRun) batch() []sink.Record {
	var out []sink.Record
	for p, log := range r.m.logs {
		n := min(r.m.rng.IntN(25), len(log)-r.at[p])
		out = append(out, log[r.at[p]:r.at[p]+n]...)
		r.at[p] += n
	}
	return out
}

func (r *modelRun) left() bool {
	for p, log := range r.m.logs {
		if r.at[p] < len(log) {
			return true
		}
	}
	return false
}

// put puts a batch without what is refused; false: the process died.
func (r *modelRun) put(batch []sink.Record) bool {
	for len(batch) > 0 {
		err := r.task.Put(context.Background(), batch)
		var rows RowErrors
		switch {
		case err == nil:
			return true
		case errors.As(err, &rows):
			for _, e := range rows {
				if !r.m.bad[fmt.Sprintf("%d@%d", e.Partition, e.Offset)] {
					r.t.Fatalf("a record without fault is refused: %v", e)
				}
				tp := kafka.TopicPartition{Topic: e.Topic, Partition: e.Partition}
				i := slices.IndexFunc(batch, func(rec sink.Record) bool { return rec.Consumed() == tp && rec.Offset == e.Offset })
				if i < 0 {
					r.t.Fatalf("a record is refused that was not put: %v", e)
				}
				if last := i+1 == len(batch) || batch[i+1].Partition != e.Partition; last {
					r.skips[tp] = e.Offset + 1
				}
				batch = slices.Delete(batch, i, i+1)
				r.taken++
			}
		case !isRetriable(err):
			r.t.Fatalf("Put = %v", err)
		case r.m.rng.IntN(2) == 0:
			return false
		default:
			r.settle()
		}
	}
	return true
}

func (r *modelRun) run() {
	r.open()
	for r.left() {
		if r.target.disturb != nil && r.m.rng.IntN(4) == 0 {
			r.target.disturb(r.m.rng)
		}
		if !r.put(slices.Clone(r.batch())) || r.m.rng.IntN(8) == 0 {
			r.settle()
			r.open() // another process goes on
		}
	}
	r.settle()
	r.task.holdFor = 0
	var positions []kafka.Position
	for tp, offset := range r.skips {
		positions = append(positions, kafka.Position{TopicPartition: tp, Offset: offset})
	}
	r.task.Skip(positions)
	for range 2 { // a connection that was broken is known to be with the first use
		if _, err := r.task.Flush(context.Background()); err != nil && !isRetriable(err) {
			r.t.Fatalf("Flush = %v", err)
		}
	}
	got, err := r.task.Flush(context.Background())
	if err != nil {
		r.t.Fatalf("Flush = %v", err)
	}
	for _, p := range got {
		log := r.m.logs[p.Partition]
		if want := log[len(log)-1].Offset + 1; p.Offset != want {
			r.t.Errorf("position of partition %d = %d, want %d", p.Partition, p.Offset, want)
		}
	}
}

// testModel runs random changes of a table, of all types, with key changes, deletes, truncates, a new column and records at fault, through the
// task, and compares the target with the model. open makes an empty database. It is run for each kind of database.
func testModel(t *testing.T, open func(t *testing.T) modelTarget) {
	for _, flat := range []bool{false, true} {
		for i := range *runsFlag {
			seed := *seedFlag
			if seed == 0 {
				seed = uint64(i + 1)
			}
			t.Run(fmt.Sprintf("flat=%t,seed=%d", flat, seed), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 1))
				m := newModel(rng, flat)
				for i := range 700 {
					if i == 400 {
						m.alter()
					}
					m.step()
				}
				r := &modelRun{t: t, m: m, target: open(t)}
				r.run()
				if r.taken == 0 {
					t.Errorf("no record was taken out, want some of %d", len(m.bad))
				}
				got := r.target.rows(t, modelTopic, m.columns)
				id := func(row []string) int { n := 0; fmt.Sscan(row[0], &n); return n }
				slices.SortFunc(got, func(a, b []string) int { return id(a) - id(b) })
				if d := cmp.Diff(m.want(), got); d != "" {
					t.Errorf("the target differs: (-want +got)\n%s", d)
				}
			})
		}
	}
}

func TestModelPostgres(t *testing.T) {
	testModel(t, func(t *testing.T) modelTarget {
		d := newDatabase(t)
		p := newProxy(t, d)
		return modelTarget{
			url:     d.jdbc,
			disturb: func(rng *rand.Rand) { p.CutAfter(int64(rng.IntN(6000)), nil) },
			calm:    p.Heal,
			rows: func(t *testing.T, table string, columns []modelColumn) [][]string {
				var names []string
				for _, c := range columns {
					names = append(names, c.name+"::text")
				}
				rows, err := d.conn.Query(context.Background(), "SELECT ARRAY["+strings.Join(names, ", ")+"] FROM "+table)
				if err != nil {
					t.Fatal(err)
				}
				defer rows.Close()
				var out [][]string
				for rows.Next() {
					var texts []*string
					if err := rows.Scan(&texts); err != nil {
						t.Fatal(err)
					}
					row := make([]string, len(columns))
					for i := range texts {
						if row[i] = "NULL"; texts[i] != nil {
							row[i] = columns[i].canonical(*texts[i])
						}
					}
					out = append(out, row)
				}
				if err := rows.Err(); err != nil {
					t.Fatal(err)
				}
				return out
			},
		}
	})
}
