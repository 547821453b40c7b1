package source

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/snapshot"
)

// progressField carries how far an unfinished snapshot was published. Debezium ignores fields it does not know and reads all anew.
const progressField = "tandem_snapshot"

// progress is how far an unfinished snapshot was published; never changed once it is part of a position.
//
// What it says holds at the stream's position: the tables that are done are published with all their changes up to there. Of the table at hand
// the rows before mark are published as the snapshot of the mark saw them, and every delete up to there.
type progress struct {
	done  []uint32       // OIDs of tables whose rows are all published
	table uint32         // OID of the table at hand; 0 between tables
	mark  *snapshot.Mark // how far it is published; nil: it is read anew
}

// any tells whether something was published.
func (g *progress) any() bool { return g != nil && (len(g.done) > 0 || g.table != 0) }

// finished tells whether all rows of a table are published.
func (g *progress) finished(oid uint32) bool { return g != nil && slices.Contains(g.done, oid) }

// markOf is how far a table is published; nil when none of it is.
func (g *progress) markOf(oid uint32) *snapshot.Mark {
	if g == nil || g.table != oid {
		return nil
	}
	return g.mark
}

// rank puts the table at hand before all others.
func (g *progress) rank(oid uint32) int {
	if g != nil && g.table == oid {
		return 0
	}
	return 1
}

// begin, upTo and end return the progress behind the beginning of a table, behind a chunk, and behind its last row.
func (g *progress) begin(oid uint32, mark *snapshot.Mark) *progress {
	return &progress{done: g.done, table: oid, mark: mark}
}

func (g *progress) upTo(mark snapshot.Mark) *progress {
	return &progress{done: g.done, table: g.table, mark: &mark}
}

func (g *progress) end() *progress {
	// append leaves what older progresses see as it is: only this one goroutine appends, and only behind them.
	return &progress{done: append(g.done, g.table)}
}

// progressJSON is the form in offsets.
type progressJSON struct {
	Done    []uint32        `json:"done,omitempty"`
	Table   uint32          `json:"table,omitempty"`
	Storage string          `json:"storage,omitempty"`
	Part    uint32          `json:"part,omitempty"`
	Block   uint32          `json:"block,omitempty"`
	XMin    uint64          `json:"xmin,omitempty"`
	Stream  json.RawMessage `json:"stream,omitempty"` // offset of the stream that catches up with the snapshot that is read next
}

// appendJSON appends the field with a comma before it. stream is the offset of the stream, nil while rows are read.
func (g *progress) appendJSON(dst, stream []byte) []byte {
	j := progressJSON{Done: g.done, Table: g.table, Stream: stream}
	if g.mark != nil {
		j.Storage, j.Part, j.Block, j.XMin = g.mark.Storage, g.mark.Part, g.mark.Block, g.mark.XMin
	}
	text, _ := json.Marshal(&j) // numbers, a string and JSON always marshal
	// As text: Kafka Connect refuses offsets with other than primitive values, and so would a Debezium that takes over.
	text, _ = json.Marshal(string(text))
	return append(append(dst, `,"`+progressField+`":`...), text...)
}

// appendCatchUp appends the offset of a stream that catches up with the snapshot that is read next. Debezium sees an unfinished snapshot.
func (p *position) appendCatchUp(dst []byte) []byte {
	stream := *p
	stream.progress = nil
	dst = append(dst, `{"last_snapshot_record":false,"lsn":`...)
	dst = strconv.AppendUint(dst, uint64(p.lsn), 10)
	dst = append(dst, `,"snapshot":"INITIAL","snapshot_completed":false`...)
	dst = p.progress.appendJSON(dst, stream.appendJSON(nil))
	dst = append(dst, `,"ts_usec":`...)
	dst = strconv.AppendInt(dst, int64(p.micros), 10)
	return append(dst, '}')
}

// withProgress completes the position of an unfinished snapshot; text is the field, nil in Debezium's offsets.
func (p *position) withProgress(text json.RawMessage) (*position, error) {
	if len(text) == 0 || string(text) == "null" {
		return p, nil
	}
	var j progressJSON
	var inner string
	if err := json.Unmarshal(text, &inner); err != nil {
		return nil, fmt.Errorf("field %q: %w", progressField, err)
	}
	if err := json.Unmarshal([]byte(inner), &j); err != nil {
		return nil, fmt.Errorf("field %q: %w", progressField, err)
	}
	g := &progress{done: j.Done, table: j.Table}
	if j.Storage != "" {
		g.mark = &snapshot.Mark{Storage: j.Storage, Part: j.Part, Block: j.Block, XMin: j.XMin}
	}
	if len(j.Stream) > 0 {
		stream, err := parsePosition(j.Stream)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", progressField, err)
		}
		if stream == nil || stream.unfinished() {
			return nil, fmt.Errorf("field %q: stream %s is no position of a stream", progressField, j.Stream)
		}
		p = stream
	}
	p.progress = g
	return p, nil
}

// unfinished tells that a snapshot was begun and not completed.
func (p *position) unfinished() bool { return p.snap == snapshotRunning || p.progress != nil }

// catchUp is what the publisher does about tables while the stream comes to the point of a snapshot whose rows are read next.
type catchUp struct {
	until cdc.LSN // of the snapshot; 0: nothing is caught up with
	// ahead are the tables that are read under that snapshot. What changed before is in their rows, but for rows that are gone. So
	// it is for the table at hand, whose changed rows are read again, and for tables that were not begun: a run that was killed
	// may have published rows of theirs behind the last offset that it stored, and so may a run that stored none.
	ahead map[uint32]bool
}

// reached tells that everything before the snapshot's point is behind the stream: a transaction is before it when its commit record is.
//
// PostgreSQL draws the same line: a slot that is created at this point sends the transactions whose commit record begins at or behind it
// (SnapBuildXactNeedsSkip) and its snapshot shows the others, which it saw commit (SnapBuildCommitTxn). A prepared
// transaction counts by its COMMIT PREPARED.
func (u *catchUp) reached(commit cdc.LSN) bool { return u.until != 0 && commit >= u.until }

// errCaughtUp ends the stream in good order.
type errCaughtUp struct{}

func (errCaughtUp) Error() string { return "the stream has come to the point of the snapshot" }

// gone is what remains of a change of a table that is read later: the end of the old row, when the change leaves none under its key. ok is false
// when nothing does. key is the columns of the records' key, which message.key.columns may have chosen.
func goneOf(c *cdc.Change, key []int) (gone cdc.Change, ok bool) {
	switch c.Kind {
	case cdc.Delete, cdc.Truncate:
		return *c, true
	case cdc.Update:
		if c.Old == nil || c.OldKind == cdc.OldFull && keepsKey(c, key) {
			return cdc.Change{}, false
		}
		gone = *c
		gone.Kind, gone.New = cdc.Delete, nil
		return gone, true
	}
	return cdc.Change{}, false
}

// keepsKey compares the key's columns of both tuples of an update.
func keepsKey(c *cdc.Change, key []int) bool {
	for _, i := range key {
		if i < len(c.Old) && i < len(c.New) && !sameDatum(c.Old[i], c.New[i]) {
			return false
		}
	}
	return len(key) > 0
}

func sameDatum(a, b cdc.Datum) bool {
	return b.Kind == cdc.Unchanged || a.Kind == b.Kind && string(a.Bytes) == string(b.Bytes)
}
