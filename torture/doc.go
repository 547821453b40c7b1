// The torture runs tandem on real servers while they, the network and tandem itself are made to fail, and holds what came out against what went
// in: not one change lost, none doubled where that is promised, each in its order, nothing that was rolled back, and the same tables at the end.
//
// In: a time and a seed. Out: what happened on standard error, and an end in error when a verdict was found or something did not recover.
//
// One PostgreSQL holds the source and two targets. Two workers of one group (tandem distributed, exactly-once sources) capture it into topics of
// three partitions and apply them to the first target, transaction by transaction; a third worker (tandem standalone) captures it a second time,
// at least once, and applies that to the second target. All of them reach Kafka and PostgreSQL through proxies of internal/faultproxy.
//
// The time is divided into rounds, whose kinds take turns (rounds.go): the captures only stream, begin anew with an initial snapshot of tables
// that are written to (anew.go), are asked for an incremental one, or are slow and killed while they are behind. In each, sessions (session.go) write random transactions (step.go) and change tables (alter.go) while the
// faults of a plan (plan.go) happen (fault.go); then all is healed, and the round is judged (round.go): the truth comes from a slot of
// test_decoding (truth.go), the records from a reader of committed records (topics.go), the verdicts from package history. Seeds of sessions and
// plans derive from the one seed and the number of the round, so that a seed brings the same load and the same faults again; how they interleave
// it does not.
//
// With -sabotage it builds tandem from sources of which testdata/sabotage changes a line, and wants the verdicts that this must bring.
//
// cluster.go owns the servers, worker.go the processes of tandem. A round owns a goroutine per session and per fault; all end with it.
package main
