// Package transaction puts the source's transactions together again from the records of many topics, with the transaction metadata that
// Debezium publishes beside them (provide.transaction.metadata=true).
//
// In: sink.Records of all topics of a connector, in any order across partitions. Out: Groups of whole transactions, in the order of their
// commits, and of rows of snapshots, table by table; who applies a Group says Done, and the positions behind it are the positions to store.
//
// assembler.go takes records and gives groups, classify.go says what a record is, queue.go keeps what waits per partition, spool.go its bytes:
// in memory up to a bound, behind it in a file without a name. anew.go gives transactions together with a snapshot that came behind them. codec.go
// turns records into bytes and back.
//
// Records of a transaction lie in several partitions, each in the order of commits; its END, in the topic of the metadata, says how many there
// are of each table. A transaction is given when all have come, those before it were given, and whatever else stood before it in its partitions.
// A source that was killed may say records again, of transactions that were given and of those that wait.
//
// No goroutines, no clock but the one handed in. Not safe for concurrent use.
package transaction
