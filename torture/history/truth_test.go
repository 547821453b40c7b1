package history

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseChange(t *testing.T) {
	for _, tt := range []struct {
		line          string
		transactional bool
		want          []Change
	}{
		{"table s.t: INSERT: id[bigint]:1 note[text]:'it''s' n[integer]:null ok[boolean]:true v[character varying]:'a b'", true,
			[]Change{{Table: "s.t", Op: Insert, After: Row{"id": "1", "note": "it's", "n": Null, "ok": "true", "v": "a b"}}}},
		{"table s.t: UPDATE: id[bigint]:1 big[text]:unchanged-toast-datum", true,
			[]Change{{Table: "s.t", Op: Update, After: Row{"id": "1", "big": Unknown}}}},
		{"table s.t: UPDATE: old-key: id[bigint]:1 note[text]:' new-tuple: x' new-tuple: id[bigint]:2 note[text]:'['", true,
			[]Change{{Table: "s.t", Op: Update, Before: Row{"id": "1", "note": " new-tuple: x"}, After: Row{"id": "2", "note": "["}}}},
		{"table s.t: DELETE: id[bigint]:1 x[integer[]]:'{1,2}'", true, []Change{{Table: "s.t", Op: Delete, Before: Row{"id": "1", "x": "{1,2}"}}}},
		{"table s.t: DELETE: (no-tuple-data)", true, []Change{{Table: "s.t", Op: Delete}}},
		{"table s.t, s.u: TRUNCATE: restart_seqs cascade", true, []Change{{Table: "s.t", Op: Truncate}, {Table: "s.u", Op: Truncate}}},
		{"message: transactional: 1 prefix: p, sz: 5 content:hello", true, []Change{{Table: Messages, Op: Message, After: Row{"prefix": "p", "content": "hello"}}}},
		{"message: transactional: 0 prefix: p, sz: 0 content:", false, []Change{{Table: Messages, Op: Message, After: Row{"prefix": "p", "content": ""}}}},
	} {
		transactional, got, err := ParseChange(tt.line)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil || transactional != tt.transactional {
			t.Errorf("ParseChange(%q) = %v, %v, want %v: (-want +got)\n%s", tt.line, transactional, err, tt.transactional, diff)
		}
	}
	for _, line := range []string{"", "table", "table s.t: UPSERT: id[bigint]:1", "table s.t: INSERT: id", "table s.t: INSERT: id[text]:'x", "message: transactional: 1",
		"table s.t: UPDATE: old-key: id[bigint]:1"} {
		if _, got, err := ParseChange(line); err == nil {
			t.Errorf("ParseChange(%q) = %v, want an error", line, got)
		}
	}
}

func FuzzParseChange(f *testing.F) {
	f.Add("table s.t: UPDATE: old-key: id[bigint]:1 new-tuple: id[bigint]:2 big[text]:unchanged-toast-datum")
	f.Add("table s.t: INSERT: id[bigint]:1 note[text]:'it''s'")
	f.Add("message: transactional: 0 prefix: p, sz: 0 content:")
	f.Fuzz(func(t *testing.T, line string) { // must not panic, and names a table in every change
		_, changes, err := ParseChange(line)
		for _, c := range changes {
			if err == nil && c.Op == "" {
				t.Errorf("ParseChange(%q) = %+v, without an operation", line, changes)
			}
		}
	})
}

// A slot that is set back tells again what it told.
func TestTruthTakesEachTransactionOnce(t *testing.T) {
	var truth Truth
	tell := func(lines ...string) {
		t.Helper()
		for i, line := range lines {
			xid := uint32(0)
			if strings.Contains(line, "7") {
				xid = 7
			}
			if err := truth.Add(LSN(100+i), xid, line); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := []string{"BEGIN 7", "table s.t: INSERT: id[bigint]:7", "COMMIT 7", "message: transactional: 0 prefix: p, sz: 1 content:x"}
	tell(all...)
	tell(all[:2]...)
	truth.Restart()
	tell(all...)
	want := []Transaction{
		{XID: 7, Commit: 102, Changes: []Change{{LSN: 101, Table: "s.t", Op: Insert, After: Row{"id": "7"}}}},
		{Commit: 103, Changes: []Change{{LSN: 103, Table: Messages, Op: Message, After: Row{"prefix": "p", "content": "x"}}}},
	}
	if diff := cmp.Diff(want, truth.Transactions); diff != "" || truth.End() != 103 {
		t.Errorf("End() = %s, want 103; the truth: (-want +got)\n%s", truth.End(), diff)
	}
	for _, line := range []string{"COMMIT 8", "table s.t: INSERT: id[bigint]:1"} {
		if err := truth.Add(200, 8, line); err == nil {
			t.Errorf("Add(%q) outside of a transaction = nil, want an error", line)
		}
	}
}

func TestParseLSN(t *testing.T) {
	got, err := ParseLSN("16/B374D848")
	if err != nil || got != 0x16B374D848 || got.String() != "16/B374D848" {
		t.Errorf("ParseLSN = %s, %v, want 16/B374D848", got, err)
	}
	for _, text := range []string{"", "1", "x/1", "1/", "1/123456789"} {
		if got, err := ParseLSN(text); err == nil {
			t.Errorf("ParseLSN(%q) = %s, want an error", text, got)
		}
	}
}
