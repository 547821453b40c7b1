// Package incremental holds the parts of an incremental snapshot: a table is read in chunks, in the order of its key, while the stream goes
// on, and what the stream changes between the two watermarks of a chunk is taken out of it (Debezium's incremental snapshots, after the
// DBLog paper of Netflix).
//
// In: a connection of the caller's, relations and keys. Out: the SQL of chunks and watermarks, the rows of a chunk (Window) and what the
// source offset keeps (State), whose keys are serialised Java objects, so that Debezium can go on from our chunk and we from Debezium's.
// When a chunk is read and what happens with its rows is decided in cdc/source.
//
// No goroutines; nothing here is safe for concurrent use but State, which never changes.
package incremental
