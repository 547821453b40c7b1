package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// fileOffsets is an OffsetStore in a file of Kafka Connect's own format (see javamap.go), read once and replaced as a whole with
// every put: written beside it, synced, renamed over it, and the folder synced, so that a crash leaves the old file or the new one.
type fileOffsets struct {
	path string

	mu      sync.Mutex // guards entries and the file
	entries []mapEntry // sorted by key
	loaded  bool
	buf     []byte
}

func newFileOffsets(path string) *fileOffsets { return &fileOffsets{path: path} }

// offsetKey is the key of a source partition: ["connector",{partition}] without blanks, as Kafka Connect's JSON serializer
// writes it.
func offsetKey(connector string, partition []byte) []byte {
	key := appendJSONText([]byte{'['}, connector)
	key = append(key, ',')
	key = append(key, partition...)
	return append(key, ']')
}

// open reads the file. A file that is missing or empty holds no offsets.
func (f *fileOffsets) open() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.load()
}

func (f *fileOffsets) load() error {
	if f.loaded {
		return nil
	}
	raw, err := os.ReadFile(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the offsets (offset.storage.file.filename): %w", err)
	}
	if len(raw) > 0 {
		entries, err := decodeJavaMap(raw)
		if err != nil {
			return fmt.Errorf("read the offsets in %s (offset.storage.file.filename): %w; it is not an offset file of Kafka Connect or is damaged: "+
				"restore it, or move it away to start without offsets", f.path, err)
		}
		f.entries = slices.DeleteFunc(entries, func(e mapEntry) bool { return e.key == nil })
		slices.SortStableFunc(f.entries, func(a, b mapEntry) int { return bytes.Compare(a.key, b.key) })
	}
	f.loaded = true
	return nil
}

func findEntry(entries []mapEntry, key []byte) (int, bool) {
	return slices.BinarySearchFunc(entries, key, func(e mapEntry, key []byte) int { return bytes.Compare(e.key, key) })
}

// Get implements OffsetStore.
func (f *fileOffsets) Get(_ context.Context, connector string, partition []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.load(); err != nil {
		return nil, err
	}
	i, found := findEntry(f.entries, offsetKey(connector, partition))
	if !found {
		return nil, nil
	}
	return slices.Clone(f.entries[i].value), nil
}

// List implements OffsetStore.
func (f *fileOffsets) List(_ context.Context, connector string) ([]PartitionOffset, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.load(); err != nil {
		return nil, err
	}
	prefix := append(appendJSONText([]byte{'['}, connector), ',')
	var out []PartitionOffset
	for _, e := range f.entries {
		if bytes.HasPrefix(e.key, prefix) && e.value != nil {
			out = append(out, PartitionOffset{slices.Clone(e.key[len(prefix) : len(e.key)-1]), slices.Clone(e.value)})
		}
	}
	return out, nil
}

// Put implements OffsetStore. It does nothing once ctx has ended: a task that was abandoned must not move offsets under the next one.
func (f *fileOffsets) Put(ctx context.Context, connector string, offsets ...PartitionOffset) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("store the offsets of connector %s: %w", connector, err)
	}
	if err := f.load(); err != nil {
		return err
	}
	entries := slices.Clone(f.entries) // the old ones stay when the write fails
	for _, o := range offsets {
		entry := mapEntry{offsetKey(connector, o.Partition), slices.Clone(o.Offset)}
		i, found := findEntry(entries, entry.key)
		if found {
			entries[i] = entry
		} else {
			entries = slices.Insert(entries, i, entry)
		}
	}
	f.buf = appendJavaMap(f.buf[:0], entries)
	if err := replaceFile(f.path, f.buf); err != nil {
		return &storeError{fmt.Errorf("store the offsets (offset.storage.file.filename): %w", err)}
	}
	f.entries = entries
	return nil
}

// storeError says that offsets could not be stored. Waiting may help: a full disk, a network share.
type storeError struct{ err error }

func (e *storeError) Error() string   { return e.err.Error() }
func (e *storeError) Unwrap() error   { return e.err }
func (e *storeError) Retriable() bool { return true }

// replaceFile replaces path by content so that it is durable, and whole at any time.
func replaceFile(path string, content []byte) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link stays a link
	}
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temp.Name())
		}
	}()
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Chmod(offsetFileMode(path))
	}
	if err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err = os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// offsetFileMode keeps the permissions of the file that is replaced; a new one is for its owner alone.
func offsetFileMode(path string) fs.FileMode {
	if info, err := os.Stat(path); err == nil {
		return info.Mode().Perm()
	}
	return 0o600
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
