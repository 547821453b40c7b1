package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Traps 5 and 6 on a whole task and a real server: it ends behind every commit, or within a COPY, in order or not, and the next run begins with
// exactly the next row. What protects stands at TestTrap05RowsOfOneLSN and TestTrap06FirstRowAtTheCommitBefore.
func TestTrap06RestartsBehindCommits(t *testing.T) {
	r := newTrial(t, trapTable)
	r.begin(nil, map[string]string{"snapshot.mode": "no_data"}, nil)
	r.streams()
	var stored []byte
	for id := range 10 {
		r.exec(fmt.Sprintf("INSERT INTO t VALUES (%d)", id))
		r.sees(fmt.Sprintf("c t %d", id))
		r.until("the row's commit is stored", func() bool {
			if offset := r.ack(len(r.lines())); offset != nil {
				stored = offset
			}
			return strings.Contains(string(stored), `"messageType":"COMMIT"`)
		})
		if diff := cmp.Diff(ids("c", id, id), r.lines()); diff != "" {
			t.Fatalf("records of run %d (-want +got):\n%s", id, diff)
		}
		if id%2 == 0 {
			r.kill()
		} else {
			r.halt()
		}
		r.begin(stored, nil, nil)
		if id%4 < 2 {
			r.streams()
		}
	}
	r.exec("COPY t (id) FROM PROGRAM 'seq 1001 1500'")
	next := 1001
	for _, acked := range []int{1, 150, 2, 0, 200} {
		r.sees("c t 1500")
		if diff := cmp.Diff(ids("c", next, 1500), r.lines()); diff != "" {
			t.Fatalf("records from row %d of a COPY on (-want +got):\n%s", next, diff)
		}
		if offset := r.ack(acked); offset != nil {
			stored, next = offset, next+acked
		}
		r.kill()
		r.begin(stored, nil, nil)
	}
	r.sees("c t 1500")
	if diff := cmp.Diff(ids("c", next, 1500), r.lines()); diff != "" {
		t.Errorf("records from row %d of a COPY on (-want +got):\n%s", next, diff)
	}
}

// Trap 9: transactions that are open while the task ends and starts again come whole when they commit, though what the offset tells of, and what the
// server was told, stands behind their rows. What protects: resume, which is over with the stored transaction (commit) and else skips by the LSN of the
// commit, not of the first row (begin); and position.confirmable and start, which are ends of transactions.
func TestTrap09TransactionOpenOverRestarts(t *testing.T) {
	r := newTrial(t, trapTable)
	r.begin(nil, map[string]string{"snapshot.mode": "no_data"}, nil)
	r.streams()
	open, longer := r.connect(), r.connect()
	r.do(open, "BEGIN", "INSERT INTO t VALUES (1)")
	r.do(longer, "BEGIN", "INSERT INTO t VALUES (21)")
	r.exec("INSERT INTO t VALUES (11), (12), (13)")
	r.sees("c t 13")
	stored := r.ack(2) // within the other transaction
	r.kill()

	r.begin(stored, nil, nil)
	r.do(open, "INSERT INTO t VALUES (2)", "COMMIT")
	r.sees("c t 2")
	if diff := cmp.Diff([]string{"c t 13", "c t 1", "c t 2"}, r.lines()); diff != "" {
		t.Errorf("records of the run that the first commits in (-want +got):\n%s", diff)
	}
	r.do(longer, "INSERT INTO t VALUES (22)")
	end := r.fill()
	r.until("a position behind the rows of the open transaction is confirmed", func() bool {
		if offset := r.ack(3); offset != nil {
			stored = offset
		}
		return r.confirmed() >= end
	})
	r.halt()
	r.do(longer, "INSERT INTO t VALUES (23)")

	for range 2 { // nothing is acknowledged, so the second run has it all again
		r.begin(stored, nil, nil)
		r.streams()
		r.do(longer, "INSERT INTO t VALUES (24) ON CONFLICT DO NOTHING", "COMMIT")
		r.sees("c t 24")
		if diff := cmp.Diff(ids("c", 21, 24), r.lines()); diff != "" {
			t.Errorf("records of the run that the second commits in (-want +got):\n%s", diff)
		}
		r.kill()
	}
}
