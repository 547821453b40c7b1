package source

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/replication"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// captured is what a real server sends of what write does, as a history that restarts can be tried on by the thousand. Its server sends, as a real
// one, the transactions whose commit record does not lie before the position that is asked for.
func captured(t *testing.T, write func(session func() func(sql string))) *history {
	t.Helper()
	database := pgtest.Database(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	session := func() func(string) {
		conn, err := pgx.Connect(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.Background()) })
		return func(sql string) {
			t.Helper()
			if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	cfg := replication.DefaultConfig()
	password, _ := u.User.Password()
	if cfg.Port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	cfg.Host, cfg.User, cfg.Password, cfg.Name = u.Hostname(), u.User.Username(), config.Secret(password), strings.TrimPrefix(u.Path, "/")
	session()("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE done (); CREATE PUBLICATION p FOR TABLE t, done")
	conn, err := replication.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.CreateSlot(t.Context(), cfg.Name, false, 0); err != nil {
		t.Fatal(err)
	}
	stream, err := conn.Stream(t.Context(), replication.StreamOptions{Slot: cfg.Name, Publication: "p"})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close(context.Background())
	write(session)
	session()("INSERT INTO done DEFAULT VALUES")
	h := new(history)
	var final cdc.LSN
	for {
		var b cdc.Batch
		if err := stream.Receive(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Changes {
			switch {
			case c.Kind == cdc.Begin:
				final = c.FinalLSN
			case c.Relation != nil && c.Relation.Name == "done":
				h.cutOpen()
				return h
			case c.Kind == cdc.Announce:
				continue
			case c.Kind == cdc.Insert:
				c.Relation, c.Prefix = testRelation, string(c.New[0].Bytes)
			}
			h.changes, h.start = append(h.changes, c), append(h.start, final)
		}
	}
}

// cutOpen takes away a last transaction without its commit.
func (h *history) cutOpen() {
	for n := len(h.changes); n > 0 && h.changes[n-1].Kind != cdc.Commit; n = len(h.changes) {
		h.changes, h.start = h.changes[:n-1], h.start[:n-1]
	}
}

// restarts starts anew from the offset behind every record: each run publishes exactly what is behind its offset.
func (h *history) restarts(t *testing.T) {
	t.Helper()
	for _, metadata := range []bool{false, true} {
		want, after := run(t, h.changes, nil, metadata)
		for k, at := range after {
			text := at.appendJSON(nil)
			stored, err := parsePosition(text)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := run(t, h.from(max(stored.start(), stored.confirmable())), stored, metadata); !slices.Equal(got, want[k+1:]) {
				t.Fatalf("restart behind record %d, %q, from %s publishes %d records, want the %d behind it (-want +got):\n%s", k, want[k], text, len(got), len(want)-k-1, cmp.Diff(want[k+1:], got))
			}
		}
	}
}

// Trap 5: rows of a COPY share an LSN, by the hundred. A restart behind any of them publishes exactly the others. What protects: resume.drops,
// which counts the changes at the stored LSN (r.events <= r.processed()), and publisher.reach, which stores their number.
func TestTrap05RowsOfOneLSN(t *testing.T) {
	h := captured(t, func(session func() func(string)) {
		do := session()
		do("INSERT INTO t SELECT generate_series(1, 3)")
		do("COPY t FROM PROGRAM 'seq 1001 2000'")
		do("BEGIN; COPY t FROM PROGRAM 'seq 2001 2300'; INSERT INTO t VALUES (5); COPY t FROM PROGRAM 'seq 2301 2310'; COMMIT")
	})
	shared := 0
	for i := range h.changes[1:] {
		if h.changes[i].Kind == cdc.Insert && h.changes[i+1].Kind == cdc.Insert && h.changes[i].LSN == h.changes[i+1].LSN {
			shared++
		}
	}
	if shared < 1000 {
		t.Fatalf("%d rows have the LSN of the row before, want more than 1000: what is to be tried is not there", shared)
	}
	h.restarts(t)
}

// Trap 6: BEGIN and the first row bear an LSN which is the end of the transaction before. A restart exactly behind a commit publishes that row. What
// protects: newResume, which has nothing to drop behind a commit, and in resume.drops the case of a stored BEGIN.
func TestTrap06FirstRowAtTheCommitBefore(t *testing.T) {
	h := captured(t, func(session func() func(string)) {
		do := session()
		for i := range 1000 {
			do(fmt.Sprintf("INSERT INTO t VALUES (%d)", i))
		}
	})
	shared := 0
	for i := 1; i+1 < len(h.changes); i++ {
		if h.changes[i].Kind == cdc.Begin && h.changes[i].LSN == h.changes[i-1].LSN && h.changes[i].LSN == h.changes[i+1].LSN {
			shared++
		}
	}
	if shared < 500 {
		t.Fatalf("%d transactions begin at the LSN of the commit before, want more than 500: what is to be tried is not there", shared)
	}
	h.restarts(t)
}

// Trap 7: the filter of a restart switches itself off, whatever comes instead of the stored change. What protects: resume.begin, where a transaction
// that is neither the stored one nor of before ends it, resume.commit, which ends it behind the stored transaction, and resume.drops.
func TestTrap07ResumeFilterSwitchesItselfOff(t *testing.T) {
	tx := func(xid uint32, first, final cdc.LSN, rows ...cdc.LSN) (changes []cdc.Change) {
		changes = append(changes, cdc.Change{Kind: cdc.Begin, LSN: first, XID: xid, FinalLSN: final})
		for _, lsn := range rows {
			changes = append(changes, cdc.Change{Kind: cdc.Insert, LSN: lsn, XID: xid, Relation: testRelation})
		}
		return append(changes, cdc.Change{Kind: cdc.Commit, LSN: final + 8, XID: xid, FinalLSN: final})
	}
	// Behind the second of several rows at 500 of transaction 7, which commits at 600; the commit before ended at 400.
	inside := position{lsn: 500, proc: 500, commit: 400, events: 2, xid: 7, hasXID: true, kind: typeInsert}
	begun := inside
	begun.kind, begun.proc, begun.events = typeBegin, 400, 0
	committed := position{lsn: 400, proc: 400, commit: 400, xid: 6, hasXID: true, kind: typeCommit}
	old := position{lsn: 500, proc: 500, commit: 400, xid: 7, hasXID: true, kind: typeOther}
	message := position{lsn: 500, proc: 500, commit: 450, kind: typeMessage}
	for _, tt := range []struct {
		name   string
		stored position
		sent   [][]cdc.Change
		want   []string
	}{
		{"the stored transaction is not sent", inside, [][]cdc.Change{tx(8, 700, 800, 700)}, []string{"insert 8@700 #"}},
		{"the stored transaction has no row at the LSN", inside, [][]cdc.Change{tx(7, 410, 600, 410, 420), tx(8, 430, 800, 430, 700)}, []string{"insert 8@430 #", "insert 8@700 #"}},
		{"the stored transaction has fewer rows at the LSN", inside, [][]cdc.Change{tx(7, 410, 600, 500), tx(8, 500, 800, 500)}, []string{"insert 8@500 #"}},
		{"the stored transaction has lost all its rows", inside, [][]cdc.Change{tx(7, 410, 600), tx(8, 420, 800, 420)}, []string{"insert 8@420 #"}},
		{"behind the stored transaction, a message", inside, [][]cdc.Change{tx(7, 410, 600, 410), {{Kind: cdc.Message, LSN: 700}}}, []string{"message 0@700 #"}},
		{"only older ones are sent first", inside, [][]cdc.Change{tx(5, 300, 450, 410), tx(6, 460, 480, 460), tx(8, 300, 800, 300)}, []string{"insert 8@300 #"}},
		{"the transaction's number comes again", inside, [][]cdc.Change{tx(7, 700, 800, 700)}, []string{"insert 7@700 #"}},
		{"position ahead of the first message", inside, [][]cdc.Change{tx(7, 500, 600, 500, 500, 500, 520)}, []string{"insert 7@500 #", "insert 7@520 #"}},
		{"position behind the first message", committed, [][]cdc.Change{tx(8, 300, 900, 300, 880)}, []string{"insert 8@300 #", "insert 8@880 #"}},
		{"BEGIN was the last", begun, [][]cdc.Change{tx(7, 500, 600, 500)}, []string{"insert 7@500 #"}},
		{"BEGIN was the last, and its rows are gone", begun, [][]cdc.Change{tx(7, 500, 600), tx(8, 510, 800, 510)}, []string{"insert 8@510 #"}},
		{"an offset of before there were types", old, [][]cdc.Change{tx(7, 410, 600, 410), tx(8, 420, 800, 420)}, []string{"insert 8@420 #"}},
		{"behind a message, a transaction", message, [][]cdc.Change{tx(8, 420, 800, 420)}, []string{"insert 8@420 #"}},
		{"behind a message, a message", message, [][]cdc.Change{{{Kind: cdc.Message, LSN: 500}, {Kind: cdc.Message, LSN: 508}}}, []string{"message 0@508 #"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// What comes behind is published in any case, wherever it stands.
			sent := append(slices.Concat(tt.sent...), slices.Concat(tx(90, 310, 2000, 310), tx(91, 1900, 2100, 1900))...)
			want := append(slices.Clone(tt.want), "insert 90@310 #", "insert 91@1900 #")
			got, _ := run(t, sent, &tt.stored, false)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("records from %s (-want +got):\n%s", tt.stored.appendJSON(nil), diff)
			}
		})
	}
}

// Trap 8: LSNs are not in order across transactions that are open at the same time: rows of the long ones stand before what was published, and come
// behind it. A restart anywhere takes none for old. What protects: resume.begin, which compares LSNs of commits with the stored one and LSNs of
// rows within the stored transaction only (c.XID == r.stored.xid).
func TestTrap08LongAndShortTransactions(t *testing.T) {
	h := captured(t, func(session func() func(string)) {
		short := session()
		var long []func(string)
		id := 0
		for i := range 12 {
			if len(long) < 4 {
				long = append(long, session())
				long[len(long)-1]("BEGIN")
			}
			for _, do := range append(long, short) {
				id += 2
				do(fmt.Sprintf("INSERT INTO t VALUES (%d), (%d)", id, id+1))
			}
			if i%2 == 1 {
				long[i%4]("COMMIT; BEGIN")
			}
		}
		for _, do := range long {
			do("COMMIT")
		}
	})
	backwards := 0
	for i := range h.changes[1:] {
		if h.changes[i+1].LSN < h.changes[i].LSN {
			backwards++
		}
	}
	if backwards < 5 {
		t.Fatalf("the stream goes backwards %d times, want 5: what is to be tried is not there", backwards)
	}
	h.restarts(t)
	// Nor where the transaction of the stored change is not sent any more, for its table has left the publication.
	want, after := run(t, h.changes, nil, false)
	for k, at := range after {
		left := slices.DeleteFunc(h.from(at.start()), func(c cdc.Change) bool { return c.XID == at.xid })
		rest := slices.DeleteFunc(slices.Clone(want[k+1:]), func(record string) bool { return strings.HasPrefix(record, fmt.Sprintf("insert %d@", at.xid)) })
		if got, _ := run(t, left, &at, false); !slices.Equal(got, rest) {
			t.Fatalf("restart behind record %d, %q, without its transaction (-want +got):\n%s", k, want[k], cmp.Diff(rest, got))
		}
	}
}
