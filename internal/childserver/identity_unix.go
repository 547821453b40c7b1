//go:build unix

package childserver

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Signal is a way to end a server.
type Signal syscall.Signal

// Signals; what they mean is the server's to say.
const (
	Interrupt = Signal(syscall.SIGINT)
	Terminate = Signal(syscall.SIGTERM)
	Quit      = Signal(syscall.SIGQUIT)
	Kill      = Signal(syscall.SIGKILL)
)

func (s Signal) send(p *os.Process) error { return p.Signal(syscall.Signal(s)) }

// name is that of the kill command, which takes numbers as well.
func (s Signal) name() string { return strconv.Itoa(int(s)) }

// Identity is the user that a server runs as; the zero value is ourselves.
type Identity struct {
	name, server string
	uid, gid     uint32
}

// Unprivileged returns who is to run a server that refuses root: ourselves, or when we are root, the first of these users that the system has.
func Unprivileged(server string, names ...string) (Identity, error) {
	if os.Geteuid() != 0 {
		return Identity{}, nil
	}
	// Programs look the user up, so a number without a name would not do.
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr != nil || gidErr != nil || uid == 0 {
			continue
		}
		return Identity{name: name, server: server, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return Identity{}, fmt.Errorf("%s refuses to run as root and there is none of the users %s to run it as; make one with \"useradd --system %s\", or run tandem as an ordinary user",
		server, strings.Join(names, ", "), names[0])
}

// Changes tells that the server runs as another user than we do.
func (i Identity) Changes() bool { return i.name != "" }

// Apply makes cmd run as the user, in a process group of its own, so that Ctrl-C on the terminal reaches us and not it.
func (i Identity) Apply(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if i.Changes() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: i.uid, Gid: i.gid}
	}
}

// Own gives a file to the user.
func (i Identity) Own(path string) error {
	if !i.Changes() {
		return nil
	}
	if err := os.Chown(path, int(i.uid), int(i.gid)); err != nil {
		return fmt.Errorf("give %s to user %s, as whom %s runs: %w", path, i.name, i.server, err)
	}
	return nil
}

// Reaches checks that the user can come to what is in dir: every folder above it must let others through.
func (i Identity) Reaches(dir string) error {
	if !i.Changes() {
		return nil
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return fmt.Errorf("look at %s: %w", at, err)
		}
		if !i.passes(info) {
			return fmt.Errorf("user %s, as whom %s runs because it refuses root, cannot reach %s: %s has mode %s; "+
				"choose a folder elsewhere, or run tandem as an ordinary user", i.name, i.server, dir, at, info.Mode().Perm())
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// passes tells whether the user may go through a folder.
func (i Identity) passes(info os.FileInfo) bool {
	mode := info.Mode().Perm()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if st.Uid == i.uid {
			return mode&0o100 != 0
		}
		if st.Gid == i.gid {
			return mode&0o010 != 0
		}
	}
	return mode&0o001 != 0
}

// TempBase is where temporary folders are made: the system's place, unless the user cannot come there.
func (i Identity) TempBase() string {
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if i.Reaches(dir) == nil {
			return dir
		}
	}
	return os.TempDir()
}
