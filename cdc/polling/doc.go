// Package polling is the JDBC source connector: it asks tables or a query for rows again and again, and makes records of what is new.
//
// In: a configuration, the stored offsets, a database behind database/sql (PostgreSQL: pgconn, whose rows need no copy). Out: records
// without key into the worker's emitter, and for each table, which is a source partition, an offset behind its last. Polling sees no deletes, and no
// states between two polls.
//
//	connector.go                          what the worker asks: validation, division of tables over tasks, watching for new tables
//	task.go poll.go                       the loop: which table is next, one query, its rows to records
//	criteria.go                           the query: what is new, as SQL
//	column.go convert.go moment.go        a column's JDBC type → field schema and a function from cell to schema.Writer calls
//	offset.go positions.go                offsets letter by letter as Java stores them; which are acknowledged
//	database.go postgres.go mysql.go sqlite.go   the databases
//
// Task.Run is one goroutine, which owns the connection, the cursor and the encoding; Offsets, Exact and Stored are called by the worker's.
// Connector.Watch is another, with a connection of its own. A row is never held twice: memory is one row and what the emitter keeps.
package polling
