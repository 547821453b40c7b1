package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// watch ends the server, and removes its temporary folder, when whoever started it ends: its standard input is a pipe whose other end only
// the starter holds. Arguments: process id of the server, folder to remove or nothing.
// A signal of the kernel (prctl PR_SET_PDEATHSIG) would come when the starting thread ends, not the process, and only on Linux.
const watch = `read -r _
kill -QUIT "$1" 2>/dev/null
if [ -n "$2" ]; then
	i=0
	while [ $i -lt 100 ] && [ -e "$2/data/postmaster.pid" ] && kill -0 "$1" 2>/dev/null; do i=$((i+1)); sleep 0.1; done
	rm -rf "$2"
fi`

// process is a running server and its watchdog.
type process struct {
	server, watchdog *exec.Cmd
	lifeline         *os.File // its closing, with us if need be, wakes the watchdog
	alive            *os.File // at its end when the server and all its backends are gone
}

// spawn starts a server and its watchdog. Without goroutines, so that a test may have one and still look for leaked goroutines.
func spawn(server *exec.Cmd, removeDir string) (*process, error) {
	aliveRead, aliveWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	watchRead, watchWrite, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, aliveRead.Close(), aliveWrite.Close())
	}
	defer aliveWrite.Close() // the server has its own
	defer watchRead.Close()
	p := &process{server: server, lifeline: watchWrite, alive: aliveRead}
	server.ExtraFiles = []*os.File{aliveWrite}
	if err := server.Start(); err != nil {
		return nil, errors.Join(err, watchWrite.Close(), aliveRead.Close())
	}
	p.watchdog = exec.Command("/bin/sh", "-c", watch, "tandem-postgres-watchdog", strconv.Itoa(server.Process.Pid), removeDir)
	p.watchdog.Stdin = watchRead
	p.watchdog.Dir = "/"
	ownGroup(p.watchdog)
	if err := p.watchdog.Start(); err != nil {
		p.watchdog = nil
		return nil, errors.Join(fmt.Errorf("start watchdog: %w", err), p.end(kill, quitTimeout))
	}
	return p, nil
}

// gone waits at most d for the server and its backends to end, and tells whether they have.
func (p *process) gone(d time.Duration) bool {
	if err := p.alive.SetReadDeadline(time.Now().Add(d)); err != nil {
		return false
	}
	_, err := p.alive.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// end ends the server as asked, then harder when it takes longer than patience, and the watchdog. All processes are gone on return.
func (p *process) end(how signal, patience time.Duration) error {
	err := p.endServer(how, patience)
	// The watchdog first, then the server is reaped: until then its process id cannot be another's.
	if p.watchdog != nil {
		err = errors.Join(err, p.watchdog.Process.Kill())
		reap(p.watchdog)
	}
	reap(p.server)
	return errors.Join(err, p.lifeline.Close(), p.alive.Close())
}

func (p *process) endServer(how signal, patience time.Duration) error {
	if p.gone(time.Microsecond) {
		return nil
	}
	if err := how.send(p.server.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end private PostgreSQL: %w", err)
	}
	if p.gone(patience) {
		return nil
	}
	if how == interrupt { // a client that does not read can hold up a walsender, and that the shutdown
		return p.endServer(quit, quitTimeout)
	}
	if how == quit {
		return p.endServer(kill, quitTimeout)
	}
	return fmt.Errorf("private PostgreSQL, process %d: not gone %s after SIGKILL", p.server.Process.Pid, patience)
}

// reap waits for a process that has ended; how it ended is no news.
func reap(cmd *exec.Cmd) { _ = cmd.Wait() }

// command is a program of the server's binaries, to be run as its user, in its folder, with an environment that sets nothing by accident.
func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin.dir, program), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME", "TMPDIR", "SystemRoot"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	ownGroup(cmd)
	s.identity.apply(cmd)
	return cmd
}

// output runs a program to its end, or ctx's, and returns all that it said.
func output(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	stop()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return said.String(), err
}

// freePort finds a port nobody listens on, below those the system gives to outgoing connections: a client that keeps dialling a server
// that is down could otherwise be given that very port, and connect to itself.
func freePort() int {
	for range 100 {
		port := 15000 + rand.IntN(16000) // Linux gives out 32768 and up, others 49152 and up
		if portFree(port) {
			return port
		}
	}
	return 0 // postgres refuses it, and says so
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	return err == nil && l.Close() == nil
}
