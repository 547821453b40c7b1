package metrics

// Definition says what a figure is.
type Definition struct {
	Bean string // type of the bean; "" for series of our own
	Name string // of the attribute, or of the series
	Help string
}

// Definitions are all figures, in the order of the documentation.
func Definitions() []Definition {
	var all []Definition
	for _, group := range [][]Definition{
		of("connect-worker-metrics", workerDefinitions), of("connector-metrics", connectorDefinitions), of("connector-task-metrics", taskDefinitions),
		of("source-task-metrics", sourceDefinitions), of("sink-task-metrics", sinkDefinitions), of("task-error-metrics", errorDefinitions),
		of("connect-worker-rebalance-metrics", rebalanceDefinitions), of("connect-coordinator-metrics", append([][2]string{
			{"assigned-connectors", "Connectors assigned to this worker."}, {"assigned-tasks", "Tasks assigned to this worker."}}, membershipDefinitions...)),
		of("connector-metrics (debezium)", debeziumDefinitions),
		of("producer-metrics", append(append(producerDefinitions, latencyDefinitions...), clientDefinitions...)), of("producer-topic-metrics", topicDefinitions),
		of("consumer-metrics", append(consumerDefinitions, clientDefinitions...)), of("consumer-fetch-manager-metrics", fetchDefinitions),
		of("consumer-coordinator-metrics", append(coordinatorDefinitions, membershipDefinitions...)),
		of("connect-metrics", clientDefinitions), of("admin-client-metrics", clientDefinitions),
		of("node-metrics", append(latencyDefinitions, trafficDefinitions...)), of("app-info", infoDefinitions), of("", ownDefinitions),
	} {
		all = append(all, group...)
	}
	return all
}

func of(bean string, names [][2]string) []Definition {
	out := make([]Definition, len(names))
	for i, n := range names {
		out[i] = Definition{bean, n[0], n[1]}
	}
	return out
}

var workerDefinitions = [][2]string{
	{"connector-count", "Connectors that run in this worker."},
	{"task-count", "Tasks that run in this worker."},
	{"connector-startup-attempts-total", "Starts of connectors."},
	{"connector-startup-success-total", "Starts of connectors that succeeded."},
	{"connector-startup-failure-total", "Starts of connectors that failed."},
	{"connector-startup-success-percentage", "Share of the starts of connectors that succeeded, from 0 to 1."},
	{"connector-startup-failure-percentage", "Share of the starts of connectors that failed, from 0 to 1."},
	{"task-startup-attempts-total", "Starts of tasks."},
	{"task-startup-success-total", "Starts of tasks that succeeded."},
	{"task-startup-failure-total", "Starts of tasks that failed."},
	{"task-startup-success-percentage", "Share of the starts of tasks that succeeded, from 0 to 1."},
	{"task-startup-failure-percentage", "Share of the starts of tasks that failed, from 0 to 1."},
	{"connector-total-task-count", "Tasks of the connector in this worker."},
	{"connector-running-task-count", "Tasks of the connector in this worker that run."},
	{"connector-paused-task-count", "Tasks of the connector in this worker that are paused."},
	{"connector-failed-task-count", "Tasks of the connector in this worker that have failed."},
	{"connector-unassigned-task-count", "Tasks of the connector in this worker that have not begun."},
	{"connector-destroyed-task-count", "Tasks of the connector in this worker that were abandoned, since they did not stop."},
	{"connector-restarting-task-count", "Tasks of the connector in this worker that wait to be started again after an error that may pass."},
}

var connectorDefinitions = [][2]string{
	{"connector-class", "Class of the connector."},
	{"connector-type", "source or sink."},
	{"connector-version", "Version of the connector."},
	{"status", "running, paused, stopped, failed or unassigned."},
}

var taskDefinitions = [][2]string{
	{"status", "running, paused, failed, unassigned, or destroyed when it was abandoned."},
	{"connector-class", "Class of the connector."},
	{"connector-type", "source or sink."},
	{"connector-version", "Version of the connector."},
	{"task-class", "Class of the task."},
	{"task-version", "Version of the task."},
	{"key-converter-class", "Class of the key converter."},
	{"key-converter-version", "Version of the key converter."},
	{"value-converter-class", "Class of the value converter."},
	{"value-converter-version", "Version of the value converter."},
	{"header-converter-class", "Class of the header converter."},
	{"header-converter-version", "Version of the header converter."},
	{"batch-size-avg", "Mean number of records that a source emits between two flushes, or that are put into a sink at once."},
	{"batch-size-max", "Greatest number of records that a source emitted between two flushes, or that were put into a sink at once."},
	{"offset-commit-avg-time-ms", "Mean time to store a source offset, or to commit the group's offsets."},
	{"offset-commit-max-time-ms", "Longest time to store a source offset, or to commit the group's offsets."},
	{"offset-commit-success-percentage", "Share of the attempts to store or commit offsets that succeeded, from 0 to 1."},
	{"offset-commit-failure-percentage", "Share of the attempts to store or commit offsets that failed, from 0 to 1."},
	{"running-ratio", "Share of the time that the task ran, from 0 to 1."},
	{"pause-ratio", "Share of the time that the task was paused, from 0 to 1."},
}

var sourceDefinitions = [][2]string{
	{"source-record-poll-total", "Records that the source made, before filters of transforms."},
	{"source-record-poll-rate", "Records per second that the source made."},
	{"source-record-write-total", "Records that are acknowledged by the broker, or were left out."},
	{"source-record-write-rate", "Records per second that are acknowledged by the broker, or were left out."},
	{"source-record-active-count", "Records that were made and are not acknowledged."},
	{"source-record-active-count-avg", "Mean number of records that were made and not acknowledged."},
	{"source-record-active-count-max", "Greatest number of records that were made and not acknowledged."},
	{"transaction-size-avg", "Mean number of records of a Kafka transaction, with exactly-once delivery."},
	{"transaction-size-max", "Greatest number of records of a Kafka transaction, with exactly-once delivery."},
	{"transaction-size-min", "Least number of records of a Kafka transaction, with exactly-once delivery."},
	{"poll-batch-avg-time-ms", "Mean time between two flushes of a source that has something to give, the wait for it included."},
	{"poll-batch-max-time-ms", "Longest time between two flushes of a source that has something to give, the wait for it included."},
}

var sinkDefinitions = [][2]string{
	{"sink-record-read-total", "Records that were read, before transforms."},
	{"sink-record-read-rate", "Records per second that were read."},
	{"sink-record-send-total", "Records that the store has taken."},
	{"sink-record-send-rate", "Records per second that the store has taken."},
	{"sink-record-active-count", "Records that were read and are not committed."},
	{"sink-record-active-count-avg", "Mean number of records that were read and not committed."},
	{"sink-record-active-count-max", "Greatest number of records that were read and not committed."},
	{"partition-count", "Partitions that the task has."},
	{"put-batch-avg-time-ms", "Mean time to put records into the store."},
	{"put-batch-max-time-ms", "Longest time to put records into the store."},
	{"offset-commit-seq-no", "Attempts to commit offsets."},
	{"offset-commit-completion-total", "Commits of offsets."},
	{"offset-commit-completion-rate", "Commits of offsets per second."},
	{"offset-commit-skip-total", "Times that there was nothing to commit."},
	{"offset-commit-skip-rate", "Times per second that there was nothing to commit."},
}

var errorDefinitions = [][2]string{
	{"total-record-errors", "Records that failed in a conversion, a transform or the store."},
	{"total-record-failures", "Attempts that failed, those included that were repeated."},
	{"total-records-skipped", "Records that were left out, as errors.tolerance=all says."},
	{"total-retries", "Attempts that were repeated."},
	{"total-errors-logged", "Failures that the log tells, as errors.log.enable=true says."},
	{"deadletterqueue-produce-requests", "Records for the dead letter queue."},
	{"deadletterqueue-produce-failures", "Records that could not be written to the dead letter queue."},
	{"last-error-timestamp", "When a record failed last, milliseconds since 1970; 0 for never."},
}

var rebalanceDefinitions = [][2]string{
	{"connect-protocol", "Protocol of the group."},
	{"leader-name", "URL of the leader."},
	{"epoch", "Generation of the group."},
	{"rebalancing", "1 while the group rebalances."},
	{"completed-rebalances-total", "Rebalances that this worker went through."},
	{"rebalance-avg-time-ms", "Mean time of a rebalance."},
	{"rebalance-max-time-ms", "Longest time of a rebalance."},
	{"time-since-last-rebalance-ms", "Time since the last rebalance, or since the start."},
}

var debeziumDefinitions = [][2]string{
	{"Connected", "1 while the replication stream is open."},
	{"MilliSecondsBehindSource", "Time between the last commit and its publication; -1 before the first."},
	{"MilliSecondsBehindSourceMinValue", "Shortest time between a commit and its publication since the task began; -1 before the first."},
	{"MilliSecondsBehindSourceMaxValue", "Longest time between a commit and its publication since the task began; -1 before the first."},
	{"MilliSecondsBehindSourceAverageValue", "Mean time between a commit and its publication since the task began."},
	{"MilliSecondsBehindSourceP50", "Half of the transactions were published sooner after their commit, within a hundredth."},
	{"MilliSecondsBehindSourceP95", "95 of 100 transactions were published sooner after their commit, within a hundredth."},
	{"MilliSecondsBehindSourceP99", "99 of 100 transactions were published sooner after their commit, within a hundredth."},
	{"MilliSecondsSinceLastEvent", "Time since the last change became a record; -1 before the first."},
	{"NumberOfCommittedTransactions", "Transactions that were published."},
	{"TotalNumberOfEventsSeen", "Changes that became records, TRUNCATEs left out as in Debezium."},
	{"TotalNumberOfCreateEventsSeen", "Inserts that became records."},
	{"TotalNumberOfUpdateEventsSeen", "Updates that became records."},
	{"TotalNumberOfDeleteEventsSeen", "Deletes that became records."},
	{"TotalNumberOfReadEventsSeen", "Rows of snapshots that became records."},
	{"TotalNumberOfLogicalMessageEventsSeen", "Logical decoding messages that became records."},
	{"NumberOfEventsFiltered", "Changes of tables that are not captured."},
	{"NumberOfErroneousEvents", "Changes that were left out because their values do not fit."},
	{"NumberOfUnchangedEventsSkipped", "Updates that changed no captured column, with skip.messages.without.change; else -1."},
	{"QueueTotalCapacity", "The option max.queue.size. The queue itself is bounded by bytes."},
	{"QueueRemainingCapacity", "max.queue.size less the changes that wait to be published."},
	{"MaxQueueSizeInBytes", "Bound of the bytes that wait to be published."},
	{"CurrentQueueSizeInBytes", "Bytes of changes that wait to be published."},
	{"SnapshotRunning", "1 while a snapshot is read."},
	{"SnapshotCompleted", "1 when the snapshot is complete."},
	{"SnapshotAborted", "1 when the snapshot was broken off."},
	{"SnapshotSkipped", "1 when this run reads no rows at its start."},
	{"SnapshotPaused", "Always 0: a snapshot is never paused."},
	{"SnapshotPausedDurationInSeconds", "Always 0: a snapshot is never paused."},
	{"SnapshotDurationInSeconds", "How long the snapshot has taken."},
	{"TotalTableCount", "Tables of the snapshot."},
	{"RemainingTableCount", "Tables of the snapshot whose rows are not all published."},
	{"RowsScanned", "Rows of the snapshot that are published, by table."},
}

var trafficDefinitions = [][2]string{
	{"incoming-byte-total", "Bytes of responses."},
	{"incoming-byte-rate", "Bytes of responses per second."},
	{"outgoing-byte-total", "Bytes of requests."},
	{"outgoing-byte-rate", "Bytes of requests per second."},
	{"request-total", "Requests."},
	{"request-rate", "Requests per second."},
	{"request-size-avg", "Mean number of bytes of a request."},
	{"request-size-max", "Greatest number of bytes of a request."},
	{"response-total", "Responses."},
	{"response-rate", "Responses per second."},
}

var clientDefinitions = append([][2]string{
	{"connection-count", "Open connections."},
	{"connection-creation-total", "Connections that were opened."},
	{"connection-creation-rate", "Connections per second that were opened."},
	{"connection-close-total", "Connections that were closed."},
	{"connection-close-rate", "Connections per second that were closed."},
	{"network-io-total", "Requests and responses."},
	{"network-io-rate", "Requests and responses per second."},
}, trafficDefinitions...)

var latencyDefinitions = [][2]string{
	{"request-latency-avg", "Mean milliseconds between a request and its response."},
	{"request-latency-max", "Greatest number of milliseconds between a request and its response."},
}

var producerDefinitions = [][2]string{
	{"record-send-total", "Records that are acknowledged."},
	{"record-send-rate", "Records per second that are acknowledged."},
	{"record-retry-total", "Records that were sent again."},
	{"record-retry-rate", "Records per second that were sent again."},
	{"record-error-total", "Records that finally failed."},
	{"record-error-rate", "Records per second that finally failed."},
	{"record-size-avg", "Mean number of bytes of a record, uncompressed."},
	{"record-size-max", "Greatest number of bytes of a record, uncompressed."},
	{"record-queue-time-avg", "Mean milliseconds that a batch waits to be sent."},
	{"record-queue-time-max", "Greatest number of milliseconds that a batch waited to be sent."},
	{"records-per-request-avg", "Mean number of records of a request."},
	{"batch-size-avg", "Mean number of bytes of a partition's batch, uncompressed."},
	{"batch-size-max", "Greatest number of bytes of a partition's batch, uncompressed."},
	{"batch-split-total", "Batches that were halved because the broker found them too large."},
	{"batch-split-rate", "Batches per second that were halved because the broker found them too large."},
	{"compression-rate-avg", "Bytes sent per byte of records."},
	{"produce-throttle-time-avg", "Mean milliseconds that the broker holds an answer back, by a quota."},
	{"produce-throttle-time-max", "Greatest number of milliseconds that the broker held an answer back, by a quota."},
	{"buffer-exhausted-total", "Always 0: records wait for buffer.memory."},
	{"buffer-exhausted-rate", "Always 0: records wait for buffer.memory."},
	{"requests-in-flight", "Requests that wait for their response."},
	{"buffer-total-bytes", "The option buffer.memory."},
	{"buffer-available-bytes", "What of buffer.memory is free."},
	{"bufferpool-wait-time-ns-total", "Nanoseconds that was waited for buffer.memory."},
	{"bufferpool-wait-ratio", "Share of the time that was waited for buffer.memory, from 0 to 1."},
	{"waiting-threads", "Who waits for buffer.memory or for a topic."},
	{"metadata-age", "Seconds since the topics were looked up."},
	{"metadata-wait-time-ns-total", "Nanoseconds that was waited for a topic to be looked up."},
}

var topicDefinitions = [][2]string{
	{"record-send-total", "Records of the topic that are acknowledged."},
	{"record-send-rate", "Records of the topic per second that are acknowledged."},
	{"byte-total", "Bytes of the topic's records that are acknowledged, uncompressed."},
	{"byte-rate", "Bytes of the topic's records per second that are acknowledged, uncompressed."},
	{"record-retry-total", "Records of the topic that were sent again."},
	{"record-retry-rate", "Records of the topic per second that were sent again."},
	{"record-error-total", "Records of the topic that finally failed."},
	{"record-error-rate", "Records of the topic per second that finally failed."},
}

var consumerDefinitions = [][2]string{
	{"last-poll-seconds-ago", "Seconds since records were handed to the task, or since the start."},
	{"time-between-poll-avg", "Mean milliseconds between two batches."},
	{"time-between-poll-max", "Greatest number of milliseconds between two batches."},
	{"poll-idle-ratio-avg", "Share of the time that was waited for records, from 0 to 1."},
	{"commit-sync-time-ns-total", "Nanoseconds that commits took."},
}

var fetchDefinitions = [][2]string{
	{"fetch-total", "Requests for records."},
	{"fetch-rate", "Requests for records per second."},
	{"fetch-latency-avg", "Mean milliseconds of a request for records, the broker's wait included."},
	{"fetch-latency-max", "Greatest number of milliseconds of a request for records."},
	{"fetch-size-avg", "Mean number of bytes of a response with records; also by topic, then of keys and values."},
	{"fetch-size-max", "Greatest number of bytes of a response with records."},
	{"records-consumed-total", "Records that were handed over; also by topic."},
	{"records-consumed-rate", "Records per second that were handed over; also by topic."},
	{"bytes-consumed-total", "Bytes of keys and values that were handed over; also by topic."},
	{"bytes-consumed-rate", "Bytes of keys and values per second that were handed over; also by topic."},
	{"records-per-request-avg", "Mean number of records of a request; also by topic."},
	{"records-lag", "Records of the partition behind the last that was handed over."},
	{"records-lag-avg", "Mean of records-lag at the ends of samples."},
	{"records-lag-max", "Greatest records-lag at the ends of samples; also of all partitions."},
	{"records-lead", "Records of the partition before the next one, since its beginning when it was assigned."},
	{"records-lead-avg", "Mean of records-lead at the ends of samples."},
	{"records-lead-min", "Least records-lead at the ends of samples; also of all partitions."},
	{"preferred-read-replica", "Always -1: the leader is read."},
}

var coordinatorDefinitions = [][2]string{
	{"assigned-partitions", "Partitions that the member has."},
	{"commit-total", "Commits of offsets."},
	{"commit-rate", "Commits of offsets per second."},
	{"commit-latency-avg", "Mean milliseconds of a commit."},
	{"commit-latency-max", "Greatest number of milliseconds of a commit."},
}

var membershipDefinitions = [][2]string{
	{"join-total", "Requests to join the group that were answered."},
	{"join-rate", "Requests per second to join the group that were answered."},
	{"join-time-avg", "Mean milliseconds to join the group."},
	{"join-time-max", "Greatest number of milliseconds to join the group."},
	{"sync-total", "Assignments that were received."},
	{"sync-rate", "Assignments per second that were received."},
	{"sync-time-avg", "Mean milliseconds to receive an assignment."},
	{"sync-time-max", "Greatest number of milliseconds to receive an assignment."},
	{"heartbeat-total", "Heartbeats that were answered."},
	{"heartbeat-rate", "Heartbeats per second that were answered."},
	{"heartbeat-response-time-max", "Greatest number of milliseconds of the answer to a heartbeat."},
	{"last-heartbeat-seconds-ago", "Seconds since a heartbeat was answered; -1 for never."},
	{"rebalance-total", "Rebalances."},
	{"rebalance-rate-per-hour", "Rebalances per hour."},
	{"failed-rebalance-total", "Times that the membership was lost, or could not be had."},
	{"failed-rebalance-rate-per-hour", "Times per hour that the membership was lost, or could not be had."},
	{"rebalance-latency-total", "Milliseconds that all rebalances took."},
	{"rebalance-latency-avg", "Mean milliseconds of a rebalance."},
	{"rebalance-latency-max", "Greatest number of milliseconds of a rebalance."},
	{"last-rebalance-seconds-ago", "Seconds since the last rebalance; -1 for never."},
}

var infoDefinitions = [][2]string{
	{"start-time-ms", "When the client was made, milliseconds since 1970."},
	{"version", "Release of Kafka whose behaviour it has."},
	{"commit-id", "Revision that the program was built from."},
}
