package history

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a position in the WAL.
type LSN uint64

// ParseLSN reads the form that PostgreSQL writes, such as 16/B374D848.
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if !ok || errHigh != nil || errLow != nil {
		return 0, fmt.Errorf("LSN %q: want two hexadecimal numbers with a slash between them", text)
	}
	return LSN(h<<32 | l), nil
}

func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) }

// Row is the columns of a row as text. Two values are none: Null, and Unknown of a value that was left out because it had not changed.
type Row map[string]string

// Values that no column has.
const (
	Null    = "\x00null"
	Unknown = "\x00unknown"
)

// Key is the columns that make a row's key, one text; empty when there are none.
func (r Row) Key(columns []string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = c + "=" + r[c]
	}
	return strings.Join(parts, " ")
}

// String shows the columns in the order of their names, long values cut.
func (r Row) String() string {
	if r == nil {
		return "none"
	}
	return r.text(short)
}

// whole is the row as text, which differs where rows differ.
func (r Row) whole() string { return r.text(strconv.Quote) }

func (r Row) text(value func(string) string) string {
	names := sorted(r)
	for i, name := range names {
		names[i] = name + "=" + value(r[name])
	}
	return "{" + strings.Join(names, " ") + "}"
}

func short(v string) string {
	switch {
	case v == Null:
		return "null"
	case v == Unknown:
		return "unknown"
	case len(v) > 40:
		return fmt.Sprintf("%.20s…(%d bytes)", v, len(v))
	}
	return v
}

// Table is what the checker has to know of a table.
type Table struct {
	Name string   // schema.table
	Key  []string // columns of the primary key; none: records have no key
	Full bool     // REPLICA IDENTITY FULL: the former row is known

	// Rewritten: sessions truncate or alter it, and PostgreSQL makes all its rows anew. Snapshots from before do not see them, so it is read as it
	// stands, and the stream brings again what happened since; and columns come and go.
	Rewritten bool

	Unread bool // no snapshot reads it: it is the table of signals
}

// Op is what a change does, and what a record says it does.
type Op string

// Operations. Tombstone is none of a change: it follows the record of a delete.
const (
	Insert    Op = "c"
	Update    Op = "u"
	Delete    Op = "d"
	Truncate  Op = "t"
	Message   Op = "m"
	Tombstone Op = "tombstone"

	SnapshotRow Op = "r" // of a record alone
)

// Messages is the table that stands for the topic of logical messages, whose rows have the columns prefix and content.
const Messages = "message"

// Change is one of the truth.
type Change struct {
	LSN    LSN
	Table  string
	Op     Op
	Before Row // as far as it was written to the WAL; nil: not at all
	After  Row
}

// Transaction is one that was committed, or with XID 0 a message that belongs to none.
type Transaction struct {
	XID     uint32
	Commit  LSN // where its COMMIT was told
	Changes []Change
}

// Record is one that was consumed.
type Record struct {
	Table     string
	Partition int32
	Offset    int64
	Op        Op
	Key       string // as Row.Key of the record's key; empty: none
	Before    Row
	After     Row

	XID             uint32
	LSN             LSN
	Order           int64 // transaction.total_order; 0: there is no such block
	CollectionOrder int64
}

func (r *Record) String() string {
	return fmt.Sprintf("%s partition %d offset %d (%s %s, transaction %d, order %d)", r.Table, r.Partition, r.Offset, r.Op, r.Key, r.XID, r.Order)
}

// Boundary is a record of the topic of transactions.
type Boundary struct {
	Offset int64
	End    bool
	XID    uint32
	Count  int64
	Tables map[string]int64
}

// Mode is what was promised.
type Mode int

// Modes.
const (
	ExactlyOnce Mode = iota
	AtLeastOnce      // after a crash records may come again from an earlier one on, and then all behind it
)

func (m Mode) String() string {
	if m == AtLeastOnce {
		return "at least once"
	}
	return "exactly once"
}

// Kind is what is wrong.
type Kind string

// Kinds.
const (
	Lost       Kind = "lost"       // committed, and no record says so
	Doubled    Kind = "doubled"    // a record came twice
	Disordered Kind = "disordered" // a record came before one that it follows
	Phantom    Kind = "phantom"    // a record of what was never committed
	Wrong      Kind = "wrong"      // a record says something else than what was committed
	Metadata   Kind = "metadata"   // so does the topic of transactions
	Diverged   Kind = "diverged"   // a table holds something else than it should
)

// Verdict is one thing that is wrong.
type Verdict struct {
	Kind   Kind
	Table  string
	Detail string
}

func (v Verdict) String() string { return fmt.Sprintf("%s: %s: %s", v.Kind, v.Table, v.Detail) }
