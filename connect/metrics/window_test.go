package metrics

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type counted struct{ n, sum, peak float64 }

func TestWindow(t *testing.T) {
	start := time.Unix(1000, 0)
	n, sum, peak := func(c *counted) float64 { return c.n }, func(c *counted) float64 { return c.sum }, func(c *counted) float64 { return c.peak }
	w := NewWindow[counted](30*time.Second, 2, start)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

	v := w.View(at(0), counted{peak: -1})
	if !math.IsNaN(v.Avg(sum, n)) || !math.IsNaN(v.Peak(peak)) || v.Rate(n) != 0 {
		t.Errorf("of nothing: mean %v, peak %v, rate %v, want NaN, NaN, 0", v.Avg(sum, n), v.Peak(peak), v.Rate(n))
	}
	// Kafka's SampledStat of two samples: after 3 s the rate is over the 30 s that the window has at least.
	v = w.View(at(3), counted{60, 120, 5})
	if v.Rate(n) != 2 || v.Avg(sum, n) != 2 || v.Peak(peak) != 5 || v.Elapsed() != 3 {
		t.Errorf("after 3 s: rate %v, mean %v, peak %v, elapsed %v, want 2, 2, 5, 3", v.Rate(n), v.Avg(sum, n), v.Peak(peak), v.Elapsed())
	}
	w.Sample(at(30), counted{60, 120, 5})
	v = w.View(at(45), counted{150, 120, -1})
	if v.Rate(n) != 150.0/45 || v.Peak(peak) != 5 {
		t.Errorf("after 45 s: rate %v, peak %v, want %v, 5", v.Rate(n), v.Peak(peak), 150.0/45)
	}
	w.Sample(at(60), counted{150, 120, -1})
	v = w.View(at(70), counted{150, 120, 2})
	if got, want := v.Rate(n), 90.0/40; got != want { // since the sample at 30 s
		t.Errorf("after 70 s: rate %v, want %v", got, want)
	}
	if !math.IsNaN(v.Avg(sum, func(c *counted) float64 { return c.sum })) {
		t.Errorf("the mean of what has not grown = %v, want NaN", v.Avg(sum, sum))
	}
	w.Sample(at(90), counted{150, 120, 2})
	if v = w.View(at(90), counted{150, 120, -1}); v.Peak(peak) != 2 || v.Least(peak) != 2 || v.Rate(n) != 0 {
		t.Errorf("after 90 s: peak %v, least %v, rate %v, want 2, 2, 0: what was before the window is forgotten", v.Peak(peak), v.Least(peak), v.Rate(n))
	}
}

func TestWrite(t *testing.T) {
	out := new(Out)
	out.Own("tandem_goroutines", 7)
	out.Own("tandem_sink_lag_records", 1.5, "topic", "a\"b\\c\nd", "connector", "x")
	out.Own("tandem_sink_lag_records", math.NaN(), "topic", "b", "connector", "x")
	out.Own("tandem_jdbc_rows_total", 1<<52, "op", "write")
	b := out.Bean("kafka.connect", "connector-metrics", "connector", `we"ird*`)
	b.Text("connector-class", "C")
	var text strings.Builder
	if err := out.Write(&text, []Set{JMXExporter}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(text.String(), "\n") {
		if !strings.HasPrefix(line, "# HELP") {
			lines = append(lines, line)
		}
	}
	want := []string{
		"# TYPE kafka_connect_connector_connector_class gauge",
		`kafka_connect_connector_connector_class{connector="\"we\\\"ird\\*\"",connector_class="C"} 1`,
		"# TYPE tandem_goroutines gauge",
		"tandem_goroutines 7",
		"# TYPE tandem_jdbc_rows_total counter",
		`tandem_jdbc_rows_total{op="write"} 4503599627370496`,
		"# TYPE tandem_sink_lag_records gauge",
		`tandem_sink_lag_records{connector="x",topic="a\"b\\c\nd"} 1.5`,
		`tandem_sink_lag_records{connector="x",topic="b"} NaN`,
		"",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("Write (-want +got):\n%s", diff)
	}
}

// TestNearestAttributeCounts: rules take active-count-avg as active-count too.
func TestNearestAttributeCounts(t *testing.T) {
	out := new(Out)
	b := out.Bean("kafka.connect", "sink-task-metrics", "connector", "x", "task", "0")
	b.Put("sink-record-active-count-max", 3)
	b.Put("sink-record-active-count-avg", 2)
	b.Put("sink-record-active-count", 1)
	all := out.named([]Set{Strimzi})
	if len(all) != 1 || all[0].name != "kafka_connect_sink_task_sink_record_active_count" || all[0].value != 1 {
		t.Errorf("series of three attributes = %+v, want active_count with 1", all)
	}
}

func BenchmarkWrite(b *testing.B) {
	beans := recordedBeans(b)
	for b.Loop() {
		var text strings.Builder
		if err := beans.Write(&text, []Set{JMXExporter, Debezium}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(beans.named([]Set{JMXExporter, Debezium}))), "series")
}
