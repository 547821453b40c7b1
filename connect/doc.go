// Package connect is the worker: it runs source and sink tasks, converts their records, keeps their offsets and answers for their state.
//
// In: worker and connector configurations, plugins. Out: records in Kafka, calls of sink tasks, stored offsets, statuses.
package connect
