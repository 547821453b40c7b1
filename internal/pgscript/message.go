package pgscript

import (
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"
)

// XLogData carries a message of the plugin from a WAL position.
// Layout: Byte1 'w' | Int64 start | Int64 end | Int64 time | message.
func XLogData(start uint64, message []byte) *pgproto3.CopyData {
	p := binary.BigEndian.AppendUint64([]byte{'w'}, start)
	p = binary.BigEndian.AppendUint64(p, start)
	return &pgproto3.CopyData{Data: append(append(p, make([]byte, 8)...), message...)}
}

// Keepalive tells where the server stands, and may ask for a status.
// Layout: Byte1 'k' | Int64 end | Int64 time | Byte1 1 for a reply.
func Keepalive(end uint64, reply bool) *pgproto3.CopyData {
	p := append(binary.BigEndian.AppendUint64([]byte{'k'}, end), make([]byte, 9)...)
	if reply {
		p[17] = 1
	}
	return &pgproto3.CopyData{Data: p}
}

// Status is a standby status update.
type Status struct {
	Written, Flushed, Applied uint64
	Reply                     bool // the client asks for a sign of life
}

// ParseStatus reads the CopyData of a client.
// Layout: Byte1 'r' | Int64 written | Int64 flushed | Int64 applied | Int64 time | Byte1 1 for a reply.
func ParseStatus(p []byte) (Status, error) {
	if len(p) != 34 || p[0] != 'r' {
		return Status{}, fmt.Errorf("standby status of %d bytes, %.1q first; want 34 and 'r'", len(p), p)
	}
	return Status{binary.BigEndian.Uint64(p[1:]), binary.BigEndian.Uint64(p[9:]), binary.BigEndian.Uint64(p[17:]), p[33] == 1}, nil
}

// Relation announces table public.t, OID 1, whose only column, a text, is its key.
func Relation() []byte {
	return append([]byte("R\x00\x00\x00\x01public\x00t\x00d\x00\x01\x01id\x00\x00\x00\x00\x19"), 0xff, 0xff, 0xff, 0xff)
}

// Begin opens a transaction whose commit record stands at final.
func Begin(final uint64, xid uint32) []byte {
	p := binary.BigEndian.AppendUint64([]byte{'B'}, final)
	return binary.BigEndian.AppendUint32(append(p, make([]byte, 8)...), xid)
}

// Commit ends the transaction whose commit record stands at final and ends at end.
func Commit(final, end uint64) []byte {
	p := binary.BigEndian.AppendUint64([]byte{'C', 0}, final)
	return append(binary.BigEndian.AppendUint64(p, end), make([]byte, 8)...)
}

// Insert is a new row of Relation's table.
func Insert(value string) []byte {
	p := binary.BigEndian.AppendUint32([]byte("I\x00\x00\x00\x01N\x00\x01t"), uint32(len(value)))
	return append(p, value...)
}

// Messages of protocol version 2, which nobody asks for here.

// StreamStart opens a piece of a transaction that is still open.
func StreamStart(xid uint32, first bool) []byte {
	p := append(binary.BigEndian.AppendUint32([]byte{'S'}, xid), 0)
	if first {
		p[5] = 1
	}
	return p
}

// StreamStop ends the piece.
func StreamStop() []byte { return []byte{'E'} }

// StreamCommit commits a transaction that came in pieces.
func StreamCommit(xid uint32, final, end uint64) []byte {
	p := append(binary.BigEndian.AppendUint32([]byte{'c'}, xid), 0)
	p = binary.BigEndian.AppendUint64(p, final)
	return append(binary.BigEndian.AppendUint64(p, end), make([]byte, 8)...)
}

// StreamAbort takes back a subtransaction, or with both alike the whole transaction.
func StreamAbort(xid, sub uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{'A'}, xid), sub)
}

// Transaction inserts values in transaction xid, whose changes stand at first and whose end is end; the commit record stands right before.
func Transaction(xid uint32, first, end uint64, values ...string) []pgproto3.BackendMessage {
	messages := []pgproto3.BackendMessage{XLogData(first, Begin(end-1, xid)), XLogData(0, Relation())}
	for _, v := range values {
		messages = append(messages, XLogData(first, Insert(v)))
	}
	return append(messages, XLogData(end, Commit(end-1, end)))
}

// Encode is the bytes of messages.
func Encode(messages ...pgproto3.BackendMessage) ([]byte, error) {
	var p []byte
	for _, m := range messages {
		var err error
		if p, err = m.Encode(p); err != nil {
			return nil, fmt.Errorf("encode %T: %w", m, err)
		}
	}
	return p, nil
}
