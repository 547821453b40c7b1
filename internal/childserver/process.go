package childserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// watch ends the server, and removes its folder, when whoever started it ends: its standard input is a pipe whose other end only the starter
// holds. Arguments: process id of the server, signal, folder to remove or nothing, file that is there while the server runs or nothing.
// A signal of the kernel (prctl PR_SET_PDEATHSIG) would come when the starting thread ends, not the process, and only on Linux.
const watch = `read -r _
kill -"$2" "$1" 2>/dev/null
if [ -n "$3" ]; then
	i=0
	while [ $i -lt 100 ] && { [ -z "$4" ] || [ -e "$4" ]; } && kill -0 "$1" 2>/dev/null; do i=$((i+1)); sleep 0.1; done
	rm -rf "$3"
fi`

// killTimeout is how long a process may take to be gone after SIGKILL, its children included.
const killTimeout = 10 * time.Second

// Watch says what becomes of a server whose starter ends without ending it.
type Watch struct {
	Name    string // of the server, for messages: PostgreSQL
	With    Signal // that ends it
	Remove  string // folder; "": none
	Running string // file that is there while the server runs; "": there is none
}

// Process is a running server and its watchdog. Its methods must not be called at the same time.
type Process struct {
	name             string
	server, watchdog *exec.Cmd
	lifeline         *os.File // its closing, with us if need be, wakes the watchdog
	alive            *os.File // at its end when the server and all its children are gone
}

// Spawn starts a server and its watchdog.
func Spawn(server *exec.Cmd, w Watch) (*Process, error) {
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
	p := &Process{name: w.Name, server: server, lifeline: watchWrite, alive: aliveRead}
	server.ExtraFiles = []*os.File{aliveWrite}
	if err := server.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start private %s: %w", w.Name, err), watchWrite.Close(), aliveRead.Close())
	}
	p.watchdog = exec.Command("/bin/sh", "-c", watch, "tandem-watchdog", strconv.Itoa(server.Process.Pid), w.With.name(), w.Remove, w.Running)
	p.watchdog.Stdin = watchRead
	p.watchdog.Dir = "/"
	Identity{}.Apply(p.watchdog)
	if err := p.watchdog.Start(); err != nil {
		p.watchdog = nil
		return nil, errors.Join(fmt.Errorf("start the watchdog of private %s: %w", w.Name, err), p.End(killTimeout, Kill))
	}
	return p, nil
}

// Gone waits at most d for the server and its children to end, and tells whether they have.
func (p *Process) Gone(d time.Duration) bool {
	if err := p.alive.SetReadDeadline(time.Now().Add(d)); err != nil {
		return false
	}
	_, err := p.alive.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// End ends the server with the first signal, and with the next one when that takes longer than patience, with Kill at last; and the watchdog. All
// processes are gone on return.
func (p *Process) End(patience time.Duration, signals ...Signal) error {
	err := p.endServer(patience, signals)
	// The watchdog first, then the server is reaped: until then its process id cannot be another's.
	if p.watchdog != nil {
		err = errors.Join(err, p.watchdog.Process.Kill())
		reap(p.watchdog)
	}
	reap(p.server)
	return errors.Join(err, p.lifeline.Close(), p.alive.Close())
}

func (p *Process) endServer(patience time.Duration, signals []Signal) error {
	for _, s := range append(signals, Kill) {
		if p.Gone(time.Microsecond) {
			return nil
		}
		if s == Kill {
			patience = killTimeout
		}
		if err := s.send(p.server.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("end private %s: %w", p.name, err)
		}
		if p.Gone(patience) {
			return nil
		}
	}
	return fmt.Errorf("private %s, process %d: not gone %s after SIGKILL", p.name, p.server.Process.Pid, killTimeout)
}

// reap waits for a process that has ended; how it ended is no news.
func reap(cmd *exec.Cmd) { _ = cmd.Wait() }

// FreePort finds a port nobody listens on, below those the system gives to outgoing connections: a client that keeps dialling a server
// that is down could otherwise be given that very port, and connect to itself. 0 if there is none, which servers refuse.
func FreePort() int {
	for range 100 {
		port := 15000 + rand.IntN(16000) // Linux gives out 32768 and up, others 49152 and up
		if PortFree(port) {
			return port
		}
	}
	return 0
}

// PortFree tells whether nobody listens on a port now.
func PortFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	return err == nil && l.Close() == nil
}
