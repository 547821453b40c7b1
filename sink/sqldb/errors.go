package sqldb

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// RowError says that one record cannot be applied, whatever is tried again. Its neighbours can.
type RowError struct {
	Topic     string
	Partition int32
	Offset    int64
	Table     string // "" when the record has none
	Column    string // "" when no single one is at fault
	Value     string // shortened
	Err       error
}

func (e *RowError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "record %s-%d@%d", e.Topic, e.Partition, e.Offset)
	if e.Table != "" {
		fmt.Fprintf(&b, ", table %q", e.Table)
	}
	if e.Column != "" {
		fmt.Fprintf(&b, ", column %q, value %s", e.Column, e.Value)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns the cause: a server's error or the reason why the value does not fit.
func (e *RowError) Unwrap() error { return e.Err }

// Retriable is false: the same record comes back.
func (e *RowError) Retriable() bool { return false }

// Record tells which record is at fault, to whoever takes it out of the batch.
func (e *RowError) Record() (topic string, partition int32, offset int64) {
	return e.Topic, e.Partition, e.Offset
}

// hide takes out of the error what was in the record: the value, and the server's text, which quotes values.
func (e *RowError) hide() {
	if e.Value != "" {
		e.Value = "[hidden]"
	}
	var coded interface{ SQLState() string }
	if errors.As(e.Err, &coded) {
		e.Err = fmt.Errorf("the database refuses the row (SQLSTATE %s)", coded.SQLState())
	} else if refused := (*refusedError)(nil); errors.As(e.Err, &refused) {
		e.Err = errors.New("the database refuses the row")
	}
}

// RowErrors are all records of one call of Put that cannot be applied; errors.As finds the first. The partitions they are in are
// as they were before.
type RowErrors []*RowError

func (e RowErrors) Error() string {
	if len(e) == 1 {
		return e[0].Error()
	}
	return fmt.Sprintf("%d records cannot be applied, the first: %v", len(e), e[0])
}

// Unwrap returns the errors of the single records.
func (e RowErrors) Unwrap() []error {
	out := make([]error, len(e))
	for i := range e {
		out[i] = e[i]
	}
	return out
}

// Retriable is false.
func (e RowErrors) Retriable() bool { return false }

// FencedError says that somebody else has moved a partition's position: this task is not its owner any more.
type FencedError struct {
	Topic     string
	Partition int32
	Expected  int64 // where this task stood
	Found     int64 // what is stored; -1 when there is nothing
	Removed   bool  // the row is gone
	Table     string
}

func (e *FencedError) Error() string {
	found := fmt.Sprintf("another task has taken the partition over and stands at offset %d", e.Found)
	if e.Removed {
		found = "its position was removed"
	}
	return fmt.Sprintf("partition %s-%d: this task stood at offset %d, but in table %q %s; nothing of this batch was applied. "+
		"If two connectors of the same name write to this database, rename or stop one; else restart the task", e.Topic, e.Partition, e.Expected, e.Table, found)
}

// Retriable is false: the partition is somebody else's.
func (e *FencedError) Retriable() bool { return false }

// PositionError says that a stored position does not fit the topic, so that going on would skip or repeat records.
type PositionError struct {
	Topic     string
	Partition int32
	Problem   string // whole clause
	Remedy    string // SQL and what it means
}

func (e *PositionError) Error() string {
	return fmt.Sprintf("partition %s-%d: %s; %s", e.Topic, e.Partition, e.Problem, e.Remedy)
}

// Retriable is false: somebody has to decide.
func (e *PositionError) Retriable() bool { return false }

// SetupError says that the target or the configuration has to be changed: which option, which object, and how.
type SetupError struct {
	Option string // "" when no option is concerned
	Object string // such as `table "public.orders"`
	Remedy string
	Err    error
}

func (e *SetupError) Error() string {
	var b strings.Builder
	if e.Object != "" {
		b.WriteString(e.Object)
		b.WriteString(": ")
	}
	b.WriteString(e.Err.Error())
	if e.Remedy != "" {
		b.WriteString("; ")
		b.WriteString(e.Remedy)
	}
	if e.Option != "" {
		b.WriteString(" (option ")
		b.WriteString(e.Option)
		b.WriteString(")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *SetupError) Unwrap() error { return e.Err }

// Retriable is false.
func (e *SetupError) Retriable() bool { return false }

// UnavailableError says that the database cannot be reached or cannot serve now. No record is at fault.
type UnavailableError struct {
	Target string // host:port/database
	Err    error
}

func (e *UnavailableError) Error() string { return fmt.Sprintf("database %s: %v", e.Target, e.Err) }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Retriable is true: waiting helps.
func (e *UnavailableError) Retriable() bool { return true }

// valueError says that a value cannot be written as its column wants it, before the database was asked.
type valueError struct {
	column, value string
	err           error
}

func (e *valueError) Error() string {
	return fmt.Sprintf("column %q, value %s: %v", e.column, e.value, e.err)
}
func (e *valueError) Unwrap() error   { return e.err }
func (e *valueError) Retriable() bool { return false }

func asValueError(err error) (*valueError, bool) {
	var v *valueError
	ok := errors.As(err, &v)
	return v, ok
}

// unfitError: the columns that records of a target need cannot be made. The records are at fault, all of them.
type unfitError struct {
	target *target
	err    error
}

func (e *unfitError) Error() string   { return e.err.Error() }
func (e *unfitError) Unwrap() error   { return e.err }
func (e *unfitError) Retriable() bool { return false }

// refusedError is a statement that the database refuses for the data in it.
type refusedError struct {
	err       error
	reference bool // for a foreign key
}

func (e *refusedError) Error() string   { return e.err.Error() }
func (e *refusedError) Unwrap() error   { return e.err }
func (e *refusedError) Retriable() bool { return false }

// staleError is a statement that does not fit the table any more: it was altered.
type staleError struct{ err error }

func (e *staleError) Error() string   { return e.err.Error() }
func (e *staleError) Unwrap() error   { return e.err }
func (e *staleError) Retriable() bool { return false }

// movedError: the position was not where the batch starts.
type movedError struct{}

func (e *movedError) Error() string   { return "the stored position is not where the batch starts" }
func (e *movedError) Retriable() bool { return false }

// isRowFault tells whether single rows may be at fault.
func isRowFault(err error) bool {
	var r *refusedError
	if _, ok := asValueError(err); ok {
		return true
	}
	return errors.As(err, &r)
}

// isReferenceFault tells whether the database refuses rows for a foreign key.
func isReferenceFault(err error) bool {
	var r *refusedError
	return errors.As(err, &r) && r.reference
}

// isRetriable tells whether the same may succeed later.
func isRetriable(err error) bool {
	var told interface{ Retriable() bool }
	return errors.As(err, &told) && told.Retriable()
}

// shorten makes a value short enough for an error message.
func shorten(text string) string {
	const most = 64
	if len(text) <= most {
		return quoteValue(text)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes)", quoteValue(text[:cut]), len(text))
}

func quoteValue(text string) string { return fmt.Sprintf("%q", text) }
