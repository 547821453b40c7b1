// Package embedded runs a Kafka broker and a schema registry inside this process, for demonstrations, development and tests:
// franz-go's kfake and srfake behind a fixed address.
//
// In: an address and, for the broker, a folder. Out: host:port, or a URL. StartBroker and StartRegistry listen and own the goroutines
// of the servers until Close.
//
// The broker speaks the protocol of Kafka 4: topics created on first use, idempotent and transactional producers, consumer groups,
// topic ids, retention and compaction. With a folder, records, topics and committed offsets are on disk and found again by the
// next broker on it, and memory holds about 10 bytes a record; without, all records stay in memory, compressed as they came, until Close
// (BenchmarkBrokerMemory). The registry keeps its schemas in memory, or in a file too, and, as srfake does, calls every schema compatible.
// It is one node without replication, built to be tried and not to be relied upon.
package embedded
