package java

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is an offset file that a standalone worker of Apache Kafka Connect 4.3.1 wrote.
func recorded(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/kafka-connect-4.3.1.hex")
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeMap(t *testing.T) {
	got, err := DecodeMap(recorded(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{[]byte(`["from-map",{"filename":"letters.txt"}]`), []byte(`{"position":5}`)},
		{[]byte(`["nums",{"filename":"letters.txt"}]`), []byte(`{"position":5}`)},
		{[]byte(`["from-properties",{"filename":"letters.txt"}]`), []byte(`{"position":5}`)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DecodeMap (-want +got):\n%s", diff)
	}
	if again := AppendMap(nil, got); !bytes.Equal(again, recorded(t)) {
		t.Errorf("AppendMap(DecodeMap(file)) = %x, want the file's bytes %x", again, recorded(t))
	}
}

func TestDecodeMapRefuses(t *testing.T) {
	whole := recorded(t)
	for n := range whole {
		if _, err := DecodeMap(whole[:n]); err == nil {
			t.Errorf("DecodeMap(first %d of %d bytes) has no error", n, len(whole))
		}
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"another class", "HashMap", "TreeMap", `class "java.util.TreeMap"`},
		{"many entries", "\x77\x08\x00\x00\x00\x10\x00\x00\x00\x03", "\x77\x08\x00\x00\x00\x10\x7f\xff\xff\xff", "entries claimed"},
		{"magic", "\xac\xed", "PK", "not a Java serialization stream"},
		{"bytes behind", "\x7d\x78", "\x7d\x78\x78", "behind the end"},
	} {
		_, err := DecodeMap(bytes.Replace(whole, []byte(c.from), []byte(c.to), 1))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("DecodeMap(%s) = %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzDecodeMap(f *testing.F) {
	f.Add(recorded(f))
	f.Add(AppendMap(nil, nil))
	f.Add(AppendMap(nil, []Entry{{[]byte("k"), nil}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := DecodeMap(b)
		if err != nil {
			return
		}
		again, err := DecodeMap(AppendMap(nil, entries))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(entries) {
			t.Errorf("decode(append(%q)) = %q, %v", entries, again, err)
		}
	})
}
