package config

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestJavaOrder: orders that Java 25's HashSet and HashMap gave.
func TestJavaOrder(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"always", "initial", "no_data", "initial_only", "when_needed", "configuration_based", "custom"},
			[]string{"always", "initial_only", "configuration_based", "when_needed", "initial", "custom", "no_data"}},
		{[]string{"bytes", "base64", "base64-url-safe", "hex"}, []string{"bytes", "base64", "hex", "base64-url-safe"}},
		{[]string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, []string{"allow", "prefer", "disable", "verify-ca", "require", "verify-full"}},
		{[]string{"warn", "fail", "skip"}, []string{"warn", "fail", "skip"}}, // the first two share a bucket
		{[]string{"converter.type", "schemas.enable", "schemas.cache.size", "schema.content", "decimal.format", "replace.null.with.default"},
			[]string{"decimal.format", "converter.type", "schemas.cache.size", "replace.null.with.default", "schemas.enable", "schema.content"}},
	} {
		if diff := cmp.Diff(c.want, JavaOrder(c.in)); diff != "" {
			t.Errorf("JavaOrder(%q) differs (-want +got)\n%s", c.in, diff)
		}
	}
	if got, want := javaHash("😀é"), uint32(1772899*31+0xE9); got != want { // a surrogate pair: 0xD83D*31 + 0xDE00
		t.Errorf("javaHash of a character beyond U+FFFF = %d, want %d", got, want)
	}
}

func TestDefinitions(t *testing.T) {
	var text, class, list = "a b", "x.Y", []string{"p", "q"}
	var secret Secret
	count, old := 7, false
	text2 := func(s string) *string { return &s }
	keys := Keys{
		String(&text, "some.text", "Text.", Rank(High), Group("G"), Sized(WidthShort, 2), Label("A text")),
		Class(&class, "class", "Class.", Null()),
		List(&list, "list", "List."),
		Password(&secret, "secret", "Secret.", Required()),
		Int(&count, "count", "Count.", 1, 9, As16()),
		Bool(&old, "old", "Ours.", Unlisted()),
		Prefix("family.", "Family.", func(string, string) error { return nil }),
	}
	want := []Definition{
		{Name: "some.text", Type: TypeString, Default: text2("a b"), Importance: High, Doc: "Text.", Group: "G", Order: 2, Width: WidthShort, Label: "A text"},
		{Name: "class", Type: TypeClass, Importance: Medium, Doc: "Class.", Order: -1, Width: WidthNone, Label: "Class"},
		{Name: "list", Type: TypeList, Default: text2("p,q"), Importance: Medium, Doc: "List.", Order: -1, Width: WidthNone, Label: "List"},
		{Name: "secret", Type: TypePassword, Required: true, Importance: Medium, Doc: "Secret.", Order: -1, Width: WidthNone, Label: "Secret"},
		{Name: "count", Type: TypeShort, Default: text2("7"), Importance: Medium, Doc: "Count.", Order: -1, Width: WidthNone, Label: "Count"},
	}
	if diff := cmp.Diff(want, keys.Definitions()); diff != "" {
		t.Errorf("Definitions() differ (-want +got)\n%s", diff)
	}
	listing := append(InGroup("L", Listed{Name: "list", Width: WidthLong, Dependents: []string{"count"}}, Listed{Name: "older.list", Of: "list"}, Listed{Name: "family.(.+)", Of: "family.*", Type: TypeInt}),
		WithoutGroup(Listed{Name: "secret", Invisible: true}, Listed{Name: "count", Default: NullDefault})...)
	want = []Definition{
		{Name: "list", Type: TypeList, Default: text2("p,q"), Importance: Medium, Doc: "List.", Group: "L", Order: 1, Width: WidthLong, Label: "List", Dependents: []string{"count"}},
		{Name: "older.list", Type: TypeList, Default: text2("p,q"), Importance: Medium, Doc: "List.", Group: "L", Order: 1, Width: WidthNone, Label: "Older list"},
		{Name: "family.(.+)", Type: TypeInt, Importance: Medium, Doc: "Family.", Group: "L", Order: 2, Width: WidthNone, Label: "Family *"},
		{Name: "secret", Type: TypePassword, Importance: Medium, Doc: "Secret.", Order: 1, Width: WidthNone, Label: "Secret", Invisible: true},
		{Name: "count", Type: TypeShort, Importance: Medium, Doc: "Count.", Order: 1, Width: WidthNone, Label: "Count"},
	}
	if diff := cmp.Diff(want, keys.Listed(listing).Definitions()); diff != "" {
		t.Errorf("Listed().Definitions() differ (-want +got)\n%s", diff)
	}
}

// TestValue: what validation shows of a text, by type.
func TestValue(t *testing.T) {
	const null = "<null>"
	var text string
	var secret Secret
	var list []string
	n, on := 3, true
	long := int64(5)
	for _, c := range []struct {
		key         Key
		given, want string
	}{
		{String(&text, "k", "K."), " a ", "a"},
		{Int(&n, "k", "K.", math.MinInt32, math.MaxInt32), null, "3"},
		{Int(&n, "k", "K.", math.MinInt32, math.MaxInt32), " +07 ", "7"},
		{Int(&n, "k", "K.", math.MinInt32, math.MaxInt32), "x", null},
		{Int(&n, "k", "K.", 0, math.MaxInt16, As16()), "40000", null},
		{Long(&long, "k", "K.", 0, math.MaxInt64), "9999999999", "9999999999"},
		{Bool(&on, "k", "K."), "FALSE", "false"},
		{Bool(&on, "k", "K."), "perhaps", null},
		{List(&list, "k", "K."), " a , b,", "a,b,"},
		{List(&list, "k", "K."), "", ""},
		{Password(&secret, "k", "K."), "pw", Hidden},
		{String(&text, "k", "K.", Required()), null, null},
		{String(&text, "k", "K.", Null()), null, null},
		{String(&text, "k", "K.", Alias("old")), null, ""},
		{Key{Name: "k", Type: TypeDouble}, "1", "1.0"},
	} {
		props := map[string]string{}
		if c.given != null {
			props["k"] = c.given
		}
		got := null
		if v := c.key.Value(props); v != nil {
			got = *v
		}
		if got != c.want {
			t.Errorf("Value of %s %q = %q, want %q", c.key.Type, c.given, got, c.want)
		}
	}
	silent := Keys{String(&text, "k", "K.")}.Debezium()
	if v := silent[0].Value(map[string]string{"k": "a"}); v != nil {
		t.Errorf("Value of an option of Debezium's = %q, want null", *v)
	}
}

// TestNeverNull: where ConfigDef checks the null that it read a wrong number as, there are two complaints.
func TestNeverNull(t *testing.T) {
	n := 1
	keys := Keys{Int(&n, "tasks", "Tasks.", 1, 9, NeverNull())}
	want := []string{"Invalid value x for configuration tasks: Not a number of type INT", "Invalid value null for configuration tasks: Value must be non-null"}
	if diff := cmp.Diff(want, messages(keys.Parse(map[string]string{"tasks": "x"}).Errors)); diff != "" {
		t.Errorf("errors of no number differ (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Invalid value 0 for configuration tasks: Value must be at least 1"}, messages(keys.Parse(map[string]string{"tasks": "0"}).Errors)); diff != "" {
		t.Errorf("errors of a number out of range differ (-want +got)\n%s", diff)
	}
}
