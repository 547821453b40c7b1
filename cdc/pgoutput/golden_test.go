package pgoutput_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/pgoutput"
	"github.com/tandem-cdc/tandem/internal/golden"
)

// The files are the table: wal.hex is what a server sent, a message per line behind the eight bytes of its WAL start; changes is what it
// means. go test -update rewrites changes; go test -run TestRecord -record rewrites wal.hex (see record_test.go).
func TestDecode(t *testing.T) {
	for _, file := range golden.Files(t, "testdata/*.txtar") {
		t.Run(file.Name, func(t *testing.T) {
			file.Check(t, "changes", render(decodeAll(t, file.Hex("wal.hex"))))
		})
	}
}

// decodeAll decodes recorded messages.
func decodeAll(t *testing.T, messages [][]byte) *cdc.Batch {
	t.Helper()
	d, batch := pgoutput.NewDecoder(), new(cdc.Batch)
	for i, m := range messages {
		lsn, msg := split(t, m)
		if err := d.Decode(lsn, msg, batch); err != nil {
			t.Fatalf("Decode(message %d) = %v", i+1, err)
		}
	}
	return batch
}

// split takes a recorded line apart.
func split(t testing.TB, line []byte) (cdc.LSN, []byte) {
	t.Helper()
	if len(line) < 8 {
		t.Fatalf("recorded message of %d bytes, want 8 of the WAL start at least", len(line))
	}
	return cdc.LSN(binary.BigEndian.Uint64(line)), line[8:]
}

// render prints changes, one a line.
func render(b *cdc.Batch) string {
	var s strings.Builder
	for i := range b.Changes {
		c := &b.Changes[i]
		fmt.Fprintf(&s, "%s %s", c.LSN, c.Kind)
		if c.Relation != nil {
			fmt.Fprintf(&s, " %s.%s", c.Relation.Schema, c.Relation.Name)
		}
		switch c.Kind {
		case cdc.Announce:
			fmt.Fprintf(&s, " oid=%d identity=%c", c.Relation.OID, c.Relation.Identity)
			for _, col := range c.Relation.Columns {
				fmt.Fprintf(&s, " %s:%d/%d", col.Name, col.TypeOID, col.TypeMod)
				if col.Key {
					s.WriteString("*")
				}
			}
		case cdc.Begin, cdc.Commit:
			fmt.Fprintf(&s, " final=%s", c.FinalLSN)
		case cdc.Message:
			fmt.Fprintf(&s, " prefix=%q content=%q transactional=%t", c.Prefix, c.Content, c.Transactional)
		}
		if c.Old != nil {
			fmt.Fprintf(&s, " old(%c)=%s", c.OldKind, renderTuple(c.Relation, c.Old))
		}
		if c.New != nil {
			fmt.Fprintf(&s, " new=%s", renderTuple(c.Relation, c.New))
		}
		if c.XID != 0 {
			fmt.Fprintf(&s, " xid=%d time=%d", c.XID, c.CommitTime)
		}
		if c.Origin != "" {
			fmt.Fprintf(&s, " origin=%s@%s", c.Origin, c.OriginLSN)
		}
		s.WriteString("\n")
	}
	return s.String()
}

func renderTuple(rel *cdc.Relation, row cdc.Tuple) string {
	var s strings.Builder
	s.WriteString("{")
	for i, d := range row {
		if i > 0 {
			s.WriteString(" ")
		}
		s.WriteString(rel.Columns[i].Name + ":")
		switch d.Kind {
		case cdc.Null:
			s.WriteString("<null>")
		case cdc.Unchanged:
			s.WriteString("<unchanged>")
		case cdc.Binary:
			fmt.Fprintf(&s, "0x%x", d.Bytes)
		default:
			if len(d.Bytes) > 60 {
				fmt.Fprintf(&s, "%q…%d bytes", d.Bytes[:20], len(d.Bytes))
			} else {
				fmt.Fprintf(&s, "%q", d.Bytes)
			}
		}
	}
	return s.String() + "}"
}
