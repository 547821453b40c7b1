// Package client speaks Kafka's protocol: a producer, a consumer in a group, a reader of partitions, an admin client and a group member
// of any protocol type. It is the only room with sarama, of which no type leaves.
//
// In: the option names of Kafka's Java clients (Config). Out: kafka.Records and kafka.Positions, and errors of the classes in
// package kafka, chosen by Kafka's error codes.
//
// Goroutines: constructors start none and do not dial. Producer.Run, Consumer.Run and GroupMember.Run block and own theirs; all have ended on
// return. Admin and Reader work on the caller's goroutine; Close ends what sarama keeps for them.
//
// The producer is our own over sarama's broker connections, not sarama.AsyncProducer: the latter hands every record through
// five goroutines, counts retries instead of time, gives a batch up when the leader is not known at once, and goes on past it. Its batches
// are bytes from the start; produce.go tells how they get past sarama. The consumer is sarama's as far as membership, leaders and transactions go; the
// batches of records pass it by (fold.go).
// Transactions (txn.go) are more requests beside it, of the classic protocol. Deliberately absent: the consumer protocol of KIP-848, Kerberos and OAuth.
package client
