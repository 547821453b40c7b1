package envelope

import (
	"errors"
	"fmt"

	"github.com/tandem-cdc/tandem/cdc"
)

// Kinds of values that have no place in a schema; ConvertError wraps them.
var (
	errSpecialNumber = errors.New("NaN and infinity are no decimal numbers; decimal.handling.mode double or string holds them")
	errOutOfRange    = errors.New("out of the range of its schema")
	errNanoseconds   = errors.New("out of the range of nanoseconds in 64 bits")
	errNoSuchDay     = errors.New("a day before the common era that the same year of it does not have")
	errMalformed     = errors.New("not the text of this type")
	errNullElement   = errors.New("an array whose elements cannot be null holds null")
	errNotSent       = errors.New("the server did not send the unchanged value, and its type has no placeholder; REPLICA IDENTITY FULL makes it available")
	errNull          = errors.New("null in a column that cannot be null, and its type has no stand-in")
	errUnsupported   = errors.New("values of this type have no form in the stream")
)

// ConvertError says which value of which column its schema cannot hold. Never retriable: the same row comes back.
type ConvertError struct {
	Table  string // schema.table
	Column string
	Type   string // PostgreSQL's name of the type
	Kind   cdc.DatumKind
	LSN    cdc.LSN // of the change, 0 in a snapshot
	Err    error
}

var datumKinds = [...]string{"null", "unchanged value", "text", "binary"}

func (e *ConvertError) Error() string {
	at := "in the snapshot"
	if e.LSN != 0 {
		at = "at LSN " + e.LSN.String()
	}
	kind := "value"
	if int(e.Kind) < len(datumKinds) {
		kind = datumKinds[e.Kind]
	}
	return fmt.Sprintf("convert %s of column %q (%s) of table %s %s: %v", kind, e.Column, e.Type, e.Table, at, e.Err)
}

func (e *ConvertError) Unwrap() error { return e.Err }

// Retriable is false: the same row comes back.
func (e *ConvertError) Retriable() bool { return false }

// TableError says why no records can be made of a table. Never retriable: somebody has to change the table or the configuration.
type TableError struct {
	Table string
	Err   error
}

func (e *TableError) Error() string {
	return fmt.Sprintf("plan records of table %s: %v", e.Table, e.Err)
}
func (e *TableError) Unwrap() error   { return e.Err }
func (e *TableError) Retriable() bool { return false }
