//go:build unix

package jvmserver

import (
	"errors"
	"os"
	"syscall"
)

func terminate(p *os.Process) error { return signal(p, syscall.SIGTERM) }
func killGroup(p *os.Process) error { return signal(p, syscall.SIGKILL) }

func suspend(p *os.Process) error { return signal(p, syscall.SIGSTOP) }
func goOn(p *os.Process) error    { return signal(p, syscall.SIGCONT) }

func signal(p *os.Process, s syscall.Signal) error {
	err := syscall.Kill(-p.Pid, s)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
