// Command bench measures tandem side by side with what else does its work: PostgreSQL's own pg_recvlogical, Debezium's PostgreSQL connector and
// its JDBC sink in Kafka Connect, and COPY and upserts inside the server.
//
// In: a Go toolchain, Java and Maven (internal/jvmserver fetches the rest), PostgreSQL's client programs, Linux's /proc. Out: docs/benchmarks.md,
// docs/benchmarks.svg and docs/benchmarks.json, from which the other two are written; a part that is not measured keeps its last results. With -quick: a
// table on standard output alone.
//
// The files: loads in load*.go, contenders in contender*.go, what is measured in part*.go; process.go and proc.go watch a process, watch.go a
// contender's topics, count.go reads them. A load is written before a contender starts; each contender reads its own copy of one slot.
//
// Goroutines: one per process waits for its end and one reads its usage; the writers and the reader of the part of latencies are ended by it.
package main
