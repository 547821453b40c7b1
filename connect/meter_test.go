package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// figuresOf are the series of a meter, by name and labels as they are written.
func figuresOf(t *testing.T, m metrics.Meter, sets ...metrics.Set) map[string]string {
	t.Helper()
	out := new(metrics.Out)
	m.Collect(time.Now(), out)
	var text strings.Builder
	if err := out.Write(&text, sets); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, line := range strings.Split(text.String(), "\n") {
		if at := strings.LastIndex(line, " "); at > 0 && !strings.HasPrefix(line, "#") {
			got[line[:at]] = line[at+1:]
		}
	}
	return got
}

func wantFigures(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s = %q, want %q", name, got[name], value)
		}
	}
}

func testMeter(kind Kind) *taskMeter {
	return newTaskMeter(TaskID{Connector: "c", Task: 2}, kind, &metrics.Registry{Every: 30 * time.Second, Samples: 2}, func() [][2]string { return nil })
}

const ofTask = `{connector="c",task="2"}`

func TestTaskMeterShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := testMeter(KindSource)
		m.is(Running)
		time.Sleep(30 * time.Second) // of the bubble
		m.is(Paused)
		time.Sleep(10 * time.Second)
		wantFigures(t, figuresOf(t, m, metrics.JMXExporter), map[string]string{
			"kafka_connect_connector_task_running_ratio" + ofTask: "0.75", "kafka_connect_connector_task_pause_ratio" + ofTask: "0.25",
			`kafka_connect_connector_status{connector="c",status="paused",task="2"}`: "1",
		})
		m.Sample(time.Now())
		m.Sample(time.Now()) // the window is of two samples
		time.Sleep(20 * time.Second)
		wantFigures(t, figuresOf(t, m, metrics.JMXExporter), map[string]string{
			"kafka_connect_connector_task_running_ratio" + ofTask: "0", "kafka_connect_connector_task_pause_ratio" + ofTask: "1",
		})
		m.is(Failed)
		time.Sleep(20 * time.Second)
		wantFigures(t, figuresOf(t, m, metrics.JMXExporter), map[string]string{
			"kafka_connect_connector_task_pause_ratio" + ofTask:                      "0.5",
			`kafka_connect_connector_status{connector="c",status="failed",task="2"}`: "1",
		})
	})
}

func TestTaskMeterKeepsWhatLivesHaveCounted(t *testing.T) {
	m := testMeter(KindSource)
	polled, written := uint64(10), uint64(7)
	ends := m.lives(func() (uint64, uint64) { return polled, written }, func(out Figures) { out.Own("tandem_source_transactions_total", 3, "a", "b") })
	wantFigures(t, figuresOf(t, m, metrics.JMXExporter), map[string]string{
		"kafka_connect_source_task_source_record_poll_total" + ofTask: "10", "kafka_connect_source_task_source_record_active_count" + ofTask: "3",
		`tandem_source_transactions_total{a="b",connector="c",task="2"}`: "3",
	})
	polled, written = 12, 12
	ends()
	defer m.lives(func() (uint64, uint64) { return 5, 4 }, nil)()
	m.batch(5, 20*time.Millisecond, 1)
	m.batch(0, time.Hour, 0) // nothing came: no batch
	m.batch(15, 40*time.Millisecond, 3)
	m.committed(2*time.Millisecond, nil)
	m.committed(time.Second, errors.New("no"))
	wantFigures(t, figuresOf(t, m, metrics.Confluent), map[string]string{
		"kafka_connect_source_task_metrics_source_record_poll_total" + ofTask:            "17",
		"kafka_connect_source_task_metrics_source_record_write_total" + ofTask:           "16",
		"kafka_connect_source_task_metrics_poll_batch_avg_time_ms" + ofTask:              "30",
		"kafka_connect_source_task_metrics_poll_batch_max_time_ms" + ofTask:              "40",
		"kafka_connect_connector_task_metrics_batch_size_avg" + ofTask:                   "10",
		"kafka_connect_connector_task_metrics_batch_size_max" + ofTask:                   "15",
		"kafka_connect_source_task_metrics_source_record_active_count_avg" + ofTask:      "2",
		"kafka_connect_connector_task_metrics_offset_commit_avg_time_ms" + ofTask:        "2",
		"kafka_connect_connector_task_metrics_offset_commit_failure_percentage" + ofTask: "0.5",
	})
	m.transaction(3)
	m.transaction(9)
	wantFigures(t, figuresOf(t, m, metrics.Confluent), map[string]string{
		"kafka_connect_source_task_metrics_transaction_size_avg" + ofTask: "6", "kafka_connect_source_task_metrics_transaction_size_max" + ofTask: "9",
		"kafka_connect_source_task_metrics_transaction_size_min" + ofTask: "3",
	})
}

// endless is a consumer that knows where partitions end.
type endless struct {
	consumer
	partitions []client.PartitionStats
}

func (e *endless) Stats() client.ConsumerStats { return client.ConsumerStats{Partitions: e.partitions} }

func TestSinkLadder(t *testing.T) {
	m := testMeter(KindSink)
	a, b := kafka.TopicPartition{Topic: "a", Partition: 0}, kafka.TopicPartition{Topic: "b", Partition: 1}
	m.reads(&endless{partitions: []client.PartitionStats{{TopicPartition: a, Next: 12, End: 20}, {TopicPartition: b, Next: 5, End: 5}}})
	old := time.Now().Add(-time.Hour)
	records := []kafka.Record{{Topic: "a", Offset: 10, Timestamp: old}, {Topic: "a", Offset: 11, Timestamp: old}, {Topic: "b", Partition: 1, Offset: 4, Timestamp: old}}
	m.consumed(records)
	rung := func(name string, at kafka.TopicPartition, rung string) string {
		return fmt.Sprintf(`%s{connector="c",partition="%d",rung="%s",task="2",topic="%s"}`, name, at.Partition, rung, at.Topic)
	}
	wantFigures(t, figuresOf(t, m, metrics.JMXExporter), map[string]string{
		rung("tandem_sink_position", a, "end"): "20", rung("tandem_sink_position", a, "consumed"): "12", rung("tandem_sink_position", a, "applied"): "10",
		rung("tandem_sink_lag_records", a, "consumed"): "8", rung("tandem_sink_lag_records", a, "applied"): "10", rung("tandem_sink_lag_records", a, "committed"): "10",
		rung("tandem_sink_lag_records", b, "consumed"): "0", rung("tandem_sink_lag_records", b, "committed"): "1",
		rung("tandem_sink_lag_seconds", b, "consumed"):              "0",
		"kafka_connect_sink_task_sink_record_active_count" + ofTask: "3", "kafka_connect_sink_task_sink_record_read_total" + ofTask: "3",
		"kafka_connect_sink_task_partition_count" + ofTask: "2",
	})
	m.put(2, 4*time.Millisecond)
	m.applied(records, 2) // one was left out
	m.storedAt([]kafka.Position{{TopicPartition: a, Offset: 12}, {TopicPartition: kafka.TopicPartition{Topic: "gone"}, Offset: 1}})
	got := figuresOf(t, m, metrics.JMXExporter)
	wantFigures(t, got, map[string]string{
		rung("tandem_sink_lag_records", a, "committed"): "8", rung("tandem_sink_lag_records", b, "applied"): "0", rung("tandem_sink_lag_records", b, "committed"): "1",
		"kafka_connect_sink_task_sink_record_send_total" + ofTask: "2", "kafka_connect_sink_task_sink_record_active_count" + ofTask: "1",
		"kafka_connect_sink_task_put_batch_max_time_ms" + ofTask: "4",
	})
	var seconds float64
	if _, err := fmt.Sscan(got[rung("tandem_sink_lag_seconds", a, "applied")], &seconds); err != nil || math.Abs(seconds-3600) > 60 {
		t.Errorf("lag of the applied record of an hour ago = %v s, %v", seconds, err)
	}
	m.givenUp([]kafka.TopicPartition{a, b})
	m.reads(nil)
	if got := figuresOf(t, m, metrics.JMXExporter); got[rung("tandem_sink_position", a, "end")] != "" || got["kafka_connect_sink_task_sink_record_active_count"+ofTask] != "0" {
		t.Errorf("figures without partitions = %v", got)
	}
}

func TestErrorCounts(t *testing.T) {
	m := testMeter(KindSink)
	c := ConnectorConfig{Tolerance: TolerateAll, LogErrors: true, RetryDelayMax: time.Millisecond, counts: &m.errors}
	attempts := 0
	err := c.retries().untilDone(context.Background(), slog.New(slog.DiscardHandler), "fail twice", func() error {
		if attempts++; attempts < 3 {
			return &kafka.UnavailableError{Op: "try", Err: errors.New("away")}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tolerance := &tolerance{config: &c, log: slog.New(slog.DiscardHandler)}
	if err := tolerance.sink(context.Background(), &kafka.Record{Topic: "a"}, stageValue, errors.New("no JSON")); err != nil {
		t.Fatal(err)
	}
	c.Tolerance = TolerateNone
	if err := tolerance.sink(context.Background(), &kafka.Record{Topic: "a"}, stageValue, errors.New("no JSON")); err == nil {
		t.Fatal("a record that is not tolerated is left out")
	}
	m.errors.letter(nil)
	m.errors.letter(errors.New("away"))
	wantFigures(t, figuresOf(t, m, metrics.JMXExporter), map[string]string{
		"kafka_connect_task_error_total_record_errors" + ofTask: "2", "kafka_connect_task_error_total_record_failures" + ofTask: "4",
		"kafka_connect_task_error_total_retries" + ofTask: "2", "kafka_connect_task_error_total_records_skipped" + ofTask: "1",
		"kafka_connect_task_error_total_errors_logged" + ofTask: "2", "kafka_connect_task_error_deadletterqueue_produce_requests" + ofTask: "2",
		"kafka_connect_task_error_deadletterqueue_produce_failures" + ofTask: "1",
	})
}

func TestGroupMeter(t *testing.T) {
	stats := GroupStats{Protocol: "SESSIONED", Leader: "http://a:1/", Epoch: 4, Completed: 2, Took: 60 * time.Millisecond, MostTook: 50 * time.Millisecond,
		Failed: 1, Connectors: 2, Tasks: 5, Rebalancing: true, Last: time.Now().Add(-time.Hour)}
	r := &metrics.Registry{}
	m := NewGroupMeter(r, "connect-a:1", new(client.Traffic), func(sample bool) GroupStats {
		s := stats
		if sample {
			stats.MostTook = -1
		}
		return s
	})
	id := `{clientId="\"connect-a:1\""}`
	wantFigures(t, figuresOf(t, m, metrics.JMXExporter), map[string]string{
		"kafka_connect_worker_rebalance_completed_rebalances_total": "2", "kafka_connect_worker_rebalance_epoch": "4",
		"kafka_connect_worker_rebalance_rebalancing": "1", "kafka_connect_worker_rebalance_rebalance_avg_time_ms": "30", "kafka_connect_worker_rebalance_rebalance_max_time_ms": "50",
		"kafka_connect_coordinator_assigned_tasks" + id: "5", "kafka_connect_coordinator_failed_rebalance_total" + id: "1",
		"kafka_connect_coordinator_last_heartbeat_seconds_ago" + id: "-1",
	})
	for range 3 { // longer ago than the window
		m.Sample(time.Now())
	}
	wantFigures(t, figuresOf(t, m, metrics.JMXExporter), map[string]string{"kafka_connect_worker_rebalance_rebalance_max_time_ms": "NaN"})
}
