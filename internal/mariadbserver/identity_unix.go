//go:build unix

package mariadbserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// terminate asks the server to shut down in order, kill ends it as a crash does.
const (
	terminate = syscall.SIGTERM
	kill      = syscall.SIGKILL
)

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
	for _, name := range []string{"mysql", "nobody", "daemon"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return identity{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
		}
	}
	return identity{}, errors.New("MariaDB refuses to run as root and there is no user mysql or nobody to run it as; make one with \"useradd --system mysql\"")
}

// apply makes cmd run as the user, in a process group that signals of the terminal do not reach.
func (i identity) apply(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if i.name != "" {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: i.uid, Gid: i.gid}
	}
}

// own gives a file to the user.
func (i identity) own(path string) error {
	if i.name == "" {
		return nil
	}
	if err := os.Chown(path, int(i.uid), int(i.gid)); err != nil {
		return fmt.Errorf("give %s to user %s, as whom MariaDB runs: %w", path, i.name, err)
	}
	return nil
}
