package source_test

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
)

// Traps 1, 3 and 4: idle, then a burst, then death. The server never hears of more than is acknowledged and stored, and of a transaction only
// when all of it is, so that whoever starts from the stored offset gets all the rest. What protects: sendStatus, whose three positions are those
// given to Confirm; Task.Stored, the only place that confirms while the stream is on; position.confirmable, which is the end of a transaction.
func TestTrap01ConfirmsNoMoreThanIsStored(t *testing.T) {
	r := newTrial(t, trapTable)
	r.begin(nil, map[string]string{"snapshot.mode": "no_data"}, nil)
	r.streams()
	idle := r.fill()
	r.until("the idle position is confirmed", func() bool { r.ack(0); return r.confirmed() >= idle })

	before := r.confirmed()
	r.exec("INSERT INTO t SELECT generate_series(1, 300)")
	first := r.lsn("SELECT pg_current_wal_insert_lsn()::text")
	r.exec("INSERT INTO t SELECT generate_series(301, 600)")
	r.await(600, "of any kind", func(string) bool { return true })
	r.fill() // keepalives from behind all that
	r.replies(5)
	if got := r.confirmed(); got != before {
		t.Errorf("confirmed_flush_lsn = %s before a row was acknowledged, want %s still", got, before)
	}
	stored := r.ack(450) // all of the first transaction, half of the second
	r.until("the end of the first transaction is confirmed", func() bool { return r.confirmed() > before })
	r.replies(5)
	if got := r.confirmed(); got > first {
		t.Errorf("confirmed_flush_lsn = %s while the second transaction is not acknowledged, want no more than %s", got, first)
	}
	r.kill()
	if got := r.confirmed(); got > first {
		t.Errorf("confirmed_flush_lsn = %s after the end, want no more than %s", got, first)
	}

	r.begin(stored, nil, nil)
	r.sees("c t 600")
	if diff := cmp.Diff(ids("c", 451, 600), r.lines()); diff != "" {
		t.Errorf("records of the next run (-want +got):\n%s", diff)
	}
}

// Trap 4: acknowledgements that end within a transaction, in the midst of those of other sessions, confirm ends of transactions only. What
// protects: position.confirmable, and publisher.begin, which leaves position.commit alone.
func TestTrap04ConfirmsEndsOfTransactions(t *testing.T) {
	r := newTrial(t, trapTable)
	r.begin(nil, map[string]string{"snapshot.mode": "no_data"}, nil)
	r.streams()
	long := r.connect()
	var ends []cdc.LSN
	rows := 0
	for i := range 20 {
		r.do(long, "BEGIN", "INSERT INTO t VALUES ("+strconv.Itoa(i*10)+"), ("+strconv.Itoa(i*10+1)+")")
		r.exec("INSERT INTO t VALUES (" + strconv.Itoa(i*10+2) + "), (" + strconv.Itoa(i*10+3) + ")")
		ends = append(ends, r.lsn("SELECT pg_current_wal_insert_lsn()::text"))
		r.do(long, "INSERT INTO t VALUES ("+strconv.Itoa(i*10+4)+")", "COMMIT")
		ends = append(ends, r.lsn("SELECT pg_current_wal_insert_lsn()::text"))
		rows += 5
	}
	r.await(rows, "of any kind", func(string) bool { return true })
	for n := 1; n <= rows; n++ {
		r.ack(n)
		whole := n / 5 * 2 // transactions: two rows, three rows, two rows …
		if n%5 >= 2 {
			whole++
		}
		if n%7 == 0 { // now and then, for a status takes its time
			r.replies(1)
		}
		confirmed := r.confirmed()
		if whole < len(ends) && confirmed > ends[whole]-1 {
			t.Fatalf("confirmed_flush_lsn = %s after %d records, want it before %s: the transaction that ends there is not acknowledged", confirmed, n, ends[whole])
		}
	}
	r.until("the last transaction is confirmed", func() bool { return r.confirmed() >= ends[len(ends)-1] })
}
