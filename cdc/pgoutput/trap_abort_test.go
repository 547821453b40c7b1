package pgoutput_test

import (
	"testing"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/pgoutput"
)

// Trap 19: PostgreSQL 18 sends a stream abort that was not asked for, in protocol version 1 too: between transactions, and within another. It takes
// nothing away and is no error. What protects: Decoder.decode, whose case tagStreamAbort stands before the tags that nobody asked for.
func TestTrap19UnrequestedStreamAbort(t *testing.T) {
	d, batch := pgoutput.NewDecoder(), new(cdc.Batch)
	for _, m := range []string{"41 00000009 00000009", relationHex, beginHex, insertHex, "41 00000009 00000009", insertHex, commitHex, "41 00000007 00000008 0000000000000001 0000000000000002"} {
		if err := d.Decode(0x99, unhex(t, m), batch); err != nil {
			t.Fatalf("Decode(%s) = %v", m, err)
		}
	}
	rows := 0
	for _, c := range batch.Changes {
		if c.Kind == cdc.Insert {
			rows++
		}
	}
	if rows != 2 {
		t.Errorf("rows around an unrequested stream abort = %d, want 2", rows)
	}
}
