package sqldb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

func (s *sqSession) introduce(ctx context.Context, v *Survey) (tableName, error) {
	rows, err := s.query(ctx, "SELECT sqlite_version()")
	if err != nil {
		return tableName{}, err
	}
	v.Server, v.Database = "SQLite "+string(rows[0][0]), s.store.target.Path
	return s.store.positions, nil
}

// lacks asks the file system: a file has no privileges of its own.
func (s *sqSession) lacks(context.Context, *Survey, *table, []string) ([]string, error) {
	return s.unwritable(), nil
}

func (s *sqSession) obstacles(context.Context, *Survey, tableName) ([]string, error) {
	return s.unwritable(), nil
}

// unwritable is told once, of the first table.
func (s *sqSession) unwritable() []string {
	if s.asked {
		return nil
	}
	s.asked = true
	path := s.store.target.Path
	if _, err := os.Stat(path); err != nil {
		path = filepath.Dir(path)
	}
	if err := writable(path); err != nil {
		return []string{fmt.Sprintf("%s cannot be written to: %v", path, err)}
	}
	return nil
}

// writable tells whether a file can be opened for writing; of a folder it only looks at the permissions.
func writable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		if info.Mode().Perm()&0o222 == 0 {
			return os.ErrPermission
		}
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return f.Close()
}
