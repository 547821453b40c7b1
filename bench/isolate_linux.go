package main

import (
	"os/exec"
	"syscall"
)

// isolate gives the process a group, which signals of the terminal do not reach, and ends it with its starter.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
