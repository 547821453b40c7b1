package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
)

// corpus is the folder of the cases under test.
func corpus(t testing.TB) string {
	t.Helper()
	if env := os.Getenv(Environment); env != "" {
		return env
	}
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, folder)
}

// recorded reads the lines of a recording back as records. A line that is no record, or holds digests instead of data, is an error.
func recorded(f *formats, lines []string, schemas map[string]string) ([]*Record, error) {
	var records []*Record
	for i, line := range lines {
		r, err := recordedLine(f, line, schemas)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		records = append(records, r)
	}
	return records, nil
}

type recordedText struct {
	Topic                  string
	Partition              *int32
	Timestamp              *int64
	Key, Value             json.RawMessage
	KeySchema, ValueSchema string
	Headers                []struct {
		Key    string
		Value  json.RawMessage
		Schema string
	}
}

func recordedLine(f *formats, line string, schemas map[string]string) (*Record, error) {
	var text recordedText
	if err := json.Unmarshal([]byte(line), &text); err != nil {
		return nil, err
	}
	if text.Key == nil || text.Value == nil {
		return nil, fmt.Errorf("no record: %s", short(line))
	}
	r := &Record{Topic: text.Topic, Partition: kafka.AnyPartition, Timestamp: text.Timestamp}
	if text.Partition != nil {
		r.Partition = *text.Partition
	}
	read := func(hash string, payload json.RawMessage) (*schema.Schema, schema.Value, error) {
		if hash == "" {
			return nil, schema.NullValue, nil
		}
		return f.withSchema.Deserialize(context.Background(), "t", []byte(`{"schema":`+schemas[hash]+`,"payload":`+string(payload)+`}`))
	}
	var err error
	if r.KeySchema, r.Key, err = read(text.KeySchema, text.Key); err != nil {
		return nil, err
	}
	if r.ValueSchema, r.Value, err = read(text.ValueSchema, text.Value); err != nil {
		return nil, err
	}
	for _, h := range text.Headers {
		s, v, err := read(h.Schema, h.Value)
		if err != nil {
			return nil, err
		}
		r.Headers = append(r.Headers, schema.Header{Key: h.Key, Schema: s, Value: v})
	}
	return r, nil
}

var (
	notNumbers   = regexp.MustCompile(`"(NaN|-?Infinity)"`)
	negativeZero = regexp.MustCompile(`[:,\[]-0\.0[,}\]]`)
)

// unreadable tells why a case's lines cannot be read back.
func unreadable(c *Case) string {
	text := strings.Join(c.Want.Lines, "\n")
	switch {
	case c.flag("validate", false), strings.Contains(text, failure):
		return "it holds lines that are no records"
	case c.Steer["oracle.digest"] != "":
		return "it holds digests in place of data"
	case notNumbers.MatchString(text):
		return "JsonConverter writes such floats as text and reads that as 0"
	case negativeZero.MatchString(text):
		return "JsonConverter reads -0.0 as 0"
	case c.Transforms() && c.Props["provide.transaction.metadata"] == "true":
		return "its transforms took away what numbers the transactions"
	case c.unstable():
		return "its transaction ids do not appear in order"
	}
	return ""
}

// TestIdentity: a recording that is read and printed again, its placeholders normalised once more, is itself.
func TestIdentity(t *testing.T) {
	dir := corpus(t)
	names, err := Names(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			c, err := Load(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			if why := unreadable(c); why != "" {
				t.Log(why)
				return
			}
			f, err := newFormats(c.jsonOptions())
			if err != nil {
				t.Fatal(err)
			}
			records, err := recorded(f, c.Want.Lines, c.Want.Schemas)
			if err != nil {
				t.Fatal(err)
			}
			c.Steer["oracle.offsets"], c.Want.Offsets = "false", nil
			got, err := printRecords(c, placeDatabase, records, nil, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if d := c.Compare(got); d != nil {
				t.Errorf("printed again, the recording differs:\n\t%s", strings.Join(d, "\n\t"))
			}
		})
	}
}

// TestNormalise: what the connector emitted in one run, normalised, is the recording of another.
func TestNormalise(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bikestore", "tx-mixed"} {
		t.Run(name, func(t *testing.T) {
			c, err := Load(filepath.Join(root, folder), name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := newFormats(c.jsonOptions())
			if err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(filepath.Join("testdata", "raw", name+".jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			lines := splitLines(string(raw))
			half := len(lines) / 2 // records, then their source offsets
			records, err := recorded(f, lines[:half], c.Want.Schemas)
			if err != nil {
				t.Fatal(err)
			}
			var offsets []offsetEntry
			for _, line := range lines[half:] {
				var o struct{ Partition, Offset json.RawMessage }
				if err := json.Unmarshal([]byte(line), &o); err != nil {
					t.Fatal(err)
				}
				offsets = append(offsets, offsetEntry{o.Partition, o.Offset})
			}
			got, err := printRecords(c, "goldora", records, offsets, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if d := c.Compare(got); d != nil {
				t.Errorf("normalised, the run differs from the recording:\n\t%s", strings.Join(d, "\n\t"))
			}
			if d := cmp.Diff(c.Want.Offsets, got.Offsets); d != "" {
				t.Errorf("offsets (-want +got):\n%s", d)
			}
		})
	}
}
