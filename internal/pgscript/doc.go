// Package pgscript is a PostgreSQL server that sends what a test tells it to, for what no real server can be made to do: keepalives at the
// wrong moment, transactions that never end, messages of protocols nobody asked for, bytes that mean nothing.
//
// In: the name of a slot and its position, then messages, whole and in any order. Out: an address that lets every role in without a password,
// knows one slot, and streams the messages to whoever asks for that slot; the client's standby statuses. The messages of a stream are
// functions without state, for tests that bring a connection of their own.
//
// A Server owns a goroutine that accepts and one per connection; all have ended when the test has. It speaks protocol 3.0 through pgproto3 and
// answers nothing but the query for the slot and START_REPLICATION.
package pgscript
