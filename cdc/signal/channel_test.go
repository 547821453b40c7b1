package signal_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc/signal"
)

// channel runs a channel in a bubble, whose clock is not the wall's, and gathers what it delivers.
type channel struct {
	t    *testing.T
	log  bytes.Buffer
	got  []string
	fail error
	end  func() error
}

func (c *channel) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&c.log, nil)) }

func (c *channel) start(run func(context.Context, signal.Deliver) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, func(_ context.Context, s signal.Signal) error {
			c.got = append(c.got, s.Channel+" "+s.ID+" "+s.Type+" "+string(s.Data))
			return c.fail
		})
	}()
	c.end = func() error {
		cancel()
		return <-done
	}
}

func (c *channel) want(lines ...string) {
	c.t.Helper()
	if diff := cmp.Diff(lines, c.got); diff != "" {
		c.t.Errorf("signals (-want +got):\n%s\nlog: %s", diff, c.log.String())
	}
	c.got = nil
}

func (c *channel) logged(want string) {
	c.t.Helper()
	if !strings.Contains(c.log.String(), want) {
		c.t.Errorf("log = %s, want %q in it", c.log.String(), want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signals.txt")
	synctest.Test(t, func(t *testing.T) {
		c := &channel{t: t}
		f := &signal.File{Path: path, Every: time.Second, Log: c.logger()}
		c.start(f.Run)
		synctest.Wait()
		c.want() // there is no file yet
		write(t, path, "{\"id\":\"1\",\"type\":\"log\",\"data\":{\"message\":\"a\"}}\n\n   \nnonsense\n{\"id\":\"2\"}\r\n{\"id\":3,\"type\":\"x\",\"data\":{}}")
		time.Sleep(time.Second)
		synctest.Wait()
		c.want(`file 1 log {"message":"a"}`, `file 3 x {}`)
		c.logged("nonsense")
		if text, err := os.ReadFile(path); err != nil || len(text) != 0 {
			t.Errorf("file after it was read = %q, %v, want it empty", text, err)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		c.want() // nothing comes twice
		write(t, path, `{"id":"4","type":"log","data":{}}`)
		time.Sleep(time.Second)
		synctest.Wait()
		c.want(`file 4 log {}`)
		if err := c.end(); err != nil {
			t.Errorf("Run at its end = %v, want nil", err)
		}
	})
}

// A file that cannot be read is told once, and read when it can be.
func TestFileTrouble(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signals.txt")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c := &channel{t: t}
		f := &signal.File{Path: path, Every: time.Second, Log: c.logger()}
		c.start(f.Run)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := strings.Count(c.log.String(), "cannot read the signal file"); n != 1 {
			t.Errorf("a folder in place of the file is told %d times, want once: %s", n, c.log.String())
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		write(t, path, strings.Repeat("x", 16<<20+1))
		time.Sleep(time.Second)
		synctest.Wait()
		c.logged("larger than")
		if info, err := os.Stat(path); err != nil || info.Size() != 16<<20+1 {
			t.Errorf("a file that is too large = %v, %v, want it as it was", info, err)
		}
		write(t, path, `{"id":"1","type":"log","data":{}}`)
		time.Sleep(time.Second)
		synctest.Wait()
		c.want(`file 1 log {}`)
		c.end()
	})
}

// When carrying out fails the channel ends with the error, and the log says which signals are lost.
func TestFileFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signals.txt")
	write(t, path, "{\"id\":\"1\",\"type\":\"a\",\"data\":{}}\n{\"id\":\"2\",\"type\":\"b\",\"data\":{}}\n")
	synctest.Test(t, func(t *testing.T) {
		c := &channel{t: t, fail: errors.New("boom")}
		f := &signal.File{Path: path, Every: time.Second, Log: c.logger()}
		if err := f.Run(t.Context(), func(context.Context, signal.Signal) error { return c.fail }); err != c.fail {
			t.Errorf("Run = %v, want %v", err, c.fail)
		}
		c.logged(`\"id\":\"2\"`)
	})
}

func TestKafka(t *testing.T) {
	type record struct{ key, value string }
	synctest.Test(t, func(t *testing.T) {
		c := &channel{t: t}
		// Sender: the test. Never closed. Bound: 0.
		records := make(chan record)
		begun := 0
		k := &signal.Kafka{Key: "p", Topic: "p-signal", Pause: time.Minute, Log: c.logger(),
			Read: func(ctx context.Context, handle func(context.Context, int64, []byte, []byte) error) error {
				if begun++; begun == 1 {
					return errors.New("no broker")
				}
				for offset := int64(0); ; offset++ {
					select {
					case r := <-records:
						if err := handle(ctx, offset, []byte(r.key), []byte(r.value)); err != nil {
							return err
						}
					case <-ctx.Done():
						return nil
					}
				}
			}}
		c.start(k.Run)
		for _, r := range []record{
			{"other", `{"id":"0","type":"log","data":{}}`},
			{"p", `{"id":"1","type":"log","data":{"message":"a"}}`},
			{"p", ``},
			{"p", `nonsense`},
			{"p", `{"id":"2","type":"x","data":{}}`},
		} {
			records <- r
		}
		synctest.Wait()
		c.want(`kafka 1 log {"message":"a"}`, `kafka 2 x {}`)
		c.logged("no broker")
		c.logged("key=other")
		c.logged("offset=3")
		if err := c.end(); err != nil {
			t.Errorf("Run at its end = %v, want nil", err)
		}
	})
}

func TestKafkaFailure(t *testing.T) {
	boom := errors.New("boom")
	k := &signal.Kafka{Key: "p", Log: slog.New(slog.DiscardHandler), Read: func(ctx context.Context, handle func(context.Context, int64, []byte, []byte) error) error {
		return handle(ctx, 7, []byte("p"), []byte(`{"id":"1","type":"log","data":{}}`))
	}}
	var offset int64
	err := k.Run(t.Context(), func(_ context.Context, s signal.Signal) error {
		offset = s.Offset
		return boom
	})
	if err != boom || offset != 7 {
		t.Errorf("Run = %v with offset %d, want %v with 7", err, offset, boom)
	}
}

// refused is an error that does not go away.
type refused struct{}

func (refused) Error() string   { return "refused" }
func (refused) Retriable() bool { return false }

func TestKafkaRefused(t *testing.T) {
	k := &signal.Kafka{Topic: "p-signal", Log: slog.New(slog.DiscardHandler), Read: func(context.Context, func(context.Context, int64, []byte, []byte) error) error { return refused{} }}
	if err := k.Run(t.Context(), nil); !errors.Is(err, refused{}) || !strings.Contains(err.Error(), "p-signal") {
		t.Errorf("Run = %v, want %v with the topic", err, refused{})
	}
}
