package transaction

import (
	"errors"
	"fmt"
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

func field(name string, s *schema.Schema) schema.Field { return schema.Field{Name: name, Schema: s} }

var (
	number   = &schema.Schema{Type: schema.Int64}
	block    = &schema.Schema{Type: schema.Struct, Optional: true, Fields: []schema.Field{field("id", text), field("total_order", number), field("data_collection_order", number)}}
	source   = &schema.Schema{Type: schema.Struct, Fields: []schema.Field{field("snapshot", text), field("db", text), field("schema", text), field("table", text), field("name", text)}}
	row      = &schema.Schema{Type: schema.Struct, Optional: true, Fields: []schema.Field{field("id", number), field("fill", text)}}
	envelope = &schema.Schema{Type: schema.Struct, Name: "p.s.t.Envelope", Fields: []schema.Field{field("before", row), field("after", row), field("source", source), field("transaction", block), field("op", text)}}
	perTable = &schema.Schema{Type: schema.Struct, Fields: []schema.Field{field("data_collection", text), field("event_count", number)}}
	metadata = &schema.Schema{Type: schema.Struct, Name: "io.debezium.connector.common.TransactionMetadataValue", Fields: []schema.Field{field("status", text), field("id", text),
		field("event_count", number), field("data_collections", &schema.Schema{Type: schema.Array, Elem: perTable})}}
)

func structOf(s *schema.Schema, v ...schema.Value) schema.Value {
	return schema.OfStruct(&schema.StructValue{Schema: s, Values: v})
}

// change is a record of a table; tx "" is none, marker the source's snapshot field.
func record(table string, id int64, tx string, order int64, marker string) sink.Record {
	in := schema.NullValue
	if tx != "" {
		in = structOf(block, schema.OfString(tx), schema.OfInt64(order), schema.OfInt64(order))
	}
	op := "c"
	if marker != "false" {
		op = "r"
	}
	return sink.Record{KeySchema: number, Key: schema.OfInt64(id), ValueSchema: envelope, Value: structOf(envelope, schema.NullValue, structOf(row, schema.OfInt64(id), schema.OfString(strings.Repeat("x", int(id%50)))),
		structOf(source, schema.OfString(marker), schema.OfString("db"), schema.OfString("s"), schema.OfString(table), schema.OfString("p")), in, schema.OfString(op))}
}

func ending(status, tx string, counts map[string]int64) sink.Record {
	var list []schema.Value
	total := int64(0)
	for table, n := range counts {
		list = append(list, structOf(perTable, schema.OfString("s."+table), schema.OfInt64(n)))
		total += n
	}
	return sink.Record{ValueSchema: metadata, Value: structOf(metadata, schema.OfString(status), schema.OfString(tx), schema.OfInt64(total), schema.OfArray(list))}
}

// topics are partitions that records are written to and read from.
type topics struct {
	order   []kafka.TopicPartition
	records map[kafka.TopicPartition][]sink.Record
}

func (l *topics) add(topic string, partition int32, r sink.Record) {
	at := kafka.TopicPartition{Topic: topic, Partition: partition}
	if l.records == nil {
		l.records = make(map[kafka.TopicPartition][]sink.Record)
	}
	if _, ok := l.records[at]; !ok {
		l.order = append(l.order, at)
	}
	r.Topic, r.Partition, r.Offset = topic, partition, int64(len(l.records[at]))
	r.Raw = &kafka.Record{Topic: topic, Partition: partition, Offset: r.Offset}
	l.records[at] = append(l.records[at], r)
}

var start = time.Unix(1_700_000_000, 0)

func assembler(t *testing.T, parts []kafka.TopicPartition, positions map[kafka.TopicPartition]int64) *Assembler {
	t.Helper()
	a := New(Config{Buffer: 4 << 10, Dir: t.TempDir(), Timeout: time.Minute, TopicOf: func(name string) string { return name }})
	t.Cleanup(func() { a.Close() })
	next := make([]int64, len(parts))
	for i, p := range parts {
		next[i] = -1
		if at, ok := positions[p]; ok {
			next[i] = at
		}
	}
	if err := a.Open(assigned(parts), next, start); err != nil {
		t.Fatal(err)
	}
	return a
}

// assigned is all of the partitions of some topics.
func assigned(parts []kafka.TopicPartition) []sink.Assignment {
	size := make(map[string]int)
	for _, p := range parts {
		size[p.Topic]++
	}
	out := make([]sink.Assignment, len(parts))
	for i, p := range parts {
		out[i] = sink.Assignment{TopicPartition: p, Partitions: size[p.Topic]}
	}
	return out
}

// name tells a record by its table, its id and its transaction.
func name(r *sink.Record) string {
	if r.Value.IsNull() {
		return fmt.Sprintf("%s/tombstone %d", r.Topic, r.Key.Int())
	}
	return fmt.Sprintf("%s/%d", r.Topic, r.Value.Struct().Field("after").Struct().Values[0].Int())
}

// namesOf are the records of a group, and checks that it says them twice.
func namesOf(t *testing.T, g *Group) []string {
	t.Helper()
	read := func() (out []string) {
		if err := g.Records(func(records []sink.Record) error {
			for i := range records {
				out = append(out, name(&records[i]))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	first, second := read(), read()
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("Records gives something else the second time (-first +second)\n%s", diff)
	}
	if len(first) != g.Rows {
		t.Errorf("Rows = %d, Records gives %d", g.Rows, len(first))
	}
	return first
}

// TestTransactionsWhole writes random transactions to several partitions, reads them in a random order with restarts between, and wants each
// transaction whole, once, in its order, and in the order of commits.
func TestTransactionsWhole(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		var l topics
		l.add("p.transaction", 0, ending("BEGIN", "1:1", nil))
		var want []string
		id := int64(0)
		for tx := range 40 {
			counts := make(map[string]int64)
			n := r.IntN(6)
			if r.IntN(10) == 0 {
				n = 200
			}
			for order := range n {
				id++
				table := fmt.Sprintf("t%d", r.IntN(3))
				counts[table]++
				partition := int32(r.IntN(2))
				rec := record(table, id, fmt.Sprintf("%d:%d", tx+500, id), int64(order+1), "false")
				l.add("p.s."+table, partition, rec)
				want = append(want, fmt.Sprintf("p.s.%s/%d", table, id))
				if r.IntN(4) == 0 {
					l.add("p.s."+table, partition, sink.Record{KeySchema: number, Key: schema.OfInt64(id)})
					want = append(want, fmt.Sprintf("p.s.%s/tombstone %d", table, id))
				}
			}
			counts["elsewhere"] = 3 // a table that this connector does not read
			l.add("p.transaction", 0, ending("END", fmt.Sprintf("%d:%d", tx+500, id+100000), counts))
		}
		var got []string
		positions := make(map[kafka.TopicPartition]int64)
		for crash := true; crash; {
			crash = r.IntN(2) == 0
			got = append(got, readAll(t, r, &l, positions, crash)...)
		}
		// A tombstone that comes when its transaction has been applied comes later, but in the order of its partition.
		if diff := cmp.Diff(without(want, "tombstone"), without(got, "tombstone")); diff != "" {
			t.Fatalf("seed %d: records differ (-want +got)\n%s", seed, diff)
		}
		for at, records := range l.records {
			if topic := at.Topic + "/"; at.Partition == 0 && topic != "p.transaction/" {
				var there []string
				for i := range records {
					there = append(there, name(&records[i]))
				}
				mine := slices.DeleteFunc(slices.Clone(got), func(n string) bool { return !slices.Contains(there, n) })
				if diff := cmp.Diff(there, mine); diff != "" {
					t.Fatalf("seed %d: records of %v differ (-want +got)\n%s", seed, at, diff)
				}
			}
		}
		for at, records := range l.records {
			if positions[at] != int64(len(records)) {
				t.Errorf("seed %d: position of %v = %d, want %d", seed, at, positions[at], len(records))
			}
		}
	}
}

func without(names []string, what string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.Contains(n, what) })
}

// readAll reads from the positions on, in pieces of random partitions, and moves the positions with each group. With crash it ends anywhere.
func readAll(t *testing.T, r *rand.Rand, l *topics, positions map[kafka.TopicPartition]int64, crash bool) (got []string) {
	t.Helper()
	a := assembler(t, l.order, positions)
	defer a.Close()
	at := make(map[kafka.TopicPartition]int64)
	for p, n := range positions {
		at[p] = a.ReadFrom(p, 0, n)
	}
	for {
		var open []kafka.TopicPartition
		for _, p := range l.order {
			if at[p] < int64(len(l.records[p])) {
				open = append(open, p)
			}
		}
		if len(open) == 0 || crash && r.IntN(30) == 0 {
			return got
		}
		p := open[r.IntN(len(open))]
		for range 1 + r.IntN(40) {
			if at[p] == int64(len(l.records[p])) {
				break
			}
			rec := l.records[p][at[p]]
			at[p]++
			if err := a.Add(&rec, start); err != nil {
				t.Fatal(err)
			}
		}
		for {
			g, err := a.Next(2000)
			if err != nil {
				t.Fatal(err)
			}
			if g != nil {
				got = append(got, namesOf(t, g)...)
			} else if g = a.Rows(a.Topics(), 2000); g == nil {
				break
			}
			if crash && r.IntN(30) == 0 { // applied, and the process ends before it knows
				for _, m := range g.Moves {
					positions[m.TopicPartition] = m.To
				}
				return got
			}
			if err := a.Done(g, start); err != nil {
				t.Fatal(err)
			}
			for _, m := range g.Moves {
				if was, ok := positions[m.TopicPartition]; ok && m.From != was || !ok && m.From != -1 || m.To <= m.From {
					t.Errorf("%v moves from %d to %d, it stands at %d", m.TopicPartition, m.From, m.To, was)
				}
				positions[m.TopicPartition] = m.To
			}
		}
		if a.spool.held > a.spool.limit+int64(len(l.order)+1)*2*chunkSize {
			t.Errorf("%d bytes are in memory, the limit is %d", a.spool.held, a.spool.limit)
		}
	}
}

// feed adds the records of the partitions in the order given.
// feed adds all records of topics that are in partitions of the assembler.
func feed(t *testing.T, a *Assembler, l *topics, topics ...string) {
	t.Helper()
	for _, topic := range topics {
		for _, at := range l.order {
			if at.Topic != topic || a.queues[at] == nil {
				continue
			}
			for _, rec := range l.records[at] {
				if err := a.Add(&rec, start); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func drain(t *testing.T, a *Assembler) (got []string, err error) {
	t.Helper()
	for {
		g, err := a.Next(1 << 20)
		if g == nil || err != nil {
			return got, err
		}
		got = append(got, namesOf(t, g)...)
		if err := a.Done(g, start); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSourceRepeatsAfterACrash(t *testing.T) {
	var l topics
	l.add("p.s.a", 0, record("a", 1, "7:10", 1, "false"))
	l.add("p.s.b", 0, record("b", 2, "7:11", 2, "false"))
	l.add("p.s.b", 0, record("b", 2, "7:11", 2, "false")) // said again before the end
	l.add("p.s.a", 0, record("a", 3, "7:12", 3, "false"))
	l.add("p.transaction", 0, ending("END", "7:20", map[string]int64{"a": 2, "b": 1}))
	l.add("p.s.b", 0, record("b", 4, "8:30", 1, "false"))
	l.add("p.transaction", 0, ending("END", "8:40", map[string]int64{"b": 1}))
	l.add("p.s.a", 0, record("a", 3, "7:12", 3, "false")) // and behind it
	l.add("p.transaction", 0, ending("END", "7:20", map[string]int64{"a": 2, "b": 1}))
	l.add("p.s.b", 0, record("b", 4, "8:30", 1, "false"))
	l.add("p.transaction", 0, ending("END", "8:40", map[string]int64{"b": 1}))
	l.add("p.s.a", 0, record("a", 5, "9:50", 1, "false"))
	l.add("p.transaction", 0, ending("END", "9:60", map[string]int64{"a": 1}))
	want := []string{"p.s.a/1", "p.s.b/2", "p.s.a/3", "p.s.b/4", "p.s.a/5"}
	for _, order := range [][]string{{"p.transaction", "p.s.a", "p.s.b"}, {"p.s.b", "p.s.a", "p.transaction"}, {"p.s.a", "p.transaction", "p.s.b"}} {
		a := assembler(t, l.order, nil)
		feed(t, a, &l, order...)
		got, err := drain(t, a)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("read in the order %v: %v (-want +got)\n%s", order, err, diff)
		}
		if a.Waiting() {
			t.Errorf("read in the order %v: something is left waiting", order)
		}
	}
}

// TestSourceAndSinkCrash: the source says again a part of what was applied, and the sink begins anew.
func TestSourceAndSinkCrash(t *testing.T) {
	var l topics
	l.add("p.transaction", 0, ending("END", "7:20", map[string]int64{"a": 3}))
	for n := range int64(3) {
		l.add("p.s.a", 0, record("a", n, fmt.Sprintf("7:1%d", n), n+1, "false"))
	}
	meta, data := l.order[0], l.order[1]
	positions := map[kafka.TopicPartition]int64{meta: 1, data: 3}
	l.add("p.s.a", 0, record("a", 2, "7:12", 3, "false"))
	l.add("p.transaction", 0, ending("END", "7:20", map[string]int64{"a": 3}))
	l.add("p.s.a", 0, record("a", 4, "8:30", 1, "false"))
	l.add("p.transaction", 0, ending("END", "8:40", map[string]int64{"a": 1}))
	a := assembler(t, l.order, positions)
	if got := a.ReadFrom(meta, 0, 1); got != 0 {
		t.Errorf("ReadFrom(metadata, 0, 1) = %d, want 0", got)
	}
	if got := a.ReadFrom(data, 0, 3); got != 3 {
		t.Errorf("ReadFrom(data, 0, 3) = %d, want 3", got)
	}
	feed(t, a, &l, "p.s.a", "p.transaction")
	got, err := drain(t, a)
	if diff := cmp.Diff([]string{"p.s.a/4"}, got); diff != "" || err != nil || a.Waiting() {
		t.Errorf("%v, waiting %v (-want +got)\n%s", err, a.Waiting(), diff)
	}
}

func TestNeverComplete(t *testing.T) {
	var l topics
	l.add("p.s.a", 0, record("a", 1, "7:10", 1, "false"))
	l.add("p.transaction", 0, ending("END", "7:20", map[string]int64{"a": 2}))
	l.add("p.transaction", 0, ending("END", "8:40", map[string]int64{"a": 1}))
	a := assembler(t, l.order, nil)
	feed(t, a, &l, "p.s.a", "p.transaction")
	if got, err := drain(t, a); got != nil || err != nil || !a.Waiting() {
		t.Errorf("of an incomplete transaction %v is given, %v, waiting %v, want nothing and true", got, err, a.Waiting())
	}
	if err := a.Overdue(start.Add(59 * time.Second)); err != nil {
		t.Errorf("Overdue before the time = %v, want nil", err)
	}
	var incomplete *IncompleteError
	if err := a.Overdue(start.Add(time.Minute)); !errors.As(err, &incomplete) || incomplete.ID != "7:20" || !strings.Contains(err.Error(), "p.s.a has 1 of 2") {
		t.Errorf("Overdue = %v, want an error that names 7:20 and what is missing", err)
	}
	l.add("p.s.a", 0, record("a", 2, "8:30", 1, "false")) // of the next one: what is missing cannot come any more
	feed(t, a, &l, "p.s.a")
	if _, err := drain(t, a); !errors.As(err, &incomplete) || incomplete.ID != "7:20" {
		t.Errorf("Next = %v, want an error that names 7:20", err)
	}
}

func TestEndIsMissing(t *testing.T) {
	var l topics
	l.add("p.s.a", 0, record("a", 1, "7:10", 1, "false"))
	l.add("p.s.a", 0, record("a", 2, "8:20", 1, "false"))
	l.add("p.transaction", 0, ending("END", "8:40", map[string]int64{"a": 1}))
	a := assembler(t, l.order, nil)
	feed(t, a, &l, "p.s.a", "p.transaction")
	if _, err := drain(t, a); err == nil || !strings.Contains(err.Error(), "transaction 7:10") {
		t.Errorf("Next = %v, want an error that names transaction 7:10", err)
	}
}

// The source makes the topic of the metadata with its first transaction: rows of snapshots do not wait for it, transactions do.
func TestMetadataTopicComesLater(t *testing.T) {
	var l topics
	l.add("p.s.a", 0, record("a", 1, "", 0, "last"))
	l.add("p.s.a", 0, record("a", 2, "7:10", 1, "false"))
	l.add("p.transaction", 0, ending("END", "7:20", map[string]int64{"a": 1}))
	data := l.order[0]
	a := assembler(t, l.order[:1], nil)
	if topic, assigned := a.Metadata(); topic != "" || assigned {
		t.Errorf("Metadata() = %q, %v before the first record, want none", topic, assigned)
	}
	feed(t, a, &l, "p.s.a")
	if topic, assigned := a.Metadata(); topic != "p.transaction" || assigned {
		t.Errorf("Metadata() = %q, %v, want p.transaction, false", topic, assigned)
	}
	g := a.Rows([]string{"p.s.a"}, 1<<20)
	if got := namesOf(t, g); !slices.Equal(got, []string{"p.s.a/1"}) {
		t.Errorf("Rows = %v, want the row of the snapshot", got)
	}
	if err := a.Done(g, start); err != nil {
		t.Fatal(err)
	}
	if got, err := drain(t, a); got != nil || err != nil || !a.Waiting() {
		t.Errorf("without metadata %v is given, %v, waiting %v, want nothing and true", got, err, a.Waiting())
	}
	if err := a.Overdue(start.Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "7:10") || !strings.Contains(err.Error(), "topic p.transaction does not exist") {
		t.Errorf("Overdue = %v, want an error that names 7:10 and the topic", err)
	}
	a = assembler(t, l.order, map[kafka.TopicPartition]int64{data: 1})
	feed(t, a, &l, "p.s.a", "p.transaction")
	if got, err := drain(t, a); !slices.Equal(got, []string{"p.s.a/2"}) || err != nil {
		t.Errorf("with the topic %v is given, %v, want the transaction", got, err)
	}
}

// TestNoMetadata: what can be told is refused with the first record that tells it.
func TestNoMetadata(t *testing.T) {
	var l topics
	l.add("p.s.a", 0, record("a", 1, "", 0, "last"))
	l.add("p.s.a", 0, record("a", 2, "", 0, "false"))
	snapshot, change := l.records[l.order[0]][0], l.records[l.order[0]][1]
	a := assembler(t, l.order, nil)
	if err := a.Add(&snapshot, start); err != nil {
		t.Errorf("Add of a row of a snapshot = %v, want nil: it does not tell", err)
	}
	if err := a.Add(&change, start); err == nil || !strings.Contains(err.Error(), "provide.transaction.metadata=true") {
		t.Errorf("Add of a change without a transaction = %v, want an error that names the option", err)
	}
	a.config.Wants = func(topic string) bool { return strings.HasPrefix(topic, "p.s.") }
	if err := a.Open(assigned(l.order), []int64{-1}, start); err != nil {
		t.Fatal(err)
	}
	var setup *SetupError
	if err := a.Add(&snapshot, start); !errors.As(err, &setup) || setup.Option != "topics.regex" || !strings.Contains(err.Error(), "p.transaction") {
		t.Errorf("Add where the connector does not consume the topic = %v, want an error that names it and topics.regex", err)
	}
}

// A table may be new: the END counts its rows, and the topic is assigned later, for it was not there when the partitions were.
func TestTopicIsAssignedLater(t *testing.T) {
	var l topics
	l.add("p.transaction", 0, ending("END", "7:20", map[string]int64{"a": 1, "b": 1}))
	l.add("p.transaction", 0, ending("END", "8:40", map[string]int64{"b": 1, "other": 1}))
	l.add("p.s.a", 0, record("a", 1, "7:10", 1, "false"))
	l.add("p.s.b", 0, record("b", 2, "7:11", 2, "false"))
	l.add("p.s.b", 0, record("b", 3, "8:30", 1, "false"))
	config := Config{Buffer: 4 << 10, Dir: t.TempDir(), Timeout: time.Minute, TopicOf: func(name string) string { return name },
		Wants: func(topic string) bool { return topic != "p.s.other" }}
	a := New(config)
	t.Cleanup(func() { a.Close() })
	if err := a.Open(assigned(l.order[:2]), []int64{-1, -1}, start); err != nil {
		t.Fatal(err)
	}
	feed(t, a, &l, "p.transaction", "p.s.a")
	if got, err := drain(t, a); got != nil || err != nil || !a.Waiting() {
		t.Errorf("before the topic is assigned %v is given, %v, waiting %v, want nothing and true", got, err, a.Waiting())
	}
	var incomplete *IncompleteError
	if err := a.Overdue(start.Add(time.Minute)); !errors.As(err, &incomplete) || !strings.Contains(err.Error(), "p.s.b has 0 of 1") {
		t.Errorf("Overdue = %v, want an error that names the topic", err)
	}
	if err := a.Open(assigned(l.order), []int64{-1, -1, -1}, start); err != nil {
		t.Fatal(err)
	}
	feed(t, a, &l, "p.transaction", "p.s.a", "p.s.b")
	got, err := drain(t, a)
	if diff := cmp.Diff([]string{"p.s.a/1", "p.s.b/2", "p.s.b/3"}, got); diff != "" || err != nil || a.Waiting() {
		t.Errorf("with the topic: %v, waiting %v (-want +got)\n%s", err, a.Waiting(), diff)
	}
}

// A member of the group that has died keeps its partitions until its session is over: what is missing of a transaction may be in them.
func TestPartitionOfAnotherMember(t *testing.T) {
	var l topics
	l.add("p.transaction", 0, ending("END", "7:20", map[string]int64{"a": 1}))
	l.add("p.transaction", 0, ending("END", "8:40", map[string]int64{"a": 1}))
	l.add("p.s.a", 0, record("a", 2, "8:30", 1, "false"))
	l.add("p.s.a", 1, record("a", 1, "7:10", 1, "false"))
	a := New(Config{Buffer: 4 << 10, Dir: t.TempDir(), Timeout: time.Minute, TopicOf: func(name string) string { return name }})
	t.Cleanup(func() { a.Close() })
	all := assigned(l.order)
	if err := a.Open(all[:2], []int64{-1, -1}, start); err != nil {
		t.Fatal(err)
	}
	feed(t, a, &l, "p.transaction", "p.s.a")
	if got, err := drain(t, a); got != nil || err != nil || !a.Waiting() {
		t.Errorf("while a partition is another's %v is given, %v, waiting %v, want nothing and true", got, err, a.Waiting())
	}
	if err := a.Overdue(start.Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "p.s.a has 0 of 1 records (1 of its 2 partitions") {
		t.Errorf("Overdue = %v, want an error that says that a partition is another's", err)
	}
	if err := a.Open(all, []int64{-1, -1, -1}, start); err != nil {
		t.Fatal(err)
	}
	feed(t, a, &l, "p.transaction", "p.s.a")
	got, err := drain(t, a)
	if diff := cmp.Diff([]string{"p.s.a/1", "p.s.a/2"}, got); diff != "" || err != nil || a.Waiting() {
		t.Errorf("with all partitions: %v, waiting %v (-want +got)\n%s", err, a.Waiting(), diff)
	}
}

func TestRefused(t *testing.T) {
	part := func(topic string) kafka.TopicPartition { return kafka.TopicPartition{Topic: topic} }
	a := New(Config{TopicOf: func(s string) string { return s }})
	if err := a.Open(assigned([]kafka.TopicPartition{part("p.transaction"), {Topic: "p.transaction", Partition: 1}}), []int64{-1, -1}, start); err == nil || !strings.Contains(err.Error(), "several partitions") {
		t.Errorf("Open with metadata in two partitions = %v", err)
	}
	for what, c := range map[string]struct {
		rec  sink.Record
		want string
	}{
		"without transaction": {record("a", 1, "", 0, "false"), "provide.transaction.metadata=true"},
		"routed":              {record("b", 1, "7:10", 1, "false"), "route"},
		"flat":                {sink.Record{ValueSchema: row, Value: structOf(row, schema.OfInt64(1), schema.OfString("x"))}, "ExtractNewRecordState"},
		"without schema":      {sink.Record{Value: schema.OfString("x")}, "schema"},
	} {
		a := assembler(t, []kafka.TopicPartition{part("p.transaction"), part("p.s.a")}, nil)
		c.rec.Topic = "p.s.a"
		if err := a.Add(&c.rec, start); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "p.s.a-0@0") {
			t.Errorf("Add of a record %s = %v, want an error with %q", what, err, c.want)
		}
	}
}

func TestSnapshotByTable(t *testing.T) {
	var l topics
	l.add("p.transaction", 0, ending("BEGIN", "7:1", nil))
	l.add("p.s.child", 0, record("child", 1, "", 0, "first"))
	l.add("p.s.child", 0, record("child", 2, "", 0, "last_in_data_collection"))
	l.add("p.s.child", 0, record("child", 5, "7:10", 1, "false"))
	l.add("p.s.parent", 0, record("parent", 3, "", 0, "first_in_data_collection"))
	l.add("p.s.parent", 0, record("parent", 4, "", 0, "last"))
	l.add("p.s.empty", 0, record("empty", 6, "7:11", 2, "false"))
	l.add("p.transaction", 0, ending("END", "7:20", map[string]int64{"child": 1, "empty": 1}))
	a := assembler(t, l.order, nil)
	state := func() (out []string) {
		a.Snapshot(func(topic string, rows, complete bool) {
			out = append(out, fmt.Sprint(topic, " ", rows, " ", complete))
		})
		slices.Sort(out)
		return out
	}
	feed(t, a, &l, "p.transaction", "p.s.child")
	if diff := cmp.Diff([]string{"p.s.child true true", "p.s.empty false false", "p.s.parent false false"}, state()); diff != "" {
		t.Errorf("Snapshot before the parents (-want +got)\n%s", diff)
	}
	feed(t, a, &l, "p.s.parent", "p.s.empty")
	if diff := cmp.Diff([]string{"p.s.child true true", "p.s.empty false true", "p.s.parent true true"}, state()); diff != "" {
		t.Errorf("Snapshot (-want +got)\n%s", diff)
	}
	if got, err := drain(t, a); got != nil || err != nil {
		t.Errorf("before the snapshot is applied %v is given, %v", got, err)
	}
	var got []string
	for _, topic := range []string{"p.s.parent", "p.s.child"} {
		g := a.Rows([]string{topic}, 1<<20)
		got = append(got, namesOf(t, g)...)
		if err := a.Done(g, start); err != nil {
			t.Fatal(err)
		}
	}
	rest, err := drain(t, a)
	if diff := cmp.Diff([]string{"p.s.parent/3", "p.s.parent/4", "p.s.child/1", "p.s.child/2", "p.s.child/5", "p.s.empty/6"}, append(got, rest...)); diff != "" || err != nil {
		t.Errorf("records: %v (-want +got)\n%s", err, diff)
	}
}
