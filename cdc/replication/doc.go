// Package replication speaks to PostgreSQL: ordinary connections, the replication connection, slot, publication and stream.
//
// In: a Config made of Debezium's database.* options. Out: decoded changes in a cdc.Batch (Stream.Receive), and what the server says about
// slots and publications. What crosses back is one LSN (Stream.Confirm), which any goroutine may set.
//
// No goroutines: Stream belongs to the one that calls Receive and Close; it owns the connection for reads and for standby status
// writes. Constructors of options do not dial; Connect and Config.Connect do.
//
// Status replies carry the written, the flushed and the applied position explicitly, all three the confirmed one: a position that was only
// received must never reach the server, for it forgets WAL behind it.
package replication
