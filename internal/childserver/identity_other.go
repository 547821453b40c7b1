//go:build !unix

package childserver

import (
	"fmt"
	"os"
	"os/exec"
)

// Signal is a way to end a server.
type Signal int

// Signals, of which only Kill is had here.
const (
	Interrupt Signal = iota
	Terminate
	Quit
	Kill
)

func (Signal) send(p *os.Process) error { return p.Kill() }
func (Signal) name() string             { return "KILL" }

// Identity is the user that a server runs as.
type Identity struct{}

// Unprivileged fails.
func Unprivileged(server string, _ ...string) (Identity, error) {
	return Identity{}, fmt.Errorf("a private %s needs Unix: run tandem in WSL or in a container", server)
}

// Changes tells that the server runs as another user than we do.
func (Identity) Changes() bool { return false }

// Apply does nothing.
func (Identity) Apply(*exec.Cmd) {}

// Own does nothing.
func (Identity) Own(string) error { return nil }

// Reaches does nothing.
func (Identity) Reaches(string) error { return nil }

// TempBase is the system's place for temporary folders.
func (Identity) TempBase() string { return os.TempDir() }
