package filestream

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cut reads data in pieces of the sizes given, in turn, and returns the lines and what is left.
func cut(t testing.TB, data []byte, sizes ...int) (got []string, left string, taken int64) {
	var l lines
	for i := 0; len(data) > 0; i++ {
		n := min(max(sizes[i%len(sizes)], 1), len(data))
		piece := bytes.NewReader(data[:n])
		data = data[n:]
		for {
			if err := l.fill(piece); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			for line, ok := l.next(); ok; line, ok = l.next() {
				got = append(got, string(line))
			}
		}
	}
	return got, string(l.buf[l.start:l.end]), l.taken
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
		left string
	}{
		{"", nil, ""},
		{"a", nil, "a"},
		{"a\n", []string{"a"}, ""},
		{"a\nb", []string{"a"}, "b"},
		{"a\r\nb\n", []string{"a", "b"}, ""},
		{"a\rb\n", []string{"a", "b"}, ""},
		{"a\r", nil, "a\r"}, // half of \r\n, perhaps
		{"a\r\r\n\n", []string{"a", "", ""}, ""},
		{"\n\n", []string{"", ""}, ""},
		{"\xff\xfe\n", []string{"\xff\xfe"}, ""},
		{strings.Repeat("x", 200_000) + "\ny\n", []string{strings.Repeat("x", 200_000), "y"}, ""},
	} {
		for _, sizes := range [][]int{{1 << 20}, {1}, {2, 3}} {
			got, left, taken := cut(t, []byte(c.in), sizes...)
			if diff := cmp.Diff(c.want, got); diff != "" || left != c.left || int(taken) != len(c.in)-len(c.left) {
				t.Errorf("lines of %.20q read in %v: left %.20q, taken %d, want %.20q, %d (-want +got)\n%s", c.in, sizes, left, taken, c.left, len(c.in)-len(c.left), diff)
			}
		}
	}
}

// endless is a file without line ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestLongLine(t *testing.T) {
	var l lines
	var err error
	for err == nil {
		err = l.fill(endless{})
		if _, ok := l.next(); ok {
			t.Fatal("next() found a line")
		}
	}
	if !strings.Contains(err.Error(), "longer than 67108864 bytes") {
		t.Errorf("fill of an endless line = %v", err)
	}
	if len(l.buf) > mostLine+readSize {
		t.Errorf("the buffer holds %d bytes, want at most %d", len(l.buf), mostLine+readSize)
	}
}

func TestBufferOfLongLineIsGivenBack(t *testing.T) {
	var l lines
	long := strings.NewReader(strings.Repeat("x", 1<<20) + "\n")
	for l.fill(long) == nil {
	}
	if line, ok := l.next(); !ok || len(line) != 1<<20 {
		t.Fatalf("next() = %d bytes, %v", len(line), ok)
	}
	if err := l.fill(strings.NewReader("y\n")); err != nil {
		t.Fatal(err)
	}
	if len(l.buf) != readSize {
		t.Errorf("the buffer holds %d bytes, want %d", len(l.buf), readSize)
	}
}

func TestLast(t *testing.T) {
	var l lines
	if _, ok := l.last(); ok {
		t.Error("last() of nothing = a line")
	}
	if err := l.add([]byte("tail\r")); err != nil {
		t.Fatal(err)
	}
	line, ok := l.last()
	if string(line) != "tail" || !ok || l.taken != 5 || l.waiting() != 0 {
		t.Errorf("last() = %q, %v, taken %d", line, ok, l.taken)
	}
	if err := l.fill(strings.NewReader("")); !errors.Is(err, io.EOF) {
		t.Errorf("fill at the end = %v, want io.EOF", err)
	}
}

// plainLines is the plain twin: all of the text at once.
func plainLines(text string) (got []string, left string) {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\r' && i+1 == len(text):
			return got, text
		case text[i] == '\r' && text[i+1] == '\n':
			got, text, i = append(got, text[:i]), text[i+2:], -1
		case text[i] == '\n', text[i] == '\r':
			got, text, i = append(got, text[:i]), text[i+1:], -1
		}
	}
	return got, text
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\nb\rc\n\nd"), 1, 2)
	f.Add([]byte("\r"), 1, 1)
	f.Add([]byte("\r\n\r\r\n"), 2, 1)
	f.Fuzz(func(t *testing.T, data []byte, a, b int) {
		if len(data) > 1<<12 {
			return
		}
		want, wantLeft := plainLines(string(data))
		got, left, taken := cut(t, data, a, b)
		if !slices.Equal(got, want) || left != wantLeft || int(taken) != len(data)-len(wantLeft) {
			t.Errorf("lines of %q in pieces of %d and %d = %q, %q, want %q, %q", data, a, b, got, left, want, wantLeft)
		}
	})
}
