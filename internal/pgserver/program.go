package pgserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tandem-cdc/tandem/internal/childserver"
)

// unprivileged is who is to run the programs, which refuse root.
func unprivileged() (childserver.Identity, error) {
	return childserver.Unprivileged("PostgreSQL", "postgres", "_postgres", "nobody", "daemon")
}

// cacheBase is where fetched programs are kept: the user's cache, or the system's when the programs' user cannot come there.
func cacheBase(who childserver.Identity) (string, error) {
	if who.Changes() {
		return "/var/cache/tandem", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for fetched PostgreSQL programs: %w", err)
	}
	return filepath.Join(dir, "tandem"), nil
}

// command is a program of the server's binaries, to be run as its user, in its folder, with an environment that sets nothing by accident.
func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin.dir, program), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME", "TMPDIR", "SystemRoot"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	s.identity.Apply(cmd)
	return cmd
}

// output runs a program to its end, or ctx's, and returns all that it said.
func output(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	stop()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return said.String(), err
}
