//go:build unix && !linux

package jvmserver

import (
	"os/exec"
	"syscall"
)

// isolate gives the process a group, which signals of the terminal do not reach.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
