package snapshot

import "github.com/tandem-cdc/tandem/cdc"

// TableError says which table could not be read; its text is the cause's, which names the table.
type TableError struct {
	Table *cdc.Relation
	Err   error
}

func (e *TableError) Error() string { return e.Err.Error() }
func (e *TableError) Unwrap() error { return e.Err }
