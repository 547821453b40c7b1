// Package sqldb applies records to tables of a relational database: the task behind io.debezium.connector.jdbc.JdbcSinkConnector and
// io.confluent.connect.jdbc.JdbcSinkConnector.
//
// In: sink.Records, Debezium envelopes or flat. Out: rows, and the consumer positions in the transaction of the rows.
//
// config.go says what a task does; config_debezium.go and config_confluent.go fill it from the options of either connector, and nothing
// else knows which one it was. The way of a batch, in the order of the files: task.go splits it by partition; plan.go compiles, once per
// pair of schemas, which field goes to which column, and column.go what is made of its values; mutation.go turns a record into a Mutation (upsert, delete, truncate); reduce.go brings the
// mutations of a table to the last state per key; apply.go hands what is left to a session of the dialect in sets, between the move
// of the position and the commit, and finds the rows at fault when a set is refused; tables.go creates and extends tables. dialect.go
// says what a database has to be able to do, store.go chooses; postgres*.go is PostgreSQL, mysql*.go MySQL and MariaDB, sqlite*.go SQLite.
//
// Goroutines live within one call of Put, one per partition of the batch up to parallel.connections, each with a connection of its
// own; between calls there is one at most, a timer's (hold.go). Values are read where they are until they are written to a
// connection's buffers; nothing of a Record is kept when Put returns, but copies of the keys that hold.go needs.
//
// What differs from Debezium's JDBC sink, on purpose: positions live in the target (positions.table) and a task that was replaced
// is fenced; a batch is always brought to the last state per key (use.reduction.buffer); unchanged TOAST columns are left as they
// are; a VariableScaleDecimal becomes numeric, not double precision, and a Timestamp or Time keeps all its digits; a Decimal without
// precision becomes numeric without limits; defaults that stand for an expression are not created; a column added to a table with
// rows may be null; a table whose records have no key gets plain inserts in primary.key.mode=record_key; names are folded but always
// quoted, so that reserved words work; maps without hstore, structs and arrays of these become jsonb, geometries without PostGIS bytea.
//
// Deliberately not here: polling, converting, the dead letter queue, pausing; they are connect's.
package sqldb
