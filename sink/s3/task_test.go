package s3

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// TestRotateByCount: names and contents of files, and positions behind whole files only.
func TestRotateByCount(t *testing.T) {
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t), assignment("t", 0, 0), assignment("t", 1, 0))
	put(t, task, records(0, 0, 7)...)
	put(t, task, records(1, 5, 9)...)
	want := []string{"topics/t/partition=0/t+0+0000000000.json", "topics/t/partition=0/t+0+0000000003.json", "topics/t/partition=1/t+1+0000000005.json"}
	if diff := cmp.Diff(want, s.names()); diff != "" {
		t.Errorf("objects (-want +got)\n%s", diff)
	}
	if got, want := s.text(want[1]), "{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n"; got != want {
		t.Errorf("second object = %q, want %q", got, want)
	}
	if got, want := flush(t, task), "t-0@6 t-1@8"; got != want {
		t.Errorf("Flush() = %s, want %s", got, want)
	}
	if got := flush(t, task); got != "" {
		t.Errorf("second Flush() = %s, want nothing new", got)
	}
}

// TestSkippedRecordsMoveThePosition: of what was left out a position is behind it only when nothing before it is open.
func TestSkippedRecordsMoveThePosition(t *testing.T) {
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t, "behavior.on.null.values", "ignore"), assignment("t", 0, 0))
	put(t, task, sink.Record{Topic: "t", Offset: 0}, sink.Record{Topic: "t", Offset: 1})
	if got, want := flush(t, task), "t-0@2"; got != want {
		t.Errorf("Flush() behind ignored records = %s, want %s", got, want)
	}
	put(t, task, record(0, 2), sink.Record{Topic: "t", Offset: 3})
	task.Skip([]kafka.Position{{TopicPartition: kafka.TopicPartition{Topic: "t"}, Offset: 9}})
	if got := flush(t, task); got != "" {
		t.Errorf("Flush() with an open file = %s, want nothing", got)
	}
	put(t, task, record(0, 9), record(0, 10))
	if got, want := flush(t, task), "t-0@11"; got != want {
		t.Errorf("Flush() behind the file = %s, want %s", got, want)
	}
	task.Skip([]kafka.Position{{TopicPartition: kafka.TopicPartition{Topic: "t"}, Offset: 20}})
	if got, want := flush(t, task), "t-0@20"; got != want {
		t.Errorf("Flush() behind left out records = %s, want %s", got, want)
	}
}

// TestRefusedRecords: a record that cannot be written is named, those behind it in its partition wait, and nothing is written twice.
func TestRefusedRecords(t *testing.T) {
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t), assignment("t", 0, 0), assignment("t", 1, 0))
	batch := append(records(0, 0, 2), sink.Record{Topic: "t", Offset: 2}) // a null value
	batch = append(append(batch, records(0, 3, 5)...), records(1, 0, 3)...)
	err := task.Put(t.Context(), batch)
	var refused *RecordError
	if !errors.As(err, &refused) || refused.Offset != 2 || refused.Partition != 0 {
		t.Fatalf("Put() = %v, want an error about the record at 2", err)
	}
	if got, want := flush(t, task), "t-1@3"; got != want {
		t.Errorf("Flush() = %s, want %s: the other partition goes on", got, want)
	}
	put(t, task, append(batch[:2:2], batch[3:]...)...)
	if got, want := s.text("topics/t/partition=0/t+0+0000000000.json"), "{\"n\":0}\n{\"n\":1}\n{\"n\":3}\n"; got != want {
		t.Errorf("object = %q, want %q", got, want)
	}
	if got, want := flush(t, task), "t-0@4"; got != want {
		t.Errorf("Flush() = %s, want %s", got, want)
	}
}

// TestStoreThatFails: what cannot be sent is sent by the next call; positions wait for it.
func TestStoreThatFails(t *testing.T) {
	s := newMemoryStore()
	down := &StoreError{Op: "write", Passes: true, Err: errors.New("down")}
	s.fail = func(op, name string) error {
		if strings.Contains(name, "0000000003") {
			return down
		}
		return nil
	}
	task := testTask(t, s, &testClock{}, parsed(t), assignment("t", 0, 0))
	batch := records(0, 0, 9)
	if err := task.Put(t.Context(), batch); !errors.Is(err, down) {
		t.Fatalf("Put() = %v, want %v", err, down)
	}
	if _, err := task.Flush(t.Context()); !errors.Is(err, down) {
		t.Fatalf("Flush() = %v, want %v", err, down)
	}
	if got := task.partitions[kafka.TopicPartition{Topic: "t"}].position(); got != 3 {
		t.Errorf("position with the second of three files missing = %d, want 3", got)
	}
	s.fail = nil
	put(t, task, batch...)
	if got, want := flush(t, task), "t-0@9"; got != want {
		t.Errorf("Flush() = %s, want %s", got, want)
	}
	for name, n := range s.puts {
		if n != 1 {
			t.Errorf("%s was written %d times, want once", name, n)
		}
	}
}

// TestRotateByRecordTime: with and without rotation on a change of the directory. The cases are those of Confluent's tests.
func TestRotateByRecordTime(t *testing.T) {
	hour := time.Date(2017, 3, 2, 10, 0, 0, 0, mustZone(t, "America/Los_Angeles"))
	minutes := []int{0, -2, 9, -5, 10}
	for _, c := range []struct {
		onChange string
		want     map[string]int
	}{
		{"false", map[string]int{"hour=10/t+0+0000000000": 2, "hour=09/t+0+0000000001": 2}},
		{"true", map[string]int{"hour=10/t+0+0000000000": 1, "hour=09/t+0+0000000001": 1, "hour=10/t+0+0000000002": 1, "hour=09/t+0+0000000003": 1}},
	} {
		s := newMemoryStore()
		config := parsed(t, "flush.size", "1000", "rotate.interval.ms", "600000", "rotate.file.on.partition.change", c.onChange, "partitioner.class", hourlyPartitioner,
			"locale", "en", "timezone", "America/Los_Angeles", "timestamp.extractor", "Record")
		task := testTask(t, s, &testClock{}, config, assignment("t", 0, 0))
		for i, m := range minutes {
			r := record(0, int64(i))
			r.Timestamp = hour.Add(time.Duration(m) * time.Minute)
			put(t, task, r)
		}
		got := map[string]int{}
		for _, name := range s.names() {
			short := strings.TrimSuffix(strings.TrimPrefix(name, "topics/t/year=2017/month=03/day=02/"), ".json")
			got[short] = len(linesOf(s.text(name)))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("records of objects with rotate.file.on.partition.change=%s (-want +got)\n%s", c.onChange, diff)
		}
	}
}

func mustZone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestRotateByClock: Flush ends files when it is time, though nothing was put.
func TestRotateByClock(t *testing.T) {
	s := newMemoryStore()
	clock := &testClock{at: time.Date(2024, 5, 1, 10, 7, 0, 0, time.UTC)}
	task := testTask(t, s, clock, parsed(t, "flush.size", "1000", "rotate.schedule.interval.ms", "600000", "timezone", "UTC"), assignment("t", 0, 0))
	put(t, task, records(0, 0, 2)...)
	if got := flush(t, task); got != "" || !task.Holds() {
		t.Errorf("Flush() before it is time = %q, Holds() = %v, want nothing and true", got, task.Holds())
	}
	clock.at = clock.at.Add(3 * time.Minute) // 10:10
	if got, want := flush(t, task), "t-0@2"; got != want || task.Holds() {
		t.Errorf("Flush() when it is time = %q, Holds() = %v, want %q and false", got, task.Holds(), want)
	}
	clock.at = clock.at.Add(time.Hour)
	put(t, task, records(0, 2, 4)...) // the time that has passed without records ends nothing
	if got := flush(t, task); got != "" {
		t.Errorf("Flush() = %s, want nothing", got)
	}
	clock.at = clock.at.Add(10 * time.Minute)
	put(t, task, records(0, 4, 5)...)
	want := []string{"topics/t/partition=0/t+0+0000000000.json", "topics/t/partition=0/t+0+0000000002.json"}
	if diff := cmp.Diff(want, s.names()); diff != "" {
		t.Errorf("objects (-want +got)\n%s", diff)
	}
}

func TestNextTimeAdjustedByDay(t *testing.T) {
	paris := mustZone(t, "Europe/Paris")
	for _, c := range []struct {
		now    string
		period time.Duration
		want   string
	}{
		{"2024-05-01T10:07:00+02:00", 10 * time.Minute, "2024-05-01T10:10:00+02:00"},
		{"2024-05-01T10:10:00+02:00", 10 * time.Minute, "2024-05-01T10:20:00+02:00"},
		{"2024-05-01T23:59:00+02:00", 7 * time.Hour, "2024-05-02T00:00:00+02:00"},
		{"2024-05-01T00:30:00+02:00", 48 * time.Hour, "2024-05-02T00:00:00+02:00"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.UnixMilli(nextTimeAdjustedByDay(now.UnixMilli(), c.period.Milliseconds(), paris)).In(paris).Format(time.RFC3339); got != c.want {
			t.Errorf("nextTimeAdjustedByDay(%s, %v) = %s, want %s", c.now, c.period, got, c.want)
		}
	}
}

// TestMaxOpenFiles: before one more is opened all are finished.
func TestMaxOpenFiles(t *testing.T) {
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t, "flush.size", "100", "partitioner.max.open.files", "2", "partitioner.class", fieldPartitioner, "partition.field.name", "n"), assignment("t", 0, 0))
	put(t, task, records(0, 0, 5)...)
	want := []string{"topics/t/n=0/t+0+0000000000.json", "topics/t/n=1/t+0+0000000001.json", "topics/t/n=2/t+0+0000000002.json", "topics/t/n=3/t+0+0000000003.json"}
	if diff := cmp.Diff(want, s.names()); diff != "" {
		t.Errorf("objects (-want +got)\n%s", diff)
	}
	if got, want := flush(t, task), "t-0@4"; got != want {
		t.Errorf("Flush() = %s, want %s", got, want)
	}
}

// TestKeysHeadersTombstones: three files with the same records, and the keys of tombstones.
func TestKeysHeadersTombstones(t *testing.T) {
	s := newMemoryStore()
	config := parsed(t, "flush.size", "2", "store.kafka.keys", "true", "keys.format.class", jsonFormat, "store.kafka.headers", "true", "headers.format.class", jsonFormat,
		"behavior.on.null.values", "write", "s3.object.tagging", "true", "s3.object.tagging.key.value.pairs", "team:shop")
	task := testTask(t, s, &testClock{}, config, assignment("t", 0, 0))
	for i := range int64(2) {
		r := record(0, i)
		r.Key = schema.OfString(fmt.Sprint("k", i))
		r.Headers = []schema.Header{{Key: "h", Schema: schema.Of(schema.Int32), Value: schema.OfInt32(7)}}
		if i == 1 {
			r.Value = schema.NullValue
		}
		put(t, task, r)
	}
	got := map[string]string{}
	for _, name := range s.names() {
		got[name] = s.text(name)
	}
	want := map[string]string{
		"topics/t/partition=0/t+0+0000000000.json":         "{\"n\":0}\n",
		"topics/t/partition=0/t+0+0000000000.keys.json":    "\"k0\"\n",
		"topics/t/partition=0/t+0+0000000000.headers.json": "{\"headers\":[{\"key\":\"h\",\"value\":\"7\"}]}\n",
		"topics/t/tombstone/t+0+0000000001.keys.json":      "\"k1\"\n",
		"topics/t/tombstone/t+0+0000000001.headers.json":   "{\"headers\":[{\"key\":\"h\",\"value\":\"7\"}]}\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got)\n%s", diff)
	}
	if got, want := s.tags["topics/t/partition=0/t+0+0000000000.json"], "startOffset=0 endOffset=0 recordCount=1 team=shop"; got != want {
		t.Errorf("tags = %q, want %q", got, want)
	}
	bad := record(0, 2)
	err := task.Put(t.Context(), []sink.Record{bad})
	var refused *RecordError
	if !errors.As(err, &refused) {
		t.Errorf("Put() of a record without a key = %v, want it refused", err)
	}
}

// TestLargeFiles: parts are cut at s3.part.size; beyond s3.buffer.memory.bytes parts go early and small files to disk.
func TestLargeFiles(t *testing.T) {
	s := newMemoryStore()
	config := parsed(t, "flush.size", "100000", "s3.part.size", "5242880", "s3.buffer.memory.bytes", "8000000", "partitioner.class", fieldPartitioner, "partition.field.name", "p", "rotate.schedule.interval.ms", "3600000", "timezone", "UTC")
	clock := &testClock{at: time.Unix(0, 0)}
	task := testTask(t, s, clock, config, assignment("t", 0, 0))
	text := strings.Repeat("x", 100_000)
	most := int64(0)
	want := map[string]int{}
	for o := range int64(400) { // 40 MB: one file of 20, and four of 5
		p := int64(0)
		if o%2 == 1 {
			p = 1 + o/2%4
		}
		put(t, task, record(0, o, schema.Entry{Key: schema.OfString("p"), Value: schema.OfInt64(p)}, schema.Entry{Key: schema.OfString("x"), Value: schema.OfString(text)}))
		most = max(most, task.memory.used.Load())
		want[fmt.Sprint("p=", p)]++
	}
	if most > 8_200_000 {
		t.Errorf("the task kept %d bytes, want at most s3.buffer.memory.bytes and a record", most)
	}
	clock.at = clock.at.Add(time.Hour)
	if got, want := flush(t, task), "t-0@400"; got != want {
		t.Errorf("Flush() = %s, want %s", got, want)
	}
	got := map[string]int{}
	for _, name := range s.names() {
		for _, line := range linesOf(s.text(name)) {
			if len(line) < len(text) || !strings.HasSuffix(line, "x\"}") {
				t.Fatalf("object %s has a line of %d bytes that ends in %q", name, len(line), line[max(0, len(line)-10):])
			}
			got[strings.Split(name, "/")[2]]++
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records of directories (-want +got)\n%s", diff)
	}
	if s.begun == 0 || len(s.uploads) != 0 {
		t.Errorf("%d uploads were begun, %d are left; want some and none", s.begun, len(s.uploads))
	}
}

// TestCloseAborts: what is open is given up, at the store too.
func TestCloseAborts(t *testing.T) {
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t, "flush.size", "1000", "s3.part.size", "5242880"), assignment("t", 0, 0))
	for o := range int64(60) {
		put(t, task, record(0, o, schema.Entry{Key: schema.OfString("x"), Value: schema.OfString(strings.Repeat("y", 100_000))}))
	}
	if len(s.uploads) != 1 {
		t.Fatalf("%d uploads, want 1", len(s.uploads))
	}
	if err := task.Close(t.Context(), []kafka.TopicPartition{{Topic: "t"}}); err != nil {
		t.Fatal(err)
	}
	if len(s.uploads) != 0 || len(s.objects) != 0 {
		t.Errorf("%d uploads and %d objects after Close, want none", len(s.uploads), len(s.objects))
	}
}

// TestChangedTopic: a transform may change the topic; the file's name keeps the one that was consumed.
func TestChangedTopic(t *testing.T) {
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t, "flush.size", "2"), assignment("shard1", 0, 0), assignment("shard2", 0, 0))
	for _, from := range []string{"shard1", "shard2"} {
		for o := range int64(2) {
			r := record(0, o)
			r.Topic, r.Raw = "all", &kafka.Record{Topic: from}
			put(t, task, r)
		}
	}
	want := []string{"topics/all/partition=0/shard1+0+0000000000.json", "topics/all/partition=0/shard2+0+0000000000.json"}
	if diff := cmp.Diff(want, s.names()); diff != "" {
		t.Errorf("objects (-want +got)\n%s", diff)
	}
}
