package source

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
)

// sample is a line of testdata/offset-samples.jsonl: an offset as the Debezium connector hands it out.
type sample struct {
	Case   string
	Offset json.RawMessage
}

func samples(t testing.TB) (out []sample) {
	t.Helper()
	text, err := os.ReadFile("testdata/offset-samples.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var s sample
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// TestOffsetSamples: every offset of the Debezium connector is read, and what is written for the same state has the same fields and values.
func TestOffsetSamples(t *testing.T) {
	for _, s := range samples(t) {
		p, err := parsePosition(s.Offset)
		if err != nil {
			t.Errorf("%s: parsePosition(%s): %v", s.Case, s.Offset, err)
			continue
		}
		if strings.Contains(string(s.Offset), `"INCREMENTAL"`) || strings.Contains(string(s.Offset), `"incremental_snapshot`) {
			continue // the state of incremental snapshots is read and written elsewhere
		}
		if d := cmp.Diff(object(t, s.Offset), object(t, p.appendJSON(nil))); d != "" {
			t.Errorf("%s: offset read and written (-Debezium's +ours):\n%s", s.Case, d)
		}
	}
}

// object reads an offset and holds it to what Kafka Connect stores: a map of primitive values.
func object(t *testing.T, text []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	m := make(map[string]any)
	if err := d.Decode(&m); err != nil {
		t.Fatalf("offset %s: %v", text, err)
	}
	for k, v := range m {
		switch v.(type) {
		case json.Number, string, bool:
		default:
			t.Errorf("offset %s: field %q is %T, want a number, text or bool", text, k, v)
		}
	}
	return m
}

// TestParsePosition: offsets of versions and moments that the samples do not have.
func TestParsePosition(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       *position
	}{
		{"before all else", `{}`, nil},
		{"null", ` null `, nil},
		{"heartbeat behind a snapshot", `{"lsn":500,"txId":7,"ts_usec":1}`, &position{lsn: 500, xid: 7, hasXID: true, micros: 1}},
		{"boolean snapshot", `{"lsn":500,"snapshot":true,"last_snapshot_record":false,"ts_usec":1}`, &position{lsn: 500, snap: snapshotRunning, micros: 1}},
		{"boolean snapshot, last", `{"lsn":500,"snapshot":true,"last_snapshot_record":true,"ts_usec":1}`, &position{lsn: 500, snap: snapshotDone, micros: 1}},
		{"snapshot as text", `{"lsn":500,"snapshot":"true","snapshot_completed":false}`, &position{lsn: 500, snap: snapshotRunning}},
		{"no snapshot", `{"lsn":500,"snapshot":false}`, &position{lsn: 500}},
		{"a transaction id with its epoch", `{"lsn":500,"txId":4294967303}`, &position{lsn: 500, xid: 7, hasXID: true}},
		{"before types were stored", `{"lsn":510,"lsn_proc":510,"lsn_commit":500,"txId":7}`, &position{lsn: 510, proc: 510, commit: 500, xid: 7, hasXID: true, kind: typeOther}},
		{"a type we do not know", `{"lsn":510,"lsn_proc":500,"lsn_commit":500,"messageType":"ORIGIN"}`, &position{lsn: 510, proc: 500, commit: 500, kind: typeOther}},
		{"no commit yet", `{"lsn":510,"lsn_proc":510,"messageType":"INSERT","lsn_events_processed":2,"txId":7}`,
			&position{lsn: 510, proc: 510, events: 2, kind: typeInsert, xid: 7, hasXID: true}},
		{"incremental rows", `{"lsn":510,"lsn_proc":510,"lsn_commit":500,"messageType":"INSERT","snapshot":"INCREMENTAL","snapshot_completed":false,"txId":7}`,
			&position{lsn: 510, proc: 510, commit: 500, kind: typeInsert, xid: 7, hasXID: true}},
	} {
		got, err := parsePosition([]byte(c.text))
		if err != nil {
			t.Errorf("%s: parsePosition(%s): %v", c.name, c.text, err)
		} else if d := cmp.Diff(c.want, got, cmp.AllowUnexported(position{})); d != "" {
			t.Errorf("%s: parsePosition(%s) (-want +got):\n%s", c.name, c.text, d)
		}
	}
	for _, text := range []string{``, `[]`, `{"lsn":"1"}`, `{"lsn":-1}`, `{"lsn_commit":5}`, `{"lsn":1,"transaction_id":"7","transaction_data_collection_order_a.b":"x"}`} {
		if p, err := parsePosition([]byte(text)); err == nil {
			t.Errorf("parsePosition(%s) = %+v, want an error", text, p)
		}
	}
}

// TestIdleOffset: what Debezium reads while the server idles is a commit at its position; what we read is the truth.
func TestIdleOffset(t *testing.T) {
	for _, c := range []struct {
		name  string
		p     position
		shown map[string]any // beside our own fields
	}{
		{"behind a commit", position{lsn: 50, proc: 50, commit: 50, idle: 90, kind: typeCommit, xid: 7, hasXID: true, micros: 1},
			map[string]any{"lsn": "90", "lsn_proc": "90", "lsn_commit": "90", "messageType": "COMMIT", "txId": "7", "ts_usec": "1"}},
		{"behind a message", position{lsn: 50, proc: 50, commit: 50, idle: 90, events: 3, kind: typeMessage, micros: 1},
			map[string]any{"lsn": "90", "lsn_proc": "90", "lsn_commit": "90", "messageType": "COMMIT", "ts_usec": "1"}},
		{"behind a snapshot", position{lsn: 50, idle: 90, micros: 1},
			map[string]any{"lsn": "90", "lsn_proc": "90", "lsn_commit": "90", "messageType": "COMMIT", "ts_usec": "1"}},
		{"at the begin of a transaction of before", position{lsn: 70, proc: 50, commit: 50, idle: 90, kind: typeBegin, xid: 7, hasXID: true, micros: 1},
			map[string]any{"lsn": "70", "lsn_proc": "70", "lsn_commit": "50", "messageType": "BEGIN", "txId": "7", "ts_usec": "1"}},
		{"within a transaction", position{lsn: 95, proc: 95, commit: 50, idle: 90, events: 2, kind: typeInsert, xid: 7, hasXID: true, micros: 1},
			map[string]any{"lsn": "95", "lsn_proc": "95", "lsn_commit": "50", "lsn_events_processed": "2", "messageType": "INSERT", "txId": "7", "ts_usec": "1"}},
		{"overtaken", position{lsn: 99, proc: 99, commit: 99, idle: 90, kind: typeCommit, xid: 7, hasXID: true, micros: 1},
			map[string]any{"lsn": "99", "lsn_proc": "99", "lsn_commit": "99", "messageType": "COMMIT", "txId": "7", "ts_usec": "1"}},
	} {
		text := c.p.appendJSON(nil)
		got := make(map[string]any)
		for k, v := range object(t, text) {
			if n, ok := v.(json.Number); ok {
				v = n.String()
			}
			if !strings.HasPrefix(k, ownPrefix) {
				got[k] = v
			}
		}
		if d := cmp.Diff(c.shown, got); d != "" {
			t.Errorf("%s: offset as Debezium sees it (-want +got):\n%s", c.name, d)
		}
		back, err := parsePosition(text)
		if err != nil {
			t.Errorf("%s: parsePosition(%s): %v", c.name, text, err)
		} else if *back != c.p {
			t.Errorf("%s: parsePosition(%s) = %+v, want %+v", c.name, text, *back, c.p)
		}
	}
}

// TestResumeFromDebezium: from an offset that has only Debezium's fields, as it hands it on, a restart publishes exactly what follows.
func TestResumeFromDebezium(t *testing.T) {
	for seed := range uint64(500) {
		h, metadata := seededHistory(seed)
		want, after := run(t, h.changes, nil, metadata)
		for k, at := range after {
			at.idle = 0
			stored, err := parsePosition(at.appendJSON(nil))
			if err != nil {
				t.Fatal(err)
			}
			got, _ := run(t, h.from(stored.start()), stored, metadata)
			if !slices.Equal(got, want[k+1:]) {
				t.Fatalf("seed %d: restart behind record %d %q from %s =\n%q, want\n%q", seed, k, want[k], at.appendJSON(nil), got, want[k+1:])
			}
		}
	}
}

// TestResumeFromOldDebezium: offsets of before Debezium stored types and counts lose nothing.
func TestResumeFromOldDebezium(t *testing.T) {
	for seed := range uint64(500) {
		h, _ := seededHistory(seed)
		want, after := run(t, h.changes, nil, false)
		for k, at := range after {
			if at.idle != 0 || at.proc == 0 {
				continue
			}
			old := position{lsn: at.lsn, proc: at.proc, commit: at.commit, xid: at.xid, hasXID: at.hasXID}
			stored, err := parsePosition(old.appendJSON(nil))
			if err != nil {
				t.Fatal(err)
			}
			got, _ := run(t, h.from(stored.start()), stored, false)
			if rest := want[k+1:]; len(got) < len(rest) || !slices.Equal(got[len(got)-len(rest):], rest) {
				t.Fatalf("seed %d: restart behind record %d %q from %s =\n%q, which does not end with\n%q", seed, k, want[k], old.appendJSON(nil), got, rest)
			}
		}
	}
}

// TestFilteredTruncate: a table that is not captured counts neither in the offset nor for a restart, as in Debezium's.
func TestFilteredTruncate(t *testing.T) {
	tables := []*cdc.Relation{{OID: 1, Schema: "public", Name: "a"}, {OID: 2, Schema: "public", Name: "b"}, {OID: 3, Schema: "public", Name: "c"}, {OID: 4, Schema: "public", Name: "d"}}
	var changes []cdc.Change
	changes = append(changes, cdc.Change{Kind: cdc.Begin, LSN: 100, XID: 7, FinalLSN: 110})
	for _, rel := range tables {
		changes = append(changes, cdc.Change{Kind: cdc.Truncate, LSN: 100, XID: 7, Relation: rel})
	}
	changes = append(changes, cdc.Change{Kind: cdc.Commit, LSN: 120, XID: 7, FinalLSN: 110})
	truncate := func(from *position) (records []string, offsets []string) {
		rec := new(recorder)
		filter := filterOf(t, map[string]string{"table.exclude.list": `public\.[bd]`})
		p := newPublisher(rec, filter, noTable{}, new(positions), from)
		for _, rel := range tables {
			if err := p.announce(t.Context(), rel); err != nil {
				t.Fatal(err)
			}
		}
		for i := range changes {
			p.partial = changes[i].Kind == cdc.Truncate && p.truncatesMore(changes[i].LSN, changes[i+1:])
			if err := p.change(t.Context(), &changes[i]); err != nil {
				t.Fatal(err)
			}
			if len(offsets) < len(rec.records) {
				at, _ := p.sent.behind(p.records)
				offsets = append(offsets, string(at.appendJSON(nil)))
			}
		}
		return rec.records, offsets
	}
	records, offsets := truncate(nil)
	want := []string{
		`{"lsn":100,"lsn_events_processed":1,"messageType":"TRUNCATE","ts_usec":0,"txId":7}`,
		`{"lsn":100,"lsn_events_processed":2,"lsn_proc":100,"messageType":"TRUNCATE","ts_usec":0,"txId":7}`,
	}
	if d := cmp.Diff(want, offsets); d != "" {
		t.Errorf("offsets of a TRUNCATE of four tables, of which two are captured (-want +got):\n%s", d)
	}
	for i, text := range offsets {
		stored, err := parsePosition([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := truncate(stored); len(got) != len(records)-i-1 {
			t.Errorf("restart from %s published %q, want the last %d of %q", text, got, len(records)-i-1, records)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	for _, s := range samples(f) {
		f.Add([]byte(s.Offset))
	}
	f.Add([]byte(`{"lsn":1,"tandem_lsn_idle":9,"tandem_lsn":1,"tandem_messageType":"MESSAGE"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePosition(text)
		if err != nil || p == nil {
			return
		}
		p.start()
		p.known()
		newResume(p)
		again, err := parsePosition(p.appendJSON(nil)) // what was accepted is written so that it is accepted
		if err != nil {
			t.Fatalf("parsePosition(%s) is written as %s, which is refused: %v", text, p.appendJSON(nil), err)
		}
		if again.start() != p.start() || again.confirmable() != p.confirmable() {
			t.Errorf("parsePosition(%s) starts at %v and confirms %v; written as %s, at %v and %v", text, p.start(), p.confirmable(), p.appendJSON(nil), again.start(), again.confirmable())
		}
	})
}

// TestCountsOfMessages: the counts of an offset keep a transaction's total, however many messages are in it.
func TestCountsOfMessages(t *testing.T) {
	counts := []envelope.TxCount{{Collection: "public.t", Events: 2}, {Collection: "io.debezium.connector.postgresql.LogicalDecodingMessageMonitor$LogicalDecodingMessageId@7a", Events: 1}}
	p := &position{lsn: 5, kind: typeInsert, xid: 7, hasXID: true, tx: &txCounts{xid: 7, counts: counts}}
	back, err := parsePosition(p.appendJSON(nil))
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, c := range back.tx.counts {
		total += c.Events
	}
	if total != 3 || len(back.tx.counts) != 2 {
		t.Errorf("counts of %s = %+v, want 3 events of 2 collections", p.appendJSON(nil), back.tx.counts)
	}
}

func seededHistory(seed uint64) (h *history, metadata bool) {
	r := rand.New(rand.NewPCG(seed, 1))
	return randomHistory(r), r.IntN(2) == 0
}

// filterOf makes the filter of a configuration.
func filterOf(t *testing.T, props map[string]string) *tableFilter {
	t.Helper()
	cfg, _ := Parse(props)
	filter, err := newTableFilter(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	return filter
}
