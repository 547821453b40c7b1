// Package dialect holds what is particular to one kind of relational database and no connector's own: how its JDBC URLs read, how
// it is connected to, and how its identifiers are quoted.
//
// In: JDBC URLs and names as users write them. Out: driver configurations, connectors for database/sql, and SQL text. No I/O and no
// goroutines, but for files of certificates that a URL names, which are read. What a sink writes and what a source reads (types,
// statements) stands with them, a file per dialect, not here.
package dialect
