package incremental

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func fields(t *testing.T, s *State) map[string]any {
	t.Helper()
	out := make(map[string]any)
	if err := json.Unmarshal([]byte("{"+string(s.AppendJSON(nil)[1:])+"}"), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

const (
	nullKey = "aced000570"
	oneKey  = "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000001737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b020000787000000001"
	sixKey  = "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000001737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b020000787000000006"
)

// The fields of a state are those recorded from Debezium (the case "incremental"), and are read back.
func TestState(t *testing.T) {
	columns := []KeyColumn{columnOf("int4")}
	plan := NewPlan([]Collection{{ID: "public.t", CorrelationID: "ad-hoc"}, {ID: "public.w", Condition: `a > "x"`, SurrogateKey: "s", CorrelationID: "b"}}, "ad-hoc", false)
	const list = `[{"incremental_snapshot_collections_id":"public.t","incremental_snapshot_collections_additional_condition":null,` +
		`"incremental_snapshot_collections_surrogate_key":null,"incremental_snapshot_collections_correlation_id":"ad-hoc"},` +
		`{"incremental_snapshot_collections_id":"public.w","incremental_snapshot_collections_additional_condition":"(a > \"x\")",` +
		`"incremental_snapshot_collections_surrogate_key":"s","incremental_snapshot_collections_correlation_id":"b"}]`
	want := map[string]any{"incremental_snapshot_collections": list, "incremental_snapshot_correlation_id": "ad-hoc", "incremental_snapshot_maximum_key": nullKey, "incremental_snapshot_primary_key": nullKey}
	if diff := cmp.Diff(want, fields(t, plan.State())); diff != "" {
		t.Errorf("a plan without table (-want +got):\n%s", diff)
	}
	plan = plan.Table(columns, Key{text("6")}, 6)
	want["incremental_snapshot_maximum_key"], want["incremental_snapshot_total_rows"] = sixKey, "6"
	if diff := cmp.Diff(want, fields(t, plan.State())); diff != "" {
		t.Errorf("before the first row (-want +got):\n%s", diff)
	}
	behind := plan.Behind(Key{text("1")}, true)
	want["incremental_snapshot_primary_key"] = oneKey
	want["snapshot"], want["snapshot_completed"], want["last_snapshot_record"] = "INCREMENTAL", false, false
	if diff := cmp.Diff(want, fields(t, &behind)); diff != "" {
		t.Errorf("behind a row (-want +got):\n%s", diff)
	}

	var stored StoredState
	if err := json.Unmarshal([]byte("{"+string(behind.AppendJSON(nil)[1:])+"}"), &stored); err != nil {
		t.Fatal(err)
	}
	again, err := stored.State()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("(a > \"x\")", again.Collections[1].Condition); diff != "" {
		t.Errorf("stored condition (-want +got):\n%s", diff)
	}
	got := fields(t, again)
	if got["incremental_snapshot_primary_key"] != nullKey || got["tandem_incremental_snapshot_behind"] != oneKey {
		t.Errorf("after a restart: key %v, ours %v, want none and the stored one", got["incremental_snapshot_primary_key"], got["tandem_incremental_snapshot_behind"])
	}
	resumed := again.Resumed(columns)
	maximum, err := resumed.Maximum()
	if err != nil || string(maximum[0].Bytes) != "6" {
		t.Errorf("Maximum() = %v, %v, want 6", maximum, err)
	}
	if end, err := resumed.Stored(); err != nil || string(end[0].Bytes) != "1" {
		t.Errorf("Stored() = %v, %v, want 1", end, err)
	}
	if _, err := again.Resumed([]KeyColumn{columnOf("int4"), columnOf("text")}).Stored(); err == nil {
		t.Error("Stored() of a table whose key has another column now = nil, want an error")
	}
	state := resumed.Behind(Key{text("2")}, false)
	if _, own := fields(t, &state)["tandem_incremental_snapshot_behind"]; own {
		t.Error("the field of our own is still there behind a row")
	}
}

func TestStoredState(t *testing.T) {
	for _, c := range []struct {
		name, offset string
		tables       int
		bad          bool
	}{
		{"nothing", `{"lsn":1}`, 0, false},
		{"an empty list", `{"incremental_snapshot_collections":"[]"}`, 0, false},
		{"of an old version", `{"incremental_snapshot_collections":"[{\"incremental_snapshot_collections_id\":\"public.t\"}]"}`, 1, false},
		{"no JSON", `{"incremental_snapshot_collections":"["}`, 0, true},
		{"no name", `{"incremental_snapshot_collections":"[{}]"}`, 0, true},
		{"no count", `{"incremental_snapshot_collections":"[{\"incremental_snapshot_collections_id\":\"public.t\"}]","incremental_snapshot_total_rows":"many"}`, 0, true},
	} {
		var stored StoredState
		if err := json.Unmarshal([]byte(c.offset), &stored); err != nil {
			t.Fatal(err)
		}
		s, err := stored.State()
		if (err != nil) != c.bad {
			t.Errorf("%s: error %v, want one: %t", c.name, err, c.bad)
		}
		if n := 0; s != nil {
			n = len(s.Collections)
			if n != c.tables {
				t.Errorf("%s: %d tables, want %d", c.name, n, c.tables)
			}
		} else if c.tables != 0 {
			t.Errorf("%s: no state, want %d tables", c.name, c.tables)
		}
	}
}

func TestWatermark(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	for _, c := range []struct {
		mark Watermark
		want string
	}{
		{Watermark{Opened: at}, `{"openWindowTimestamp": "2026-11-22T01:02:03Z"}`},
		{Watermark{Opened: at.Add(5 * time.Millisecond), Closed: at.Add(7 * time.Microsecond), Correlation: "a\"b\n\x01é", Collection: "s.t"},
			`{"openWindowTimestamp": "2026-11-22T01:02:03.005Z", "closeWindowTimestamp": "2026-11-22T01:02:03.000007Z", "correlationId": "a\"b\n\u0001é", "dataCollectionId": "s.t"}`},
		{Watermark{Opened: at.Add(9)}, `{"openWindowTimestamp": "2026-11-22T01:02:03.000000009Z"}`},
	} {
		if got := string(c.mark.AppendJSON(nil)); got != c.want {
			t.Errorf("AppendJSON = %s, want %s", got, c.want)
		}
	}
}
