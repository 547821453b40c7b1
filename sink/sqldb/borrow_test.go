package sqldb

import (
	"testing"
	"unsafe"

	"github.com/tandem-cdc/tandem/schema"
)

// TestTheTableIsNamedByTheRecord: the text that named the table of the record before may be in memory that says something else by now.
func TestTheTableIsNamedByTheRecord(t *testing.T) {
	c, report := Debezium.Parse(map[string]string{"connection.url": "jdbc:postgresql://localhost/db", "primary.key.mode": "record_key", "collection.name.format": "${source.table}"})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	u, err := newMutator(&c, func(name string) string { return name })
	if err != nil {
		t.Fatal(err)
	}
	s := newSource("t", 1, field("id", int32Of()))
	name := []byte("one")
	record := s.create(i32(1))
	record.Value.Struct().Values[2].Struct().Values[2] = schema.OfString(unsafe.String(&name[0], len(name)))
	for _, want := range []string{"one", "two"} {
		copy(name, want)
		m, ok, why, err := u.mutate(&record)
		if err != nil || !ok {
			t.Fatalf("mutate = %v, %q, %v", ok, why, err)
		}
		if m.target.name.table != want {
			t.Errorf("the record of table %q goes to %q", want, m.target.name.table)
		}
	}
}
