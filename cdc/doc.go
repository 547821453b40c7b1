// Package cdc is the vocabulary of change capture: positions, relations, tuples and changes. It does no I/O, starts no
// goroutine and imports nothing of this project, so that every room can speak it.
//
// In: nothing. Out: the types that cdc/pgoutput and cdc/snapshot produce and that envelope and cdc/source consume.
// A Change borrows its bytes from the Batch that holds it; both are reused, so whoever keeps a datum copies it.
package cdc
