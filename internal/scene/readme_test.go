package scene

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := Parse("# Scene\n\n```sh\na \\\n  b\n```\n\n```json\n{}\n```\ntext\n```properties\nx=1\n```\n```sh\nc\n```\nand\n```text\nnot its\n```\n")
	want := []Block{{4, "a \\\n  b", "{}"}, {16, "c", ""}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Parse = %v (-want +got)\n%s", err, diff)
	}
	if _, err := Parse("```sh\na\n"); err == nil {
		t.Error("Parse takes a block without an end")
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		expected, printed string
		want              bool
	}{
		{"a", "a\n\n", true},
		{"a", "a \n", true},
		{"a", "b\n", false},
		{"a", "a\nb\n", false},
		{"{\"n\":…,\"x\":1}", "{\"n\":7,\"x\":1}\n", true},
		{"{\"n\":…,\"x\":1}", "{\"n\":7,\n\"x\":1}\n", false},
		{"a\n…\nz", "a\nb\nc\nz\n", true},
		{"a\n…\nz", "a\nz\n", true},
		{"a\n…", "a\nz\n", true},
		{"a.c", "abc\n", false},
		{"", "", true},
		{"a", "", false},
	} {
		if got := Matches(test.expected, test.printed); got != test.want {
			t.Errorf("Matches(%q, %q) = %t, want %t", test.expected, test.printed, got, test.want)
		}
	}
}
