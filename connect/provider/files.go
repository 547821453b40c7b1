package provider

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// pathConfig is the parameters of providers that read files.
type pathConfig struct {
	allowed string
}

func (c *pathConfig) keys() config.Keys {
	return config.Keys{
		config.String(&c.allowed, "allowed.paths", "Folders and files that may be read, absolute, separated by commas; none: all.", config.Null()),
	}
}

// paths are those that may be read; nil: all.
type paths []string

func parsePaths(params map[string]string) (paths, config.Report) {
	var c pathConfig
	r := c.keys().Parse(params)
	if c.allowed == "" {
		return nil, r
	}
	allowed := make(paths, 0, 1)
	for path := range strings.SplitSeq(c.allowed, ",") {
		path = filepath.Clean(path)
		if !filepath.IsAbs(path) {
			r.Fail("allowed.paths", "Path %s is not absolute", path)
		} else if _, err := os.Stat(path); err != nil {
			r.Fail("allowed.paths", "Path %s does not exist", path)
		}
		allowed = append(allowed, path)
	}
	return allowed, r
}

// allow cleans a path that a configuration names; false when it may not be read.
func (p paths) allow(path string) (string, bool) {
	if p == nil {
		return path, true
	}
	path = filepath.Clean(path)
	for _, folder := range p {
		if rest, ok := strings.CutPrefix(path, folder); ok && (rest == "" || rest[0] == filepath.Separator || folder == string(filepath.Separator)) {
			return path, true
		}
	}
	return "", false
}

// file is FileConfigProvider: path is a Java properties file.
type file struct{ paths }

func newFile(params map[string]string, _ Lookup) (provider, config.Report) {
	p, r := parsePaths(params)
	return file{p}, r
}

func (f file) get(path string, keys []string, log *slog.Logger) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	path, ok := f.allow(path)
	if !ok {
		log.Warn("a config variable names a path that allowed.paths does not have, it is not resolved")
		return nil, nil
	}
	text, err := os.ReadFile(path)
	var props map[string]string
	if err == nil {
		props, err = config.ParseProperties(string(text))
	}
	if err != nil {
		log.Error("cannot read the properties of a config variable", "path", path, "error", reason(err))
		return nil, &Error{"Could not read properties from file " + path, err}
	}
	values := make(map[string]string, len(keys))
	for _, key := range keys {
		if value, has := props[key]; has {
			values[key] = value
		}
	}
	return values, nil
}

// reason is what may be told of an error: the parser's would quote the file, which may hold secrets.
func reason(err error) string {
	if os.IsNotExist(err) || os.IsPermission(err) {
		return err.Error()
	}
	return fmt.Sprintf("%T", err)
}

// directory is DirectoryConfigProvider: path is a folder, and a key a file in it, whose whole text is the value.
type directory struct{ paths }

func newDirectory(params map[string]string, _ Lookup) (provider, config.Report) {
	p, r := parsePaths(params)
	return directory{p}, r
}

func (d directory) get(path string, keys []string, log *slog.Logger) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	path, ok := d.allow(path)
	if !ok {
		log.Warn("a config variable names a path that allowed.paths does not have, it is not resolved")
		return nil, nil
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		log.Warn("a config variable names a path that is not a directory, it is not resolved", "path", path)
		return nil, nil
	}
	values := make(map[string]string, len(keys))
	for _, key := range keys {
		if key == "" || key == "." || key == ".." || filepath.Base(key) != key {
			continue // no name of a file
		}
		name := filepath.Join(path, key)
		info, err := os.Stat(name)
		if os.IsNotExist(err) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			log.Error("cannot read the file of a config variable", "path", name, "error", err)
			return nil, &Error{fmt.Sprintf("Could not read file %s for property %s", name, key), err}
		}
		values[key] = string(text)
	}
	return values, nil
}
