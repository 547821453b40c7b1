package source

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/incremental"
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
	xmin   uint32 // the slot's catalog_xmin, with xmin.fetch.interval.ms; 0 unknown
	kind   messageType
	snap   snapshotPhase
	micros cdc.Micros
	tx     *txCounts // only with provide.transaction.metadata, from BEGIN to END
	// inc is the incremental snapshot that runs. pending tells that the signal in the row at lsn was carried out and the row itself is not
	// published yet: a restart publishes it and does not carry the signal out again.
	inc     *incremental.State
	pending bool

	progress *progress // of an unfinished snapshot that a restart can go on with; see appendCatchUp for a stream with one
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
	snapshotDone         // the last row: complete, and streaming has not begun
	snapshotBlocking     // a blocking snapshot within the stream, whose position the other fields keep
	snapshotBlockingDone // its last row
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
	typeOther // read only: a type that we do not store (NOOP, ORIGIN …), or an offset of before Debezium stored types
)

var messageTypeNames = [...]string{"", "BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "MESSAGE", "NOOP"}

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
//
// Debezium refuses an offset whose lsn_proc lies before the slot's restart_lsn, which an idle server's position takes along once it is
// confirmed. So what it reads is a commit at that position; the true values stand in fields of our own.
func (p *position) appendJSON(dst []byte) []byte {
	if p.progress != nil && p.snap == snapshotNone {
		return p.appendCatchUp(dst)
	}
	shown := *p
	switch {
	case p.snap != snapshotNone || p.idle <= p.commit:
	case !p.inside():
		shown.kind, shown.lsn, shown.proc, shown.commit, shown.events = typeCommit, p.idle, p.idle, p.idle, 0
	case p.kind == typeBegin:
		shown.proc = max(p.proc, min(p.idle, p.lsn))
	}
	return p.appendTrue(shown.appendFields(append(dst, '{')), &shown)
}

// appendTrue ends an offset with the true values of the fields in which shown differs.
func (p *position) appendTrue(dst []byte, shown *position) []byte {
	if p.lsn != shown.lsn {
		dst = appendLSN(dst, `,"`+ownPrefix+`lsn":`, p.lsn)
	}
	if p.proc != shown.proc {
		dst = appendLSN(dst, `,"`+ownPrefix+`lsn_proc":`, p.proc)
	}
	if p.commit != shown.commit {
		dst = appendLSN(dst, `,"`+ownPrefix+`lsn_commit":`, p.commit)
	}
	if p.events != shown.events {
		dst = strconv.AppendUint(append(dst, `,"`+ownPrefix+`lsn_events_processed":`...), uint64(p.events), 10)
	}
	if p.kind != shown.kind {
		dst = append(append(append(dst, `,"`+ownPrefix+`messageType":"`...), messageTypeNames[p.kind]...), '"')
	}
	return append(dst, '}')
}

// appendFields writes the fields that Debezium has, and the idle server's position.
func (p *position) appendFields(dst []byte) []byte {
	if p.snap == snapshotRunning || p.snap == snapshotDone {
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
		if p.inc != nil {
			dst = p.inc.AppendJSON(dst)
		}
		if p.pending {
			dst = append(dst, `,"`+ownPrefix+`pending":true`...)
		}
	}
	if p.progress != nil {
		dst = p.progress.appendJSON(dst, nil)
	}
	dst = append(dst, `,"ts_usec":`...)
	dst = strconv.AppendInt(dst, int64(p.micros), 10)
	if p.hasXID {
		dst = append(dst, `,"txId":`...)
		dst = strconv.AppendUint(dst, uint64(p.xid), 10)
	}
	if p.xmin != 0 {
		dst = append(dst, `,"xmin":`...)
		dst = strconv.AppendUint(dst, uint64(p.xmin), 10)
	}
	if p.snap == snapshotBlocking || p.snap == snapshotBlockingDone {
		done := strconv.FormatBool(p.snap == snapshotBlockingDone)
		dst = append(dst, `,"last_snapshot_record":`+done+`,"snapshot":"BLOCKING","snapshot_completed":`+done...)
	}
	return dst
}

// Fields of our own, which Debezium neither reads nor keeps: the position of an idle server, and ownPrefix before the name of a field that
// shows something else because of it; 0 and "" mean that the field is missing in truth.
const (
	ownPrefix = "tandem_"
	idleField = ownPrefix + "lsn_idle"
)

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
	TrueLSN           *cdc.LSN        `json:"tandem_lsn"`
	TrueProc          *cdc.LSN        `json:"tandem_lsn_proc"`
	TrueCommit        *cdc.LSN        `json:"tandem_lsn_commit"`
	TrueEvents        *uint32         `json:"tandem_lsn_events_processed"`
	TrueType          *string         `json:"tandem_messageType"`
	Events            uint32          `json:"lsn_events_processed"`
	Type              string          `json:"messageType"`
	XID               *uint64         `json:"txId"`
	Xmin              uint64          `json:"xmin"`
	Micros            cdc.Micros      `json:"ts_usec"`
	Snapshot          json.RawMessage `json:"snapshot"`
	SnapshotCompleted bool            `json:"snapshot_completed"`
	LastSnapshot      bool            `json:"last_snapshot_record"`
	Progress          json.RawMessage `json:"tandem_snapshot"`
	Pending           bool            `json:"tandem_pending"`
	incremental.StoredState
}

// parsePosition reads a stored offset. An offset without any LSN is refused: going on from it would mean starting from
// somewhere else than where the last run stopped. An offset of no field at all is none, and so is null: Debezium stores it with a
// notification that comes before all else.
func parsePosition(text []byte) (*position, error) {
	var s storedOffset
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read stored source offset %s: %w", text, err)
	}
	if bare := bytes.Join(bytes.Fields(text), nil); string(bare) == "{}" || string(bare) == "null" {
		return nil, nil
	}
	if s.LSN == nil {
		return nil, fmt.Errorf("stored source offset %s has no \"lsn\"; delete the connector's offset to take a new snapshot, or restore the offset storage", text)
	}
	s.restore()
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
		p.xid, p.hasXID = uint32(*s.XID), true // a snapshot's has the epoch before it
	}
	p.xmin = uint32(s.Xmin)
	p.kind, p.pending = s.kind(), s.Pending
	var err error
	s.Completed = s.SnapshotCompleted || s.LastSnapshot
	if p.inc, err = s.StoredState.State(); err != nil {
		return nil, fmt.Errorf("read stored source offset %s: %w", text, err)
	}
	if p.tx, err = parseCounts(text, p.xid); err != nil {
		return nil, fmt.Errorf("read stored source offset %s: %w", text, err)
	}
	switch string(s.Snapshot) {
	case "", "null", "false", `"false"`, `"INCREMENTAL"`: // the rows of an incremental snapshot come between those of the stream
	case `"BLOCKING"`:
		// The rows of a blocking snapshot bear its LSN, but the stream stands where it stood before; at the LSN if it has brought nothing yet.
		p.lsn = cmp.Or(max(p.proc, p.commit), p.lsn)
	default:
		if !s.SnapshotCompleted && !s.LastSnapshot {
			p.snap = snapshotRunning
			return p.withProgress(s.Progress)
		}
		p.snap = snapshotDone
		return p, nil
	}
	return p, nil
}

// kind is the message type of the offset. One that has been in the stream but does not name its type, or an unknown one, is of some change.
func (s *storedOffset) kind() messageType {
	for i, name := range messageTypeNames {
		if s.Type == name && i != int(typeNone) {
			return messageType(i)
		}
	}
	if s.Type == "" && (s.Proc == nil || *s.Proc == 0) {
		return typeNone
	}
	return typeOther
}

// restore undoes what appendJSON shows to Debezium.
func (s *storedOffset) restore() {
	for _, f := range []struct{ shown, truth **cdc.LSN }{{&s.LSN, &s.TrueLSN}, {&s.Proc, &s.TrueProc}, {&s.Commit, &s.TrueCommit}} {
		if *f.truth != nil {
			*f.shown = *f.truth
		}
	}
	if s.TrueEvents != nil {
		s.Events = *s.TrueEvents
	}
	if s.TrueType != nil {
		s.Type = *s.TrueType
	}
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
	last  entry  // the newest entry at or below the highest n asked for
	bare  uint64 // the last record behind which there is no position of its own
	loose bool   // see soften
}

type entry struct {
	n     uint64 // records up to and including the position
	at    position
	loose bool // some of these would be repeated
	// inside tells that a transaction of the source goes on behind it.
	inside bool
}

// exactEntries bounds the exact part of the queue: 4096 entries of about 100 bytes are 400 KB.
const exactEntries = 4096

// add notes that after record n the source stands at p, which may be inside a transaction. keep marks commits and ends of batches, which are never
// thinned out.
func (q *positions) add(n uint64, p *position, inside, keep bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if size := len(q.queue) - q.head; size > 0 {
		newest := &q.queue[len(q.queue)-1]
		if newest.n == n || !keep && size > exactEntries {
			if newest.n == n {
				newest.at, newest.loose, newest.inside = *p, q.loose, inside
			}
			return
		}
	}
	if q.head > 1024 && q.head > len(q.queue)/2 {
		q.queue = q.queue[:copy(q.queue, q.queue[q.head:])]
		q.head = 0
	}
	q.queue = append(q.queue, entry{n, *p, q.loose, inside})
}

// exact tells whether the position behind the first n records is known, and not only one before it. While rows of a snapshot wait for the next
// progress, which a restart goes on from, it is not, unless it is late.
func (q *positions) exact(n uint64, late bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bare == n && n > 0 {
		return true
	}
	newest := q.newest()
	return newest.n == n && (!newest.loose || late)
}

// inside tells whether the newest position is inside a transaction of the source.
func (q *positions) inside() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.newest().inside
}

// newest is the entry of the last record that has one. mu is held.
func (q *positions) newest() *entry {
	if size := len(q.queue); size > q.head {
		return &q.queue[size-1]
	}
	return &q.last
}

// pass notes that after record n the source stands where it stood before: nothing behind it is new.
func (q *positions) pass(n uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bare = n
}

// soften says whether the positions to come are behind all records: those within a chunk of a snapshot are not.
func (q *positions) soften(loose bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.loose = loose
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
