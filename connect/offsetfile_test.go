package connect

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	got := string(OffsetKey("a\"b\\c\n\x01é<&>\u2028", []byte(`{"server":"x"}`)))
	want := `["a\"b\\c\n\u0001é<&>` + "\u2028" + `",{"server":"x"}]`
	if got != want {
		t.Errorf("OffsetKey = %s, want %s", got, want)
	}
}

func BenchmarkFileOffsetsPut(b *testing.B) {
	f := newFileOffsets(filepath.Join(b.TempDir(), "connect.offsets"))
	for b.Loop() {
		if err := f.Put(b.Context(), "bikes", PartitionOffset{[]byte(`{"server":"inv"}`), []byte(`{"lsn":2}`)}); err != nil {
			b.Fatal(err)
		}
	}
}
