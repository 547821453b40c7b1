package envelope

import (
	"strconv"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// Source is where a change stands: what the source block says beside names. The caller keeps it up to date.
type Source struct {
	Micros cdc.Micros // commit time; snapshot: time of the snapshot; incremental: the connector's clock
	Nanos  int64      // what is finer than Micros, 0 to 999; only the connector's clock has it

	TxID  int64
	HasTx bool

	LSN    cdc.LSN
	HasLSN bool
	// LastCommitLSN and SequenceLSN are the elements of source.sequence; 0 is null. SequenceLSN 0 takes LSN, if there is one:
	// incremental snapshots set it, whose LSN is null.
	LastCommitLSN cdc.LSN
	SequenceLSN   cdc.LSN

	Snapshot cdc.Marker

	Xmin    int64
	HasXmin bool

	Origin       string // "" is null
	OriginLSN    cdc.LSN
	HasOriginLSN bool
}

// writeSource writes the source block of a change of a table; both names are empty for logical decoding messages.
func (e *Encoder) writeSource(w schema.Writer, at *Source, schemaName, table string) {
	w.BeginStruct()
	e.writeSourceHead(w, at)
	e.writeSequence(w, at)
	writeSourceMiddle(w, at, schemaName, table)
	writeIf(w, at.HasLSN, int64(at.LSN))
	writeSourceTail(w, at)
	w.EndStruct()
}

func writeIf(w schema.Writer, has bool, v int64) {
	if has {
		w.Int(v)
	} else {
		w.Null()
	}
}

// appendSequence appends ["last commit","own"], JSON of two numbers as text, or null.
func (at *Source) appendSequence(dst []byte) []byte {
	own := at.SequenceLSN
	if own == 0 && at.HasLSN {
		own = at.LSN
	}
	dst = appendQuotedLSN(append(dst, '['), at.LastCommitLSN)
	dst = appendQuotedLSN(append(dst, ','), own)
	return append(dst, ']')
}

func appendQuotedLSN(dst []byte, lsn cdc.LSN) []byte {
	if lsn == 0 {
		return append(dst, "null"...)
	}
	dst = strconv.AppendUint(append(dst, '"'), uint64(lsn), 10)
	return append(dst, '"')
}

// floorDiv rounds towards minus infinity, as times before 1970 need.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
