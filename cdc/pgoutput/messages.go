package pgoutput

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/tandem-cdc/tandem/cdc"
)

// Tags of the messages of protocol version 1.
const (
	tagBegin    = 'B'
	tagCommit   = 'C'
	tagOrigin   = 'O'
	tagRelation = 'R'
	tagType     = 'Y'
	tagInsert   = 'I'
	tagUpdate   = 'U'
	tagDelete   = 'D'
	tagTruncate = 'T'
	tagMessage  = 'M'

	tagStreamAbort = 'A' // version 2; see Decoder.streamAbort
)

// laterTags are the messages of later protocol versions, which are refused.
var laterTags = map[byte]string{
	'S': "stream start, protocol version 2",
	'E': "stream stop, protocol version 2",
	'c': "stream commit, protocol version 2",
	'b': "begin prepare, protocol version 3",
	'P': "prepare, protocol version 3",
	'K': "commit prepared, protocol version 3",
	'r': "rollback prepared, protocol version 3",
	'p': "stream prepare, protocol version 3",
}

// Begin opens a transaction.
// Layout after tag 'B', 20 bytes: Int64 final LSN | Int64 commit time | Int32 xid.
type Begin struct {
	FinalLSN     cdc.LSN // of the commit record, not of the first change
	CommitMicros int64   // µs since 2000-01-01 UTC, the PostgreSQL epoch
	XID          uint32  // wraps: compare for equality only
}

func (m *Begin) decode(b []byte) error {
	if len(b) != 20 { // lengths first: no input may panic
		return lengthError("begin", len(b), 20)
	}
	m.FinalLSN = cdc.LSN(binary.BigEndian.Uint64(b))
	m.CommitMicros = int64(binary.BigEndian.Uint64(b[8:]))
	m.XID = binary.BigEndian.Uint32(b[16:])
	return nil
}

// Commit closes a transaction.
// Layout after tag 'C', 25 bytes: Int8 flags (0) | Int64 commit LSN | Int64 end LSN | Int64 commit time.
type Commit struct {
	CommitLSN    cdc.LSN // Begin's FinalLSN
	EndLSN       cdc.LSN // behind the commit record: what is confirmed
	CommitMicros int64   // µs since 2000-01-01 UTC
}

func (m *Commit) decode(b []byte) error {
	if len(b) != 25 {
		return lengthError("commit", len(b), 25)
	}
	if b[0] != 0 { // reserved: a meaning we do not know could change what the commit says
		return fmt.Errorf("commit: flags %#02x, want 0", b[0])
	}
	m.CommitLSN = cdc.LSN(binary.BigEndian.Uint64(b[1:]))
	m.EndLSN = cdc.LSN(binary.BigEndian.Uint64(b[9:]))
	m.CommitMicros = int64(binary.BigEndian.Uint64(b[17:]))
	return nil
}

// Origin tells where a transaction was first committed; it follows Begin.
// Layout after tag 'O': Int64 commit LSN at the origin | String name.
type Origin struct {
	CommitLSN cdc.LSN
	Name      []byte // points into the message
}

func (m *Origin) decode(b []byte) error {
	r := reader{b}
	m.CommitLSN = cdc.LSN(r.uint64())
	m.Name = r.text()
	return r.close("origin")
}

// Relation announces a table before the first change of it on a connection and again when its shape has changed.
// Layout after tag 'R': Int32 OID | String schema, "" for pg_catalog | String name | Int8 replica identity | Int16 number of columns |
// per column: Int8 flags (1: part of the replica identity) | String name | Int32 type OID | Int32 type modifier.
type Relation struct {
	OID      uint32
	Schema   string
	Name     string
	Identity cdc.Identity
	Columns  []cdc.Column
}

// columnBytes is the least a column of a Relation takes: flags, the zero behind an empty name, type, modifier.
const columnBytes = 1 + 1 + 4 + 4

func (m *Relation) decode(b []byte) error {
	r := reader{b}
	m.OID = r.uint32()
	m.Schema = string(r.text())
	if m.Schema == "" {
		m.Schema = "pg_catalog" // the server abbreviates it
	}
	m.Name = string(r.text())
	m.Identity = cdc.Identity(r.byte())
	n := int(r.uint16())
	if n*columnBytes > len(r.b) { // before memory is claimed for them
		return fmt.Errorf("relation: %d columns in %d bytes: %w", n, len(r.b), ErrTruncated)
	}
	m.Columns = make([]cdc.Column, n)
	for i := range m.Columns {
		flags := r.byte()
		m.Columns[i] = cdc.Column{Name: string(r.text()), TypeOID: r.uint32(), TypeMod: int32(r.uint32()), Key: flags&1 != 0}
	}
	if err := r.close("relation"); err != nil {
		return err
	}
	switch m.Identity {
	case cdc.IdentityDefault, cdc.IdentityNothing, cdc.IdentityFull, cdc.IdentityIndex:
		return nil
	}
	return fmt.Errorf("relation: replica identity %q, want d, n, f or i", byte(m.Identity))
}

// Type names a type that is not built in; the catalog says more, so only its form is checked.
// Layout after tag 'Y': Int32 OID | String schema | String name.
type Type struct {
	OID          uint32
	Schema, Name []byte // point into the message
}

func (m *Type) decode(b []byte) error {
	r := reader{b}
	m.OID = r.uint32()
	m.Schema, m.Name = r.text(), r.text()
	return r.close("type")
}

// Insert is a new row. Its tuple stays encoded: Decoder splits it once it knows the relation.
// Layout after tag 'I': Int32 relation OID | Byte1 'N' | TupleData.
type Insert struct {
	Relation uint32
	New      []byte
}

func (m *Insert) decode(b []byte) error {
	if len(b) < 5 {
		return fmt.Errorf("insert: %d bytes: %w", len(b), ErrTruncated)
	}
	if b[4] != 'N' {
		return fmt.Errorf("insert: tuple kind %q, want 'N'", b[4])
	}
	m.Relation, m.New = binary.BigEndian.Uint32(b), b[5:]
	return nil
}

// Update is a changed row, with the old row or its replica identity where the server logged one.
// Layout after tag 'U': Int32 relation OID | [Byte1 'K' or 'O' | TupleData] | Byte1 'N' | TupleData.
type Update struct {
	Relation uint32
	Old      cdc.OldKind // of the first of Tuples; NoOld: there is only the new one
	Tuples   []byte      // 'N' stands between them
}

func (m *Update) decode(b []byte) error {
	if len(b) < 5 {
		return fmt.Errorf("update: %d bytes: %w", len(b), ErrTruncated)
	}
	m.Relation, m.Old, m.Tuples = binary.BigEndian.Uint32(b), cdc.OldKind(b[4]), b[5:]
	switch m.Old {
	case cdc.OldKey, cdc.OldFull:
	case 'N':
		m.Old = cdc.NoOld
	default:
		return fmt.Errorf("update: tuple kind %q, want 'K', 'O' or 'N'", b[4])
	}
	return nil
}

// Delete is a row that is gone.
// Layout after tag 'D': Int32 relation OID | Byte1 'K' or 'O' | TupleData.
type Delete struct {
	Relation uint32
	Old      cdc.OldKind
	Tuple    []byte
}

func (m *Delete) decode(b []byte) error {
	if len(b) < 5 {
		return fmt.Errorf("delete: %d bytes: %w", len(b), ErrTruncated)
	}
	m.Relation, m.Old, m.Tuple = binary.BigEndian.Uint32(b), cdc.OldKind(b[4]), b[5:]
	if m.Old != cdc.OldKey && m.Old != cdc.OldFull {
		return fmt.Errorf("delete: tuple kind %q, want 'K' or 'O'", b[4])
	}
	return nil
}

// Truncate empties one or more tables.
// Layout after tag 'T': Int32 number of relations | Int8 options (1 CASCADE, 2 RESTART IDENTITY) | Int32 relation OID, each.
type Truncate struct {
	Options   byte
	Relations []byte // 4 bytes each
}

func (m *Truncate) decode(b []byte) error {
	if len(b) < 5 {
		return fmt.Errorf("truncate: %d bytes: %w", len(b), ErrTruncated)
	}
	m.Options, m.Relations = b[4], b[5:]
	if want := uint64(binary.BigEndian.Uint32(b)) * 4; uint64(len(m.Relations)) != want {
		return lengthError("truncate: relations", len(m.Relations), int(want))
	}
	return nil
}

// Message is what pg_logical_emit_message wrote.
// Layout after tag 'M': Int8 flags (1: transactional) | Int64 LSN | String prefix | Int32 length | Byten content.
type Message struct {
	Transactional bool
	LSN           cdc.LSN // end of its WAL record
	Prefix        []byte  // points into the message, as Content
	Content       []byte
}

func (m *Message) decode(b []byte) error {
	r := reader{b}
	flags := r.byte()
	m.Transactional = flags&1 != 0
	m.LSN = cdc.LSN(r.uint64())
	m.Prefix = r.text()
	m.Content = r.bytes(uint64(r.uint32()))
	if err := r.close("message"); err != nil {
		return err
	}
	if flags > 1 {
		return fmt.Errorf("message: flags %#02x, want 0 or 1", flags)
	}
	return nil
}

func lengthError(what string, got, want int) error {
	sentinel := ErrTruncated
	if got > want {
		sentinel = ErrTrailingBytes
	}
	return fmt.Errorf("%s: %d bytes, want %d: %w", what, got, want, sentinel)
}

// reader takes fields off the front of a message. Once a field does not fit, b is nil and everything reads as zero; close tells. So a
// layout is written down without an if per field.
type reader struct{ b []byte }

func (r *reader) bytes(n uint64) []byte {
	if r.failed() || n > uint64(len(r.b)) {
		r.b = nil
		return nil
	}
	field := r.b[:n:n]
	r.b = r.b[n:]
	return field
}

func (r *reader) failed() bool { return r.b == nil }

func (r *reader) byte() byte {
	if f := r.bytes(1); f != nil {
		return f[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if f := r.bytes(2); f != nil {
		return binary.BigEndian.Uint16(f)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if f := r.bytes(4); f != nil {
		return binary.BigEndian.Uint32(f)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if f := r.bytes(8); f != nil {
		return binary.BigEndian.Uint64(f)
	}
	return 0
}

// text reads a String: bytes up to a zero, which is taken off too.
func (r *reader) text() []byte {
	end := bytes.IndexByte(r.b, 0)
	if end < 0 {
		r.b = nil
		return nil
	}
	field := r.b[:end:end]
	r.b = r.b[end+1:]
	return field
}

// close reports whether the fields fitted exactly.
func (r *reader) close(what string) error {
	switch {
	case r.failed():
		return fmt.Errorf("%s: %w", what, ErrTruncated)
	case len(r.b) > 0:
		return fmt.Errorf("%s: %d %w", what, len(r.b), ErrTrailingBytes)
	}
	return nil
}
