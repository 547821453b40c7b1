package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// Oldest and newest major versions that are looked for and fetched.
const (
	oldestVersion  = 14
	fetchedVersion = 18 // when none is asked for
)

// binaries is a folder with initdb and postgres of one version.
type binaries struct {
	dir     string
	version int
}

// globs are the places of PostgreSQL's programs: Debian, Red Hat, Homebrew on Apple silicon and on Intel, Postgres.app, from source.
var globs = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
	"/usr/local/pgsql/bin",
	"/usr/libexec/postgresql*", // Alpine
}

// locate returns the programs to use: those given, found, or fetched.
func locate(ctx context.Context, opts Options) (binaries, error) {
	if opts.BinDir != "" {
		bin, err := inspect(ctx, opts.BinDir)
		if err != nil {
			return binaries{}, err
		}
		if opts.Version != 0 && opts.Version != bin.version {
			return binaries{}, fmt.Errorf("programs in %s are of PostgreSQL %d, not %d", opts.BinDir, bin.version, opts.Version)
		}
		return bin, nil
	}
	if bin, ok := find(ctx, opts.Version); ok {
		return bin, nil
	}
	version := opts.Version
	if version == 0 {
		version = fetchedVersion
	}
	bin, err := fetch(ctx, version, opts.Progress)
	if err != nil {
		return binaries{}, fmt.Errorf("PostgreSQL %s is not on this machine and cannot be fetched: %w\n"+
			"install it, for example with \"apt-get install postgresql\" or \"brew install postgresql@%d\"", wanted(opts.Version), err, version)
	}
	return bin, nil
}

func wanted(version int) string {
	if version == 0 {
		return fmt.Sprintf("%d or newer", oldestVersion)
	}
	return strconv.Itoa(version)
}

// find looks for programs of a version, or with 0 of any we know: on the PATH first, then where systems keep them, newest first.
func find(ctx context.Context, version int) (binaries, bool) {
	var found []binaries
	for _, pattern := range globs {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			continue // a mistake in the list above, which its test would show
		}
		for _, dir := range dirs {
			if bin, err := inspect(ctx, dir); err == nil {
				found = append(found, bin)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b binaries) int { return b.version - a.version })
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			if bin, err := inspect(ctx, filepath.Dir(real)); err == nil {
				found = slices.Insert(found, 0, bin)
			}
		}
	}
	for _, bin := range found {
		if bin.version == version || (version == 0 && bin.version >= oldestVersion) {
			return bin, true
		}
	}
	return binaries{}, false
}

// versionText is what "postgres --version" says: "postgres (PostgreSQL) 18.3", or 19beta1 behind the name.
var versionText = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// inspect checks that dir holds initdb and a postgres that runs, and asks it for its version.
func inspect(ctx context.Context, dir string) (binaries, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, fmt.Errorf("no PostgreSQL in %s: %w", dir, err)
	}
	program := filepath.Join(dir, "postgres")
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("ask %s for its version: %w", program, err)
	}
	m := versionText.FindSubmatch(out)
	if m == nil {
		return binaries{}, fmt.Errorf("ask %s for its version: it says %q", program, out)
	}
	version, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return binaries{}, errors.Join(fmt.Errorf("ask %s for its version", program), err)
	}
	return binaries{dir: dir, version: version}, nil
}
