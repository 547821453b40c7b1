package cdc

import "unsafe"

// Kind says what a Change is.
type Kind uint8

// Kinds of Change. Read comes from snapshots, the others from the replication stream.
const (
	Read Kind = iota + 1
	Insert
	Update
	Delete
	Truncate
	Message // pg_logical_emit_message
	Begin
	Commit
	Announce // a Relation message: Relation describes the tuples that follow
)

var kindNames = [...]string{"?", "read", "insert", "update", "delete", "truncate", "message", "begin", "commit", "announce"}

func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		k = 0
	}
	return kindNames[k]
}

// DatumKind says how one column arrived.
type DatumKind uint8

// Kinds of Datum.
const (
	Null      DatumKind = iota
	Unchanged           // a TOASTed value the update did not touch: the server sends no bytes
	Text
	Binary
)

// Datum is one column of a tuple. Bytes belong to the Batch.
type Datum struct {
	Kind  DatumKind
	Bytes []byte
}

// Tuple holds a row's columns in the order of its Relation; nil when there is no row.
type Tuple []Datum

// OldKind tells what an old tuple holds.
type OldKind byte

// Kinds of old tuple; the letters are pgoutput's.
const (
	NoOld   OldKind = 0
	OldKey  OldKind = 'K' // only the replica identity's columns, the others are null
	OldFull OldKind = 'O' // the whole row
)

// Change is one decoded row change, or the frame around it.
//
// Invariants:
//  1. Relation is set for Read, Insert, Update, Delete, Truncate and Announce; Truncate of several tables is several Changes
//     of one LSN.
//  2. LSN of a row change is the WAL start of its message; of Commit the end of the transaction. Several changes may share one
//     LSN, and a change's LSN may equal the end of the transaction before it.
//  3. XID and CommitTime are those of the enclosing transaction; zero for a Message outside of one.
type Change struct {
	Kind     Kind
	OldKind  OldKind
	LSN      LSN
	Relation *Relation
	Old, New Tuple

	XID        uint32
	CommitTime Micros
	FinalLSN   LSN // Begin: LSN of the commit record. Commit: same as LSN, the end of the transaction

	// Origin is the replication origin of the transaction, "" when there is none; OriginLSN is the commit at that origin.
	Origin    string
	OriginLSN LSN

	// Prefix, Content and Transactional belong to Message.
	Prefix        string
	Content       []byte
	Transactional bool

	// Snapshot belongs to Read.
	Snapshot Marker
}

// Marker is where a snapshot row stands; the text is Debezium's source.snapshot.
type Marker uint8

// Markers. NotSnapshot belongs to streamed changes and prints as "false" by the schema's default.
const (
	NotSnapshot Marker = iota
	MarkTrue
	MarkFirst
	MarkFirstInTable
	MarkLastInTable
	MarkLast
	MarkIncremental
)

var markerNames = [...]string{"false", "true", "first", "first_in_data_collection", "last_in_data_collection", "last", "incremental"}

func (m Marker) String() string { return markerNames[m] }

// Batch is a run of changes with the memory they point into. Reset keeps the memory, so the steady state allocates nothing.
type Batch struct {
	Changes []Change
	// ServerLSN is the server's position behind the last change: every transaction that ended at or before it is in this batch or
	// in one before. Zero when the source of the batch has no such position (a snapshot).
	ServerLSN LSN

	// arena holds the bytes the datums point into; only Copy appends to it.
	arena  []byte
	datums []Datum
	size   int
}

// What the fixed parts weigh: Size counts memory, not only data, for a narrow row is mostly these.
const (
	changeBytes = int(unsafe.Sizeof(Change{}))
	datumBytes  = int(unsafe.Sizeof(Datum{}))
)

// keepBytes is how large a block may be and still be kept by Reset or doubled by Copy: one row of hundreds of megabytes
// must not hold its memory for ever.
const keepBytes = 8 << 20

// Reset empties the batch; everything taken from it is invalid afterwards.
func (b *Batch) Reset() {
	clear(b.Changes)
	b.Changes, b.arena, b.datums = b.Changes[:0], b.arena[:0], b.datums[:0]
	b.size, b.ServerLSN = 0, 0
	if cap(b.arena) > keepBytes {
		b.arena = nil
	}
	if cap(b.datums)*datumBytes > keepBytes {
		b.datums = nil
	}
	if cap(b.Changes)*changeBytes > keepBytes {
		b.Changes = nil
	}
}

// Size is the bytes of memory the batch's content takes: what max.queue.size.in.bytes counts.
func (b *Batch) Size() int { return b.size }

// Copy keeps p in the batch and returns the copy.
func (b *Batch) Copy(p []byte) []byte {
	if len(p) == 0 {
		return []byte{} // no bytes, but not null
	}
	b.size += len(p)
	if cap(b.arena)-len(b.arena) < len(p) {
		// What was handed out keeps pointing at the old block; it lives until the batch's users let go of it.
		b.arena = make([]byte, 0, max(64<<10, min(2*cap(b.arena), keepBytes), len(p)))
	}
	n := len(b.arena)
	b.arena = append(b.arena, p...)
	return b.arena[n:len(b.arena):len(b.arena)]
}

// Tuple returns a tuple of n columns that lives as long as the batch. It is never nil.
func (b *Batch) Tuple(n int) Tuple {
	if b.datums == nil || cap(b.datums)-len(b.datums) < n {
		b.datums = make([]Datum, 0, max(1024, min(2*cap(b.datums), keepBytes/datumBytes), n))
	}
	from := len(b.datums)
	b.datums = b.datums[:from+n]
	t := b.datums[from : from+n : from+n]
	clear(t)
	b.size += n * datumBytes
	return t
}

// Next appends an empty change and returns it; the pointer holds until the next call.
func (b *Batch) Next() *Change {
	b.size += changeBytes
	b.Changes = append(b.Changes, Change{})
	return &b.Changes[len(b.Changes)-1]
}

// Drop takes back the changes from the n-th on: a decoder that fails leaves the batch as it found it.
func (b *Batch) Drop(n int) {
	b.size -= (len(b.Changes) - n) * changeBytes
	clear(b.Changes[n:])
	b.Changes = b.Changes[:n]
}
