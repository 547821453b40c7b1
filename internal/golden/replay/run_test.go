package replay

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// counter is a task that emits the numbers up to 5 which no stored offset lies behind, and heartbeats of them; with fails set it
// fails at that number.
type counter struct {
	props  map[string]string
	stored StoredOffset
	fails  int64

	first int64 // number before the first record
}

var (
	counterKey   = schema.StructOf("Key", schema.F("n", schema.Of(schema.Int64)))
	counterValue = schema.StructOf("Value", schema.F("n", schema.Of(schema.Int64)), schema.F("text", schema.Of(schema.String).AsOptional()))
)

func (c *counter) Run(ctx context.Context, out Emitter) error {
	text, err := c.stored(ctx, []byte(`{"server":"p"}`))
	if err != nil {
		return err
	}
	var at struct{ N int64 }
	if text != nil {
		if err := json.Unmarshal(text, &at); err != nil {
			return err
		}
	}
	c.first = at.N
	header := []schema.Header{{Key: "h", Schema: schema.Of(schema.String), Value: schema.OfString(c.props["header"])}}
	stream, err := out.Stream("p.numbers", kafka.AnyPartition, counterKey, counterValue, header)
	if err != nil {
		return err
	}
	for n := at.N + 1; n <= 5; n++ {
		if n == c.fails {
			return fmt.Errorf("number %d", n)
		}
		key, value := out.Begin(stream)
		key.BeginStruct()
		key.Int(n)
		key.EndStruct()
		value.BeginStruct()
		value.Int(n)
		value.Text([]byte(strings.Repeat("x", int(n))))
		value.EndStruct()
		if err := out.End(nil); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (c *counter) Offset(n uint64) (partition, offset []byte, ok bool) {
	return []byte(`{ "server": "p" }`), fmt.Appendf(nil, `{"n":%d}`, c.first+int64(n)), true
}

func (c *counter) Stored(uint64) {}

// TestRun replays small cases against a task of the test's own: what steering lines do to runs, offsets and properties.
func TestRun(t *testing.T) {
	for _, file := range golden.Files(t, "testdata/run/*.txtar") {
		t.Run(file.Name, func(t *testing.T) {
			c := &Case{Name: file.Name, Props: map[string]string{}, Steer: map[string]string{"oracle.wait": "idle", "oracle.idle.ms": "100", "oracle.offsets": "true"}, Changes: file.Text("changes.sql")}
			for _, line := range file.Lines("steer") {
				k, v, _ := strings.Cut(line, "=")
				c.Steer[k] = v
			}
			p := &Replayer{New: func(props map[string]string, stored StoredOffset, _ *slog.Logger) (Task, error) {
				task := &counter{props: props, stored: stored}
				_, err := fmt.Sscan(props["fails"], &task.fails)
				if err != nil {
					task.fails = 0
				}
				return task, nil
			}}
			got, err := p.Run(t.Context(), c, pgtest.Database(t), t.TempDir(), slog.New(slog.DiscardHandler))
			text := ""
			if err != nil {
				text = "error: " + err.Error()
			} else {
				text = strings.Join(append(got.Lines, got.Offsets...), "\n")
			}
			file.Check(t, "out", text)
		})
	}
}

// TestSideDisagrees: bytes written directly are compared with those written from memory.
func TestSideDisagrees(t *testing.T) {
	f, err := newFormats(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := schema.StructOf("s", schema.F("n", schema.Of(schema.Int32)), schema.F("d", schema.Of(schema.Int32).WithDefault(schema.OfInt32(7))))
	d, err := newSide(s, f)
	if err != nil {
		t.Fatal(err)
	}
	write := func(w schema.Writer) {
		w.BeginStruct()
		w.Int(1)
		w.Null()
		w.EndStruct()
	}
	write(d.begin())
	v, err := d.end()
	if err != nil || d.disagreement != "" {
		t.Fatalf("end = %v, disagreement %q", err, d.disagreement)
	}
	want := schema.OfStruct(&schema.StructValue{Schema: s, Values: []schema.Value{schema.OfInt32(1), schema.NullValue}})
	if !v.Equal(want) {
		t.Errorf("value in memory = %v, want %v", v, want)
	}
	other, err := f.withSchema.NewSerializer(t.Context(), "t", s)
	if err != nil {
		t.Fatal(err)
	}
	d.twins[0].viaMem = other // writes the schema, too
	write(d.begin())
	if _, err := d.end(); err != nil {
		t.Fatal(err)
	}
	const wantText = `JSON differs written directly and from memory: at byte 2: got …{"n":1,"d":7}…, want …{"schema":`
	if !strings.HasPrefix(d.disagreement, wantText) {
		t.Errorf("disagreement = %q, want it to begin with %q", d.disagreement, wantText)
	}
}
