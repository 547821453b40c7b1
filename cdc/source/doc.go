// Package source is the PostgreSQL source connector, class io.debezium.connector.postgresql.PostgresConnector: it makes Debezium's
// records of a database's changes.
//
// In: a replication slot and a catalog (cdc/replication, cdc/catalog, cdc/snapshot), a stored source offset. Out: calls of an Emitter, one
// per record, and for each the source offset behind it.
//
// Goroutines: Task.Run owns two while it reads a snapshot (reader and publisher) and two while it streams. receive owns the replication connection, reads and decodes; publish owns the
// encoder, the metadata connection and the emitter. What crosses back is one LSN, the checkpoint, which the worker's offset
// goroutine sets through Task.Stored. Run returns after both have ended.
package source
