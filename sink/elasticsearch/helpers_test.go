package elasticsearch

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/kafka"
	kafkaclient "github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(mainTests{m}) }

// mainTests runs the tests and what has to be cleaned up behind all of them.
type mainTests struct{ m *testing.M }

var atEnd []func()

func (m mainTests) Run() int {
	code := m.m.Run()
	for _, f := range atEnd {
		f()
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	return code
}

// document is one of the fake's.
type document struct {
	version int64
	source  map[string]any // nil: deleted
}

// fakeServer is an index of documents in memory: the calls that the connector makes, with the servers' rules of versions.
type fakeServer struct {
	*httptest.Server
	// fault may answer a bulk instead: a status, with a body or none; 0: not. It runs without the lock.
	fault func(n int, body []byte) (status int, answer string)
	// refuse may answer for one document: an error, or nil. It runs under the lock.
	refuse func(action, id string, source map[string]any) *itemError
	hello  string

	mu       sync.Mutex
	docs     map[string]*document // index/id
	indices  map[string]string    // their mappings
	requests []string             // but bulks
	headers  []http.Header
	bulks    int
	sizes    []int // documents of each bulk
	flying   int
	most     int            // bulks at once
	busy     map[string]int // documents of bulks on their way
	met      []string       // documents that two bulks on their way held
}

func newFake(t testing.TB) *fakeServer {
	f := &fakeServer{docs: make(map[string]*document), indices: make(map[string]string), busy: make(map[string]int),
		hello: `{"version":{"number":"7.17.29"}}`}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil && r.Header.Get("Content-Encoding") == "gzip" {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(z)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	f.mu.Lock()
	f.headers = append(f.headers, r.Header.Clone())
	f.mu.Unlock()
	if r.URL.Path == "/_bulk" {
		f.bulk(w, body)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, strings.TrimSpace(r.Method+" "+r.URL.EscapedPath()+" "+string(body)))
	name, rest, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	if name == "_data_stream" || name == "_alias" {
		name, rest = rest, ""
	}
	_, exists := f.indices[name]
	switch {
	case name == "":
		fmt.Fprint(w, f.hello)
	case r.Method == "HEAD" && !exists:
		w.WriteHeader(404)
	case r.Method == "HEAD":
	case r.Method == "PUT" && rest == "_mapping":
		f.indices[name] = string(body)
	case r.Method == "PUT" && exists:
		w.WriteHeader(400)
		fmt.Fprint(w, `{"error":{"type":"resource_already_exists_exception","reason":"there"},"status":400}`)
	case r.Method == "PUT":
		f.indices[name] = "{}"
	case rest == "_mapping":
		fmt.Fprintf(w, `{%q:{"mappings":%s}}`, name, f.indices[name])
	case rest == "_count":
		n := 0
		for key, d := range f.docs {
			if strings.HasPrefix(key, name+"/") && d.source != nil {
				n++
			}
		}
		fmt.Fprintf(w, `{"count":%d}`, n)
	default:
		w.WriteHeader(405)
	}
}

// bulkLine is one action with its document.
type bulkLine struct {
	action, index, id string
	version           *int64
	source            map[string]any
	upsert            bool
}

func parseBulk(body []byte) (lines []bulkLine, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	for dec.More() {
		var action map[string]struct {
			Index   string `json:"_index"`
			ID      string `json:"_id"`
			Version *int64 `json:"version"`
		}
		if err := dec.Decode(&action); err != nil {
			return nil, err
		}
		var l bulkLine
		for name, a := range action {
			l = bulkLine{action: name, index: a.Index, id: a.ID, version: a.Version}
		}
		if l.action == "update" {
			var doc struct {
				Doc    map[string]any `json:"doc"`
				Upsert bool           `json:"doc_as_upsert"`
			}
			if err := dec.Decode(&doc); err != nil {
				return nil, err
			}
			l.source, l.upsert = doc.Doc, doc.Upsert
		} else if l.action != "delete" {
			if err := dec.Decode(&l.source); err != nil {
				return nil, err
			}
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func (f *fakeServer) bulk(w http.ResponseWriter, body []byte) {
	lines, err := parseBulk(body)
	if err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	f.mu.Lock()
	f.bulks++
	n := f.bulks
	f.sizes = append(f.sizes, len(lines))
	f.flying++
	f.most = max(f.most, f.flying)
	held := make(map[string]bool)
	for _, l := range lines {
		held[l.index+"/"+l.id] = true
	}
	for key := range held {
		if f.busy[key]++; f.busy[key] > 1 && !strings.HasSuffix(key, "/") {
			f.met = append(f.met, key)
		}
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.flying--
		for key := range held {
			f.busy[key]--
		}
	}()
	if f.fault != nil {
		if status, answer := f.fault(n, body); status != 0 {
			w.WriteHeader(status)
			fmt.Fprint(w, answer)
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	failed := false
	var items []string
	for _, l := range lines {
		if e := f.apply(l); e != nil {
			failed = true
			text, _ := json.Marshal(e.Reason)
			items = append(items, fmt.Sprintf(`{%q:{"status":%d,"error":{"type":%q,"reason":%s}}}`, l.action, e.Status, e.Type, text))
			continue
		}
		items = append(items, fmt.Sprintf(`{%q:{"status":200}}`, l.action))
	}
	fmt.Fprintf(w, `{"errors":%t,"items":[%s]}`, failed, strings.Join(items, ","))
}

// apply writes one document as the servers do.
func (f *fakeServer) apply(l bulkLine) *itemError {
	if f.refuse != nil {
		if e := f.refuse(l.action, l.id, l.source); e != nil {
			return e
		}
	}
	if l.id == "" {
		l.id = fmt.Sprintf("auto-%d", len(f.docs))
	}
	key := l.index + "/" + l.id
	d := f.docs[key]
	if d == nil {
		d = &document{version: -1}
		f.docs[key] = d
	}
	conflict := &itemError{Status: 409, Type: conflictType, Reason: "version conflict"}
	switch {
	case l.version != nil && *l.version <= d.version, l.action == "create" && d.source != nil:
		return conflict
	case l.version != nil:
		d.version = *l.version
	default:
		d.version = max(d.version, 0) + 1
	}
	switch l.action {
	case "delete":
		d.source = nil
	case "update":
		if d.source == nil {
			d.source = make(map[string]any)
		}
		for k, v := range l.source {
			d.source[k] = v
		}
	default:
		d.source = l.source
	}
	return nil
}

// sources are the documents of an index by id.
func (f *fakeServer) sources(index string) map[string]map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[string]map[string]any)
	for key, d := range f.docs {
		if id, ok := strings.CutPrefix(key, index+"/"); ok && d.source != nil {
			out[id] = d.source
		}
	}
	return out
}

// rig is a task with what the worker is to it.
type rig struct {
	testing.TB
	task    *Task
	letters []string // topic-partition@offset class: message (tolerated)
	refuse  error    // of what is not tolerated
	logged  bytes.Buffer
}

var at0 = kafka.TopicPartition{Topic: "orders"}

// newTask makes a task without opening it. Options come as name, value, name, value …
func newTask(t testing.TB, server string, options ...string) *rig {
	t.Helper()
	props := map[string]string{"name": "x", "topics": "orders", "connection.url": server, "schema.ignore": "true", "retry.backoff.ms": "1"}
	for i := 0; i < len(options); i += 2 {
		props[options[i]] = options[i+1]
	}
	c, report := Parse(props, kafkaclient.ParseTLS)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	r := &rig{TB: t}
	r.task = New(c, Env{Log: slog.New(slog.NewTextHandler(&syncWriter{w: &r.logged}, nil)), Letters: true, Report: func(_ context.Context, raw *kafka.Record, err error, tolerated bool) error {
		class, message := err.(*RecordError).Exception()
		r.letters = append(r.letters, fmt.Sprintf("%s-%d@%d %s: %s (%t)", raw.Topic, raw.Partition, raw.Offset, class[strings.LastIndexByte(class, '.')+1:], message, tolerated))
		if !tolerated && r.refuse != nil {
			return r.refuse
		}
		return nil
	}})
	return r
}

type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

func newRig(t testing.TB, server string, options ...string) *rig {
	t.Helper()
	r := newTask(t, server, options...)
	r.open(sink.Assignment{TopicPartition: at0, End: 1 << 40, Committed: -1})
	return r
}

func (r *rig) open(partitions ...sink.Assignment) {
	r.Helper()
	if _, err := r.task.Open(r.Context(), partitions); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		var all []kafka.TopicPartition
		for _, p := range partitions {
			all = append(all, p.TopicPartition)
		}
		if err := r.task.Close(context.Background(), all); err != nil {
			r.Error(err)
		}
	})
}

func (r *rig) put(records ...sink.Record) {
	r.Helper()
	if err := r.task.Put(r.Context(), records); err != nil {
		r.Fatal(err)
	}
}

// flush waits for everything and returns the position of orders-0.
func (r *rig) flush() int64 {
	r.Helper()
	positions, err := r.task.Flush(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return positionOf(positions)
}

func positionOf(positions []kafka.Position) int64 {
	for _, p := range positions {
		if p.TopicPartition == at0 {
			return p.Offset
		}
	}
	return -1
}

// record is one of orders-0 without schemas; a nil value is a tombstone.
func record(offset int64, key string, value map[string]any) sink.Record {
	r := sink.Record{Topic: at0.Topic, Offset: offset, Timestamp: time.UnixMilli(1_700_000_000_000 + offset),
		Raw: &kafka.Record{Topic: at0.Topic, Offset: offset, Key: []byte(key), Value: []byte("raw")}}
	if key != "" {
		r.Key = schema.OfString(key)
	}
	if value != nil {
		r.Value = valueOf(value)
	}
	return r
}

func valueOf(v any) schema.Value {
	switch v := v.(type) {
	case string:
		return schema.OfString(v)
	case int:
		return schema.OfInt64(int64(v))
	case bool:
		return schema.OfBool(v)
	case map[string]any:
		var entries []schema.Entry
		for name, member := range v {
			entries = append(entries, schema.Entry{Key: schema.OfString(name), Value: valueOf(member)})
		}
		return schema.OfMap(entries)
	}
	return schema.NullValue
}

func hostOf(t testing.TB, text string) string {
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
