// Package connect is the worker: it runs source and sink tasks, converts their records, keeps their offsets and answers for their state.
//
// In: worker and connector configurations in Kafka Connect's names (workerconfig.go, connectorconfig.go, connectorfile.go) and plugins
// (plugin.go, transform.go). Out: records in Kafka (sourcetask.go, emitter.go), calls of sink tasks (sinktask.go, tolerance.go), stored offsets
// (offsetfile.go, javamap.go), statuses (status.go). connect/rest serves it all.
//
// Transforms stand between a task and its converters (transform.go, chainconfig.go; transforming.go behind a source). They belong to a life of a
// task and to the goroutine that calls it.
//
// Worker.Run owns every goroutine: one per task, which supervises it (supervisor.go), and under it, per life of a source task, the task's
// own and the producer's; per life of a sink task, the consumer's, one that flushes about every second, and the dead letters' producer. The
// constructors dial nothing and start none.
//
// Deliberately absent: config providers, exactly-once sources, and whatever needs more than one worker.
package connect
