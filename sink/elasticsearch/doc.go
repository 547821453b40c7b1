// Package elasticsearch is the sink connector for Elasticsearch and OpenSearch: records become documents of indices or data streams.
//
// In: records, and partitions to open. Out: requests of the bulk API, positions behind what the server has taken, and records that it refuses,
// for the worker's dead letter queue.
//
// The way of a record: resource (which index, made when it is missing, with the mapping of the schema) → document (JSON of the value, appended
// to the open bulk) → pipeline (bulks that wait or are on their way) → answer, item by item → position of the partition.
//
// Goroutines: one per open task, pipeline.run, decides which bulk is sent next; one per bulk on its way, at most max.in.flight.requests, owns
// that bulk until its answer. All of them end in Close. The caller's goroutine fills the open bulk, reports refused records, and waits in Put
// when too much is buffered.
//
// Documents are those of the Java connector's DataConverter. The client is our own (docs/adr): the official one refuses OpenSearch.
package elasticsearch
