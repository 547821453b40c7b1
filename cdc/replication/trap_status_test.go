package replication

import (
	"context"
	"testing"

	"github.com/tandem-cdc/tandem/cdc"
)

// Traps 1 and 2: a status carries what was confirmed, three times, never zero and never what was only received. What protects: sendStatus and
// appendStatus, which writes one position into all three fields, where pglogrepl's turns a missing flush position into the write position.
func TestTrap01StatusCarriesOnlyWhatWasConfirmed(t *testing.T) {
	s, b := scripted(t, StreamOptions{}, 0x10)
	b.send(append(transaction(0x20, 0x40, "a"), keepalive(0x90, true))...)
	if _, last := receiveRows(t, s, 1); last != 0x90 {
		t.Errorf("ServerLSN = %s, want 0/90, the keepalive's", last)
	}
	if got := <-b.got; got != (status{0x10, 0x10, 0x10, false}) {
		t.Errorf("status = %v, want the slot's confirmed position 0/10 three times", got)
	}
	s.Confirm(0x40)
	s.Confirm(0x30) // never backwards
	s.Confirm(0)
	b.send(keepalive(0x91, true))
	var batch cdc.Batch
	if err := s.Receive(context.Background(), &batch); err != nil || len(batch.Changes) != 0 || batch.ServerLSN != 0x91 {
		t.Errorf("Receive = %v, %d changes, ServerLSN %s, want none and 0/91", err, len(batch.Changes), batch.ServerLSN)
	}
	if got := <-b.got; got != (status{0x40, 0x40, 0x40, false}) {
		t.Errorf("status = %v, want 0/40 three times", got)
	}
}
