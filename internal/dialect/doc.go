// Package dialect holds what is particular to one kind of relational database and no connector's own: how its JDBC URLs read, and
// how its identifiers are quoted.
//
// In: JDBC URLs and names as users write them. Out: driver configurations and SQL text. No I/O, no goroutines. What a sink writes
// and what a source reads (types, statements) stands with them, a file per dialect, not here.
package dialect
