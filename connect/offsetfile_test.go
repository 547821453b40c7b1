package connect

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is an offset file that a standalone worker of Apache Kafka Connect 4.3.1 wrote.
func recorded(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/offsets/kafka-connect-4.3.1.hex")
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeJavaMap(t *testing.T) {
	got, err := decodeJavaMap(recorded(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []mapEntry{
		{[]byte(`["from-map",{"filename":"letters.txt"}]`), []byte(`{"position":5}`)},
		{[]byte(`["nums",{"filename":"letters.txt"}]`), []byte(`{"position":5}`)},
		{[]byte(`["from-properties",{"filename":"letters.txt"}]`), []byte(`{"position":5}`)},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mapEntry{})); diff != "" {
		t.Errorf("decodeJavaMap (-want +got):\n%s", diff)
	}
	if again := appendJavaMap(nil, got); !bytes.Equal(again, recorded(t)) {
		t.Errorf("appendJavaMap(decodeJavaMap(file)) = %x, want the file's bytes %x", again, recorded(t))
	}
}

func TestDecodeJavaMapRefuses(t *testing.T) {
	whole := recorded(t)
	for n := range whole {
		if _, err := decodeJavaMap(whole[:n]); err == nil {
			t.Errorf("decodeJavaMap(first %d of %d bytes) has no error", n, len(whole))
		}
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"another class", "HashMap", "TreeMap", `class "java.util.TreeMap"`},
		{"many entries", "\x77\x08\x00\x00\x00\x10\x00\x00\x00\x03", "\x77\x08\x00\x00\x00\x10\x7f\xff\xff\xff", "entries claimed"},
		{"magic", "\xac\xed", "PK", "not a Java serialization stream"},
		{"bytes behind", "\x7d\x78", "\x7d\x78\x78", "behind the end"},
	} {
		_, err := decodeJavaMap(bytes.Replace(whole, []byte(c.from), []byte(c.to), 1))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("decodeJavaMap(%s) = %v, want %q", c.name, err, c.want)
		}
	}
}

func TestFileOffsets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "connect.offsets")
	if err := os.WriteFile(path, recorded(t), 0o640); err != nil {
		t.Fatal(err)
	}
	f := newFileOffsets(path)
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(f.Put(t.Context(), "bikes", PartitionOffset{[]byte(`{"server":"inv"}`), []byte(`{"lsn":1}`)}))
	must(f.Put(t.Context(), "bikes", PartitionOffset{[]byte(`{"server":"inv"}`), []byte(`{"lsn":2}`)}))
	must(f.Put(t.Context(), "nums", PartitionOffset{[]byte(`{"filename":"letters.txt"}`), nil}))

	again := newFileOffsets(path)
	for _, c := range []struct{ connector, partition, want string }{
		{"bikes", `{"server":"inv"}`, `{"lsn":2}`},
		{"bikes", `{"server":"other"}`, ""},
		{"from-map", `{"filename":"letters.txt"}`, `{"position":5}`},
		{"nums", `{"filename":"letters.txt"}`, ""},
	} {
		got, err := again.Get(t.Context(), c.connector, []byte(c.partition))
		if err != nil || string(got) != c.want {
			t.Errorf("get(%s, %s) = %q, %v, want %q", c.connector, c.partition, got, err, c.want)
		}
	}
	list, err := again.List(t.Context(), "bikes")
	if err != nil || len(list) != 1 || string(list[0].Partition) != `{"server":"inv"}` || string(list[0].Offset) != `{"lsn":2}` {
		t.Errorf("list(bikes) = %q, %v", list, err)
	}
	info, err := os.Stat(path)
	must(err)
	if info.Mode().Perm() != 0o640 {
		t.Errorf("mode = %v, want that of the file replaced, 0640", info.Mode())
	}
	left, err := os.ReadDir(filepath.Dir(path))
	must(err)
	if len(left) != 1 {
		t.Errorf("files beside the offsets: %v", left)
	}
}

func TestFileOffsetsRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "broken")
	if err := os.WriteFile(path, []byte("no map"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := newFileOffsets(path).open()
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "byte 4") {
		t.Errorf("open(broken) = %v, want the path and the byte", err)
	}
	if err := newFileOffsets(filepath.Join(dir, "absent")).open(); err != nil {
		t.Errorf("open(absent) = %v, want none", err)
	}
	err = newFileOffsets(filepath.Join(dir, "no", "folder")).Put(t.Context(), "c", PartitionOffset{[]byte("{}"), []byte("{}")})
	if err == nil || !strings.Contains(err.Error(), "offset.storage.file.filename") || !retriable(err) {
		t.Errorf("put without a folder = %v, want a retriable error that names the option", err)
	}
}

func TestOffsetKeyAsJackson(t *testing.T) {
	got := string(offsetKey("a\"b\\c\n\x01é<&>\u2028", []byte(`{"server":"x"}`)))
	want := `["a\"b\\c\n\u0001é<&>` + "\u2028" + `",{"server":"x"}]`
	if got != want {
		t.Errorf("offsetKey = %s, want %s", got, want)
	}
}

func FuzzDecodeJavaMap(f *testing.F) {
	f.Add(recorded(f))
	f.Add(appendJavaMap(nil, nil))
	f.Add(appendJavaMap(nil, []mapEntry{{[]byte("k"), nil}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := decodeJavaMap(b)
		if err != nil {
			return
		}
		again, err := decodeJavaMap(appendJavaMap(nil, entries))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(entries) {
			t.Errorf("decode(append(%q)) = %q, %v", entries, again, err)
		}
	})
}

func BenchmarkFileOffsetsPut(b *testing.B) {
	f := newFileOffsets(filepath.Join(b.TempDir(), "connect.offsets"))
	for b.Loop() {
		if err := f.Put(b.Context(), "bikes", PartitionOffset{[]byte(`{"server":"inv"}`), []byte(`{"lsn":2}`)}); err != nil {
			b.Fatal(err)
		}
	}
}
