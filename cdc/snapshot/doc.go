// Package snapshot reads tables as they stood at one moment and hands the rows out as changes of kind Read.
//
// In: a way to connect, the name of an exported snapshot (or an isolation level when there is none), tables. Out: batches of changes, bounded
// in bytes, to a function of the caller; each table's rows follow a change of kind Announce.
//
// Transactions: the keeper imports the slot's exported snapshot while the exporting connection still holds it, and exports it again, so that
// readers can join later, as long as the Snapshot is open. Run uses one reader. More of them would run side by side over the same
// export; the markers of the rows (cdc.Marker) are what they would have to agree on, which is why those live in a type of their own.
//
// Rows are read by COPY in text form: the server's output functions give the same text as pgoutput does, it streams without
// a cursor (so snapshot.fetch.size has nothing to size), and one system call brings thousands of rows.
//
// No goroutines: Open, Run and Close belong to one at a time.
package snapshot
