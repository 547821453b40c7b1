package connect

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
)

// errRefused is what a registry answers to a schema that is not compatible.
var errRefused = errors.New("the schema is not compatible")

// A topic whose schema is refused holds up no other topic, where that is tolerated, and goes on when the schema is accepted.
func TestRefusedSchemaIsTolerated(t *testing.T) {
	for _, name := range []string{"plain", "transforming"} {
		t.Run(name, func(t *testing.T) {
			p, c := newFakeProducer(), new(rawConverter)
			e := newTestEmitter(t, p, c)
			e.decide.config.Tolerance = TolerateAll
			out := Emitter(e)
			transforms := newTransforming(e, nil)
			if name == "transforming" {
				out = transforms
			}
			c.failures = []error{errRefused, errRefused}
			var handles [2]int
			for i, topic := range []string{"refused", "fine"} {
				if i == 1 && name == "plain" {
					c.failures = nil
				}
				handle, err := out.Stream(topic, kafka.AnyPartition, nil, text, nil)
				if err != nil {
					t.Fatalf("Stream(%q) = %v", topic, err)
				}
				handles[i] = handle
			}
			write := func(handle int, value string) {
				t.Helper()
				_, v := out.Begin(handle)
				v.String(value)
				if err := out.End(nil); err != nil {
					t.Fatalf("End of %q = %v", value, err)
				}
			}
			write(handles[0], "lost 1")
			c.failures = nil
			write(handles[1], "kept 1")
			write(handles[0], "lost 2") // it is not asked again at once
			p.acked = p.sent
			if got := e.acked(); got != 3 {
				t.Errorf("acked() = %d, want 3 with those that are left out", got)
			}
			for i := range e.streams {
				if b := e.streams[i].broken; b != nil {
					b.again = time.Time{}
				}
			}
			for _, s := range transforms.outputs {
				if s.broken != nil {
					s.broken.again = time.Time{}
				}
			}
			write(handles[0], "kept 2")
			var got []string
			for _, r := range p.records {
				got = append(got, r.Topic+" "+string(r.Value))
			}
			if diff := cmp.Diff([]string{"fine kept 1", "refused kept 2"}, got); diff != "" {
				t.Errorf("records (-want +got)\n%s", diff)
			}
		})
	}
}

func TestRefusedSchemaEndsTheTask(t *testing.T) {
	c := &rawConverter{failures: []error{errRefused}}
	e := newTestEmitter(t, newFakeProducer(), c)
	_, err := e.Stream("refused", kafka.AnyPartition, nil, text, nil)
	if !errors.Is(err, errRefused) || !strings.HasPrefix(trace(err), "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n") {
		t.Errorf("Stream = %v, with the trace %q", err, trace(err))
	}
}

// tooLarge is a producer with a bound.
type tooLarge struct {
	*fakeProducer
	limit int
}

func (p tooLarge) Send(ctx context.Context, r *kafka.Record) error {
	if size := len(r.Key) + len(r.Value); size > p.limit {
		return &kafka.RecordTooLargeError{Topic: r.Topic, Bytes: size, Limit: p.limit}
	}
	return p.fakeProducer.Send(ctx, r)
}

func TestRecordsTooLarge(t *testing.T) {
	for _, tolerance := range []Tolerance{TolerateAll, TolerateNone} {
		p := tooLarge{newFakeProducer(), 3}
		e := newTestEmitter(t, p, new(rawConverter))
		e.decide.config.Tolerance = tolerance
		handle, err := e.Stream("t", kafka.AnyPartition, nil, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"abcd", "abc"} {
			_, v := e.Begin(handle)
			v.String(value)
			if err = e.End(nil); err != nil {
				break
			}
		}
		var big *kafka.RecordTooLargeError
		if refused := errors.As(err, &big); refused != (tolerance == TolerateNone) {
			t.Errorf("with errors.tolerance=%s a record that is too large gives %v", tolerance, err)
		}
		if want := map[Tolerance]int{TolerateAll: 1}[tolerance]; len(p.records) != want {
			t.Errorf("with errors.tolerance=%s %d records are sent, want %d", tolerance, len(p.records), want)
		}
	}
}

// A letter that is too large goes without its value, then without its key.
func TestLettersTooLarge(t *testing.T) {
	p := tooLarge{newFakeProducer(), 3}
	d := &deadLetters{id: TaskID{"c", 0}, topic: "dead", producer: p}
	for _, r := range []kafka.Record{{Key: []byte("k"), Value: []byte("long value")}, {Key: []byte("long key"), Value: []byte("v")}} {
		if err := d.send(t.Context(), &r, stagePut, putClass, errRefused); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, r := range p.records {
		got = append(got, string(r.Key)+"="+string(r.Value))
	}
	if diff := cmp.Diff([]string{"k=", "="}, got); diff != "" {
		t.Errorf("letters (-want +got)\n%s", diff)
	}
}

// What is left out is not done with before its letter is acknowledged, nor is anything behind it.
func TestOffsetsWaitForLetters(t *testing.T) {
	p, dead := newFakeProducer(), newFakeProducer()
	e := newTestEmitter(t, p, &rawConverter{broken: errors.New("broken")})
	e.decide.config.Tolerance = TolerateAll
	e.letters = &deadLetters{topic: "dead", producer: dead, conv: e.conv}
	e.decide.dead = e.letters
	out := newTransforming(e, nil)
	bad, err := out.Stream("t", kafka.AnyPartition, nil, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	tombstone, err := out.Stream("t", kafka.AnyPartition, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, handle := range []int{tombstone, bad, tombstone} {
		if _, v := out.Begin(handle); v != nil {
			v.String("x")
		}
		if err := out.End(nil); err != nil {
			t.Fatal(err)
		}
	}
	p.acked = 2
	if got := e.acked(); got != 1 {
		t.Errorf("acked() = %d before the letter is, want 1", got)
	}
	dead.acked = 1
	if got := e.acked(); got != 3 {
		t.Errorf("acked() = %d with the letter, want 3", got)
	}
	if len(dead.records) != 1 || string(dead.records[0].Value) != `{"schema":{"type":"string","optional":false},"payload":"x"}` {
		t.Errorf("letters = %v", dead.records)
	}
}

// The dead letter queue of a source: what a transform fails for goes there as it was before, and the file is read to its end.
func TestSourceDeadLetters(t *testing.T) {
	addr := startBroker(t, "lines")
	folder := t.TempDir()
	file := filepath.Join(folder, "in.txt")
	if err := os.WriteFile(file, []byte("1\ntwo\n3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plugins := filePlugins()
	w := kafkaWorker(t, addr, filepath.Join(folder, "offsets"), plugins)
	runs(t, w)
	_, err := w.Create(t.Context(), Request{Name: "in", Config: map[string]string{
		"connector.class": "FileStreamSource", "file": file, "topic": "lines", "errors.tolerance": "all", "transforms": "h,c",
		"transforms.h.type": "org.apache.kafka.connect.transforms.InsertHeader", "transforms.h.header": "kept", "transforms.h.value.literal": "yes",
		"transforms.c.type": "org.apache.kafka.connect.transforms.Cast$Value", "transforms.c.spec": "int32",
		"errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
	}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the offset behind the last line", func() bool {
		offsets, err := w.Offsets(t.Context(), "in")
		return err == nil && len(offsets) == 1 && string(offsets[0].Offset) == `{"position":8}`
	})
	var values []string
	for _, r := range readAll(t, addr, "lines") {
		values = append(values, string(r.Value))
	}
	if diff := cmp.Diff([]string{"1", "3"}, values); diff != "" {
		t.Errorf("records (-want +got)\n%s", diff)
	}
	dead := readAll(t, addr, "dead")
	if len(dead) != 1 {
		t.Fatalf("%d dead letters, want 1", len(dead))
	}
	if got, want := string(dead[0].Value), `{"schema":{"type":"string","optional":false},"payload":"two"}`; got != want || dead[0].Key != nil {
		t.Errorf("dead letter = %q: %s, want %s", dead[0].Key, got, want)
	}
	got := make(map[string]string)
	for _, h := range dead[0].Headers {
		got[strings.TrimPrefix(h.Key, "__connect.errors.")], _, _ = strings.Cut(string(h.Value), "\n")
	}
	message := got["exception.message"]
	want := map[string]string{"topic": "lines", "connector.name": "in", "task.id": "0", "stage": "TRANSFORMATION", "class.name": "org.apache.kafka.connect.transforms.Cast$Value",
		"exception.class.name": "org.apache.kafka.connect.errors.DataException", "exception.message": message,
		"exception.stacktrace": "org.apache.kafka.connect.errors.DataException: " + message}
	if diff := cmp.Diff(want, got); diff != "" || message == "" {
		t.Errorf("headers of the dead letter (-want +got)\n%s", diff)
	}
}

// Transforms that ask for a record's time have that of the file source's.
func TestSourceRecordsHaveATime(t *testing.T) {
	p := newFakeProducer()
	out := newTransforming(newTestEmitter(t, p, new(rawConverter)), nil)
	handle, err := out.Stream("t", kafka.AnyPartition, nil, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, stamp := range []int64{0, 1700000000123, schema.NoTimestamp} {
		_, v := out.Begin(handle)
		if stamp != schema.NoTimestamp {
			out.Stamp(stamp)
		}
		v.String("x")
		if err := out.End(nil); err != nil {
			t.Fatal(err)
		}
	}
	want := []time.Time{time.UnixMilli(0), time.UnixMilli(1700000000123), {}}
	for i, r := range p.records {
		if !r.Timestamp.Equal(want[i]) {
			t.Errorf("record %d has the time %v, want %v", i, r.Timestamp, want[i])
		}
	}
}
