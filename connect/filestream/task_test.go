package filestream

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector is an emitter that keeps the lines.
type collector struct {
	builder *schema.Builder
	mu      sync.Mutex
	topics  []string
	lines   []string
	stamps  []int64
	flushed []int // count of lines at each flush
	fail    error // what End answers
}

func (c *collector) Stream(topic string, _ int32, key, value *schema.Schema, _ []schema.Header) (int, error) {
	if key != nil || value == nil || value.Type != schema.String {
		return 0, errors.New("want a null key and a string")
	}
	c.builder = schema.NewBuilder(value)
	c.topics = append(c.topics, topic)
	return 7, nil
}

func (c *collector) Begin(handle int) (key, value schema.Writer) {
	if handle != 7 {
		return nil, nil
	}
	c.builder.Reset()
	return nil, c.builder
}

func (c *collector) Stamp(unixMilli int64) { c.stamps = append(c.stamps, unixMilli) }

func (c *collector) End([]schema.Header) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	c.lines = append(c.lines, c.builder.Value().Text())
	return c.builder.Err()
}

func (c *collector) Flush() error {
	c.flushed = append(c.flushed, len(c.lines))
	return nil
}

func (c *collector) got() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

// bench is a source task in a bubble of fake time: every wait makes it go on as far as it can.
type bench struct {
	t      *testing.T
	file   string
	out    *collector
	task   *SourceTask
	stored string
	log    strings.Builder
	cancel context.CancelFunc
	ended  chan error
}

func newBench(t *testing.T) *bench {
	return &bench{t: t, file: filepath.Join(t.TempDir(), "letters.txt")}
}

func (b *bench) write(text string) {
	b.t.Helper()
	if err := os.WriteFile(b.file, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) append(text string) {
	b.t.Helper()
	f, err := os.OpenFile(b.file, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// start runs a task with further options, name and value by turns.
func (b *bench) start(options ...string) {
	b.t.Helper()
	props := map[string]string{"file": b.file, "topic": "post"}
	for i := 0; i < len(options); i += 2 {
		props[options[i]] = options[i+1]
	}
	b.out = new(collector)
	b.log.Reset()
	task, err := NewSourceTask(props, SourceEnv{
		Log: slog.New(slog.NewTextHandler(&b.log, nil)),
		StoredOffset: func(_ context.Context, partition []byte) ([]byte, error) {
			if want := `{"filename":"` + b.file + `"}`; string(partition) != want {
				b.t.Errorf("the offset of %s is asked for, want %s", partition, want)
			}
			if b.stored == "" {
				return nil, nil
			}
			return []byte(b.stored), nil
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(b.t.Context())
	b.task, b.ended = task, make(chan error, 1)
	go func() { b.ended <- task.Run(ctx, b.out) }()
	b.wait(0)
}

// wait lets fake time pass, and the task take note.
func (b *bench) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// stop ends the task in order, and stores what it has done.
func (b *bench) stop() {
	b.t.Helper()
	b.cancel()
	if err := <-b.ended; err != nil {
		b.t.Errorf("Run() = %v, want nil when its context ended", err)
	}
	b.store()
}

// store stores the offset behind all records.
func (b *bench) store() {
	n := uint64(len(b.out.got()))
	if _, offset, ok := b.task.Offset(n); ok {
		b.stored = string(offset)
		b.task.Stored(n)
	}
}

func (b *bench) want(stored string, lines ...string) {
	b.t.Helper()
	if diff := cmp.Diff(lines, b.out.got()); diff != "" {
		b.t.Errorf("lines (-want +got)\n%s", diff)
	}
	if b.store(); b.stored != stored {
		b.t.Errorf("the stored offset is %s, want %s", b.stored, stored)
	}
}

func TestFileGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.write("alpha\nbeta\r\ngam")
		b.start()
		b.want(`{"position":12}`, "alpha", "beta")
		b.append("ma\n\n")
		b.wait(time.Second)
		b.want(`{"position":19}`, "alpha", "beta", "gamma", "")
		b.append("delta\r") // the end may be half
		b.wait(time.Second)
		b.append("\nnot yet")
		b.wait(time.Second)
		b.want(`{"position":26}`, "alpha", "beta", "gamma", "", "delta")
		if _, _, ok := b.task.Offset(5); ok {
			t.Error("Offset(5) again = an offset, want none: it is stored")
		}
		b.stop()

		b.append(", now\n")
		b.start()
		b.want(`{"position":39}`, "not yet, now")
		b.stop()
		if diff := cmp.Diff([]string{"post"}, b.out.topics); diff != "" {
			t.Errorf("topics (-want +got)\n%s", diff)
		}
	})
}

func TestPositionsCountBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.write("grüße 🚲\n\xff\xc3x\xe2\x82\n")
		b.start()
		b.want(`{"position":19}`, "grüße 🚲", "\ufffd\ufffdx\ufffd")
		b.stop()
		b.append("next\n")
		b.start()
		b.want(`{"position":24}`, "next")
		b.stop()
	})
}

func TestOffsetFollowsAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.write("a\nbb\nccc\n")
		b.start()
		for _, c := range []struct {
			n    uint64
			want string
		}{{0, ""}, {1, `{"position":2}`}, {1, ""}, {2, `{"position":5}`}, {3, `{"position":9}`}} {
			_, offset, ok := b.task.Offset(c.n)
			if string(offset) != c.want || ok != (c.want != "") {
				t.Errorf("Offset(%d) = %s, %v, want %q", c.n, offset, ok, c.want)
			}
			b.task.Stored(c.n)
		}
		b.stop()
	})
}

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.write("a\nb\nc\nd\ne\n")
		b.start("batch.size", "2")
		b.want(`{"position":10}`, "a", "b", "c", "d", "e") // the Java task leaves c, d and e until the file grows
		if diff := cmp.Diff([]int{2, 4, 5}, b.out.flushed); diff != "" {
			t.Errorf("flushes (-want +got)\n%s", diff)
		}
		if len(b.out.stamps) != 5 || b.out.stamps[0] != time.Now().UnixMilli() {
			t.Errorf("timestamps = %v, want five of now", b.out.stamps)
		}
		b.stop()
		b.stored = ""
		b.start("batch.size", "-3")
		if diff := cmp.Diff([]int{1, 2, 3, 4, 5}, b.out.flushed); diff != "" {
			t.Errorf("flushes with batches of less than one (-want +got)\n%s", diff)
		}
		b.stop()
	})
}

func TestFileIsMadeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start()
		b.wait(10 * time.Second)
		if n := strings.Count(b.log.String(), "Couldn't find file"); n != 4 { // attempts 1, 2, 4, 8
			t.Errorf("%d log lines on the missing file, want 4:\n%s", n, &b.log)
		}
		b.write("here\n")
		b.wait(time.Second)
		b.want(`{"position":5}`, "here")
		b.stop()
	})
}

func TestStopWhileFileIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start()
		b.stop()
		b.want("")
	})
}

func TestTruncatedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.write("one\ntwo\nthr")
		b.start()
		b.write("1\n")
		b.wait(time.Second)
		b.want(`{"position":2}`, "one", "two", "1")
		if !strings.Contains(b.log.String(), "was truncated") {
			t.Errorf("the log does not tell of it:\n%s", &b.log)
		}
		b.write("")
		b.wait(time.Second)
		b.want(`{"position":0}`, "one", "two", "1") // stored without a record: the file may grow beyond 2 before the next start
		b.stop()
	})
}

func TestFileShorterThanStoredOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.stored = `{"position":400}`
		b.write("fresh\npart")
		b.start()
		b.want(`{"position":6}`, "fresh")
		if !strings.Contains(b.log.String(), "shorter than what was read") {
			t.Errorf("the log does not tell of it:\n%s", &b.log)
		}
		b.stop()
	})
}

func TestReplacedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.write("one\n")
		b.start()
		old := b.file + ".1"
		if err := os.Rename(b.file, old); err != nil {
			t.Fatal(err)
		}
		b.wait(10 * time.Second)
		name := b.file
		b.file = old
		b.append("two\nthree") // whoever writes has it still open
		b.file = name
		b.wait(time.Second)
		b.want(`{"position":8}`, "one", "two")
		b.write("new\n")
		b.wait(10 * time.Second)
		b.want(`{"position":4}`, "one", "two", "three", "new")
		b.stop()
	})
}

func TestReplacedByAnEmptyFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.write("one\n")
		b.start()
		b.want(`{"position":4}`, "one")
		if err := os.Rename(b.file, b.file+".1"); err != nil {
			t.Fatal(err)
		}
		b.write("")
		b.wait(10 * time.Second)
		b.want(`{"position":0}`, "one")
		b.stop()
	})
}

func TestUnusableFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start("file", filepath.Dir(b.file))
		if err := <-b.ended; err == nil || !strings.Contains(err.Error(), "it is a directory") {
			t.Errorf("Run of a directory = %v", err)
		}
		b.cancel()
		b.write("x\n")
		b.start("file", b.file+"/below")
		if err := <-b.ended; err == nil || !strings.Contains(err.Error(), "open file") {
			t.Errorf("Run below a file = %v", err)
		}
		b.cancel()
		for _, stored := range []string{`{"position":"5"}`, `{"position":1.5}`, `[]`, `{`} {
			b.stored = stored
			b.start()
			if err := <-b.ended; err == nil || !strings.Contains(err.Error(), "Offset position is the incorrect type") {
				t.Errorf("Run with the offset %s = %v", stored, err)
			}
			b.cancel()
		}
		for _, stored := range []string{`{"position":null}`, `{"other":3}`, `null`, `{"position":-4}`} {
			b.stored = stored
			b.start()
			b.want(`{"position":2}`, "x")
			b.stop()
		}
	})
}

func TestEmitterFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.start()
		b.out.fail = errors.New("no room")
		b.write("x\n")
		b.wait(time.Second)
		if err := <-b.ended; !errors.Is(err, b.out.fail) {
			t.Errorf("Run() = %v, want %v", err, b.out.fail)
		}
		b.cancel()
	})
}

func TestStandardInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := io.Pipe()
		stdin := NewStdin(from)
		run := func() (task *SourceTask, out *collector, stop func()) {
			out = new(collector)
			task, err := NewSourceTask(map[string]string{"topic": "post"}, SourceEnv{Log: slog.New(slog.DiscardHandler), Stdin: stdin})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- task.Run(ctx, out) }()
			return task, out, func() {
				cancel()
				if err := <-ended; err != nil {
					t.Errorf("Run() = %v", err)
				}
			}
		}
		say := func(text string) {
			if _, err := io.WriteString(to, text); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		task, out, stop := run()
		say("one\ntw")
		if diff := cmp.Diff([]string{"one"}, out.got()); diff != "" {
			t.Errorf("lines (-want +got)\n%s", diff)
		}
		partition, offset, ok := task.Offset(1)
		if string(partition) != `{"filename":null}` || string(offset) != `{"position":null}` || !ok {
			t.Errorf("Offset(1) = %s, %s, %v", partition, offset, ok)
		}
		task.Stored(1)
		_, second, stopSecond := run() // waits for its turn
		synctest.Wait()
		stop()
		say("o\nthree\nfour")
		to.Close()
		synctest.Wait()
		if diff := cmp.Diff([]string{"two", "three", "four"}, second.got()); diff != "" {
			t.Errorf("lines of the second task (-want +got)\n%s", diff)
		}
		if _, _, ok := task.Offset(1); ok {
			t.Error("Offset of standard input is given again")
		}
		stopSecond()
	})
}
