// Package smt reads the recordings of single message transforms and predicates in testdata/golden-connect/smt: what goes in as
// schema.Record, what came out, or what failed.
//
// In: JSON Lines, in the notation of that folder's README. Out: Cases, whose Steps give a record and tell how what was made of it differs from
// what was recorded. The reader is its own, so that no converter under test stands between. For tests alone; no goroutines.
package smt
