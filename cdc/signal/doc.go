// Package signal is the vocabulary of signals: what a user asks of a running connector, and the channels such requests come through.
//
// In: rows of the signal table (handed over by cdc/source), records of a Kafka topic, lines of a file. Out: Signals, and their parsed forms
// (Execute, Stop, Log, Window). What a signal does is decided in cdc/source, which processes it between two changes of the stream.
//
// Goroutines: File and Kafka each run in one goroutine of the caller's until its context ends. Everything else is plain functions.
package signal
