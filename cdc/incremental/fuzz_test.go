package incremental

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whatever an offset holds is read or refused; what is read is written and read again as the same.
func FuzzDeserialize(f *testing.F) {
	for _, r := range recorded(f) {
		f.Add(r[2])
	}
	f.Add("aced000570")
	f.Add("aced00057573720000")
	f.Add("")
	for _, s := range serialized {
		f.Add(s.stream)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := deserialize(text)
		if err != nil {
			return
		}
		before := make([]string, len(values))
		for i := range values {
			_ = values[i].String()
			before[i], _ = values[i].sql()
		}
		again, err := deserialize(serialize(values))
		if err != nil {
			t.Fatalf("what was read from %s cannot be read again: %v", text, err)
		}
		after := make([]string, len(again))
		for i := range again {
			after[i], _ = again[i].sql()
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s is read differently the second time (-first +second):\n%s", text, diff)
		}
	})
}
