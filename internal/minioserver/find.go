package minioserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// module is the program's, at the version that the tests are written against.
const module = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"

// Find returns the path of the program. It builds it when it is nowhere.
func Find(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("minio"); err == nil {
		return path, nil
	}
	for _, dir := range installed(ctx) {
		if path, err := exec.LookPath(filepath.Join(dir, "minio")); err == nil {
			return path, nil
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "tandem", strings.ReplaceAll(module, "/", "_"))
	path := filepath.Join(dir, "minio")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, build(ctx, dir)
}

// installed are the folders into which go install puts programs.
func installed(ctx context.Context) []string {
	out, err := exec.CommandContext(ctx, "go", "env", "GOBIN", "GOPATH").Output()
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	dirs := lines[:1]
	for _, path := range filepath.SplitList(strings.Join(lines[1:], "")) {
		dirs = append(dirs, filepath.Join(path, "bin"))
	}
	return dirs
}

// build installs the program into dir, by way of a folder beside it, so that it is there whole or not at all.
func build(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	cmd := exec.CommandContext(ctx, "go", "install", module)
	cmd.Dir = work // outside of any module: its own go.mod rules
	cmd.Env = append(os.Environ(), "GOBIN="+work, "GOFLAGS=", "CGO_ENABLED=0")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("minio is not on this machine and cannot be built: %w\n%s\nrun: go install %s", err, &said, module)
	}
	return errors.Join(os.Chmod(filepath.Join(work, "minio"), 0o755), os.Rename(filepath.Join(work, "minio"), filepath.Join(dir, "minio")))
}
