package envelope_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/schema"
)

func text(s string) cdc.Datum { return cdc.Datum{Kind: cdc.Text, Bytes: []byte(s)} }

func TestFailureModes(t *testing.T) {
	nan := text("NaN")
	col := cdc.TableColumn{TypeOID: 1700, TypeMod: 655366}
	for _, mode := range []string{"warn", "skip"} {
		props := map[string]string{"event.converting.failure.handling.mode": mode}
		if got, _, err := oneColumn(t, props, col, nan, cdc.Insert); got != "null" || err != nil {
			t.Errorf("NaN with %s = %s, %v, want null", mode, got, err)
		}
		col.NotNull = true
		_, _, err := oneColumn(t, props, col, nan, cdc.Insert)
		col.NotNull = false
		const want = `convert text of column "c" (numeric) of table s.t at LSN 0/10: NaN and infinity are no decimal numbers; decimal.handling.mode double or string holds them`
		if err == nil || err.Error() != want {
			t.Errorf("NaN in a column that cannot be null with %s = %v, want %s", mode, err, want)
		}
	}
	if _, _, err := oneColumn(t, nil, col, cdc.Datum{Kind: cdc.Binary}, cdc.Insert); err == nil {
		t.Error("a binary datum was taken, want an error: streams are read as text")
	}
}

func TestFailureWarnings(t *testing.T) {
	var log bytes.Buffer
	now := time.Unix(1_700_000_000, 0)
	cfg := envelope.DefaultConfig()
	cfg.TopicPrefix, cfg.Log, cfg.Now = "p", slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now }
	e, err := envelope.New(cfg, null{}, serverTypes)
	if err != nil {
		t.Fatal(err)
	}
	rel, table, row := relation([]columnText{{"id", 23, -1, "1"}, {"n", 1700, 655366, "NaN"}})
	p, err := e.Plan(rel, table)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := e.Encode(p, &cdc.Change{Kind: cdc.Insert, New: row}, &here); err != nil {
			t.Fatal(err)
		}
		now = now.Add(20 * time.Millisecond)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 2 {
		t.Errorf("1000 bad values in 20 s made %d warnings, want 2:\n%s", n, log.String())
	}
	if !strings.Contains(log.String(), "table=store.orders column=n") || !strings.Contains(log.String(), "values=501") {
		t.Errorf("the warning does not name table, column and count:\n%s", log.String())
	}
}

func TestStreamsAreReused(t *testing.T) {
	out := &keeper{}
	e := newEncoder(t, map[string]string{"topic.prefix": "p"}, out, serverTypes)
	columns := []columnText{{"id", 23, -1, "1"}, {"v", 25, -1, "x"}}
	for i := range 3 {
		rel, table, row := relation(columns)
		if i == 2 {
			table.Columns[1].NotNull = true
		}
		p, err := e.Plan(rel, table)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []cdc.Change{{Kind: cdc.Insert, New: row}, {Kind: cdc.Delete, Old: row}} {
			if _, err := e.Encode(p, &c, &here); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A stream of values and one of tombstones; both again when the schema changed.
	if len(out.topics) != 4 {
		t.Errorf("Stream was called %d times, want 4: a relation announced again without changes needs none", len(out.topics))
	}
}

func TestKeyOfDroppedTable(t *testing.T) {
	e := newEncoder(t, map[string]string{"topic.prefix": "p"}, null{}, serverTypes)
	rel, table, _ := relation([]columnText{{"id", 23, -1, "1"}, {"v", 25, -1, "x"}})
	if _, err := e.Plan(rel, table); err != nil {
		t.Fatal(err)
	}
	p, err := e.Plan(rel, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := schemaJSON(p.KeySchema()), `{"type":"struct","fields":[{"type":"int32","optional":true,"field":"id"}],"optional":false,"name":"p.store.orders.Key"}`; got != want {
		t.Errorf("key schema of a table that is gone = %s, want %s", got, want)
	}
}

func TestRefusedTables(t *testing.T) {
	for want, columns := range map[string][]columnText{
		`plan records of table store.orders: columns "a" and "A" differ only by case; rename one of them`:                                        {{"a", 23, -1, ""}, {"A", 23, -1, ""}},
		`plan records of table store.orders: two columns become field "_" by field.name.adjustment.mode; rename one of them or use avro_unicode`: {{"ä", 23, -1, ""}, {"ö", 23, -1, ""}},
	} {
		e := newEncoder(t, map[string]string{"topic.prefix": "p", "field.name.adjustment.mode": "avro"}, null{}, serverTypes)
		rel, table, _ := relation(columns)
		_, err := e.Plan(rel, table)
		var bad *envelope.TableError
		if !errors.As(err, &bad) || bad.Retriable() || err.Error() != want {
			t.Errorf("Plan(%v) = %v, want %s", columns, err, want)
		}
	}
}

func TestSourceBlock(t *testing.T) {
	for _, c := range []struct {
		at   envelope.Source
		want string
	}{
		{envelope.Source{Micros: 1_600_000_000_123_456, HasTx: true, TxID: 5, HasLSN: true, LSN: 42},
			`"ts_ms":1600000000123,"snapshot":"false","db":"db","sequence":"[null,\"42\"]","ts_us":1600000000123456,"ts_ns":1600000000123456000,"schema":"store","table":"orders","txId":5,"lsn":42,"xmin":null,"origin":null,"origin_lsn":null}`},
		{envelope.Source{Micros: -1, Nanos: 789, LastCommitLSN: 7, SequenceLSN: 9, Snapshot: cdc.MarkIncremental},
			`"ts_ms":-1,"snapshot":"incremental","db":"db","sequence":"[\"7\",\"9\"]","ts_us":-1,"ts_ns":-211,"schema":"store","table":"orders","txId":null,"lsn":null,"xmin":null,"origin":null,"origin_lsn":null}`},
		{envelope.Source{Snapshot: cdc.MarkLast, HasXmin: true, Xmin: 3, Origin: "node", HasOriginLSN: true, OriginLSN: 8},
			`"ts_ms":0,"snapshot":"last","db":"db","sequence":"[null,null]","ts_us":0,"ts_ns":0,"schema":"store","table":"orders","txId":null,"lsn":null,"xmin":3,"origin":"node","origin_lsn":8}`},
	} {
		out := &keeper{}
		e, p, row, _ := planned(t, nil, out, orders)
		if _, err := e.Encode(p, &cdc.Change{Kind: cdc.Insert, New: row}, &c.at); err != nil {
			t.Fatal(err)
		}
		source := out.value.Value().Struct().Field("source")
		got := valueJSON(source.Struct().Schema, source)
		if want := `{"version":"3.7.0.Final","connector":"postgresql","name":"p",` + c.want; got != want {
			t.Errorf("source block of %+v = %s, want %s", c.at, got, want)
		}
	}
}

func TestHeartbeat(t *testing.T) {
	for props, topic := range map[string]string{"": "__debezium-heartbeat.p", "topic.heartbeat.name=beats": "beats", "topic.heartbeat.prefix=hb": "hb.p"} {
		all := map[string]string{"topic.prefix": "p"}
		if name, value, ok := strings.Cut(props, "="); ok {
			all[name] = value
		}
		out := &keeper{}
		e := newEncoder(t, all, out, serverTypes)
		if n, err := e.Heartbeat(time.UnixMilli(1_700_000_000_123)); n != 1 || err != nil {
			t.Fatalf("Heartbeat() = %d, %v, want 1", n, err)
		}
		got := []string{out.topics[0], valueJSON(out.keys[0], out.key.Value()), valueJSON(out.schemas[0], out.value.Value())}
		if diff := cmp.Diff([]string{topic, `{"serverName":"p"}`, `{"ts_ms":1700000000123}`}, got); diff != "" {
			t.Errorf("heartbeat with %q differs (-want +got):\n%s", props, diff)
		}
	}
}

// TestResumedTransaction goes on counting where a stored offset left off.
func TestResumedTransaction(t *testing.T) {
	out := &keeper{}
	e, p, row, _ := planned(t, map[string]string{"provide.transaction.metadata": "true"}, out, orders)
	e.ResumeTx([]envelope.TxCount{{Collection: "store.orders", Events: 4}, {Collection: "store.stocks", Events: 2}})
	if _, err := e.Encode(p, &cdc.Change{Kind: cdc.Insert, New: row}, &here); err != nil {
		t.Fatal(err)
	}
	block := out.value.Value().Struct().Field("transaction")
	if got, want := valueJSON(block.Struct().Schema, block), `{"id":"12345:97500059720","total_order":7,"data_collection_order":5}`; got != want {
		t.Errorf("transaction block = %s, want %s", got, want)
	}
	if diff := cmp.Diff([]envelope.TxCount{{Collection: "store.orders", Events: 5}, {Collection: "store.stocks", Events: 2}}, e.TxCounts(nil)); diff != "" {
		t.Errorf("counts differ (-want +got):\n%s", diff)
	}
	if _, err := e.End(&here); err != nil {
		t.Fatal(err)
	}
	if got, want := out.value.Value().Struct().Field("event_count"), schema.OfInt64(7); !got.Equal(want) {
		t.Errorf("event_count of END = %v, want 7", got.Int())
	}
	if n, err := e.End(&here); n != 0 || err != nil {
		t.Errorf("End() without transaction = %d, %v, want 0", n, err)
	}
}

func TestIncludes(t *testing.T) {
	e := newEncoder(t, map[string]string{"topic.prefix": "p", "column.exclude.list": `s\.t\.(a|b)`}, null{}, serverTypes)
	for column, want := range map[string]bool{"a": false, "B": false, "ab": true} {
		if got := e.Includes("s", "t", column); got != want {
			t.Errorf("Includes(%s) = %t, want %t", column, got, want)
		}
	}
}

func TestMessageFilter(t *testing.T) {
	e := newEncoder(t, map[string]string{"topic.prefix": "p", "message.prefix.include.list": "a.*"}, null{}, serverTypes)
	for prefix, want := range map[string]int{"abc": 1, "cba": 0} {
		if n, err := e.Message(&cdc.Change{Kind: cdc.Message, Prefix: prefix}, &here); n != want || err != nil {
			t.Errorf("Message(%s) = %d, %v, want %d", prefix, n, err, want)
		}
	}
}

// TestTrap26KeyChange: a change of bytes is a change of key only when the values differ.
func TestTrap26KeyChange(t *testing.T) {
	columns := []columnText{{"id", 1700, -1, "1.50"}, {"v", 25, -1, "x"}}
	for newID, want := range map[string]int{"1.50": 1, "1.5": 1, "1.6": 3} {
		out := &keeper{}
		e, p, row, _ := planned(t, nil, out, columns)
		after := append(cdc.Tuple{}, row...)
		after[0] = text(newID)
		n, err := e.Encode(p, &cdc.Change{Kind: cdc.Update, Old: row, New: after, OldKind: cdc.OldFull}, &here)
		if n != want || err != nil {
			t.Errorf("records of the change of key 1.50 to %s = %d, %v, want %d", newID, n, err, want)
		}
		if want == 3 && (len(out.first) != 1 || valueJSON(out.first[0].Schema, out.first[0].Value) != `{"id":{"scale":1,"value":"Dw=="}}`) {
			t.Errorf("first headers of the last record = %v, want the old key", out.first)
		}
	}
	e, p, row, _ := planned(t, nil, null{}, columns)
	key, err := e.Key(p, cdc.Insert, row)
	if got, want := valueJSON(p.KeySchema(), key), `{"id":{"scale":1,"value":"Dw=="}}`; got != want || err != nil {
		t.Errorf("Key() = %s, %v, want %s", got, err, want)
	}
}
