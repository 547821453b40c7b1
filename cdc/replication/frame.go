package replication

import (
	"encoding/binary"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tandem-cdc/tandem/cdc"
)

// Tags of the messages a server may send while it streams. PostgreSQL manual, "Message Formats".
const (
	tagCopyData        = 'd'
	tagCopyDone        = 'c'
	tagCopyBoth        = 'W'
	tagError           = 'E'
	tagNotice          = 'N'
	tagParameterStatus = 'S'
	tagCommandComplete = 'C'
	tagReady           = 'Z'
)

// frameHeader is tag and length of a message.
const frameHeader = 5

// maxFrame is the largest message the server can send: palloc's limit of 1 GiB.
const maxFrame = 1 << 30

// frame returns the first message in b: its tag, its body and its whole length. size 0: it is not complete; need is then how many bytes
// it takes, as far as b tells. Layout: Byte1 tag | Int32 length, itself included | body.
func frame(b []byte) (tag byte, body []byte, size, need int, err error) {
	if len(b) < frameHeader {
		return 0, nil, 0, frameHeader, nil
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n < 4 || n > maxFrame {
		return 0, nil, 0, 0, &ProtocolError{fmt.Sprintf("message %q of length %d", b[0], n)}
	}
	size = 1 + int(n)
	if len(b) < size {
		return 0, nil, 0, size, nil
	}
	return b[0], b[frameHeader:size], size, size, nil
}

// ProtocolError is a server that does not keep to the replication protocol. Retriable: it is most likely a broken connection, and
// nothing of it was handed out.
type ProtocolError struct{ Problem string }

func (e *ProtocolError) Error() string { return "replication protocol: " + e.Problem }

// Retriable is true.
func (e *ProtocolError) Retriable() bool { return true }

// xlogHeader is what stands before the plugin's message in XLogData.
// Layout: Byte1 'w' | Int64 WAL start | Int64 WAL end | Int64 server's clock.
const xlogHeader = 1 + 8 + 8 + 8

// keepaliveBytes is the length of a keepalive.
// Layout: Byte1 'k' | Int64 WAL end | Int64 server's clock | Byte1 reply requested.
const keepaliveBytes = 1 + 8 + 8 + 1

// statusFrame is the length of a standby status update with its frame.
// Layout: Byte1 'd' | Int32 38 | Byte1 'r' | Int64 written | Int64 flushed | Int64 applied | Int64 client's clock | Byte1 reply requested.
const statusFrame = frameHeader + 1 + 8 + 8 + 8 + 8 + 1

// appendStatus appends a standby status update that confirms lsn and nothing else: written, flushed and applied are sent explicitly, for a
// zero in any of them would be read as another one.
func appendStatus(dst []byte, lsn cdc.LSN, clock int64, reply bool) []byte {
	dst = append(dst, tagCopyData, 0, 0, 0, statusFrame-1, pglogrepl.StandbyStatusUpdateByteID)
	for range 3 {
		dst = binary.BigEndian.AppendUint64(dst, uint64(lsn))
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(clock))
	if reply {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// serverNotice reads a NoticeResponse, which has the fields of an error.
func serverNotice(body []byte) (*pgconn.PgError, error) {
	var m pgproto3.NoticeResponse
	if err := m.Decode(body); err != nil {
		return nil, &ProtocolError{fmt.Sprintf("notice: %v", err)}
	}
	return pgconn.ErrorResponseToPgError((*pgproto3.ErrorResponse)(&m)), nil
}

// serverError reads an ErrorResponse.
func serverError(body []byte) error {
	var m pgproto3.ErrorResponse
	if err := m.Decode(body); err != nil {
		return &ProtocolError{fmt.Sprintf("error response: %v", err)}
	}
	return pgconn.ErrorResponseToPgError(&m)
}
