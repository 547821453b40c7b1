package replay

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompare(t *testing.T) {
	const (
		line   = `{"topic":"p.t","key":{"id":1},"value":{"after":{"id":1,"price":"AQ=="},"source":{"sequence":"[null,\"2001\"]","snapshot":"false"}},"valueSchema":"aaa","valueAvro":"0002ff","headers":[]}`
		second = `{"topic":"p.t","key":{"id":2},"value":null,"headers":[]}`
		row    = `{"topic":"p.t","key":{"id":3},"value":{"after":{},"source":{"snapshot":"incremental","sequence":"[null,\"2001\"]"}},"valueAvro":"00","headers":[]}`
	)
	schemas := map[string]string{"aaa": `{"type":"struct","fields":[{"field":"id","type":"int32"}]}`, "bbb": `{"type":"struct","fields":[{"field":"id","type":"int64"}]}`}
	changed := func(old, new string) string { return strings.Replace(line, old, new, 1) }
	tests := []struct {
		name  string
		steer map[string]string
		props map[string]string
		want  []string
		got   []string
		diff  []string
	}{
		{name: "equal", want: []string{line, second}, got: []string{line, second}},
		{name: "field", want: []string{line}, got: []string{changed(`"AQ=="`, `"Ag=="`)}, diff: []string{`line 1: value.after.price: got "Ag==", want "AQ=="`}},
		{name: "missing field", want: []string{line}, got: []string{changed(`"id":1,"price":"AQ=="`, `"id":1`)}, diff: []string{`line 1: value.after.price: missing, want "AQ=="`}},
		{name: "order of fields", want: []string{line}, got: []string{changed(`"id":1,"price":"AQ=="`, `"price":"AQ==","id":1`)},
			diff: []string{`line 1: the same data in another form: at byte 49: got …lue":{"after":{"price":"AQ==","id":1},"source":{…, want …`}},
		{name: "missing record", want: []string{second, line}, got: []string{line}, diff: []string{"line 1: missing: " + second}},
		{name: "record too many", want: []string{line}, got: []string{line, second}, diff: []string{"line 2: not wanted: " + second}},
		{name: "schema", want: []string{line}, got: []string{changed("aaa", "bbb")}, diff: []string{`line 1: valueSchema: fields[0].type: got "int64", want "int32"`}},
		{name: "Avro", want: []string{line}, got: []string{changed("0002ff", "0002fe")}, diff: []string{"line 1: valueAvro: at byte 5: got …0002fe…, want …0002ff…"}},
		{name: "failures count", want: []string{`{"failure":"java.X","message":"a"}`}, got: []string{`{"failure":"other"}`}},
		{name: "goes on where the connector failed", want: []string{line, `{"failure":"java.X"}`}, got: []string{line, second, line},
			diff: []string{`line 2: the connector failed, the task goes on: {"failure":"java.X"}`}},
		{name: "ends where the connector failed", want: []string{line, `{"failure":"java.X"}`}, got: []string{line},
			diff: []string{`line 2: the connector failed, the task goes on: {"failure":"java.X"}`}},
		{name: "no failure", want: []string{line}, got: []string{`{"failure":"other"}`}, diff: []string{`line 1: got {"failure":"other"}, want {"topic":"p.t"`}},
		{name: "Avro refuses", want: []string{`{"key":1,"keyAvroError":"org.apache.avro.X: \"a\"","value":2}`}, got: []string{`{"key":1,"keyAvroError":"ours","value":2}`}},
		{name: "choices", want: []string{`{"property":"a","errors":["Value must be one of y, x"]}`}, got: []string{`{"property":"a","errors":["Value must be one of x, y"]}`}},
		{name: "incremental rows elsewhere", steer: map[string]string{"oracle.unstable": "true"}, want: []string{line, row, second},
			got: []string{row, strings.NewReplacer("2001", "2002", "0002ff", "0003ff").Replace(line), second}},
		{name: "incremental rows elsewhere, LSNs between others", steer: map[string]string{"oracle.unstable": "true"}, want: []string{`{"source":{"lsn":2001}}`, `{"source":{"lsn":2003}}`},
			got: []string{`{"source":{"lsn":2002}}`, `{"source":{"lsn":2003}}`}},
		{name: "LSNs in another order", steer: map[string]string{"oracle.unstable": "true"}, want: []string{`{"source":{"lsn":2001}}`, `{"source":{"lsn":2003}}`},
			got: []string{`{"source":{"lsn":2002}}`, `{"source":{"lsn":2002}}`}, diff: []string{"line 2: source.lsn: got 1, want 2"}},
		{name: "incremental rows out of order", steer: map[string]string{"oracle.unstable": "true"}, want: []string{row, strings.Replace(row, "3", "4", 1)},
			got: []string{strings.Replace(row, "3", "4", 1), row}, diff: []string{"line 1: missing: " + withoutSequence(row), "line 3: not wanted: " + withoutSequence(row)}},
		{name: "parallel snapshot", steer: map[string]string{"oracle.unstable": "true"}, props: map[string]string{"snapshot.max.threads": "4"},
			want: []string{line, second}, got: []string{second, line}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &Case{Props: test.props, Steer: test.steer, Want: Output{Lines: test.want, Schemas: schemas}}
			got := c.Compare(&Output{Lines: test.got, Schemas: schemas})
			for i, d := range got { // the long form of a difference in form only need not be repeated here
				if len(test.diff) > i && strings.HasPrefix(d, test.diff[i]) {
					got[i] = test.diff[i]
				}
			}
			if d := cmp.Diff(test.diff, got); d != "" {
				t.Errorf("Compare (-want +got):\n%s", d)
			}
		})
	}
}

// TestCompareNames: what differs has a name, which declared.txt speaks of.
func TestCompareNames(t *testing.T) {
	const line = `{"topic":"t","value":{"after":{"list":[{"n":1},{"n":2}]}},"valueSchema":"aaa","headers":[]}`
	schemas := map[string]string{"aaa": `{"type":"int32"}`, "bbb": `{"type":"int64"}`}
	for _, test := range []struct {
		name      string
		want, got string
		fields    []string
	}{
		{"equal", line, line, nil},
		{"field of an element", line, strings.Replace(line, `"n":2`, `"n":3`, 1), []string{"value.after.list.n"}},
		{"field that is not wanted", line, strings.Replace(line, `"n":2`, `"n":2,"m":1`, 1), []string{"value.after.list.m"}},
		{"schema", line, strings.Replace(line, "aaa", "bbb", 1), []string{"valueSchema"}},
		{"record", line, "", []string{"records"}},
		{"failure", line, failure + `"x"}`, []string{"failure"}},
		{"form", line, strings.Replace(line, `"topic"`, ` "topic"`, 1), []string{"form"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &Case{Want: Output{Lines: []string{test.want}, Schemas: schemas}}
			_, fields := c.compare(&Output{Lines: splitLines(test.got), Schemas: schemas})
			if d := cmp.Diff(test.fields, fields); d != "" {
				t.Errorf("compare (-want +got):\n%s", d)
			}
		})
	}
	c := &Case{Want: Output{Avro: map[string]string{"t-key.avsc": `"int"`}}}
	if _, fields := c.compare(&Output{}); !cmp.Equal(fields, []string{"schemas"}) {
		t.Errorf("compare with a schema missing = %q, want schemas", fields)
	}
}

func TestCompareOffsets(t *testing.T) {
	offset := func(n, rest string) string {
		return `{"record":` + n + `,"partition":{"server":"p"},"offset":{"lsn":2001,` + rest + `}}`
	}
	const beat = heartbeatOffset + `"partition":{},"offset":{"lsn":1}}`
	want := []string{
		offset("1", `"lsn_events_processed":1,"messageType":"UPDATE"`), // the delete and the tombstone of a key change …
		offset("2", `"lsn_events_processed":1,"messageType":"UPDATE"`),
		offset("3", `"lsn_events_processed":1,"messageType":"UPDATE"`),
		offset("4", `"lsn_events_processed":2,"messageType":"INSERT"`),
		offset("5", `"lsn_events_processed":1,"messageType":"INSERT","txId":101`), // the last of its transaction
		offset("6", `"lsn_events_processed":1,"messageType":"INSERT","txId":102`), beat,
	}
	got := []string{
		offset("1", `"before":1`), // … may carry the offset before it
		offset("2", `"before":1`),
		want[2], want[3],
		offset("5", `"lsn_commit":3001,"messageType":"COMMIT","txId":101`), // … may count the commit
		want[5],
	}
	line := `{"topic":"t","headers":[]}`
	c := &Case{Want: Output{Lines: []string{line}, Offsets: want}}
	if d := c.Compare(&Output{Lines: []string{line}, Offsets: got}); d != nil {
		t.Errorf("Compare = %q, want no difference", d)
	}
	got[3] = offset("4", `"lsn_events_processed":3,"messageType":"INSERT"`)
	wantDiff := []string{`offset 2: offset.lsn_events_processed: got 3, want 2`, "offset of a heartbeat: not one of those recorded: " + heartbeatOffset + `"x":1}`}
	if d := cmp.Diff(wantDiff, c.Compare(&Output{Lines: []string{line}, Offsets: append(got, heartbeatOffset+`"x":1}`)})); d != "" {
		t.Errorf("Compare (-want +got):\n%s", d)
	}
}
