package schema

import (
	"fmt"
	"testing"
)

func row(name string, columns int) *Schema {
	s := StructOf(name, F("id", Of(Int32)))
	for i := range columns {
		s.Fields = append(s.Fields, F(fmt.Sprintf("c%d", i), MapOf(Of(String), ArrayOf(Decimal(i)).AsOptional()).WithDoc("d")))
	}
	return s
}

func TestIntern(t *testing.T) {
	in := NewInterner(8)
	if in.Intern(nil) != nil {
		t.Error("Intern(nil) is not nil")
	}
	first := row("a", 3)
	if got := in.Intern(first); got != first {
		t.Error("the first schema does not stand for itself")
	}
	if got := in.Intern(row("a", 3)); got != first {
		t.Error("an equal schema is not found")
	}
	reordered := row("a", 0).WithParameter("x", "1").WithParameter("y", "2")
	in.Intern(reordered)
	if got := in.Intern(row("a", 0).WithParameter("y", "2").WithParameter("x", "1")); got != reordered {
		t.Error("a schema whose parameters stand in another order is not found, though it is Equal")
	}
	for _, other := range []*Schema{row("b", 3), row("a", 2), first.AsOptional(), first.WithVersion(2), first.WithDoc("x"), first.WithDefault(OfStruct(&StructValue{Schema: first}))} {
		if in.Intern(other) == first {
			t.Errorf("%v is taken for another schema", other)
		}
	}
}

// TestInternIsBounded: what is used stays, what is not is forgotten.
func TestInternIsBounded(t *testing.T) {
	const size = 16
	in := NewInterner(size)
	used := row("used", 2)
	in.Intern(used)
	for i := range 100 * size {
		in.Intern(row(fmt.Sprintf("s%d", i), 1))
		if in.Intern(row("used", 2)) != used {
			t.Fatalf("after %d schemas the one in use is forgotten", i)
		}
	}
	if n := len(in.known) + len(in.knownOld); n > 2*size {
		t.Errorf("%d schemas are remembered, want at most %d", n, 2*size)
	}
}

// TestInternFresh: a schema that is made anew for each record is found by what it says and takes no place.
func TestInternFresh(t *testing.T) {
	in := NewInterner(16)
	if in.InternFresh(nil) != nil {
		t.Error("InternFresh(nil) is not nil")
	}
	first := row("a", 3)
	if got := in.InternFresh(first); got != first {
		t.Error("the first schema does not stand for itself")
	}
	for range 5 {
		if got := in.InternFresh(row("a", 3)); got != first {
			t.Fatal("an equal schema is not found")
		}
	}
	if got := in.Intern(first); got != first || len(in.known) != 1 {
		t.Errorf("of 6 equal schemas %d are remembered, want one", len(in.known))
	}
	for i := range 100 * 16 {
		in.InternFresh(row(fmt.Sprintf("s%d", i), 1))
		if in.InternFresh(row("a", 3)) != first {
			t.Fatalf("after %d schemas the one in use is forgotten", i)
		}
	}
	if n := len(in.known) + len(in.knownOld); n > 32 {
		t.Errorf("%d schemas are remembered, want at most 32", n)
	}
}
