package pgoutput

import (
	"errors"
	"fmt"

	"github.com/tandem-cdc/tandem/cdc"
)

// What is wrong with a message, besides lengths.
var (
	// ErrUnknownTag: no message of the protocol begins with this byte.
	ErrUnknownTag = errors.New("unknown message tag")
	// ErrNotRequested: the message belongs to a protocol version or option that was not asked for.
	ErrNotRequested = errors.New("message was not requested")
	// ErrUnknownRelation: a change names a relation that was not announced on this connection.
	ErrUnknownRelation = errors.New("relation was not announced")
	// ErrTruncated: the message ends before its last field.
	ErrTruncated = errors.New("message ends early")
	// ErrTrailingBytes: the message goes on behind its last field.
	ErrTrailingBytes = errors.New("bytes behind the last field")
	// ErrOutOfOrder: the message may not stand here, such as a row outside of a transaction.
	ErrOutOfOrder = errors.New("message out of order")
)

// DecodeError locates bad input. Never retriable: the same bytes come back.
type DecodeError struct {
	LSN   cdc.LSN // WAL start of the message; where the server sends none, the last one it sent
	Tag   byte    // 'I' insert, 'U' update, …; 0 of an empty message
	Table string  // schema.table, "" when it is not known
	Err   error
}

func (e *DecodeError) Error() string {
	table := ""
	if e.Table != "" {
		table = " of table " + e.Table
	}
	return fmt.Sprintf("decode pgoutput message %q%s at %s: %v", e.Tag, table, e.LSN, e.Err)
}

// Unwrap returns what is wrong.
func (e *DecodeError) Unwrap() error { return e.Err }

// Retriable is false.
func (e *DecodeError) Retriable() bool { return false }
