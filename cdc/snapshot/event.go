package snapshot

import "github.com/tandem-cdc/tandem/cdc"

// Rows is a batch with what happened between its changes. It belongs to Run and holds until emit returns.
type Rows struct {
	cdc.Batch
	Events []Event // ascending At

	home chan<- *Rows // where it goes back to; nil: nowhere
}

func (r *Rows) reset() {
	r.Batch.Reset()
	r.Events = r.Events[:0]
}

// EventKind says what an Event is.
type EventKind uint8

// Kinds of Event.
const (
	TableBegins EventKind = iota + 1
	ChunkEnds             // Mark says how far the table is handed out
	TableEnds
)

// Event is something that happened between two rows.
type Event struct {
	Kind  EventKind
	At    int    // how many of the batch's changes came before
	Table int    // index of the table
	Rows  uint64 // handed out of the table by this Run
	Mark  Mark   // of ChunkEnds
}

// Mark says how far a table was handed out: of its parts before Part (by OID) every block, and of Part the blocks below Block, as the snapshot
// with XMin saw them. It stays valid for other snapshots while Storage is the same.
type Mark struct {
	Storage string
	Part    uint32 // OID of the table itself, or of a partition
	Block   uint32
	XMin    uint64
}
