package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	wanted, command, err := parse(strings.Fields("kafka=9092 postgres=5432 -- bash -c true"))
	if err != nil || len(wanted) != 2 || wanted[0].name != "kafka" || wanted[1].port != 5432 || strings.Join(command, " ") != "bash -c true" {
		t.Errorf("parse = %v, %q, %v", wanted, command, err)
	}
	for _, args := range []string{"", "kafka=9092", "kafka=9092 --", "kafka -- bash", "kafka=x -- bash", "oracle=1521 -- bash", "kafka=70000 -- bash"} {
		if _, _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("parse(%q) takes it", args)
		}
	}
}

// TestRun: the command's exit code is handed on, and what was started is stopped, also when another one does not start.
func TestRun(t *testing.T) {
	var stopped atomic.Int64 // servers are stopped all at once
	good := wish{server: server{"good", func(context.Context, int) (func() error, error) {
		return func() error { stopped.Add(1); return nil }, nil
	}}}
	bad := wish{server: server{"bad", func(context.Context, int) (func() error, error) { return nil, errors.New("no such thing") }}}
	if code, err := run(t.Context(), []wish{good, good}, []string{"sh", "-c", "exit 3"}); code != 3 || err != nil || stopped.Load() != 2 {
		t.Errorf("run = %d, %v, %d stopped; want 3, nil, 2", code, err, stopped.Load())
	}
	if code, err := run(t.Context(), []wish{bad}, []string{"true"}); code != 1 || err == nil || !strings.Contains(err.Error(), "start bad: no such thing") {
		t.Errorf("run without a server = %d, %v", code, err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	good.port = ln.Addr().(*net.TCPAddr).Port
	if _, err := run(t.Context(), []wish{good}, []string{"true"}); err == nil || !strings.Contains(err.Error(), "start good") {
		t.Errorf("run with a port that is taken = %v, want an error", err)
	}
	if _, err := serve(good.port, http.NotFoundHandler()); err == nil {
		t.Error("serve takes a port that is taken")
	}
}
