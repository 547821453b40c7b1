package snapshot

import (
	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// TableError says which table could not be read; its text is the cause's, which names the table.
type TableError struct {
	Table *cdc.Relation
	Err   error

	listed bool // the statement came from the catalog, not from the user
}

func failed(t *Table, err error) error {
	return &TableError{Table: t.Relation, Err: err, listed: t.Select == ""}
}

func (e *TableError) Error() string { return e.Err.Error() }
func (e *TableError) Unwrap() error { return e.Err }

// Retriable is also true of a table or column that is gone since the tables were listed: the next list is without it.
func (e *TableError) Retriable() bool {
	if code := pgerror.Code(e.Err); e.listed && (code == "42703" || code == "42P01") { // undefined_column, undefined_table
		return true
	}
	return pgerror.Retriable(e.Err)
}
