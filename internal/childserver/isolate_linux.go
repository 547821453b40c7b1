package childserver

import (
	"os/exec"
	"syscall"
)

// Isolate has a command run in a process group of its own, which signals of the terminal do not reach, and end with the thread that starts it.
func Isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
