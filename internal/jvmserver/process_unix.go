//go:build unix

package jvmserver

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

func terminate(cmd *exec.Cmd) error { return signal(cmd, syscall.SIGTERM) }
func killGroup(cmd *exec.Cmd) error { return signal(cmd, syscall.SIGKILL) }

func suspend(cmd *exec.Cmd) error { return signal(cmd, syscall.SIGSTOP) }
func goOn(cmd *exec.Cmd) error    { return signal(cmd, syscall.SIGCONT) }

func signal(cmd *exec.Cmd, s syscall.Signal) error {
	err := syscall.Kill(-cmd.Process.Pid, s)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
