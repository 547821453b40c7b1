//go:build unix

package filestream

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// waitingEmitter tells of each line.
type waitingEmitter struct {
	collector
	lines chan string // Sender: End. Bound: none waits in it
}

func (e *waitingEmitter) Flush() error {
	for _, line := range e.collector.lines {
		e.lines <- line
	}
	e.collector.lines = nil
	return nil
}

// A named pipe has no size and no position, its writers come and go, and a read of it is interrupted when the task is stopped.
func TestNamedPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	task, err := NewSourceTask(map[string]string{"file": name, "topic": "post"}, SourceEnv{
		Log:          slog.New(slog.DiscardHandler),
		StoredOffset: func(context.Context, []byte) ([]byte, error) { return []byte(`{"position":99}`), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	out := &waitingEmitter{lines: make(chan string)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- task.Run(ctx, out) }()
	var got []string
	for _, text := range []string{"one\ntwo\n", "three\n"} {
		w, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
		got = append(got, <-out.lines)
		if len(got) == 1 {
			got = append(got, <-out.lines)
		}
		if len(got) == 3 { // stop it while it waits in a read
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run() = %v", err)
			}
		}
		w.Close()
	}
	if diff := cmp.Diff([]string{"one", "two", "three"}, got); diff != "" {
		t.Errorf("lines (-want +got)\n%s", diff)
	}
}
