package converter

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
)

func TestHashOrder(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"b"}, []string{"b=0"}},
		{[]string{"a", "b", "c"}, []string{"a=0", "b=1", "c=2"}},
		{[]string{"c", "zebra", "a", "b"}, []string{"zebra=1", "a=2", "b=3", "c=0"}},
		{[]string{"b", "a", "b"}, []string{"a=1", "b=2"}},
		{[]string{"a", "a"}, []string{"a=1"}},
		{[]string{"BB", "a", "Aa"}, []string{"BB=0", "Aa=2", "a=1"}}, // two of one hash
	} {
		var entries []schema.Entry
		for i, key := range c.in {
			entries = append(entries, schema.Entry{Key: schema.OfString(key), Value: schema.OfInt32(int32(i))})
		}
		var got []string
		for _, e := range HashOrder(entries) {
			got = append(got, fmt.Sprintf("%s=%d", e.Key.Text(), e.Value.Int()))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("HashOrder(%q) (-want +got)\n%s", c.in, diff)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	if got := string(AppendJSONString(nil, "a\"\U0001F600")); got != `"a\"\uD83D\uDE00"` {
		t.Errorf("AppendJSONString = %s", got)
	}
	if got := string(AppendJSONFloat(nil, 1e10, 64)); got != "1.0E10" {
		t.Errorf("AppendJSONFloat = %s, want 1.0E10", got)
	}
	if got := string(AppendDecimal(nil, []byte{0xff}, 3)); got != "-0.001" {
		t.Errorf("AppendDecimal = %s, want -0.001", got)
	}
}
