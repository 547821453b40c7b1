package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/golden/replay"
)

// kept is the folder of the recordings.
const kept = "testdata/golden"

var createExtension = regexp.MustCompile(`(?i)\bcreate\s+extension\s+(?:if\s+not\s+exists\s+)?"?(\w+)`)

// again records the cases that match one of the patterns and compares them with those that are kept. What is recorded for the first time is
// put beside its case.
func (r *recorder) again(ctx context.Context, patterns string) (differences int, err error) {
	names, err := matching(patterns)
	if err != nil {
		return 0, err
	}
	fresh := filepath.Join(r.dir, "golden")
	byVersion := map[int][]string{}
	for _, name := range names {
		if err := copyFiles(filepath.Join(kept, name), filepath.Join(fresh, name), inputs...); err != nil {
			return 0, err
		}
		version, why, err := r.needs(ctx, fresh, name)
		if err != nil {
			return 0, err
		}
		if why != "" {
			fmt.Printf("%s: left out: %s\n", name, why)
			continue
		}
		byVersion[version] = append(byVersion[version], name)
	}
	recorded := 0
	for version, names := range byVersion {
		s, err := r.server(ctx, version)
		if err != nil {
			return differences, err
		}
		var folders []string
		for _, name := range names {
			folders = append(folders, filepath.Join(fresh, name))
		}
		if err := r.record(ctx, s, os.Stdout, folders...); err != nil {
			return differences, err
		}
		for _, name := range names {
			found, err := compare(fresh, name)
			if err != nil {
				return differences, err
			}
			if recorded++; len(found) > 0 {
				differences++
				fmt.Printf("%s differs from the one kept:\n\t%s\n", name, strings.Join(found, "\n\t"))
			}
		}
	}
	fmt.Printf("%d cases of %s recorded: %d equal, %d differ\n", recorded, kept, recorded-differences, differences)
	return differences, nil
}

// compare says where a new recording differs from the one that is kept.
func compare(fresh, name string) ([]string, error) {
	now, err := replay.Load(fresh, name)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(kept, name, "expected.jsonl")); errors.Is(err, os.ErrNotExist) {
		fmt.Printf("%s: recorded for the first time\n", name)
		return nil, os.CopyFS(filepath.Join(kept, name), onlyOutputs{os.DirFS(filepath.Join(fresh, name))})
	}
	before, err := replay.Load(kept, name)
	if err != nil {
		return nil, err
	}
	return before.Compare(&now.Want), nil
}

// matching lists the kept cases that match one of several patterns of path.Match.
func matching(patterns string) ([]string, error) {
	all, err := replay.Names(kept)
	if err != nil {
		return nil, err
	}
	var names []string
	for pattern := range strings.SplitSeq(patterns, ",") {
		found := false
		for _, name := range all {
			ok, err := path.Match(strings.TrimSpace(pattern), name)
			if err != nil {
				return nil, fmt.Errorf("pattern %q: %w", pattern, err)
			}
			found = found || ok
			if ok && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if !found {
			return nil, fmt.Errorf("pattern %q: no case of %s matches", pattern, kept)
		}
	}
	return names, nil
}

// inputs are the files of a case that are not output.
var inputs = []string{"connector.properties", "setup.sql", "changes.sql"}

// needs reads which version of PostgreSQL a case is recorded with, and why it cannot be recorded here, "" when it can.
func (r *recorder) needs(ctx context.Context, dir, name string) (version int, why string, err error) {
	properties, err := os.ReadFile(filepath.Join(dir, name, inputs[0]))
	if err != nil {
		return 0, "", err
	}
	props, err := config.ParseProperties(string(properties))
	if err != nil {
		return 0, "", fmt.Errorf("case %s: %w", name, err)
	}
	version = recordedWith
	if least, err := strconv.Atoi(props["oracle.pg.min"]); err == nil {
		version = max(version, least)
	}
	if strings.Contains(props["signal.enabled.channels"], "kafka") && r.kafka == "" {
		return 0, "it needs a broker: -kafka host:port", nil
	}
	setup, err := os.ReadFile(filepath.Join(dir, name, inputs[1]))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, "", err
	}
	for _, m := range createExtension.FindAllStringSubmatch(string(setup), -1) {
		ok, err := r.extension(ctx, version, strings.ToLower(m[1]))
		if err != nil {
			return 0, "", err
		}
		if !ok {
			return 0, "the server has no extension " + m[1], nil
		}
	}
	return version, "", nil
}

// extension tells whether a server has an extension.
func (r *recorder) extension(ctx context.Context, version int, name string) (bool, error) {
	s, err := r.server(ctx, version)
	if err != nil {
		return false, err
	}
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx)
	var there bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = $1)", name).Scan(&there); err != nil {
		return false, fmt.Errorf("look up extension %s: %w", name, err)
	}
	return there, nil
}

// copyFiles copies those of the files that are there.
func copyFiles(from, to string, names ...string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// onlyOutputs hides the inputs of a case, which are where the outputs go already.
type onlyOutputs struct{ fs.FS }

func (f onlyOutputs) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return slices.Contains(inputs, e.Name()) }), err
}
