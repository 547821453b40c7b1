// Package kafka is the vocabulary of records: what is published and consumed, with its position. It does no I/O and
// imports nothing of this project; kafka/client speaks the protocol.
package kafka
