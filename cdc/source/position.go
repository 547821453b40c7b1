package source

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
)

// position is a source offset: where a restart goes on. The JSON form is Debezium's, so that either can take over from the other.
//
// Invariants:
//  1. commit is the end LSN of the last transaction, in commit order, that is wholly behind this position; 0 before the first.
//  2. While snapshot is not snapshotNone, lsn is the snapshot's consistent point and nothing else of the stream is set.
//  3. proc equals lsn but for BEGIN records, where it is the commit before.
type position struct {
	lsn    cdc.LSN // of the last change
	proc   cdc.LSN // last completely processed
	commit cdc.LSN
	idle   cdc.LSN // the server's position while nothing was in flight; a field of our own
	events uint32  // changes processed at lsn: several may share it
	xid    uint32
	hasXID bool
	kind   messageType
	snap   snapshotPhase
	micros cdc.Micros
	tx     *txCounts // only with provide.transaction.metadata, from BEGIN to END
}

// txCounts is what the offset keeps of a transaction that is under way; never changed once it is part of a position.
type txCounts struct {
	xid    uint32
	counts []envelope.TxCount
}

type snapshotPhase uint8

const (
	snapshotNone snapshotPhase = iota
	snapshotRunning
	snapshotDone // the last row: complete, and streaming has not begun
)

// messageType is the kind of message an offset was made of; the text is Debezium's.
type messageType uint8

const (
	typeNone messageType = iota
	typeBegin
	typeCommit
	typeInsert
	typeUpdate
	typeDelete
	typeTruncate
	typeMessage
)

var messageTypeNames = [...]string{"", "BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "MESSAGE"}

func messageTypeOf(k cdc.Kind) messageType {
	switch k {
	case cdc.Insert:
		return typeInsert
	case cdc.Update:
		return typeUpdate
	case cdc.Delete:
		return typeDelete
	case cdc.Truncate:
		return typeTruncate
	case cdc.Message:
		return typeMessage
	case cdc.Begin:
		return typeBegin
	case cdc.Commit:
		return typeCommit
	}
	return typeNone
}

// confirmable is the LSN up to which the server may forget: only ends of transactions, or an idle server's position.
func (p *position) confirmable() cdc.LSN {
	if p.snap == snapshotRunning {
		return 0
	}
	if p.kind == typeNone {
		return max(p.lsn, p.idle)
	}
	return max(p.commit, p.idle)
}

// start is the LSN to ask the server for: transactions that end at or before it are not sent again.
func (p *position) start() cdc.LSN {
	if p.kind == typeNone { // behind a snapshot, before the stream
		return max(p.lsn, p.idle)
	}
	return max(p.commit, p.idle)
}

// known is the furthest LSN the position vouches for; a slot ahead of it has lost changes.
func (p *position) known() cdc.LSN { return max(p.lsn, p.proc, p.commit, p.idle) }

// appendJSON appends the offset as Debezium stores it; fields in the order of Debezium's map do not matter, ours is sorted by name
// as far as they are fixed.
func (p *position) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if p.snap != snapshotNone {
		dst = append(dst, `"last_snapshot_record":`...)
		dst = strconv.AppendBool(dst, p.snap == snapshotDone)
		dst = appendLSN(dst, `,"lsn":`, p.lsn)
		dst = append(dst, `,"snapshot":"INITIAL","snapshot_completed":`...)
		dst = strconv.AppendBool(dst, p.snap == snapshotDone)
	} else {
		dst = appendLSN(dst, `"lsn":`, p.lsn)
		if p.commit != 0 {
			dst = appendLSN(dst, `,"lsn_commit":`, p.commit)
		}
		if p.events != 0 {
			dst = append(dst, `,"lsn_events_processed":`...)
			dst = strconv.AppendUint(dst, uint64(p.events), 10)
		}
		if p.proc != 0 {
			dst = appendLSN(dst, `,"lsn_proc":`, p.proc)
		}
		if p.idle != 0 {
			dst = appendLSN(dst, `,"`+idleField+`":`, p.idle)
		}
		if p.kind != typeNone {
			dst = append(dst, `,"messageType":"`...)
			dst = append(dst, messageTypeNames[p.kind]...)
			dst = append(dst, '"')
		}
		dst = p.tx.appendJSON(dst)
	}
	dst = append(dst, `,"ts_usec":`...)
	dst = strconv.AppendInt(dst, int64(p.micros), 10)
	if p.hasXID {
		dst = append(dst, `,"txId":`...)
		dst = strconv.AppendUint(dst, uint64(p.xid), 10)
	}
	return append(dst, '}')
}

// idleField carries the position of an idle server. Debezium ignores fields it does not know.
const idleField = "tandem_lsn_idle"

// Names of the counts in an offset; the second is followed by schema.table.
const (
	txIDField    = "transaction_id"
	txOrderField = "transaction_data_collection_order_"
)

func (t *txCounts) appendJSON(dst []byte) []byte {
	if t == nil {
		return dst
	}
	for _, c := range t.counts {
		name, _ := json.Marshal(txOrderField + c.Collection) // a string always marshals
		dst = append(append(append(dst, ','), name...), ':')
		dst = strconv.AppendInt(dst, c.Events, 10)
	}
	dst = append(dst, `,"`+txIDField+`":"`...)
	return append(strconv.AppendUint(dst, uint64(t.xid), 10), '"')
}

// parseCounts reads the counts of an offset inside a transaction.
func parseCounts(text []byte, xid uint32) (*txCounts, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	if fields[txIDField] == nil {
		return nil, nil
	}
	t := &txCounts{xid: xid}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if table, ok := strings.CutPrefix(name, txOrderField); ok {
			n, err := strconv.ParseInt(string(fields[name]), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("field %q: %w", name, err)
			}
			t.counts = append(t.counts, envelope.TxCount{Collection: table, Events: n})
		}
	}
	return t, nil
}

func appendLSN(dst []byte, name string, lsn cdc.LSN) []byte {
	return strconv.AppendUint(append(dst, name...), uint64(lsn), 10)
}

// storedOffset is the JSON of a stored offset, ours or Debezium's. Fields we do not use are left out; snapshot is a boolean in
// offsets of old Debezium versions.
type storedOffset struct {
	LSN               *cdc.LSN        `json:"lsn"`
	Proc              *cdc.LSN        `json:"lsn_proc"`
	Commit            *cdc.LSN        `json:"lsn_commit"`
	Idle              *cdc.LSN        `json:"tandem_lsn_idle"`
	Events            uint32          `json:"lsn_events_processed"`
	Type              string          `json:"messageType"`
	XID               *uint32         `json:"txId"`
	Micros            cdc.Micros      `json:"ts_usec"`
	Snapshot          json.RawMessage `json:"snapshot"`
	SnapshotCompleted bool            `json:"snapshot_completed"`
	LastSnapshot      bool            `json:"last_snapshot_record"`
}

// parsePosition reads a stored offset. An offset without any LSN is refused: going on from it would mean starting from
// somewhere else than where the last run stopped.
func parsePosition(text []byte) (*position, error) {
	var s storedOffset
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read stored source offset %s: %w", text, err)
	}
	if s.LSN == nil {
		return nil, fmt.Errorf("stored source offset %s has no \"lsn\"; delete the connector's offset to take a new snapshot, or restore the offset storage", text)
	}
	p := &position{lsn: *s.LSN, events: s.Events, micros: s.Micros}
	if s.Proc != nil {
		p.proc = *s.Proc
	}
	if s.Commit != nil {
		p.commit = *s.Commit
	}
	if s.Idle != nil {
		p.idle = *s.Idle
	}
	if s.XID != nil {
		p.xid, p.hasXID = *s.XID, true
	}
	for i, name := range messageTypeNames {
		if s.Type == name {
			p.kind = messageType(i)
		}
	}
	var err error
	if p.tx, err = parseCounts(text, p.xid); err != nil {
		return nil, fmt.Errorf("read stored source offset %s: %w", text, err)
	}
	switch string(s.Snapshot) {
	case "", "null", "false":
	default:
		p.snap = snapshotRunning
		if s.SnapshotCompleted || s.LastSnapshot {
			p.snap = snapshotDone
		}
	}
	return p, nil
}

// positions remembers which position lies behind which record until the records are acknowledged. The encode goroutine adds, the
// worker's offset goroutine takes.
//
// Short queues are exact: every change has its entry. A queue that grows because acknowledgements lag keeps only what the
// last change of a batch and a commit add, so that memory stays bounded by the bytes in flight; a crash then repeats a little more.
type positions struct {
	mu    sync.Mutex
	queue []entry // ascending n
	head  int
	last  entry // the newest entry at or below the highest n asked for
}

type entry struct {
	n  uint64 // records up to and including the position
	at position
}

// exactEntries bounds the exact part of the queue: 4096 entries of about 100 bytes are 400 KB.
const exactEntries = 4096

// add notes that after record n the source stands at p. keep marks commits and ends of batches, which are never thinned out.
func (q *positions) add(n uint64, p *position, keep bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if size := len(q.queue) - q.head; size > 0 {
		newest := &q.queue[len(q.queue)-1]
		if newest.n == n || !keep && size > exactEntries {
			if newest.n == n {
				newest.at = *p
			}
			return
		}
	}
	if q.head > 1024 && q.head > len(q.queue)/2 {
		q.queue = q.queue[:copy(q.queue, q.queue[q.head:])]
		q.head = 0
	}
	q.queue = append(q.queue, entry{n, *p})
}

// behind returns the position behind the first n records; ok is false when there is none.
func (q *positions) behind(n uint64) (position, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head < len(q.queue) && q.queue[q.head].n <= n {
		q.last = q.queue[q.head]
		q.head++
	}
	return q.last.at, q.last.at != position{}
}
