// Package pgoutput decodes the messages of PostgreSQL's pgoutput plugin, protocol version 1, into cdc.Changes.
//
// In: the payload of one XLogData message at a time, in the order of the stream. Out: changes appended to a cdc.Batch, which owns a copy
// of the bytes; the payload may be reused at once. Everything undecodable is an error: nothing is skipped.
//
// No network, no goroutines; a Decoder is not safe for concurrent use and belongs to one connection, for the server announces relations
// anew on each. Layouts: PostgreSQL manual, "Logical Replication Message Formats" (18).
//
// Lacks on purpose: streaming of transactions in progress (version 2), prepared transactions (version 3) and parallel apply
// (version 4). They are not asked for, so their messages are errors.
package pgoutput
