// Package source is the PostgreSQL source connector, class io.debezium.connector.postgresql.PostgresConnector: it makes Debezium's
// records of a database's changes.
//
// In: a replication slot and a catalog (cdc/replication, cdc/catalog, cdc/snapshot), a stored source offset. Out: calls of an Emitter, one
// per record, and for each the source offset behind it.
//
// Goroutines: Task.Run owns two while it streams, and while it reads a snapshot one per reader (its own publishes), beside one for each channel of signals but
// the signal table, and one that posts notifications. receive owns the replication connection, reads and decodes; publish owns the
// encoder, the metadata connection and the emitter. What crosses back is one LSN, the checkpoint, which the worker's offset
// goroutine sets through Task.Stored. Signals cross to the publisher one at a time. Run returns after all have
// ended.
package source
