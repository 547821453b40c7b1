package mariadbserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// watch ends the server and removes its folder when whoever started it ends: its standard input is a pipe whose other end only the
// starter holds. Arguments: process id of the server, folder.
const watch = `read -r _
kill -KILL "$1" 2>/dev/null
i=0
while [ $i -lt 100 ] && kill -0 "$1" 2>/dev/null; do i=$((i+1)); sleep 0.1; done
rm -rf "$2"`

// process is a running server and its watchdog.
type process struct {
	server, watchdog *exec.Cmd
	lifeline         *os.File // its closing, with us if need be, wakes the watchdog
	alive            *os.File // at its end when the server is gone
}

// spawn starts a server and its watchdog.
func spawn(server *exec.Cmd, dir string) (*process, error) {
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
	p.watchdog = exec.Command("/bin/sh", "-c", watch, "tandem-mariadb-watchdog", strconv.Itoa(server.Process.Pid), dir)
	p.watchdog.Stdin = watchRead
	p.watchdog.Dir = "/"
	identity{}.apply(p.watchdog)
	if err := p.watchdog.Start(); err != nil {
		p.watchdog = nil
		return nil, errors.Join(fmt.Errorf("start watchdog: %w", err), p.end(kill))
	}
	return p, nil
}

// gone waits at most d for the server to end, and tells whether it has.
func (p *process) gone(d time.Duration) bool {
	if err := p.alive.SetReadDeadline(time.Now().Add(d)); err != nil {
		return false
	}
	_, err := p.alive.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// end ends the server as asked, at once when that takes too long, and the watchdog. All processes are gone on return.
func (p *process) end(how os.Signal) error {
	var err error
	if !p.gone(time.Microsecond) {
		err = p.server.Process.Signal(how)
		if errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
		if !p.gone(stopTimeout) {
			err = errors.Join(err, p.server.Process.Kill())
		}
	}
	if p.watchdog != nil { // first: until the server is reaped its process id cannot be another's
		err = errors.Join(err, p.watchdog.Process.Kill())
		_ = p.watchdog.Wait() // how it ended is no news
	}
	_ = p.server.Wait()
	return errors.Join(err, p.lifeline.Close(), p.alive.Close())
}
