package source

import (
	"time"
)

// Figures takes what a task has measured. The worker implements it, without either package importing the other.
type Figures = interface {
	// Bean adds an attribute of a JMX bean; props are names and values in turn. A row of a table has a key.
	Bean(domain, kind string, props []string, attr, key string, value float64)
	// Own adds a series of tandem's own; labels are names and values in turn, beside connector and task.
	Own(name string, value float64, labels ...string)
}

// Measure gives Debezium's metrics and the rungs of the lag ladder. acknowledged is the number of the records that the broker has
// acknowledged. Safe for concurrent use.
func (t *Task) Measure(acknowledged uint64, out Figures) {
	s := t.Stats()
	t.measureStreaming(&s, out)
	t.measureSnapshot(&s, out)
	t.measureLag(&s, acknowledged, out)
	own := func(name string, v uint64) { out.Own(name, float64(v)) }
	own("tandem_source_transactions_total", s.Transactions)
	own("tandem_source_stream_messages_total", s.StreamMessages)
	own("tandem_source_stream_bytes_total", s.StreamBytes)
	own("tandem_source_stream_reads_total", s.StreamReads)
	own("tandem_source_stream_statuses_total", s.Replies)
	for _, c := range []struct {
		op string
		n  uint64
	}{{"c", s.Streaming.Created}, {"u", s.Streaming.Updated}, {"d", s.Streaming.Deleted}, {"t", s.Streaming.Truncated}, {"m", s.Streaming.Messages},
		{"r", s.Snapshot.Read + s.Streaming.Read}} {
		out.Own("tandem_source_changes_total", float64(c.n), "op", c.op)
	}
}

const domain, kind = "debezium.postgres", "connector-metrics"

func (t *Task) measureStreaming(s *Stats, out Figures) {
	props := []string{"context", "streaming", "server", t.cfg.Envelope.TopicPrefix}
	put := func(name string, v float64) { out.Bean(domain, kind, props, name, "", v) }
	t.measureEvents(&s.Streaming, s, put)
	put("Connected", number(s.Connected))
	put("MilliSecondsBehindSource", millis(s.Behind))
	put("MilliSecondsBehindSourceMinValue", millis(s.LeastBehind))
	put("MilliSecondsBehindSourceMaxValue", millis(s.MostBehind))
	put("MilliSecondsBehindSourceAverageValue", s.MeanBehind)
	put("MilliSecondsBehindSourceP50", s.P50Behind)
	put("MilliSecondsBehindSourceP95", s.P95Behind)
	put("MilliSecondsBehindSourceP99", s.P99Behind)
	put("NumberOfCommittedTransactions", float64(s.Transactions))
	put("TotalNumberOfLogicalMessageEventsSeen", float64(s.Streaming.Messages))
	if unchanged := -1.0; t.cfg.Envelope.SkipUnchanged {
		put("NumberOfUnchangedEventsSkipped", float64(s.Unchanged))
	} else {
		put("NumberOfUnchangedEventsSkipped", unchanged) // as Debezium says that it does not count
	}
}

func (t *Task) measureSnapshot(s *Stats, out Figures) {
	props := []string{"context", "snapshot", "server", t.cfg.Envelope.TopicPrefix}
	put := func(name string, v float64) { out.Bean(domain, kind, props, name, "", v) }
	t.measureEvents(&s.Snapshot, s, put)
	put("SnapshotRunning", number(s.Running))
	put("SnapshotCompleted", number(s.Completed))
	put("SnapshotAborted", number(s.Aborted))
	put("SnapshotSkipped", number(s.Skipped))
	put("SnapshotPaused", 0)
	put("SnapshotPausedDurationInSeconds", 0)
	put("SnapshotDurationInSeconds", float64(int64(s.Scanning/time.Second)))
	put("TotalTableCount", float64(s.Tables))
	put("RemainingTableCount", float64(s.TablesLeft))
	for table, n := range s.Rows {
		out.Bean(domain, kind, props, "RowsScanned", table, float64(n))
	}
}

// measureEvents gives what both contexts have. The queue is the same in both, as in Debezium.
func (t *Task) measureEvents(e *EventStats, s *Stats, put func(string, float64)) {
	put("TotalNumberOfEventsSeen", float64(e.Seen-e.Truncated))
	put("TotalNumberOfCreateEventsSeen", float64(e.Created))
	put("TotalNumberOfUpdateEventsSeen", float64(e.Updated))
	put("TotalNumberOfDeleteEventsSeen", float64(e.Deleted))
	put("TotalNumberOfReadEventsSeen", float64(e.Read))
	put("NumberOfEventsFiltered", float64(s.Filtered))
	put("NumberOfErroneousEvents", float64(s.Erroneous))
	since := -1.0
	if !e.Last.IsZero() {
		since = millis(time.Since(e.Last))
	}
	put("MilliSecondsSinceLastEvent", since)
	put("QueueTotalCapacity", float64(t.cfg.Run.queueSize))
	put("QueueRemainingCapacity", float64(max(0, int64(t.cfg.Run.queueSize)-s.Waiting)))
	put("MaxQueueSizeInBytes", float64(t.cfg.queueBytes()))
	put("CurrentQueueSizeInBytes", float64(s.WaitingBytes))
}

// measureLag gives how far each step of the way is behind the server, in bytes of WAL and in seconds, and what the slot holds back.
func (t *Task) measureLag(s *Stats, acknowledged uint64, out Figures) {
	server, since := t.lag.state()
	acked := s.Stored
	if at, ok := t.sent.peek(acknowledged); ok {
		acked = max(acked, at.confirmable())
	}
	head := max(server.lsn, s.Received)
	if head == 0 {
		return
	}
	out.Own("tandem_source_position", float64(head), "rung", "server")
	for _, r := range ladder(s, &server, acked)[1:] {
		if r.lsn == 0 {
			continue // not there yet: a snapshot is read, or nothing was stored
		}
		out.Own("tandem_source_position", float64(r.lsn), "rung", r.name)
		out.Own("tandem_source_lag_bytes", float64(head-min(head, r.lsn)), "rung", r.name)
		if !server.at.IsZero() {
			out.Own("tandem_source_lag_seconds", since(r.lsn).Seconds(), "rung", r.name)
		}
	}
	if !server.exists {
		return
	}
	slot := []string{"slot", t.cfg.Slot}
	out.Own("tandem_source_slot_retained_bytes", float64(head-min(head, server.restart)), slot...)
	out.Own("tandem_source_slot_active", number(server.active), slot...)
	out.Own("tandem_source_slot_lost", number(server.lost), slot...)
	if server.safe >= 0 {
		out.Own("tandem_source_slot_safe_bytes", float64(server.safe), slot...)
	}
}

// peek is behind, and changes nothing.
func (q *positions) peek(n uint64) (position, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := q.last
	for i := q.head; i < len(q.queue) && q.queue[i].n <= n; i++ {
		at = q.queue[i]
	}
	return at.at, at.at != position{}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// millis is -1 for a time that there is none of.
func millis(d time.Duration) float64 {
	if d < 0 {
		return -1
	}
	return float64(d / time.Millisecond)
}
