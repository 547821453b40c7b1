package main

import (
	"os/exec"
	"syscall"
)

// isolate has a process end with the one that started it, and keeps the terminal's signals away from it.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
