// Package connect is the worker: it runs source and sink tasks, converts their records, keeps their offsets and answers for their state.
//
// A Herder (herder.go) knows which connectors there are and what they shall do; the REST API speaks to it. A Worker (worker.go, connector.go, task.go)
// runs connectors and tasks in this process and tells a Listener how that goes; it does not know where configurations come from. Standalone
// (standalone*.go) is the herder that keeps all in memory and offsets in a file; connect/distributed is the one of a group.
//
// In: worker and connector configurations in Kafka Connect's names (workerconfig.go, connectorconfig.go, connectorfile.go) and plugins
// (plugin.go, transform.go). Out: records in Kafka (sourcetask.go, emitter.go), calls of sink tasks (sinktask.go, tolerance.go), stored offsets
// (offsetfile.go, javamap.go; offsets.go and groupoffsets.go for users), statuses (status.go, statuses.go). connect/rest serves it all.
//
// Transforms stand between a task and its converters (transform.go, chainconfig.go; transforming.go behind a source). They belong to a life of a
// task and to the goroutine that calls it.
//
// A task has lives: the supervisor (supervisor.go, restart.go) gives it one after the other. A paused task is kept; a gate holds back its records.
// StopTasks asks for an end in order; what does not end is cut off, and can neither send nor store then.
//
// Worker.Run owns every goroutine: one per connector whose plugin watches something, one per task, which supervises it, and under it, per life of a source task, the task's
// own and the producer's; per life of a sink task, the consumer's, one that flushes about every second, one that watches whether the task gets on
// (headway.go, sinkheadway.go), and the dead letters' producer. The
// constructors dial nothing and start none.
//
// Source tasks of a worker with exactly.once.source.support write in transactions (oncetask.go).
// Deliberately absent: whatever needs more than one worker.
package connect
