package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memoryStore is a store as S3 is one: objects appear whole, conditions hold.
type memoryStore struct {
	mu      sync.Mutex
	objects map[string]stored
	uploads map[string]*memoryUpload
	begun   int
	puts    map[string]int // how often each name was written
	tags    map[string]string

	fail func(op, name string) error // nil: never
}

type stored struct {
	data []byte
	mark string
	etag string
}

type memoryUpload struct {
	name  string
	parts map[int32][]byte
}

func newMemoryStore() *memoryStore {
	return &memoryStore{objects: make(map[string]stored), uploads: make(map[string]*memoryUpload), puts: make(map[string]int), tags: make(map[string]string)}
}

func (m *memoryStore) lock(op, name string) (unlock func(), err error) {
	m.mu.Lock()
	if m.fail != nil {
		if err := m.fail(op, name); err != nil {
			m.mu.Unlock()
			return nil, err
		}
	}
	return m.mu.Unlock, nil
}

func (m *memoryStore) check(context.Context) error { return nil }

func (m *memoryStore) write(name string, data []byte, o putOptions) error {
	was, there := m.objects[name]
	if o.condition == ifNone && there && was.mark != o.mark || o.condition == ifSame && was.etag != o.etag && was.mark != o.mark {
		return &WrittenError{"memory", name}
	}
	m.puts[name]++
	m.objects[name] = stored{data, o.mark, "etag" + strconv.Itoa(len(m.puts)) + o.mark}
	return nil
}

func (m *memoryStore) put(_ context.Context, name string, body io.ReadSeeker, size int64, o putOptions) error {
	unlock, err := m.lock("put", name)
	if err != nil {
		return err
	}
	defer unlock()
	data, err := io.ReadAll(body)
	if err != nil || int64(len(data)) != size {
		return fmt.Errorf("body of %d bytes, want %d: %v", len(data), size, err)
	}
	return m.write(name, data, o)
}

func (m *memoryStore) begin(_ context.Context, name string, _ putOptions) (string, error) {
	unlock, err := m.lock("begin", name)
	if err != nil {
		return "", err
	}
	defer unlock()
	for id, u := range m.uploads {
		if u.name == name {
			delete(m.uploads, id)
		}
	}
	m.begun++
	id := strconv.Itoa(m.begun)
	m.uploads[id] = &memoryUpload{name, make(map[int32][]byte)}
	return id, nil
}

func (m *memoryStore) part(_ context.Context, name, id string, number int32, body io.ReadSeeker, size int64) (string, error) {
	unlock, err := m.lock("part", name)
	if err != nil {
		return "", err
	}
	defer unlock()
	u := m.uploads[id]
	if u == nil {
		return "", &StoreError{Op: "part", Code: codeNoUpload, Err: errors.New(codeNoUpload)}
	}
	data, err := io.ReadAll(body)
	if err != nil || int64(len(data)) != size {
		return "", fmt.Errorf("body of %d bytes, want %d: %v", len(data), size, err)
	}
	u.parts[number] = data
	return fmt.Sprint(number, len(data)), nil
}

func (m *memoryStore) complete(_ context.Context, name, id string, parts []sentPart, o putOptions) error {
	unlock, err := m.lock("complete", name)
	if err != nil {
		return err
	}
	defer unlock()
	u := m.uploads[id]
	if u == nil {
		return &StoreError{Op: "complete", Code: codeNoUpload, Err: errors.New(codeNoUpload)}
	}
	var all []byte
	for i, p := range parts {
		if i < len(parts)-1 && len(u.parts[p.number]) < minPartSize {
			return errors.New("EntityTooSmall")
		}
		all = append(all, u.parts[p.number]...)
	}
	delete(m.uploads, id)
	return m.write(name, all, o)
}

func (m *memoryStore) abort(_ context.Context, name, id string) error {
	unlock, err := m.lock("abort", name)
	if err != nil {
		return err
	}
	defer unlock()
	delete(m.uploads, id)
	return nil
}

func (m *memoryStore) list(_ context.Context, prefix, after string, limit int) (names []storedName, more bool, err error) {
	unlock, err := m.lock("list", prefix)
	if err != nil {
		return nil, false, err
	}
	defer unlock()
	for _, name := range slices.Sorted(maps.Keys(m.objects)) {
		if strings.HasPrefix(name, prefix) && name > after {
			if len(names) == limit {
				return names, true, nil
			}
			names = append(names, storedName{name, m.objects[name].etag})
		}
	}
	return names, false, nil
}

func (m *memoryStore) tag(_ context.Context, name string, tags []objectTag) error {
	unlock, err := m.lock("tag", name)
	if err != nil {
		return err
	}
	defer unlock()
	var all []string
	for _, t := range tags {
		all = append(all, t.key+"="+t.value)
	}
	m.tags[name] = strings.Join(all, " ")
	return nil
}

// names are those of all objects.
func (m *memoryStore) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.objects))
}

func (m *memoryStore) text(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return string(m.objects[name].data)
}

// testClock is a clock that tests move.
type testClock struct{ at time.Time }

func (c *testClock) now() time.Time { return c.at }

var quiet = slog.New(slog.DiscardHandler)

// options are those that all tests need, and the given ones: name, value …
func options(extra ...string) map[string]string {
	props := map[string]string{"name": "s3", "connector.class": Class, "topics": "t", "s3.bucket.name": "b", "format.class": jsonFormat, "flush.size": "3",
		"storage.class": storageClass}
	for i := 0; i < len(extra); i += 2 {
		props[extra[i]] = extra[i+1]
	}
	return props
}

func parsed(t testing.TB, extra ...string) Config {
	t.Helper()
	c, report := Parse(options(extra...))
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// testTask is a task with its partitions open.
func testTask(t testing.TB, s store, clock *testClock, c Config, assigned ...sink.Assignment) *Task {
	t.Helper()
	task, err := newTask(c, s, func() {}, clock.now, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := task.Open(t.Context(), assigned); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var all []kafka.TopicPartition
		for _, a := range assigned {
			all = append(all, a.TopicPartition)
		}
		_ = task.Close(context.Background(), all)
		if used := task.memory.used.Load(); used != 0 {
			t.Errorf("%d bytes are still counted after Close", used)
		}
	})
	return task
}

func assignment(topic string, partition int32, end int64) sink.Assignment {
	return sink.Assignment{TopicPartition: kafka.TopicPartition{Topic: topic, Partition: partition}, End: end, Committed: -1}
}

// record makes a record without a schema: a map with the field n.
func record(partition int32, offset int64, fields ...schema.Entry) sink.Record {
	entries := append([]schema.Entry{{Key: schema.OfString("n"), Value: schema.OfInt64(offset)}}, fields...)
	return sink.Record{Topic: "t", Partition: partition, Offset: offset, Timestamp: time.UnixMilli(1_700_000_000_000 + offset*1000), Value: schema.OfMap(entries)}
}

func records(partition int32, from, to int64) (all []sink.Record) {
	for o := from; o < to; o++ {
		all = append(all, record(partition, o))
	}
	return all
}

func put(t testing.TB, task *Task, all ...sink.Record) {
	t.Helper()
	if err := task.Put(t.Context(), all); err != nil {
		t.Fatal(err)
	}
}

func flush(t testing.TB, task *Task) string {
	t.Helper()
	positions, err := task.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range positions {
		out = append(out, fmt.Sprintf("%s-%d@%d", p.Topic, p.Partition, p.Offset))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// lines are an object's lines.
func linesOf(text string) []string {
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
