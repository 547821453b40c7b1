package source

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
)

// The orders are those that Debezium's notifications had.
func TestHashSetOrder(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"public.b public.d", "public.d public.b"},
		{"public.t public.u", "public.t public.u"},
		{"public.a_empty public.b public.c_empty public.d public.e public.f_empty", "public.f_empty public.a_empty public.d public.b public.c_empty public.e"},
	} {
		if got := strings.Join(hashSetOrder(strings.Fields(tt.in)), " "); got != tt.want {
			t.Errorf("hashSetOrder(%s) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

// hook is an HTTP server that keeps what is posted.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	fail   int // so many requests at first
}

func newHook(t *testing.T, fail int) *hook {
	h := &hook{fail: fail}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("request = %s with %s, want POST of application/json", r.Method, r.Header.Get("Content-Type"))
		}
		if h.fail > 0 {
			h.fail--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.bodies = append(h.bodies, string(body))
	}))
	t.Cleanup(h.Close)
	return h
}

func webhookTo(url string, allow bool, log *slog.Logger) *webhook {
	w := newWebhook(&notificationConfig{url: url, timeout: 5 * time.Second, retries: 1, allowPrivate: allow}, log)
	w.backoff = time.Millisecond
	return w
}

func TestWebhook(t *testing.T) {
	h := newHook(t, 3)
	w := webhookTo(h.URL, true, slog.New(slog.DiscardHandler))
	stop := w.run(t.Context())
	at := time.UnixMilli(1700000000123)
	w.post(&envelope.Notification{ID: "1", Aggregate: aggregateInitial, Type: noteInProgress}, at) // two tries, both fail
	w.post(&envelope.Notification{ID: "2", Aggregate: aggregateInitial, Type: noteCompleted, Data: []envelope.Detail{{Key: "connector_name", Value: "p"}}}, at)
	stop()
	want := []string{`{"id":"2","aggregateType":"Initial Snapshot","type":"COMPLETED","additionalData":{"connector_name":"p"},"timestamp":1700000000123}`}
	if diff := cmp.Diff(want, h.bodies); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
}

// An address of the machine or of its network is not posted to, whatever the name of the host says, and the log does not tell the rest of the URL.
func TestWebhookOnlyPublic(t *testing.T) {
	h := newHook(t, 0)
	var log strings.Builder
	w := webhookTo(strings.Replace(h.URL, "127.0.0.1", "localhost", 1)+"/secret", false, slog.New(slog.NewTextHandler(&log, nil)))
	stop := w.run(t.Context())
	w.post(&envelope.Notification{ID: "1", Type: noteInProgress}, time.Now())
	stop()
	if len(h.bodies) != 0 || !strings.Contains(log.String(), "not a public address") || strings.Contains(log.String(), "secret") {
		t.Errorf("posted %q, log %s; want nothing, and a line that says why without the path", h.bodies, log.String())
	}
}

// A queue that is full drops, and says so.
func TestWebhookFull(t *testing.T) {
	var log strings.Builder
	w := webhookTo("http://192.0.2.1", true, slog.New(slog.NewTextHandler(&log, nil)))
	for range webQueue + 1 {
		w.post(&envelope.Notification{Type: noteInProgress}, time.Now())
	}
	if n := strings.Count(log.String(), "too many wait"); n != 1 {
		t.Errorf("%d of %d notifications were dropped, want 1: %s", n, webQueue+1, log.String())
	}
}

func TestPublicAddresses(t *testing.T) {
	for text, want := range map[string]bool{"8.8.8.8": true, "2001:db8::1": true, "127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false,
		"169.254.169.254": false, "0.0.0.0": false, "::1": false, "fe80::1": false, "fd00::1": false, "::ffff:127.0.0.1": false} {
		a, ok := literalAddress(text)
		if !ok || public(a) != want {
			t.Errorf("public(%s) = %v, want %v", text, !want, want)
		}
	}
}

// A row that may be its table's last waits; while it does, what is told of tables must not move a restart behind it.
func TestRowThatWaits(t *testing.T) {
	var sent positions
	var log strings.Builder
	p := newPublisher(&testEncoder{}, &tableFilter{}, nil, &sent, nil)
	p.notes = &notifier{connector: "p", log: slog.New(slog.NewTextHandler(&log, nil))}
	rel := &cdc.Relation{OID: 1, Schema: "public", Name: "t"}
	p.plans[1] = planned{rel: rel, plan: new(envelope.Plan)}
	row := func(mark cdc.Marker, at cdc.Micros) {
		t.Helper()
		c := &cdc.Change{Kind: cdc.Read, Relation: rel, Snapshot: mark, CommitTime: at, New: cdc.Tuple{{Kind: cdc.Text, Bytes: []byte("x")}, {}}}
		if err := p.change(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		c.New[0].Bytes[0] = '!' // the batch goes back
	}
	p.at = position{lsn: 9, snap: snapshotRunning, micros: 1}
	row(cdc.MarkFirst, 2)
	if p.records != 0 {
		t.Fatalf("the first row is published at once")
	}
	row(cdc.MarkTrue, 3)
	row(cdc.MarkLastInTable, 4)
	if p.records != 2 || p.at.micros != 3 {
		t.Errorf("%d rows are published, the last of %d, want 2 of 3", p.records, p.at.micros)
	}
	p.at.micros = 77
	p.note(true)
	if at, _ := sent.behind(p.records); at.micros != 3 {
		t.Errorf("position while a row waits is of %d, want 3, of the row before", at.micros)
	}
	if err := p.readHeld(); err != nil {
		t.Fatal(err)
	}
	p.note(true)
	if at, _ := sent.behind(p.records); p.records != 3 || at.micros != 4 {
		t.Errorf("%d rows are published, position of %d, want 3 of 4", p.records, at.micros)
	}
	enc := p.enc.(*testEncoder)
	if diff := cmp.Diff([]string{"x", "x", "x"}, enc.rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// Without channels a notification costs nothing.
func TestNoNotifications(t *testing.T) {
	p := &publisher{}
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		_ = p.tableStarted(ctx, "public.t")
		_ = p.tableDone(ctx, "public.t", 7)
		_ = p.chunkStarted(ctx, "public.t", 0, 1, 2)
		_ = p.snapshotCompleted(ctx)
	}); n != 0 {
		t.Errorf("AllocsPerRun = %v, want 0", n)
	}
}

func TestNotifyLog(t *testing.T) {
	var log strings.Builder
	p := &publisher{sent: new(positions), notes: &notifier{connector: "p", log: slog.New(slog.NewJSONHandler(&log, nil))}}
	if err := p.tableFailed(context.Background(), "public.t"); err != nil {
		t.Fatal(err)
	}
	var line map[string]string
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
		t.Fatal(err)
	}
	if len(line["id"]) != 36 {
		t.Errorf("id = %q, want a UUID", line["id"])
	}
	delete(line, "time")
	delete(line, "id")
	want := map[string]string{"level": "INFO", "msg": "notification", "aggregate_type": "Initial Snapshot", "type": "TABLE_SCAN_COMPLETED",
		"connector_name": "p", "scanned_collection": "public.t", "status": "SQL_EXCEPTION"}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}
