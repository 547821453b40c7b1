package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/envelope/transform"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// transformFunc is a transform of a test.
type transformFunc func(r *schema.Record) (bool, error)

func (f transformFunc) Apply(r *schema.Record) (bool, error) { return f(r) }

// predicateFunc is a predicate of a test.
type predicateFunc func(r *schema.Record) bool

func (f predicateFunc) Test(r *schema.Record) (bool, error) { return f(r), nil }

// plugged makes a plugin of a transform without options.
func plugged(class string, f transformFunc) TransformPlugin {
	return TransformPlugin{Class: class, New: func(props map[string]string, _ *slog.Logger) (Transform, config.Report) {
		return f, config.Keys{}.Parse(props)
	}}
}

// debezium are the transforms that ship.
func debezium() (all []TransformPlugin) {
	for _, p := range transform.Plugins() {
		all = append(all, TransformPlugin{Class: p.Class, Keys: p.Keys, New: p.New, Refused: p.Refused})
	}
	return all
}

func chainOf(fs ...transformFunc) *Chain {
	c := new(Chain)
	for i, f := range fs {
		c.links = append(c.links, link{alias: fmt.Sprintf("t%d", i), class: "test.T", transform: f})
	}
	return c
}

// writeText writes one record of two texts.
func writeText(t testing.TB, e Emitter, handle int, key, value string, first ...schema.Header) error {
	t.Helper()
	k, v := e.Begin(handle)
	if k != nil {
		k.String(key)
	}
	if v != nil {
		v.String(value)
	}
	return e.End(first)
}

// TestTransforming: what a chain makes of a record is what is sent.
func TestTransforming(t *testing.T) {
	p := newFakeProducer()
	other := schema.Of(schema.String).AsOptional()
	e := newTransforming(newTestEmitter(t, p, new(rawConverter)), chainOf(
		func(r *schema.Record) (bool, error) {
			switch r.Value.Text() {
			case "moved":
				r.Topic, r.Partition, r.Timestamp = "elsewhere", 2, 1700000000123
				r.KeySchema, r.Key = nil, schema.NullValue
			case "emptied":
				r.ValueSchema, r.Value = other, schema.NullValue
			case "renamed":
				r.ValueSchema, r.Value = other, schema.OfString("new")
				r.AddHeader(schema.Header{Key: "added", Value: schema.OfString("3")})
			}
			return true, nil
		}))
	row, err := e.Stream("orders", kafka.AnyPartition, text, text, []schema.Header{{Key: "h", Value: schema.OfString("1")}})
	if err != nil {
		t.Fatal(err)
	}
	tombstone, err := e.Stream("orders", 3, text, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"as it is", "moved", "emptied", "renamed"} {
		if err := writeText(t, e, row, "k", value, schema.Header{Key: "first", Value: schema.OfString("0")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeText(t, e, tombstone, "k", ""); err != nil {
		t.Fatal(err)
	}
	headers := []kafka.Header{{Key: "first", Value: []byte("0")}, {Key: "h", Value: []byte("1")}}
	want := []kafka.Record{
		{Topic: "orders", Partition: kafka.AnyPartition, Key: []byte("k"), Value: []byte("as it is"), Headers: headers},
		{Topic: "elsewhere", Partition: 2, Timestamp: time.UnixMilli(1700000000123), Value: []byte("moved"), Headers: headers},
		{Topic: "orders", Partition: kafka.AnyPartition, Key: []byte("k"), Headers: headers},
		{Topic: "orders", Partition: kafka.AnyPartition, Key: []byte("k"), Value: []byte("new"), Headers: append(slices.Clone(headers), kafka.Header{Key: "added", Value: []byte("3")})},
		{Topic: "orders", Partition: 3, Key: []byte("k"), Headers: []kafka.Header{}},
	}
	if diff := cmp.Diff(want, p.records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if err := e.End(nil); !errors.Is(err, errNoRecord) {
		t.Errorf("End without Begin = %v, want %v", err, errNoRecord)
	}
	if k, v := e.Begin(99); k != nil || v != nil || e.End(nil) == nil {
		t.Error("a handle that Stream did not give makes a record")
	}
	e.Begin(row)
	if err := e.End(nil); !errors.Is(err, schema.ErrIncomplete) {
		t.Errorf("End of a record that was not written = %v, want %v", err, schema.ErrIncomplete)
	}
}

// TestTransformingRefuses what Kafka has no place for.
func TestTransformingRefuses(t *testing.T) {
	for want, change := range map[string]func(r *schema.Record){
		"before 1970":          func(r *schema.Record) { r.Timestamp = -2 },
		"the partition -2":     func(r *schema.Record) { r.Partition = -2 },
		"given, want optional": func(r *schema.Record) { r.ValueSchema = schema.Of(schema.Int32).AsOptional() },
	} {
		e := newTransforming(newTestEmitter(t, newFakeProducer(), new(rawConverter)), chainOf(func(r *schema.Record) (bool, error) { change(r); return true, nil }))
		e.conv.value = jsonConverter(t)
		row, err := e.Stream("orders", 0, nil, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := writeText(t, e, row, "", "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("End = %v, want an error with %q", err, want)
		}
	}
}

func jsonConverter(t testing.TB) converter.Converter {
	t.Helper()
	c, r := converter.New("org.apache.kafka.connect.json.JsonConverter", map[string]string{}, false, converter.Env{})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTrap32DroppedRecordsKeepTheirNumber: what the task is told to be done with must not run ahead of the acknowledgements, nor stay behind what was
// dropped.
func TestTrap32DroppedRecordsKeepTheirNumber(t *testing.T) {
	p := newFakeProducer()
	e := newTransforming(newTestEmitter(t, p, new(rawConverter)), chainOf(func(r *schema.Record) (bool, error) { return r.Value.Text() != "drop", nil }))
	row, err := e.Stream("t", 0, nil, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"drop", "a", "b", "drop", "drop", "c"} {
		if err := writeText(t, e, row, "", value); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ acked, want uint64 }{{0, 1}, {1, 2}, {2, 5}, {3, 6}} {
		p.ack(c.acked)
		if got := e.acked(); got != c.want {
			t.Errorf("acked() after %d acknowledgements = %d, want %d", c.acked, got, c.want)
		}
	}
}

// TestDroppedRecordsTakeNoMemory: while a broker acknowledges nothing, a chain that drops every record goes on for as long as it likes.
func TestDroppedRecordsTakeNoMemory(t *testing.T) {
	e := newTransforming(newTestEmitter(t, newFakeProducer(), new(rawConverter)), chainOf(func(r *schema.Record) (bool, error) { return r.Value.Text() != "drop", nil }))
	row, err := e.Stream("t", 0, nil, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := writeText(t, e, row, "", [2]string{"drop", "a"}[i/999]); err != nil { // the last one waits for the broker
			t.Fatal(err)
		}
	}
	if err := writeText(t, e, row, "", "drop"); err != nil {
		t.Fatal(err)
	}
	if len(e.skipped) != 2 {
		t.Errorf("1000 records that were dropped before and behind one that was sent are remembered in %d places, want 2", len(e.skipped))
	}
	if got := e.acked(); got != 999 {
		t.Errorf("acked() = %d, want 999", got)
	}
}

// TestTransformsAreTriedAgain: with the record as it was before, not as the failure left it.
func TestTransformsAreTriedAgain(t *testing.T) {
	p := newFakeProducer()
	tries := 0
	e := newTransforming(newTestEmitter(t, p, new(rawConverter)), chainOf(func(r *schema.Record) (bool, error) {
		r.Topic += "x"
		if tries++; tries < 3 {
			return false, temporary("lookup is away")
		}
		return true, nil
	}))
	row, err := e.Stream("t", 0, nil, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeText(t, e, row, "", "v"); err != nil {
		t.Fatal(err)
	}
	if tries != 3 || len(p.records) != 1 || p.records[0].Topic != "tx" {
		t.Errorf("after %d tries the records are %v, want one to topic tx after 3", tries, p.records)
	}
}

// TestOutputsAreFoundAgain: transforms may make a schema for each record; serializers are made once, and a bounded number is kept.
func TestOutputsAreFoundAgain(t *testing.T) {
	made := 0
	counting := &countingConverter{rawConverter: new(rawConverter), made: &made}
	e := newTransforming(newTestEmitter(t, newFakeProducer(), new(rawConverter)), chainOf(func(r *schema.Record) (bool, error) {
		r.ValueSchema = schema.Of(schema.String).WithDoc("a new one each time")
		r.Topic = r.Value.Text()
		return true, nil
	}))
	e.conv.value = counting
	row, err := e.Stream("t", 0, nil, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		for _, topic := range []string{"a", "b"} {
			if err := writeText(t, e, row, "", topic); err != nil {
				t.Fatal(err)
			}
		}
	}
	if made != 2 {
		t.Errorf("%d serializers were made for two topics and one schema", made)
	}
	for i := range mostOutputs + 10 {
		if err := writeText(t, e, row, "", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(e.outputs) > mostOutputs {
		t.Errorf("%d outputs are kept, want at most %d", len(e.outputs), mostOutputs)
	}
}

type countingConverter struct {
	*rawConverter
	made *int
}

func (c *countingConverter) NewSerializer(ctx context.Context, topic string, s *schema.Schema) (converter.Serializer, error) {
	*c.made++
	return c.rawConverter.NewSerializer(ctx, topic, s)
}

// TestWorkerTransforms: through a worker, with records that are dropped and one that cannot be transformed.
func TestWorkerTransforms(t *testing.T) {
	picky := plugged("test.Picky", func(r *schema.Record) (bool, error) {
		if r.Value.Text() == "5" {
			return false, errors.New("five is too much")
		}
		r.Topic = "even"
		return r.Value.Text() != "10" && (r.Value.Text()[0]-'0')%2 == 0, nil
	})
	for _, tolerance := range []string{"none", "all"} {
		t.Run(tolerance, func(t *testing.T) {
			b := newBench(t, filepath.Join(t.TempDir(), "offsets"))
			b.worker.plugins.Transforms = []TransformPlugin{picky}
			b.start(t)
			if _, err := b.Create(t.Context(), counterConfig("transforms", "p", "transforms.p.type", "Picky", "errors.tolerance", tolerance, "errors.log.enable", "true")); err != nil {
				t.Fatal(err)
			}
			producer := <-b.producers
			if tolerance == "none" {
				eventually(t, "the failure", func() bool {
					s, err := b.Status("count")
					return err == nil && len(s.Tasks) == 1 && s.Tasks[0].State == Failed &&
						strings.Contains(s.Tasks[0].Trace, "Tolerance exceeded") && strings.Contains(s.Tasks[0].Trace, `apply the transform "p" to a record of topic "numbers": five is too much`)
				})
				return
			}
			eventually(t, "all records", func() bool { return producer.Sent() == 4 })
			producer.ack(4)
			counter := <-b.counters
			eventually(t, "the offset behind the records that were left out", func() bool { return counter.stored() == 10 })
			var got []string
			for _, r := range producer.records {
				got = append(got, r.Topic+" "+string(r.Value))
			}
			if diff := cmp.Diff([]string{"even 2", "even 4", "even 6", "even 8"}, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTopicsAfterTransforms: topic.creation.* is for the topics that the transforms choose.
func TestTopicsAfterTransforms(t *testing.T) {
	addr := startBroker(t)
	plugins := Plugins{
		Sources: []Source{{
			Class: "test.CounterConnector", Version: "1.0",
			TaskConfigs: func(props map[string]string, _ int) ([]map[string]string, error) {
				return []map[string]string{props}, nil
			},
			NewTask: func(_ map[string]string, env Env) (SourceTask, error) { return &counter{env: env, upto: 3}, nil },
		}},
		Transforms: []TransformPlugin{plugged("test.Rename", func(r *schema.Record) (bool, error) { r.Topic = "renamed"; return true, nil })},
	}
	w := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), plugins)
	runs(t, w)
	_, err := w.Create(t.Context(), counterConfig("topic.creation.default.partitions", "2", "topic.creation.default.replication.factor", "1", "transforms", "r", "transforms.r.type", "test.Rename"))
	if err != nil {
		t.Fatal(err)
	}
	a := client.NewAdmin(clientConfig(t, addr, client.ForAdmin))
	defer a.Close()
	eventually(t, "the topic", func() bool {
		topic, exists, err := a.Topic(t.Context(), "renamed")
		return err == nil && exists && topic.Partitions == 2
	})
	eventually(t, "the records", func() bool { return len(readAll(t, addr, "renamed")) == 3 })
	if _, exists, err := a.Topic(t.Context(), "numbers"); err != nil || exists {
		t.Errorf("the topic before the transforms exists: %v, %v", exists, err)
	}
}

// TestChainConfig: everything that is wrong with transforms and predicates is said at its option.
func TestChainConfig(t *testing.T) {
	plugins := Plugins{
		Transforms: append(debezium(), plugged("test.Same", nil), plugged("other.Same", nil)),
		Predicates: []PredicatePlugin{{Class: "test.Always", New: func(props map[string]string, _ *slog.Logger) (Predicate, config.Report) {
			return predicateFunc(func(*schema.Record) bool { return true }), config.Keys{}.Parse(props)
		}}},
	}
	for _, c := range []struct{ props, want, warn string }{
		{"", "", ""},
		{"transforms=", "", ""},
		{"transforms=u\ntransforms.u.type=ExtractNewRecordState\ntransforms.u.add.fields=op", "", ""},
		{"transforms=u\ntransforms.u.type=io.debezium.transforms.ExtractNewRecordState\ntransforms.u.drop.tombstones=false", "", `Option "transforms.u.drop.tombstones" is of Debezium 2`},
		{"transforms=u\ntransforms.u.type=ExtractNewRecordState\ntransforms.u.add.fieds=op", "", `Option "transforms.u.add.fieds" is not known`},
		{"transforms=u\ntransforms.u.type=ExtractNewRecordState\ntransforms.v.type=X", "", `Option "transforms.v.type" has no effect: the list "transforms" names nothing`},
		{"transforms=u\ntransforms.u.type=ExtractNewRecordState\ntransforms.u.delete.tombstone.handling.mode=x",
			"Invalid value x for configuration delete.tombstone.handling.mode: Value must be one of drop, tombstone, rewrite-with-tombstone, rewrite, delete-to-tombstone", ""},
		{"transforms=a,a", "Invalid value [a, a] for configuration transforms: Duplicate alias provided.", ""},
		{"transforms=a", `Missing required configuration "transforms.a.type" which has no default value.`, ""},
		{"transforms=a\ntransforms.a.type=org.apache.kafka.connect.transforms.Nope", "Invalid value org.apache.kafka.connect.transforms.Nope for configuration transforms.a.type: Class org.apache.kafka.connect.transforms.Nope could not be found.", ""},
		{"transforms=a\ntransforms.a.type=Same", "Invalid value Same for configuration transforms.a.type: Class Same could not be found.", ""},
		{"transforms=a\ntransforms.a.type=io.debezium.transforms.Filter", "there is no scripting engine here; choose rows", ""},
		{"transforms=a\ntransforms.a.type=test.Same\ntransforms.a.negate=true", "Config 'transforms.a.negate' was provided but there is no config 'transforms.a.predicate' defining a predicate to be negated.", ""},
		{"transforms=a\ntransforms.a.type=test.Same\ntransforms.a.negate=maybe", "Invalid value maybe for configuration transforms.a.negate: Expected value to be either true or false\nConfig 'transforms.a.negate' was provided but there is no config 'transforms.a.predicate' defining a predicate to be negated.", ""},
		{"transforms=a\ntransforms.a.type=test.Same\ntransforms.a.predicate=p", `Invalid value p for configuration transforms.a.predicate: the list "predicates" has no predicate "p"`, ""},
		{"transforms=a\ntransforms.a.type=test.Same\ntransforms.a.predicate=p\ntransforms.a.negate=maybe\npredicates=p\npredicates.p.type=test.Always", "Invalid value maybe for configuration transforms.a.negate", ""},
		{"transforms=a\ntransforms.a.type=test.Same\ntransforms.a.predicate=p\ntransforms.a.negate=true\npredicates=p\npredicates.p.type=test.Always", "", ""},
		{"predicates=p\npredicates.p.type=org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
			"Invalid value org.apache.kafka.connect.transforms.predicates.HasHeaderKey for configuration predicates.p.type: Class org.apache.kafka.connect.transforms.predicates.HasHeaderKey could not be found.", ""},
	} {
		chain, r := NewChain(parseProps(t, c.props), plugins, slog.New(slog.DiscardHandler))
		got := ""
		if err := r.Err(); err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("NewChain(%q) errors = %s\nwant %s", c.props, got, c.want)
		}
		if wanted := c.want == "" && strings.Contains(c.props, "type"); (chain != nil) != wanted {
			t.Errorf("NewChain(%q) = %v, want a chain: %v", c.props, chain, wanted)
		}
		warnings := ""
		for _, w := range r.Warnings {
			warnings += w.Message + "\n"
		}
		if !strings.Contains(warnings, c.warn) || c.warn == "" && warnings != "" {
			t.Errorf("NewChain(%q) warnings = %s\nwant %s", c.props, warnings, c.warn)
		}
	}
}

// TestPredicates: a transform is for the records that its predicate holds for, or with negate for the others.
func TestPredicates(t *testing.T) {
	plugins := Plugins{
		Transforms: []TransformPlugin{plugged("test.Drop", func(*schema.Record) (bool, error) { return false, nil })},
		Predicates: []PredicatePlugin{{Class: "test.Empty", New: func(props map[string]string, _ *slog.Logger) (Predicate, config.Report) {
			return predicateFunc(func(r *schema.Record) bool { return r.Value.IsNull() }), config.Keys{}.Parse(props)
		}}},
	}
	for _, negate := range []bool{false, true} {
		props := parseProps(t, fmt.Sprintf("transforms=d\ntransforms.d.type=Drop\ntransforms.d.predicate=e\ntransforms.d.negate=%v\npredicates=e\npredicates.e.type=Empty", negate))
		chain, r := NewChain(props, plugins, slog.New(slog.DiscardHandler))
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		for _, empty := range []bool{false, true} {
			record := &schema.Record{Value: schema.OfString("x")}
			if empty {
				record.Value = schema.NullValue
			}
			if keep, err := chain.Apply(record); err != nil || keep == (empty != negate) {
				t.Errorf("with negate %v a record, empty %v: keep = %v, %v", negate, empty, keep, err)
			}
		}
	}
}

const envelopeSchema = `{"type":"struct","name":"p.public.t.Envelope","optional":false,"fields":[` +
	`{"field":"before","type":"struct","name":"p.public.t.Value","optional":true,"fields":[{"field":"a","type":"string","optional":true}]},` +
	`{"field":"after","type":"struct","name":"p.public.t.Value","optional":true,"fields":[{"field":"a","type":"string","optional":true}]},` +
	`{"field":"op","type":"string","optional":false}]}`

func envelopeOf(before, after, op string) string {
	return `{"schema":` + envelopeSchema + `,"payload":{"before":` + before + `,"after":` + after + `,"op":"` + op + `"}}`
}

// TestSinkTransforms: unwrap in front of a store, under another topic, with records that are dropped and one that cannot be transformed. Positions
// are those of the consumed topic.
func TestSinkTransforms(t *testing.T) {
	addr := startBroker(t, "orders")
	l := new(ledger)
	publish(t, addr, order("1", envelopeOf("null", `{"a":"x"}`, "c")), order("2", envelopeOf("null", "null", "t")), order("3", `{"schema":null,"payload":"plain"}`),
		order("4", `{"schema":{"type":"string","optional":true},"payload":"fail"}`), order("1", envelopeOf(`{"a":"x"}`, "null", "d")), order("1", ""))
	plugins := l.plugins()
	plugins.Transforms = append(debezium(), plugged("test.Rename", func(r *schema.Record) (bool, error) {
		if r.Value.Text() == "fail" {
			return false, errors.New("cannot be renamed")
		}
		if s := r.Value.Struct(); s != nil {
			r.Value = s.Field("a")
		}
		r.Topic, r.Partition = "renamed", 7
		return true, nil
	}))
	w := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), plugins)
	stop := runs(t, w)
	_, err := w.Create(t.Context(), ledgerConfig("value.converter", "org.apache.kafka.connect.json.JsonConverter",
		"transforms", "u,r", "transforms.u.type", "io.debezium.transforms.ExtractNewRecordState", "transforms.u.add.headers", "op", "transforms.r.type", "test.Rename",
		"errors.tolerance", "all", "errors.deadletterqueue.topic.name", "dead", "errors.deadletterqueue.context.headers.enable", "true", "errors.deadletterqueue.topic.replication.factor", "1"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the commit behind the dropped tombstone", func() bool { return committed(t, addr, "connect-ledger") == 6 })
	stop()
	if diff := cmp.Diff([]string{"renamed-7 1=x 1", "renamed-7 3=plain 0", "renamed-7 1= 1"}, l.all()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	dead := readAll(t, addr, "dead")
	if len(dead) != 1 || string(dead[0].Key) != "4" {
		t.Fatalf("dead letters = %v, want that of key 4", dead)
	}
	about := make(map[string]string)
	for _, h := range dead[0].Headers {
		about[strings.TrimPrefix(h.Key, "__connect.errors.")] = string(h.Value)
	}
	if about["stage"] != "TRANSFORMATION" || about["class.name"] != "test.Rename" || about["topic"] != "orders" || !strings.Contains(about["exception.message"], "cannot be renamed") {
		t.Errorf("the dead letter says %v, want the transform and the consumed topic", about)
	}
}

// TestRefusedAfterTransforms: a store names records by where they were consumed.
func TestRefusedAfterTransforms(t *testing.T) {
	addr := startBroker(t, "orders")
	l := &ledger{refuses: "b"}
	publish(t, addr, order("1", `"a"`), order("2", `"b"`), order("3", `"c"`))
	plugins := l.plugins()
	plugins.Transforms = []TransformPlugin{plugged("test.Rename", func(r *schema.Record) (bool, error) { r.Topic = "renamed"; return true, nil })}
	w := kafkaWorker(t, addr, filepath.Join(t.TempDir(), "offsets"), plugins)
	runs(t, w)
	if _, err := w.Create(t.Context(), ledgerConfig("transforms", "r", "transforms.r.type", "Rename", "errors.tolerance", "all")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the commit", func() bool { return committed(t, addr, "connect-ledger") == 3 })
	if diff := cmp.Diff([]string{"renamed-0 1=a 0", "renamed-0 3=c 0"}, l.all()); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// TestTransformingAllocates: a record costs what its values cost, nothing for finding its way.
func TestTransformingAllocates(t *testing.T) {
	write := hotTransforming(t)
	if allocs := testing.AllocsPerRun(1000, write); allocs > 1 {
		t.Errorf("a record costs %v allocations, want at most 1: its share of the blocks that texts are kept in", allocs)
	}
}

// BenchmarkTransforming is BenchmarkEmitter with a transform that does nothing.
func BenchmarkTransforming(b *testing.B) {
	write := hotTransforming(b)
	b.ReportAllocs()
	for b.Loop() {
		write()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func hotTransforming(t testing.TB) func() {
	p := newFakeProducer()
	p.keep = false
	e := newTransforming(newTestEmitter(t, p, new(rawConverter)), chainOf(func(*schema.Record) (bool, error) { return true, nil }))
	handle, err := e.Stream("orders", kafka.AnyPartition, text, text, []schema.Header{{Key: "h", Value: schema.OfString("1")}})
	if err != nil {
		t.Fatal(err)
	}
	key, value := []byte("12345678"), []byte(fmt.Sprintf("%0500d", 1))
	return func() {
		k, v := e.Begin(handle)
		k.Text(key)
		v.Text(value)
		if err := e.End(nil); err != nil {
			t.Fatal(err)
		}
	}
}
