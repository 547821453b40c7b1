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

	"github.com/tandem-cdc/tandem/internal/java"
)

// fileOffsets is an OffsetStore in a file of Kafka Connect's own format (java.AppendMap), read once and replaced as a whole with
// every put: written beside it, synced, renamed over it, and the folder synced, so that a crash leaves the old file or the new one.
type fileOffsets struct {
	path string

	mu      sync.Mutex   // guards entries and the file
	entries []java.Entry // sorted by key
	loaded  bool
	buf     []byte
}

func newFileOffsets(path string) *fileOffsets { return &fileOffsets{path: path} }

// OffsetKey is the key of a source partition: ["connector",{partition}] without blanks, as Kafka Connect's JSON serializer
// writes it.
func OffsetKey(connector string, partition []byte) []byte {
	return append(append(offsetKeyPrefix(connector), partition...), ']')
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
		entries, err := java.DecodeMap(raw)
		if err != nil {
			return fmt.Errorf("read the offsets in %s (offset.storage.file.filename): %w; it is not an offset file of Kafka Connect or is damaged: "+
				"restore it, or move it away to start without offsets", f.path, err)
		}
		f.entries = slices.DeleteFunc(entries, func(e java.Entry) bool { return e.Key == nil })
		slices.SortStableFunc(f.entries, func(a, b java.Entry) int { return bytes.Compare(a.Key, b.Key) })
	}
	f.loaded = true
	return nil
}

func findEntry(entries []java.Entry, key []byte) (int, bool) {
	return slices.BinarySearchFunc(entries, key, func(e java.Entry, key []byte) int { return bytes.Compare(e.Key, key) })
}

// Get implements OffsetStore.
func (f *fileOffsets) Get(_ context.Context, connector string, partition []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.load(); err != nil {
		return nil, err
	}
	i, found := findEntry(f.entries, OffsetKey(connector, partition))
	if !found {
		return nil, nil
	}
	return slices.Clone(f.entries[i].Value), nil
}

// List implements OffsetStore.
func (f *fileOffsets) List(_ context.Context, connector string) ([]PartitionOffset, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.load(); err != nil {
		return nil, err
	}
	prefix := append(AppendJSONText([]byte{'['}, connector), ',')
	var out []PartitionOffset
	for _, e := range f.entries {
		if bytes.HasPrefix(e.Key, prefix) && e.Value != nil {
			out = append(out, PartitionOffset{slices.Clone(e.Key[len(prefix) : len(e.Key)-1]), slices.Clone(e.Value)})
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
		entry := java.Entry{Key: OffsetKey(connector, o.Partition), Value: slices.Clone(o.Offset)}
		i, found := findEntry(entries, entry.Key)
		if found {
			entries[i] = entry
		} else {
			entries = slices.Insert(entries, i, entry)
		}
	}
	f.buf = java.AppendMap(f.buf[:0], entries)
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
