package history

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// Recording is a history that was well: what was committed and what a reader of committed records had.
type Recording struct {
	Tables     []Table
	Truth      []Transaction
	Records    []Record
	Boundaries []Boundary
}

// Write writes a recording to a file.
func Write(path string, r Recording) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z := gzip.NewWriter(f)
	if err := json.NewEncoder(z).Encode(r); err != nil {
		return fmt.Errorf("write recording %s: %w", path, err)
	}
	return z.Close()
}

// Read reads a recording from a file.
func Read(path string) (r Recording, err error) {
	f, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return r, fmt.Errorf("read recording %s: %w", path, err)
	}
	if err := json.NewDecoder(z).Decode(&r); err != nil {
		return r, fmt.Errorf("read recording %s: %w", path, err)
	}
	return r, nil
}
