package rest

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/connect/rest/resttest"
)

// laggards are the figures of four tasks: one that is stalled, one that gets on, one whose database is not reached, and a sink.
type laggards struct{ stalled float64 }

func (laggards) Sample(time.Time) {}
func (l laggards) Collect(_ time.Time, out *metrics.Out) {
	of := func(connector, task string, more ...string) []string {
		return append([]string{"connector", connector, "task", task}, more...)
	}
	out.Own("tandem_source_position", 0x1_0000_0040, of("b", "10", "rung", "server")...)
	out.Own("tandem_source_position", 0x1_0000_0020, of("b", "10", "rung", "received")...)
	out.Own("tandem_source_lag_bytes", 32, of("b", "10", "rung", "received")...)
	out.Own("tandem_source_lag_seconds", 7.5, of("b", "10", "rung", "received")...)
	out.Own("tandem_source_slot_retained_bytes", 4096, of("b", "10", "slot", "s")...)
	out.Own("tandem_source_slot_active", 1, of("b", "10", "slot", "s")...)
	out.Own("tandem_source_slot_safe_bytes", 12, of("b", "10", "slot", "s")...)
	out.Own("tandem_source_stalled", l.stalled, of("b", "10")...)
	out.Own("tandem_source_standstill_seconds", 61, of("b", "10")...)
	out.Own("tandem_source_position", 0x10, of("b", "9", "rung", "server")...)
	out.Own("tandem_source_slot_retained_bytes", 0, of("b", "9", "slot", "r")...)
	out.Own("tandem_source_slot_lost", 1, of("b", "9", "slot", "r")...)
	out.Own("tandem_source_stalled", 0, of("b", "9")...)
	out.Own("tandem_source_stalled", 0, of("a b", "0")...)
	for _, r := range []struct {
		partition, rung string
		at              float64
	}{{"0", "end", 90}, {"0", "consumed", 80}, {"0", "committed", 70}, {"1", "end", 5}, {"1", "consumed", 5}} {
		out.Own("tandem_sink_position", r.at, of("sink", "0", "topic", "t", "partition", r.partition, "rung", r.rung)...)
	}
	out.Own("tandem_sink_lag_seconds", 7.5, of("sink", "0", "topic", "t", "partition", "0", "rung", "consumed")...)
	out.Own("tandem_sink_lag_seconds", 0, of("sink", "0", "topic", "t", "partition", "1", "rung", "consumed")...)
	out.Own("tandem_sink_stalled", 0, of("sink", "0")...)
	out.Own("tandem_sink_standstill_seconds", 2, of("sink", "0")...)
	out.Own("tandem_sink_position", 1, of("gone", "0", "topic", "t", "partition", "0", "rung", "end")...)
}

// TestTrap33Lag: whoever asks hears that a task is stalled, by the status alone; /health and the states say what Kafka Connect's say. lag protects.
func TestTrap33Lag(t *testing.T) {
	worker := newWorker(t, nil)
	get := func(stalled float64, path string) (int, string) {
		t.Helper()
		remove := worker.Metrics().Add(laggards{stalled})
		defer remove()
		got := resttest.Do(Handler(worker, http.DefaultClient, slog.New(slog.DiscardHandler)), "worker-1:8083", http.MethodGet, path, nil, nil)
		body, err := io.ReadAll(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		return got.StatusCode, string(body)
	}
	_, healthy := get(0, "/health")
	if _, got := get(1, "/health"); got != healthy {
		t.Errorf("GET /health with a stalled task = %s, want %s as without", got, healthy)
	}
	if status, body := get(0, "/admin/lag"); status != http.StatusOK {
		t.Errorf("GET /admin/lag = %d %s, want 200", status, body)
	}
	status, body := get(1, "/admin/lag")
	var got lagBody
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusServiceUnavailable {
		t.Fatalf("GET /admin/lag = %d %s, %v, want 503 and JSON", status, body, err)
	}
	zero, late, safe := 0.0, 7.5, int64(12)
	want := lagBody{Stalled: 1, Workers: []workerLag{{Worker: worker.ID()}}, Tasks: []taskLag{
		{Connector: "a b", Kind: "source", Worker: worker.ID(), Rungs: []lagRung{}, Partitions: []partitionLag{}},
		{Connector: "b", Task: 9, Kind: "source", Worker: worker.ID(), Rungs: []lagRung{{"server", "0/10", 0, &zero}}, Slot: &lagSlot{Name: "r", Lost: true}, Partitions: []partitionLag{}},
		{Connector: "b", Task: 10, Kind: "source", Worker: worker.ID(), Stalled: true, Standstill: 61, Rungs: []lagRung{{"server", "1/40", 0, &zero}, {"received", "1/20", 32, &late}},
			Slot: &lagSlot{Name: "s", Retained: 4096, Safe: &safe, Active: true}, Partitions: []partitionLag{}},
		{Connector: "sink", Kind: "sink", Worker: worker.ID(), Standstill: 2, Rungs: []lagRung{}, Partitions: []partitionLag{
			{"t", 0, []sinkRung{{"end", 90, 0, &zero}, {"consumed", 80, 10, &late}, {"committed", 70, 20, nil}}},
			{"t", 1, []sinkRung{{"end", 5, 0, &zero}, {"consumed", 5, 0, &zero}}},
		}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("GET /admin/lag (-want +got)\n%s", diff)
	}
}

// TestLagIsForAdministrators: with admin.listeners it is there alone.
func TestLagIsForAdministrators(t *testing.T) {
	_, urls := serveWorker(t, map[string]string{"listeners": "http://127.0.0.1:0", "admin.listeners": "http://127.0.0.1:0"})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for i, want := range []int{http.StatusNotFound, http.StatusOK} {
		if status, body, _ := ask(t, client, http.MethodGet, urls[i]+"/admin/lag"); status != want {
			t.Errorf("GET /admin/lag of listener %d = %d %s, want %d", i, status, body, want)
		}
	}
}
