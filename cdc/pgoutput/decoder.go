package pgoutput

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tandem-cdc/tandem/cdc"
)

// Decoder turns the messages of one connection into changes. It remembers what the protocol leaves out of later messages: the announced
// relations and the transaction at hand.
type Decoder struct {
	relations map[uint32]*cdc.Relation
	last      *cdc.Relation // of the row before: rows of a table come in runs
	lsn       cdc.LSN       // the last one the server sent that was not zero

	// tx is the transaction at hand. Its Begin is handed out with the message behind it, for that may be its Origin.
	tx struct {
		open, begun bool // Begin was read, was handed out
		beginLSN    cdc.LSN
		finalLSN    cdc.LSN
		xid         uint32
		time        cdc.Micros
		origin      string
		originLSN   cdc.LSN
	}

	origin, prefix string // the last ones as text: they repeat
}

// NewDecoder returns a decoder for a connection that has not sent anything yet.
func NewDecoder() *Decoder { return &Decoder{relations: make(map[uint32]*cdc.Relation)} }

// Decode appends the changes of one message to into: one for most, none for an origin or a type, one per table for a truncate. A
// transaction's Begin comes with the message behind it. walStart is the WAL position XLogData carried beside the message.
//
// An error is a *DecodeError. It leaves into as it was, and the Decoder unusable: the stream is not to be trusted from there on.
func (d *Decoder) Decode(walStart cdc.LSN, msg []byte, into *cdc.Batch) error {
	if walStart != 0 {
		d.lsn = walStart
	}
	if len(msg) == 0 {
		return &DecodeError{LSN: d.lsn, Err: fmt.Errorf("empty message: %w", ErrTruncated)}
	}
	n := len(into.Changes)
	if err := d.decode(walStart, msg[0], msg[1:], into); err != nil {
		into.Drop(n)
		e := &DecodeError{LSN: d.lsn, Tag: msg[0], Err: err}
		var at *tableError
		if errors.As(err, &at) {
			e.Table, e.Err = at.table, at.err
		}
		return e
	}
	return nil
}

// tableError carries the table's name from where it is known to where the position is.
type tableError struct {
	table string
	err   error
}

func (e *tableError) Error() string { return e.table + ": " + e.err.Error() }

func (d *Decoder) decode(lsn cdc.LSN, tag byte, b []byte, into *cdc.Batch) error {
	switch tag {
	case tagInsert:
		return d.insert(lsn, b, into)
	case tagUpdate:
		return d.update(lsn, b, into)
	case tagDelete:
		return d.delete(lsn, b, into)
	case tagBegin:
		return d.begin(lsn, b)
	case tagCommit:
		return d.commit(lsn, b, into)
	case tagOrigin:
		return d.setOrigin(b)
	case tagRelation:
		return d.relation(lsn, b, into)
	case tagType:
		return new(Type).decode(b)
	case tagTruncate:
		return d.truncate(lsn, b, into)
	case tagMessage:
		return d.message(lsn, b, into)
	case tagStreamAbort:
		return d.streamAbort(b)
	}
	if name, ok := laterTags[tag]; ok {
		return fmt.Errorf("%s: %w", name, ErrNotRequested)
	}
	return ErrUnknownTag
}

func (d *Decoder) begin(lsn cdc.LSN, b []byte) error {
	var m Begin
	if err := m.decode(b); err != nil {
		return err
	}
	if d.tx.open {
		return fmt.Errorf("begin of transaction %d inside of transaction %d: %w", m.XID, d.tx.xid, ErrOutOfOrder)
	}
	d.tx.open, d.tx.begun = true, false
	d.tx.beginLSN, d.tx.finalLSN, d.tx.xid, d.tx.time = lsn, m.FinalLSN, m.XID, cdc.FromPostgres(m.CommitMicros)
	d.tx.origin, d.tx.originLSN = "", 0
	return nil
}

func (d *Decoder) setOrigin(b []byte) error {
	var m Origin
	if err := m.decode(b); err != nil {
		return err
	}
	if !d.tx.open || d.tx.begun {
		return fmt.Errorf("origin %q not directly behind a begin: %w", m.Name, ErrOutOfOrder)
	}
	if string(m.Name) != d.origin {
		d.origin = string(m.Name)
	}
	d.tx.origin, d.tx.originLSN = d.origin, m.CommitLSN
	return nil
}

func (d *Decoder) commit(lsn cdc.LSN, b []byte, into *cdc.Batch) error {
	var m Commit
	if err := m.decode(b); err != nil {
		return err
	}
	if !d.tx.open {
		return fmt.Errorf("commit at %s without a begin: %w", m.CommitLSN, ErrOutOfOrder)
	}
	if m.CommitLSN != d.tx.finalLSN {
		return fmt.Errorf("commit at %s of transaction %d, which began as ending at %s: %w", m.CommitLSN, d.tx.xid, d.tx.finalLSN, ErrOutOfOrder)
	}
	c := d.next(cdc.Commit, m.EndLSN, into)
	c.FinalLSN = m.EndLSN
	d.tx.open = false
	return nil
}

// next appends a change of the transaction at hand, behind its Begin when that is still owed.
func (d *Decoder) next(kind cdc.Kind, lsn cdc.LSN, into *cdc.Batch) *cdc.Change {
	if !d.tx.begun {
		d.tx.begun = true
		d.next(cdc.Begin, d.tx.beginLSN, into).FinalLSN = d.tx.finalLSN
	}
	c := into.Next()
	c.Kind, c.LSN = kind, lsn
	c.XID, c.CommitTime, c.Origin, c.OriginLSN = d.tx.xid, d.tx.time, d.tx.origin, d.tx.originLSN
	return c
}

// relation remembers a table's shape and announces it. The server sends it inside of the transaction that needs it first.
func (d *Decoder) relation(lsn cdc.LSN, b []byte, into *cdc.Batch) error {
	var m Relation
	if err := m.decode(b); err != nil {
		return err
	}
	rel := &cdc.Relation{OID: m.OID, Schema: m.Schema, Name: m.Name, Identity: m.Identity, Columns: m.Columns}
	d.relations[m.OID], d.last = rel, rel
	if d.tx.open {
		d.next(cdc.Announce, lsn, into).Relation = rel
		return nil
	}
	c := into.Next()
	c.Kind, c.LSN, c.Relation = cdc.Announce, lsn, rel
	return nil
}

// find returns the relation of a row change, which must stand inside of a transaction.
func (d *Decoder) find(oid uint32) (*cdc.Relation, error) {
	rel := d.last
	if rel == nil || rel.OID != oid {
		if rel = d.relations[oid]; rel == nil {
			return nil, fmt.Errorf("relation %d: %w", oid, ErrUnknownRelation)
		}
		d.last = rel
	}
	if !d.tx.open {
		return nil, inTable(rel, fmt.Errorf("change outside of a transaction: %w", ErrOutOfOrder))
	}
	return rel, nil
}

func inTable(rel *cdc.Relation, err error) error {
	return &tableError{rel.Schema + "." + rel.Name, err}
}

func (d *Decoder) insert(lsn cdc.LSN, b []byte, into *cdc.Batch) error {
	var m Insert
	if err := m.decode(b); err != nil {
		return err
	}
	rel, err := d.find(m.Relation)
	if err != nil {
		return err
	}
	row, rest, err := tuple(rel, into.Copy(m.New), into)
	if err == nil {
		err = nothingBehind(rest)
	}
	if err != nil {
		return inTable(rel, err)
	}
	c := d.next(cdc.Insert, lsn, into)
	c.Relation, c.New = rel, row
	return nil
}

func (d *Decoder) update(lsn cdc.LSN, b []byte, into *cdc.Batch) error {
	var m Update
	if err := m.decode(b); err != nil {
		return err
	}
	rel, err := d.find(m.Relation)
	if err != nil {
		return err
	}
	before, after, err := d.updated(rel, &m, into)
	if err != nil {
		return inTable(rel, err)
	}
	c := d.next(cdc.Update, lsn, into)
	c.Relation, c.OldKind, c.Old, c.New = rel, m.Old, before, after
	return nil
}

// updated splits the one or two tuples of an update.
func (d *Decoder) updated(rel *cdc.Relation, m *Update, into *cdc.Batch) (before, after cdc.Tuple, err error) {
	rest := into.Copy(m.Tuples)
	if m.Old != cdc.NoOld {
		if before, rest, err = tuple(rel, rest, into); err != nil {
			return nil, nil, fmt.Errorf("old tuple: %w", err)
		}
		if len(rest) == 0 {
			return nil, nil, fmt.Errorf("new tuple: %w", ErrTruncated)
		}
		if rest[0] != 'N' {
			return nil, nil, fmt.Errorf("tuple kind %q behind the old tuple, want 'N'", rest[0])
		}
		rest = rest[1:]
	}
	if after, rest, err = tuple(rel, rest, into); err != nil {
		return nil, nil, fmt.Errorf("new tuple: %w", err)
	}
	return before, after, nothingBehind(rest)
}

func (d *Decoder) delete(lsn cdc.LSN, b []byte, into *cdc.Batch) error {
	var m Delete
	if err := m.decode(b); err != nil {
		return err
	}
	rel, err := d.find(m.Relation)
	if err != nil {
		return err
	}
	row, rest, err := tuple(rel, into.Copy(m.Tuple), into)
	if err == nil {
		err = nothingBehind(rest)
	}
	if err != nil {
		return inTable(rel, err)
	}
	c := d.next(cdc.Delete, lsn, into)
	c.Relation, c.OldKind, c.Old = rel, m.Old, row
	return nil
}

// truncate makes one change per table, in the order of the statement.
func (d *Decoder) truncate(lsn cdc.LSN, b []byte, into *cdc.Batch) error {
	var m Truncate
	if err := m.decode(b); err != nil {
		return err
	}
	for oids := m.Relations; len(oids) > 0; oids = oids[4:] {
		rel, err := d.find(binary.BigEndian.Uint32(oids))
		if err != nil {
			return err
		}
		d.next(cdc.Truncate, lsn, into).Relation = rel
	}
	return nil
}

// message stands inside of its transaction when it is transactional, else between transactions.
func (d *Decoder) message(lsn cdc.LSN, b []byte, into *cdc.Batch) error {
	var m Message
	if err := m.decode(b); err != nil {
		return err
	}
	if m.Transactional != d.tx.open {
		return fmt.Errorf("message with prefix %q, transactional %t, while a transaction is open %t: %w", m.Prefix, m.Transactional, d.tx.open, ErrOutOfOrder)
	}
	if string(m.Prefix) != d.prefix {
		d.prefix = string(m.Prefix)
	}
	var c *cdc.Change
	if m.Transactional {
		c = d.next(cdc.Message, lsn, into)
	} else {
		c = into.Next()
		c.Kind, c.LSN = cdc.Message, lsn
	}
	c.Transactional, c.Prefix, c.Content = m.Transactional, d.prefix, into.Copy(m.Content)
	return nil
}

// streamAbort lets a message of protocol version 2 pass that PostgreSQL 18 sends unasked, in version 1 too, when a transaction that was
// never streamed to us is rolled back. It takes nothing back: no change of a transaction reaches us before its commit. About the
// transaction at hand it would contradict what was sent, so that is an error.
// Layout after tag 'A': Int32 xid | Int32 xid of the subtransaction | since version 4: Int64 LSN | Int64 time.
func (d *Decoder) streamAbort(b []byte) error {
	if len(b) != 8 && len(b) != 24 {
		return lengthError("stream abort", len(b), 8)
	}
	if xid := binary.BigEndian.Uint32(b); d.tx.open && xid == d.tx.xid {
		return fmt.Errorf("stream abort of transaction %d after its begin: %w", xid, ErrOutOfOrder)
	}
	return nil
}

// tuple splits the bytes of a row, which belong to the batch already, and returns what lies behind them.
// Layout: Int16 number of columns | per column Byte1: 'n' null, 'u' unchanged TOAST, 't' or 'b' with Int32 length | Byten text or binary.
func tuple(rel *cdc.Relation, b []byte, into *cdc.Batch) (cdc.Tuple, []byte, error) {
	if len(b) < 2 {
		return nil, nil, ErrTruncated
	}
	if n := int(binary.BigEndian.Uint16(b)); n != len(rel.Columns) {
		return nil, nil, fmt.Errorf("%d columns, but the table was announced with %d", n, len(rel.Columns))
	}
	row := into.Tuple(len(rel.Columns))
	b = b[2:]
	for i := range row {
		if len(b) == 0 {
			return nil, nil, fmt.Errorf("column %q: %w", rel.Columns[i].Name, ErrTruncated)
		}
		kind := cdc.Text
		switch b[0] {
		case 't':
		case 'b':
			kind = cdc.Binary
		case 'n':
			b = b[1:]
			continue
		case 'u':
			row[i].Kind = cdc.Unchanged
			b = b[1:]
			continue
		default:
			return nil, nil, fmt.Errorf("column %q: kind %q, want n, u, t or b", rel.Columns[i].Name, b[0])
		}
		if len(b) < 5 {
			return nil, nil, fmt.Errorf("column %q: %w", rel.Columns[i].Name, ErrTruncated)
		}
		n := uint64(binary.BigEndian.Uint32(b[1:])) + 5
		if n > uint64(len(b)) {
			return nil, nil, fmt.Errorf("column %q: %d bytes, %d are left: %w", rel.Columns[i].Name, n-5, len(b)-5, ErrTruncated)
		}
		row[i].Kind, row[i].Bytes = kind, b[5:n:n]
		b = b[n:]
	}
	return row, b, nil
}

func nothingBehind(rest []byte) error {
	if len(rest) > 0 {
		return fmt.Errorf("%d %w", len(rest), ErrTrailingBytes)
	}
	return nil
}
