package source

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tandem-cdc/tandem/cdc/pgoutput"
	"github.com/tandem-cdc/tandem/internal/pgscript"
)

// Trap 22: a message that cannot be decoded ends the task, for good: it is not skipped, the rows behind it are not published, and nothing behind the
// transaction before is confirmed, whatever the server says. Stream.copyData protects, which returns the decoder's error, and DecodeError.Retriable.
func TestTrap22CorruptMessage(t *testing.T) {
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	for name, bad := range map[string][]byte{
		"an insert that is cut":      cut(pgscript.Insert("bad")),
		"an insert that is longer":   append(pgscript.Insert("bad"), 'x'),
		"an unknown table":           append([]byte{'I', 0, 0, 0x7f, 0x7f}, pgscript.Insert("bad")[5:]...),
		"an unknown kind of message": {'?', 1, 2, 3},
		"nothing":                    {},
	} {
		t.Run(name, func(t *testing.T) {
			r := runScripted(t, "", true)
			r.send(pgscript.Transaction(7, 0x100, 0x200, "a")...)
			r.published(1)
			r.until("the first transaction is stored", func() bool { r.ack(1); return r.task.stored.commit == 0x200 })
			messages := []pgproto3.BackendMessage{pgscript.XLogData(0x300, pgscript.Begin(0x3ff, 8)), pgscript.XLogData(0x300, bad), pgscript.XLogData(0x310, pgscript.Insert("behind")),
				pgscript.XLogData(0x400, pgscript.Commit(0x3ff, 0x400))}
			messages = append(messages, pgscript.Transaction(9, 0x500, 0x600, "later")...)
			r.send(append(messages, pgscript.Keepalive(0x900, true))...)
			var err error
			r.until("the stream has ended", func() bool {
				select {
				case err = <-r.ended:
					r.ended <- err
					return true
				default:
				}
				if rows := r.rows(); len(rows) > 1 {
					t.Fatalf("rows = %q: the stream goes on behind a message that cannot be decoded", rows)
				}
				return false
			})
			var decode *pgoutput.DecodeError
			if !errors.As(err, &decode) || decode.Retriable() || decode.LSN != 0x300 {
				t.Errorf("the stream ended with %v, want a DecodeError at 0/300 that is not retriable", err)
			}
			r.ack(1)
			if diff := cmp.Diff([]string{"a"}, r.rows()); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			for status := range r.server.Statuses {
				if status.Flushed > 0x200 {
					t.Errorf("status = %+v, want no more than 0x200 confirmed", status)
				}
			}
		})
	}
}

// Trap 36: what is not stored when the task has to end is not confirmed by its farewell, though all of it was published and the server asks.
// Stream.goodbye protects: it sends what Confirm was given.
func TestTrap36NothingMoreIsConfirmed(t *testing.T) {
	r := runScripted(t, "", true)
	r.send(append(pgscript.Transaction(7, 0x100, 0x200, "a"), pgscript.Transaction(8, 0x300, 0x400, "b")...)...)
	r.published(2)
	r.until("the first transaction is stored", func() bool { r.ack(1); return r.task.stored.commit == 0x200 })
	r.stop()
	last := uint64(0)
	for status := range r.server.Statuses {
		last = status.Flushed
	}
	if last != 0x200 {
		t.Errorf("the farewell confirms %#x, want 0x200: the second transaction was not stored", last)
	}
}
