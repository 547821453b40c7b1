//go:build unix

package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// signal is a way to end a server.
type signal syscall.Signal

// What the postmaster makes of them: PostgreSQL manual, "Shutting Down the Server".
const (
	interrupt = signal(syscall.SIGINT)  // fast shutdown
	quit      = signal(syscall.SIGQUIT) // immediate shutdown, recovery at the next start
	kill      = signal(syscall.SIGKILL) // none: backends see it and end
)

func (s signal) send(p *os.Process) error { return p.Signal(syscall.Signal(s)) }

// identity is the user that the programs run as; the zero value is ourselves.
type identity struct {
	name     string
	uid, gid uint32
}

// unprivileged returns who is to run the programs: ourselves, or when we are root, which they refuse, one of the users that systems have.
func unprivileged() (identity, error) {
	if os.Geteuid() != 0 {
		return identity{}, nil
	}
	// initdb looks the user up, so a number without a name would not do.
	for _, name := range []string{"postgres", "_postgres", "nobody", "daemon"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr != nil || gidErr != nil || uid == 0 {
			continue
		}
		return identity{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return identity{}, errors.New("PostgreSQL refuses to run as root and there is no user postgres or nobody to run it as; " +
		"make one with \"useradd --system postgres\", or run tandem as an ordinary user")
}

// changes tells that the programs run as another user than we do.
func (i identity) changes() bool { return i.name != "" }

// apply makes cmd run as the user.
func (i identity) apply(cmd *exec.Cmd) {
	if i.changes() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: i.uid, Gid: i.gid}
	}
}

// own gives a file to the user.
func (i identity) own(path string) error {
	if !i.changes() {
		return nil
	}
	if err := os.Chown(path, int(i.uid), int(i.gid)); err != nil {
		return fmt.Errorf("give %s to user %s, as whom PostgreSQL runs: %w", path, i.name, err)
	}
	return nil
}

// reaches checks that the user can come to what is in dir: every folder above it must let others through.
func (i identity) reaches(dir string) error {
	if !i.changes() {
		return nil
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return fmt.Errorf("look at %s: %w", at, err)
		}
		if !i.passes(info) {
			return fmt.Errorf("user %s, as whom PostgreSQL runs because it refuses root, cannot reach %s: %s has mode %s; "+
				"choose a folder elsewhere, or run tandem as an ordinary user", i.name, dir, at, info.Mode().Perm())
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// passes tells whether the user may go through a folder.
func (i identity) passes(info os.FileInfo) bool {
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

// tempBase is where temporary folders are made: the system's place, unless the user cannot come there.
func (i identity) tempBase() string {
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if i.reaches(dir) == nil {
			return dir
		}
	}
	return os.TempDir()
}

// cacheBase is where fetched programs are kept: the user's cache, or the system's when the programs' user cannot come there.
func (i identity) cacheBase() (string, error) {
	if !i.changes() {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a folder for fetched PostgreSQL programs: %w", err)
		}
		return filepath.Join(dir, "tandem"), nil
	}
	return "/var/cache/tandem", nil
}

// ownGroup puts cmd in a process group of its own, so that Ctrl-C on the terminal reaches us and not it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
