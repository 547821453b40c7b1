// Package snapshot reads tables as they stood at one moment and hands the rows out as changes of kind Read.
//
// In: a way to connect, the name of an exported snapshot (or an isolation level when there is none), tables, and for a table that an earlier
// run read in part how far it came. Out: batches of changes, bounded in bytes, to a function of the caller, with what happened between the
// rows (Event); each table's rows follow a change of kind Announce.
//
// Transactions: the keeper imports the slot's exported snapshot while the exporting connection still holds it, and exports it again, so that
// readers can join later, as long as the Snapshot is open.
//
// Chunks: a table larger than one chunk is read by ranges of its blocks, one statement each, in the order in which the rows lie; others by one
// statement. Chunks are what readers share out and behind which an interrupted run goes on (Mark). A range of blocks costs no more than the
// same blocks of a whole scan, needs no key, no index and no sort. See docs/adr/0006-snapshot-goes-on-after-a-crash.md for why blocks are
// sound even across two snapshots.
//
// Rows are read by COPY in text form: the server's output functions give the same text as pgoutput does, it streams without
// a cursor, and one system call brings thousands of rows.
//
// Goroutines: Run owns one per reader; all have ended when it returns. Batches are emitted in the caller's goroutine, strictly in the order of
// the chunks, so that markers, order and progress are those of one reader, however many there are. A reader ahead of its turn waits when
// its own batches are full: memory is bounded by readers times Options.ReaderBytes, and the reader whose turn it is never waits for another.
package snapshot
