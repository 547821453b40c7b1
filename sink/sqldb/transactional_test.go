package sqldb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
	"github.com/tandem-cdc/tandem/sink/transaction"
)

// shop is a source that publishes what its transactions do: teams, people in them with a nickname that is unique and a boss, and badges.
type shop struct {
	rand    *rand.Rand
	teams   map[int64]bool
	people  map[int64]person
	badges  map[int64]int64 // of a person
	log     map[kafka.TopicPartition][]sink.Record
	order   []kafka.TopicPartition
	tx      int64
	n       int64 // records of the transaction at hand
	counts  map[string]int64
	history []string // the state after each transaction
	ids     int64
}

type person struct {
	team, boss int64 // boss 0: none
	nick       string
}

func shopField(name string, s *schema.Schema) schema.Field {
	return schema.Field{Name: name, Schema: s}
}

var (
	maybeInt   = &schema.Schema{Type: schema.Int64, Optional: true}
	sourceOf   = &schema.Schema{Type: schema.Struct, Fields: []schema.Field{shopField("snapshot", textSchema), shopField("db", textSchema), shopField("schema", textSchema), shopField("table", textSchema)}}
	blockOf    = &schema.Schema{Type: schema.Struct, Optional: true, Fields: []schema.Field{shopField("id", textSchema), shopField("total_order", int64Schema), shopField("data_collection_order", int64Schema)}}
	shopKey    = &schema.Schema{Type: schema.Struct, Fields: []schema.Field{shopField("id", int64Schema)}}
	shopTables = map[string][]schema.Field{
		"teams":  {shopField("id", int64Schema)},
		"people": {shopField("id", int64Schema), shopField("team", int64Schema), shopField("boss", maybeInt), shopField("nick", textSchema)},
		"badges": {shopField("id", int64Schema), shopField("person", int64Schema)},
	}
	shopEnvelopes = map[string]*schema.Schema{}
	endCounts     = &schema.Schema{Type: schema.Struct, Fields: []schema.Field{shopField("data_collection", textSchema), shopField("event_count", int64Schema)}}
	endValue      = &schema.Schema{Type: schema.Struct, Name: "io.debezium.connector.common.TransactionMetadataValue", Fields: []schema.Field{shopField("status", textSchema), shopField("id", textSchema),
		shopField("event_count", int64Schema), shopField("data_collections", &schema.Schema{Type: schema.Array, Elem: endCounts})}}
)

func init() {
	for table, fields := range shopTables {
		row := &schema.Schema{Type: schema.Struct, Optional: true, Fields: fields}
		shopEnvelopes[table] = &schema.Schema{Type: schema.Struct, Name: "p.s." + table + ".Envelope", Fields: []schema.Field{shopField("before", row), shopField("after", row), shopField("source", sourceOf),
			shopField("transaction", blockOf), shopField("op", textSchema)}}
	}
}

func shopStruct(s *schema.Schema, v ...schema.Value) schema.Value {
	return schema.OfStruct(&schema.StructValue{Schema: s, Values: v})
}

const shopDDL = `CREATE SCHEMA s;
CREATE TABLE s.teams (id bigint PRIMARY KEY);
CREATE TABLE s.people (id bigint PRIMARY KEY, team bigint NOT NULL REFERENCES s.teams, boss bigint REFERENCES s.people, nick text NOT NULL UNIQUE);
CREATE TABLE s.badges (id bigint PRIMARY KEY, person bigint NOT NULL REFERENCES s.people)`

func newShop(seed uint64) *shop {
	s := &shop{rand: rand.New(rand.NewPCG(seed, 11)), teams: make(map[int64]bool), people: make(map[int64]person), badges: make(map[int64]int64), log: make(map[kafka.TopicPartition][]sink.Record)}
	for _, topic := range []string{"p.transaction", "p.s.badges", "p.s.people", "p.s.teams"} {
		s.order = append(s.order, kafka.TopicPartition{Topic: topic})
	}
	return s
}

func (s *shop) publish(topic string, r sink.Record) {
	at := kafka.TopicPartition{Topic: topic}
	r.Topic, r.Offset, r.Timestamp = topic, int64(len(s.log[at])), time.Unix(1_700_000_000, 0)
	r.Raw = &kafka.Record{Topic: topic, Offset: r.Offset}
	s.log[at] = append(s.log[at], r)
}

// row is what a table holds of an id now.
func (s *shop) row(table string, id int64) schema.Value {
	row := shopEnvelopes[table].Fields[1].Schema
	switch table {
	case "people":
		p := s.people[id]
		boss := schema.NullValue
		if p.boss != 0 {
			boss = schema.OfInt64(p.boss)
		}
		return shopStruct(row, schema.OfInt64(id), schema.OfInt64(p.team), boss, schema.OfString(p.nick))
	case "badges":
		return shopStruct(row, schema.OfInt64(id), schema.OfInt64(s.badges[id]))
	}
	return shopStruct(row, schema.OfInt64(id))
}

// say publishes a change of the transaction at hand.
func (s *shop) say(op, table string, id int64, after schema.Value) {
	s.n++
	s.counts[table]++
	block := shopStruct(blockOf, schema.OfString(fmt.Sprintf("%d:%d", s.tx, s.tx*1000+s.n)), schema.OfInt64(s.n), schema.OfInt64(s.counts[table]))
	r := sink.Record{KeySchema: shopKey, Key: shopStruct(shopKey, schema.OfInt64(id)), ValueSchema: shopEnvelopes[table],
		Value: shopStruct(shopEnvelopes[table], schema.NullValue, after, s.source("false", table), block, schema.OfString(op))}
	if op == "t" {
		r.KeySchema, r.Key = nil, schema.NullValue
	}
	s.publish("p.s."+table, r)
	if op == "d" && s.rand.IntN(2) == 0 {
		s.publish("p.s."+table, sink.Record{KeySchema: shopKey, Key: r.Key})
	}
}

func (s *shop) source(snapshot, table string) schema.Value {
	return shopStruct(sourceOf, schema.OfString(snapshot), schema.OfString("db"), schema.OfString("s"), schema.OfString(table))
}

func (s *shop) put(op, table string, id int64) { s.say(op, table, id, s.row(table, id)) }

// transact makes up one transaction that leaves every reference whole, at each of its statements.
func (s *shop) transact() {
	s.tx++
	s.n, s.counts = 0, make(map[string]int64)
	for range 1 + s.rand.IntN(6) {
		s.statement()
	}
	var list []schema.Value
	for _, table := range slices.Sorted(maps.Keys(s.counts)) {
		list = append(list, shopStruct(endCounts, schema.OfString("s."+table), schema.OfInt64(s.counts[table])))
	}
	s.publish("p.transaction", sink.Record{ValueSchema: endValue, Value: shopStruct(endValue, schema.OfString("END"), schema.OfString(fmt.Sprintf("%d:%d", s.tx, s.tx*1000+999)),
		schema.OfInt64(s.n), schema.OfArray(list))})
	s.history = append(s.history, s.state())
}

func (s *shop) some(ids []int64) int64 {
	if len(ids) == 0 {
		return 0
	}
	slices.Sort(ids)
	return ids[s.rand.IntN(len(ids))]
}

func (s *shop) statement() {
	team, who, badge := s.some(slices.Collect(maps.Keys(s.teams))), s.some(slices.Collect(maps.Keys(s.people))), s.some(slices.Collect(maps.Keys(s.badges)))
	s.ids++
	id := s.ids
	switch s.rand.IntN(12) {
	case 0, 1:
		s.teams[id] = true
		s.put("c", "teams", id)
	case 2, 3, 4:
		if team == 0 {
			return
		}
		s.people[id] = person{team: team, boss: who, nick: fmt.Sprint("n", id)}
		s.put("c", "people", id)
	case 5, 6:
		if who == 0 {
			return
		}
		s.badges[id] = who
		s.put("c", "badges", id)
	case 7: // to another team, under another boss
		if who == 0 || team == 0 {
			return
		}
		p := s.people[who]
		p.team, p.boss = team, 0
		s.people[who] = p
		s.put("u", "people", who)
	case 8: // a person goes: the badges first, and nobody's boss any more; who comes after has the nickname
		if who == 0 {
			return
		}
		s.leave(who)
		if team != 0 && s.rand.IntN(2) == 0 {
			s.people[id] = person{team: team, nick: fmt.Sprint("n", who)}
			s.put("c", "people", id)
		}
	case 9: // a team goes, its people to another
		other := s.some(slices.DeleteFunc(slices.Collect(maps.Keys(s.teams)), func(t int64) bool { return t == team }))
		if team == 0 || other == 0 {
			return
		}
		for _, p := range slices.Sorted(maps.Keys(s.people)) {
			if v := s.people[p]; v.team == team {
				v.team = other
				s.people[p] = v
				s.put("u", "people", p)
			}
		}
		delete(s.teams, team)
		s.say("d", "teams", team, schema.NullValue)
	case 10: // the key of a badge changes
		if badge == 0 {
			return
		}
		s.badges[id] = s.badges[badge]
		delete(s.badges, badge)
		s.say("d", "badges", badge, schema.NullValue)
		s.put("c", "badges", id)
	case 11:
		if s.rand.IntN(8) > 0 {
			return
		}
		clear(s.badges)
		clear(s.people)
		s.say("t", "people", 0, schema.NullValue) // TRUNCATE people, badges
		s.say("t", "badges", 0, schema.NullValue)
	}
}

func (s *shop) leave(who int64) {
	for _, b := range slices.Sorted(maps.Keys(s.badges)) {
		if s.badges[b] == who {
			delete(s.badges, b)
			s.say("d", "badges", b, schema.NullValue)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(s.people)) {
		if v := s.people[p]; v.boss == who {
			v.boss = 0
			s.people[p] = v
			s.put("u", "people", p)
		}
	}
	delete(s.people, who)
	s.say("d", "people", who, schema.NullValue)
}

// state is what the target must look like.
func (s *shop) state() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(s.teams)) {
		fmt.Fprintf(&b, "team|%d\n", id)
	}
	for _, id := range slices.Sorted(maps.Keys(s.people)) {
		p := s.people[id]
		fmt.Fprintf(&b, "person|%d|%d|%d|%s\n", id, p.team, p.boss, p.nick)
	}
	for _, id := range slices.Sorted(maps.Keys(s.badges)) {
		fmt.Fprintf(&b, "badge|%d|%d\n", id, s.badges[id])
	}
	return b.String()
}

func (d *database) shopState() string {
	return d.rows("SELECT 'team', id FROM s.teams ORDER BY id") + d.rows("SELECT 'person', id, team, coalesce(boss, 0), nick FROM s.people ORDER BY id") +
		d.rows("SELECT 'badge', id, person FROM s.badges ORDER BY id")
}

// snapshot publishes what there is as an initial snapshot does, tables in the order given.
func (s *shop) snapshot(tables ...string) {
	type row struct {
		table string
		id    int64
	}
	var rows []row
	for _, table := range tables {
		var ids []int64
		switch table {
		case "teams":
			ids = slices.Sorted(maps.Keys(s.teams))
		case "people":
			ids = slices.Sorted(maps.Keys(s.people))
			slices.Reverse(ids) // bosses behind those who refer to them
		case "badges":
			ids = slices.Sorted(maps.Keys(s.badges))
		}
		for _, id := range ids {
			rows = append(rows, row{table, id})
		}
	}
	for i, r := range rows {
		marker := "true"
		switch {
		case i == len(rows)-1:
			marker = "last"
		case i == 0:
			marker = "first"
		case rows[i+1].table != r.table:
			marker = "last_in_data_collection"
		case rows[i-1].table != r.table:
			marker = "first_in_data_collection"
		}
		s.publish("p.s."+r.table, sink.Record{KeySchema: shopKey, Key: shopStruct(shopKey, schema.OfInt64(r.id)), ValueSchema: shopEnvelopes[r.table],
			Value: shopStruct(shopEnvelopes[r.table], schema.NullValue, s.row(r.table, r.id), s.source(marker, r.table), schema.NullValue, schema.OfString("r"))})
	}
}

// transactionTask is a task with consistency=transaction and small limits.
func (d *database) transactionTask(options ...string) *Task {
	return d.task(append([]string{"consistency", "transaction", "tasks.max", "1", "topics", "p.transaction,p.s.teams,p.s.people,p.s.badges", "truncate.enabled", "true",
		"collection.name.format", "${source.schema}.${source.table}", "batch.size", "3"}, options...)...)
}

// openAll opens all partitions of a shop where the target says, and returns where each goes on.
func (s *shop) openAll(t *testing.T, task *Task) map[kafka.TopicPartition]int64 {
	t.Helper()
	var parts []sink.Assignment
	for _, p := range s.order {
		parts = append(parts, assignment(p.Topic, p.Partition))
	}
	positions, err := task.Open(context.Background(), parts)
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	at := make(map[kafka.TopicPartition]int64)
	for _, p := range positions {
		at[p.TopicPartition] = p.Offset
	}
	return at
}

// next takes some records of some partition; nil when all are read.
func (s *shop) next(at map[kafka.TopicPartition]int64) []sink.Record {
	var open []kafka.TopicPartition
	for _, p := range s.order {
		if at[p] < int64(len(s.log[p])) {
			open = append(open, p)
		}
	}
	if len(open) == 0 {
		return nil
	}
	p := open[s.rand.IntN(len(open))]
	n := min(int64(1+s.rand.IntN(30)), int64(len(s.log[p]))-at[p])
	at[p] += n
	return s.log[p][at[p]-n : at[p]]
}

// putAll hands over all that is not read yet.
func (s *shop) putAll(t *testing.T, task *Task, at map[kafka.TopicPartition]int64) {
	t.Helper()
	for records := s.next(at); records != nil; records = s.next(at) {
		put(t, task, records...)
	}
}

// countdown is a context that ends when it is looked at for the nth time: in the middle of what a task does, between two of its statements too.
type countdown struct {
	context.Context
	left atomic.Int64
	end  context.CancelFunc
}

func newCountdown(n int) *countdown {
	c := new(countdown)
	c.Context, c.end = context.WithCancel(context.Background())
	c.left.Store(int64(n))
	return c
}

func (c *countdown) look() {
	if c.left.Add(-1) <= 0 {
		c.end()
	}
}

func (c *countdown) Done() <-chan struct{} {
	c.look()
	return c.Context.Done()
}

func (c *countdown) Err() error {
	c.look()
	return c.Context.Err()
}

// giveUp hands records over, and the partitions are given up at the nth look at the context, as the worker does it at a rebalance: the Put ends, and what
// is complete is made durable. It tells whether Put was through before.
func giveUp(t *testing.T, task *Task, n int, records []sink.Record) (through bool) {
	t.Helper()
	ctx := newCountdown(n)
	defer ctx.end()
	err := task.Put(ctx, records)
	through = ctx.Context.Err() == nil
	if err != nil && through {
		t.Fatalf("Put = %v", err)
	}
	if _, err := task.Flush(context.Background()); err != nil {
		t.Fatalf("Flush behind a Put that was given up at look %d = %v", n, err)
	}
	return through
}

func TestGivenUp(t *testing.T) { testGivenUp(t, openShop) }

// testGivenUp ends the context of Put at every moment at which it is looked at, with rows of a snapshot that refer to none yet, which most databases refuse, and with transactions.
// Nothing of what was begun may stay, or become part of what comes next.
func testGivenUp(t *testing.T, open func(t *testing.T, deferrable bool) shopTarget) {
	d := open(t, false)
	s := newShop(4)
	for len(s.teams) == 0 || len(s.people) < 2 || len(s.badges) == 0 {
		s.transact()
	}
	clear(s.log)
	s.snapshot("badges", "people", "teams")
	task := d.transactionTask()
	defer closeTask(t, task)
	at := s.openAll(t, task)
	put(t, task, s.log[kafka.TopicPartition{Topic: "p.s.teams"}]...) // to the mark that all rows have come
	for n, through := 1, 0; through < 5; n++ {
		if giveUp(t, task, n, s.log[kafka.TopicPartition{Topic: "p.s.badges"}]) {
			through++
		}
	}
	s.putAll(t, task, at)
	for n, through := 1, 0; through < 5; n++ {
		s.transact()
		var records []sink.Record
		for more := s.next(at); more != nil; more = s.next(at) {
			records = append(records, more...)
		}
		if giveUp(t, task, n, records) {
			through++
		}
		if got, want := d.shopState(), s.state(); got != want {
			t.Fatalf("given up at look %d the target is\n%swant\n%s", n, got, want)
		}
	}
}

// TestTransactionsInTheTarget makes up transactions over tables with foreign keys and a unique column, hands them over partition by partition
// in any order, with new tasks in between, and wants the target to be at every moment as the source was behind one of its transactions.
func TestTransactionsInTheTarget(t *testing.T) {
	testTransactions(t, openShop)
}

func openShop(t *testing.T, deferrable bool) shopTarget {
	d := newDatabase(t)
	ddl := shopDDL
	if deferrable {
		ddl = strings.ReplaceAll(ddl, "REFERENCES s.people", "REFERENCES s.people DEFERRABLE")
	}
	d.exec(ddl)
	return d
}

// shopTarget is a database with the tables of a shop.
type shopTarget interface {
	transactionTask(options ...string) *Task
	shopState() string
}

// testTransactions is run for each kind of database; open makes the tables.
func testTransactions(t *testing.T, open func(t *testing.T, deferrable bool) shopTarget) {
	for _, deferrable := range []bool{false, true} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("deferrable %v, seed %d", deferrable, seed), func(t *testing.T) {
				d := open(t, deferrable)
				s := newShop(seed)
				for range 10 {
					s.transact()
				}
				clear(s.log)
				s.history = s.history[:0]
				s.snapshot("badges", "people", "teams") // the worst order
				whole := s.state()
				for range 60 {
					s.transact()
				}
				at := func() int { // what the target is, in transactions
					now := d.shopState()
					if now == whole {
						return 0
					}
					return slices.Index(s.history, now) + 1
				}
				streaming, last := false, 0
				for done := false; !done; {
					task := d.transactionTask()
					positions := s.openAll(t, task)
					for {
						records := s.next(positions)
						if records == nil {
							done = true
							break
						}
						put(t, task, records...)
						if streaming = streaming || d.shopState() == whole; streaming {
							n := at()
							if n < last || n == 0 && last > 0 {
								t.Fatalf("the target is at no transaction behind the %dth:\n%s", last, d.shopState())
							}
							last = n
						}
						if s.rand.IntN(20) == 0 { // another task takes over
							break
						}
					}
					closeTask(t, task)
				}
				if got, want := d.shopState(), s.state(); got != want {
					t.Errorf("the target at the end is\n%swant\n%s", got, want)
				}
			})
		}
	}
}

// TestSnapshotGoesOnInAnotherTask: a task that begins when the tables that others refer to were filled by the one before it, to their last row and that
// of the whole snapshot, applies the rest all the same, although nothing tells it that those are whole.
func TestSnapshotGoesOnInAnotherTask(t *testing.T) {
	d := newDatabase(t)
	d.exec(shopDDL)
	s := newShop(1)
	for len(s.teams) == 0 || len(s.people) == 0 || len(s.badges) == 0 {
		s.transact()
	}
	clear(s.log)
	s.snapshot("badges", "teams", "people")
	rows := func(table string) []sink.Record { return s.log[kafka.TopicPartition{Topic: "p.s." + table}] }
	first := d.transactionTask()
	s.openAll(t, first)
	put(t, first, append(slices.Clone(rows("teams")), rows("people")...)...)
	closeTask(t, first)

	second := d.transactionTask()
	var passed time.Duration
	second.txn.now = func() time.Time { return time.Now().Add(passed) }
	s.openAll(t, second)
	put(t, second, rows("badges")...)
	passed = 5 * time.Second
	if _, err := second.Flush(t.Context()); err != nil {
		t.Fatalf("Flush = %v", err)
	}
	if got, want := d.shopState(), s.state(); got != want {
		t.Errorf("the target is\n%swant\n%s", got, want)
	}
	closeTask(t, second)
}

func TestTransactionThatNeverBecomesComplete(t *testing.T) {
	d := newDatabase(t)
	d.exec(shopDDL)
	s := newShop(1)
	s.tx, s.counts = 770, make(map[string]int64)
	s.teams[1] = true
	s.put("c", "teams", 1)
	s.publish("p.transaction", sink.Record{ValueSchema: endValue, Value: shopStruct(endValue, schema.OfString("END"), schema.OfString("770:1"), schema.OfInt64(2),
		schema.OfArray([]schema.Value{shopStruct(endCounts, schema.OfString("s.teams"), schema.OfInt64(2))}))})
	task := d.transactionTask("transaction.timeout.ms", "60000")
	now := time.Now()
	task.txn.now = func() time.Time { return now }
	at := s.openAll(t, task)
	t.Cleanup(func() { closeTask(t, task) })
	s.putAll(t, task, at)
	for range 6 {
		if _, err := task.Flush(context.Background()); err != nil {
			t.Fatalf("Flush before the time = %v", err)
		}
		now = now.Add(10 * time.Second)
	}
	_, err := task.Flush(context.Background())
	var incomplete *transaction.IncompleteError
	if !errors.As(err, &incomplete) || incomplete.ID != "770:1" {
		t.Errorf("Flush = %v, want an error that names transaction 770:1", err)
	}
	if got := d.shopState(); got != "" {
		t.Errorf("the target holds\n%swant nothing", got)
	}
	if !task.Holds() {
		t.Error("Holds() = false, want true")
	}
	task.PausedBy(func() bool { return true })
	if _, err := task.Flush(context.Background()); err != nil {
		t.Errorf("Flush of a paused task = %v, want nil", err)
	}
}

// TestTransactionRefused: a row that the target refuses stops the task, whatever it tolerates: without it the transaction is not whole.
func TestTransactionRefused(t *testing.T) {
	d := newDatabase(t)
	d.exec(shopDDL + "; ALTER TABLE s.people ADD CHECK (nick <> 'n2')")
	s := newShop(1)
	s.tx, s.counts = 880, make(map[string]int64)
	s.teams[1], s.people[2] = true, person{team: 1, nick: "n2"}
	s.put("c", "teams", 1)
	s.put("c", "people", 2)
	s.publish("p.transaction", sink.Record{ValueSchema: endValue, Value: shopStruct(endValue, schema.OfString("END"), schema.OfString("880:1"), schema.OfInt64(2),
		schema.OfArray([]schema.Value{shopStruct(endCounts, schema.OfString("s.teams"), schema.OfInt64(1)), shopStruct(endCounts, schema.OfString("s.people"), schema.OfInt64(1))}))})
	task := d.transactionTask()
	at := s.openAll(t, task)
	t.Cleanup(func() { closeTask(t, task) })
	var err error
	for records := s.next(at); records != nil && err == nil; records = s.next(at) {
		err = task.Put(context.Background(), records)
	}
	var refused *TransactionError
	if !errors.As(err, &refused) || refused.IDs[0] != "880:1" || isRetriable(err) {
		t.Errorf("Put = %v, want an error that names transaction 880:1 and is not tried again", err)
	}
	var names interface {
		Record() (string, int32, int64)
	}
	if errors.As(err, &names) {
		t.Errorf("the error names a record to leave out: %v", err)
	}
	if got := d.shopState(); got != "" {
		t.Errorf("the target holds\n%swant nothing", got)
	}
}

// end publishes the END of the transaction at hand, with the counts of what was said of it.
func (s *shop) end() {
	var list []schema.Value
	for _, table := range slices.Sorted(maps.Keys(s.counts)) {
		list = append(list, shopStruct(endCounts, schema.OfString("s."+table), schema.OfInt64(s.counts[table])))
	}
	s.publish("p.transaction", sink.Record{ValueSchema: endValue, Value: shopStruct(endValue, schema.OfString("END"), schema.OfString(fmt.Sprintf("%d:%d", s.tx, s.tx*1000+999)),
		schema.OfInt64(s.n), schema.OfArray(list))})
}

func (s *shop) beginTransaction(tx int64) { s.tx, s.n, s.counts = tx, 0, make(map[string]int64) }

// interruptedShop is what a source says that is killed before the end of its snapshot is stored, so that it takes another one of teams: of the transactions
// before that it leaves out what its rows bring. gone has it delete a team between, so that rows of the snapshot stand behind a transaction.
func interruptedShop(gone bool) *shop {
	s := newShop(1)
	s.teams[1], s.teams[5] = true, true
	s.people[2] = person{team: 1, nick: "two"}
	s.snapshot("people", "teams")
	s.beginTransaction(70)
	s.teams[3], s.people[4] = true, person{team: 3, boss: 2, nick: "four"} // INSERT of team 3 is not said
	s.put("c", "people", 4)
	s.end()
	s.beginTransaction(71)
	if gone {
		delete(s.teams, 5)
		s.say("d", "teams", 5, schema.NullValue)
	}
	s.end()
	return s
}

// TestSecondSnapshot: transactions that refer to rows which only another snapshot has wait for it, and are then applied with it.
func TestSecondSnapshot(t *testing.T) {
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprintf("a row goes %v", gone), func(t *testing.T) {
			d := newDatabase(t)
			d.exec(shopDDL)
			s := interruptedShop(gone)
			task := d.transactionTask()
			now := time.Now()
			task.txn.now = func() time.Time { return now }
			at := s.openAll(t, task)
			t.Cleanup(func() { closeTask(t, task) })
			s.putAll(t, task, at)
			if got, want := d.shopState(), "team|1\nteam|5\nperson|2|1|0|two\n"; got != want {
				t.Errorf("before the second snapshot the target is\n%swant\n%s", got, want)
			}
			s.snapshot("teams")
			s.putAll(t, task, at)
			now = now.Add(3 * time.Second)
			if _, err := task.Flush(t.Context()); err != nil {
				t.Fatalf("Flush = %v", err)
			}
			if got, want := d.shopState(), s.state(); got != want {
				t.Errorf("behind the second snapshot the target is\n%swant\n%s", got, want)
			}
			if task.Holds() {
				t.Error("Holds() = true, want false: all is applied")
			}
		})
	}
}

// TestNoSecondSnapshot: where none comes, the transaction stops the task with its id.
func TestNoSecondSnapshot(t *testing.T) {
	d := newDatabase(t)
	d.exec(shopDDL)
	s := interruptedShop(true)
	task := d.transactionTask("transaction.timeout.ms", "60000")
	now := time.Now()
	task.txn.now = func() time.Time { return now }
	at := s.openAll(t, task)
	t.Cleanup(func() { closeTask(t, task) })
	s.putAll(t, task, at)
	now = now.Add(59 * time.Second)
	if _, err := task.Flush(t.Context()); err != nil {
		t.Fatalf("Flush before the time = %v", err)
	}
	now = now.Add(time.Second)
	var refused *TransactionError
	if _, err := task.Flush(t.Context()); !errors.As(err, &refused) || !strings.HasPrefix(refused.IDs[0], "70:") || isRetriable(err) {
		t.Errorf("Flush = %v, want an error that names transaction 70", err)
	}
}

func TestTransactionOptions(t *testing.T) {
	props := map[string]string{"connection.url": "jdbc:postgresql://h/d", "consistency": "transaction"}
	for _, c := range []struct{ option, value, want string }{
		{"tasks.max", "2", "one task"},
		{"topics", "p.s.a,p.s.b", "provide.transaction.metadata"},
	} {
		with := maps.Clone(props)
		with[c.option] = c.value
		_, r := Debezium.Parse(with)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Parse with %s=%s: %v, want an error with %q", c.option, c.value, err, c.want)
		}
	}
	props["topics"] = "p.s.a, p.transaction"
	if _, r := Debezium.Parse(props); r.Err() != nil {
		t.Errorf("Parse = %v, want nil", r.Err())
	}
}

func TestGraph(t *testing.T) {
	n := func(s string) tableName { return tableName{"s", s} }
	ref := func(from, to string, deferrable bool) reference {
		return reference{"fk_" + from, n(from), n(to), deferrable}
	}
	g := newGraph([]tableName{n("items"), n("orders"), n("people"), n("a"), n("b"), n("alone"), {"", "stores"}},
		[]reference{ref("items", "orders", false), ref("orders", "people", false), ref("people", "people", false), ref("orders", "stores", false), ref("a", "b", true), ref("b", "a", false),
			ref("b", "items", false), ref("else", "items", false)})
	rank := func(s string) int { return g.component(n(s)) }
	if !(rank("people") < rank("orders") && rank("stores") < rank("orders") && rank("orders") < rank("items") && rank("items") < rank("a")) {
		t.Errorf("components are %v", g.components)
	}
	if rank("a") != rank("b") || !g.circles[rank("a")] || g.fixed[rank("a")] != "fk_b of table s.b" || !g.circle(n("people")) || g.fixed[rank("people")] != "" || g.circle(n("orders")) {
		t.Errorf("circles are %v, fixed %v of components %v", g.circles, g.fixed, g.components)
	}
	if !g.before(rank("people"), rank("a")) || g.before(rank("a"), rank("people")) || g.before(rank("alone"), rank("a")) || g.before(rank("else"), rank("items")) {
		t.Error("before does not follow the references")
	}
}

func TestConsumes(t *testing.T) {
	for _, tt := range []struct {
		topics, regex, topic string
		want                 bool
	}{
		{"p.transaction, p.s.a", "", "p.s.a", true},
		{"p.transaction,p.s.a", "", "p.s.b", false},
		{"", `p\.(s\..*|transaction)`, "p.s.new", true},
		{"", `p\.(s\..*|transaction)`, "another.p.s.new", false},
		{"", `(`, "p.s.a", false},
		{"", "", "p.s.a", false},
	} {
		if got := consumes(tt.topics, tt.regex)(tt.topic); got != tt.want {
			t.Errorf("consumes(%q, %q)(%q) = %t, want %t", tt.topics, tt.regex, tt.topic, got, tt.want)
		}
	}
}
