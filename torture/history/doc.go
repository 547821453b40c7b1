// Package history holds what a consumer read against what was committed.
//
// In: the truth, transactions in the order of their commits as PostgreSQL's own test_decoding tells them (ParseChange), and the records that a
// reader of committed records has, partition by partition. Out: Verdicts, of which there is none when no change was lost, doubled, put out of
// its order, changed or made up, and Models: what tables hold behind the one and behind the other.
//
// truth.go reads the truth, expect.go says which records it makes, check.go compares, boundary.go does for the topic of transactions, initial.go
// and incremental.go do where rows of snapshots are among the records, model.go replays. No I/O, no goroutines.
package history
