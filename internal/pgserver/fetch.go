package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	embedded "github.com/fergusstrange/embedded-postgres"

	"github.com/tandem-cdc/tandem/internal/childserver"
)

// releases are the versions that can be fetched.
var releases = map[int]embedded.PostgresVersion{
	14: embedded.V14,
	15: embedded.V15,
	16: embedded.V16,
	17: embedded.V17,
	18: embedded.V18,
}

// fetching lets one fetch at a time fill the cache, for the others to find it filled. Bound: 1, held by whoever has sent.
var fetching = make(chan struct{}, 1)

// fetch returns the programs of a version from the cache, and fills that from Maven Central first when they are not there.
func fetch(ctx context.Context, version int, progress func(string)) (binaries, error) {
	release, ok := releases[version]
	if !ok {
		return binaries{}, fmt.Errorf("no programs of PostgreSQL %d to fetch, only 14 to 18", version)
	}
	who, err := unprivileged()
	if err != nil {
		return binaries{}, err
	}
	cache, err := cacheBase(who)
	if err != nil {
		return binaries{}, err
	}
	dir := filepath.Join(cache, "postgres", string(release))
	select {
	case fetching <- struct{}{}:
		defer func() { <-fetching }()
	case <-ctx.Done():
		return binaries{}, ctx.Err()
	}
	if bin, err := inspect(ctx, filepath.Join(dir, "bin")); err == nil {
		return bin, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return binaries{}, err
	}
	if err := who.Reaches(filepath.Dir(dir)); err != nil {
		return binaries{}, err
	}
	progress(fmt.Sprintf("fetching PostgreSQL %s into %s, once", release, dir))
	done := make(chan error, 1) // sender: the goroutine below; bound: its one result, so that it ends though nobody waits
	go func() { done <- download(release, dir) }()
	select {
	case <-ctx.Done(): // the library takes no context: its download goes on until the process ends
		return binaries{}, ctx.Err()
	case err := <-done:
		if err != nil {
			return binaries{}, err
		}
	}
	return inspect(ctx, filepath.Join(dir, "bin"))
}

// download has the library fetch, check and unpack a release. It unpacks beside dir and renames, so that dir is whole or not there, also
// when several processes do this at once.
func download(release embedded.PostgresVersion, dir string) error {
	parent := filepath.Dir(dir)
	work, err := os.MkdirTemp(parent, "unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	programs := filepath.Join(work, "programs")
	// The library unpacks only in Start, which goes on to initdb and the server. This user name is one initdb refuses (names with pg_ are
	// the system's), so Start ends there, with an error also when all we want has succeeded; as root initdb refuses anyway.
	startErr := embedded.NewDatabase(embedded.DefaultConfig().
		Version(release).
		Username("pg_none").
		Port(uint32(childserver.FreePort())).
		CachePath(filepath.Join(work, "archive")).
		RuntimePath(filepath.Join(work, "run")).
		BinariesPath(programs).
		Logger(io.Discard)).Start()
	http.DefaultClient.CloseIdleConnections() // the library's
	if _, err := os.Stat(filepath.Join(programs, "bin", "postgres")); err != nil {
		return startErr
	}
	if err := openToAll(programs); err != nil {
		return err
	}
	if err := os.Rename(programs, dir); err != nil {
		if _, statErr := os.Stat(filepath.Join(dir, "bin", "postgres")); statErr == nil {
			return nil // another process was faster
		}
		return errors.Join(fmt.Errorf("put PostgreSQL into %s", dir), err)
	}
	return nil
}

// openToAll lets every user read and run what is below dir, whatever the umask was when it was made.
func openToAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if entry.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
}
