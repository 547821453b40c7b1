package replay

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tandem-cdc/tandem/schema"
)

// syncPrefix marks the logical messages by which a replay knows that everything before them was delivered. They are part of the run
// (their LSNs count for what follows) and no part of its output.
const syncPrefix = "oracle-sync"

// collector is the emitter of a case: it keeps the records of all the task's runs, and their offsets.
type collector struct {
	commit  bool // hand offsets back to the task and store them
	formats *formats

	mu       sync.Mutex
	changed  chan struct{} // made and sent to by the collector, bound 1: something new is in the fields below
	records  []*Record
	offsets  []offsetEntry // one per record
	stored   map[string][]byte
	sync     int // content of the sync message that is awaited
	sawSync  bool
	problems []string // of writers that disagree

	run *taskRun
}

// offsetEntry is the source offset behind a record.
type offsetEntry struct{ partition, offset []byte }

// taskRun is one run of a task: its streams, and the count of its records.
type taskRun struct {
	task    Task
	streams []*stream
	current *stream
	n       uint64
	asked   uint64 // Offset was called up to here
	owed    []int  // indices of records whose offset is not known yet; -1 for a sync message
	last    offsetEntry
}

// stream is what Emitter.Stream prepared.
type stream struct {
	topic     string
	partition int32
	headers   []schema.Header
	key       *side
	value     *side
}

func newCollector(commit bool, f *formats) *collector {
	return &collector{commit: commit, formats: f, changed: make(chan struct{}, 1), stored: map[string][]byte{}}
}

// begin makes the collector the emitter of a new task, whose records count from 1 again. Until it gives an offset, the stored one holds.
func (c *collector) begin(task Task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run = &taskRun{task: task}
	for partition, offset := range c.stored { // one at most: a case has one task
		c.run.last = offsetEntry{[]byte(partition), offset}
	}
}

// Stream implements Emitter.
func (c *collector) Stream(topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (int, error) {
	k, err := newSide(key, c.formats)
	if err != nil {
		return 0, fmt.Errorf("topic %q: key: %w", topic, err)
	}
	v, err := newSide(value, c.formats)
	if err != nil {
		return 0, fmt.Errorf("topic %q: value: %w", topic, err)
	}
	c.run.streams = append(c.run.streams, &stream{topic: topic, partition: partition, headers: slices.Clone(headers), key: k, value: v})
	return len(c.run.streams) - 1, nil
}

// Begin implements Emitter.
func (c *collector) Begin(handle int) (key, value schema.Writer) {
	s := c.run.streams[handle]
	c.run.current = s
	return s.key.begin(), s.value.begin()
}

// End implements Emitter.
func (c *collector) End(first []schema.Header) error {
	// What the task notes about a record it may note after End, so the offset is asked for when the next record ends.
	c.collectOffsets(c.run.n)
	s := c.run.current
	r := &Record{Topic: s.topic, Partition: s.partition, KeySchema: s.key.schema, ValueSchema: s.value.schema, Headers: slices.Concat(first, s.headers)}
	var err error
	if r.Key, err = s.key.end(); err != nil {
		return fmt.Errorf("topic %q: key: %w", s.topic, err)
	}
	if r.Value, err = s.value.end(); err != nil {
		return fmt.Errorf("topic %q: value: %w", s.topic, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run.n++
	if prefix, content := logicalMessage(r); prefix == syncPrefix {
		c.run.owed = append(c.run.owed, -1)
		c.sawSync = c.sawSync || content == strconv.Itoa(c.sync)
	} else {
		c.problem(len(c.records)+1, "key", s.key.disagreement)
		c.problem(len(c.records)+1, "value", s.value.disagreement)
		c.run.owed = append(c.run.owed, len(c.records))
		c.records, c.offsets = append(c.records, r), append(c.offsets, offsetEntry{})
	}
	c.notify()
	return nil
}

// Flush implements Emitter. The stream pauses, so the offset behind its last record is asked for before a later one takes its place.
func (c *collector) Flush() error {
	c.collectOffsets(c.run.n)
	return nil
}

func (c *collector) problem(record int, part, text string) {
	if text != "" {
		c.problems = append(c.problems, fmt.Sprintf("record %d: %s: %s", record, part, text))
	}
}

func (c *collector) notify() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// collectOffsets asks the task for the offsets behind its records up to n, one by one as they become known, and stores them.
func (c *collector) collectOffsets(n uint64) {
	r := c.run
	for r.asked < n {
		r.asked++
		if partition, offset, ok := r.task.Offset(r.asked); ok {
			r.last = offsetEntry{bytes.Clone(partition), bytes.Clone(offset)}
			if c.commit {
				c.store(r.last)
				r.task.Stored(r.asked)
			}
		}
		c.mu.Lock()
		if i := r.owed[r.asked-1]; i >= 0 {
			c.offsets[i] = r.last
		}
		c.mu.Unlock()
	}
}

// finish collects the offsets behind the last records of a task that has ended.
func (c *collector) finish() {
	if c.run != nil {
		c.collectOffsets(c.run.n)
	}
}

func (c *collector) store(o offsetEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stored[canonical(o.partition)] = o.offset
}

// storedOffset answers what the last collectOffsets stored.
func (c *collector) storedOffset(partition []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stored[canonical(partition)]
}

// forget drops every stored offset.
func (c *collector) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.stored)
}

// rewind makes the stored offset that of the record back places before the last.
func (c *collector) rewind(back int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.stored)
	if i := len(c.offsets) - 1 - back; i >= 0 {
		c.stored[canonical(c.offsets[i].partition)] = c.offsets[i].offset
	}
}

// expect sets the sync message that is awaited.
func (c *collector) expect(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sync, c.sawSync = n, false
}

func (c *collector) synced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sawSync
}

func (c *collector) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.records)
}

// canonical prints a JSON object in one form only; anything else stays as it is.
func canonical(text []byte) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return string(text)
	}
	out, err := json.Marshal(v) // keys sorted
	if err != nil {
		return string(text)
	}
	return string(out)
}

// logicalMessage returns prefix and content of a record made of pg_logical_emit_message; "" for any other.
func logicalMessage(r *Record) (prefix, content string) {
	m := r.Value.Struct().Field("message").Struct()
	if m == nil {
		return "", ""
	}
	c := m.Field("content")
	if c.Type() == schema.String {
		return m.Field("prefix").Text(), decodeText(c.Text())
	}
	return m.Field("prefix").Text(), string(c.Bytes())
}

var hexText = regexp.MustCompile(`^([0-9a-f]{2})+$`)

// decodeText undoes what binary.handling.mode does to bytes; of a sync message, which holds a number, its forms are distinct.
func decodeText(s string) string {
	if hexText.MatchString(s) {
		if b, err := hex.DecodeString(s); err == nil {
			return string(b)
		}
	}
	s = strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(s)
	if b, err := base64.RawStdEncoding.DecodeString(s); err == nil {
		return string(b)
	}
	return s
}
