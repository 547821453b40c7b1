package connect

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/internal/config"
)

// MetricsConfig holds the options of what the worker measures.
type MetricsConfig struct {
	SampleWindow time.Duration
	Samples      int
	Names        []string // rule sets
	Listeners    []string // URLs; none: /metrics is served with the REST API alone
	StalledAfter time.Duration
}

// defaultMetricsConfig has the rule sets whose names do not clash.
func defaultMetricsConfig() MetricsConfig {
	return MetricsConfig{SampleWindow: 30 * time.Second, Samples: 2, Names: []string{string(metrics.JMXExporter), string(metrics.Debezium)},
		StalledAfter: time.Minute}
}

func (c *MetricsConfig) keys() config.Keys {
	return config.Keys{
		config.Millis(&c.SampleWindow, "metrics.sample.window.ms", "Length of a sample: rates, averages and greatest values are those of the last metrics.num.samples samples.", time.Millisecond, config.Rank(config.Low)),
		config.Int(&c.Samples, "metrics.num.samples", "Number of samples that rates, averages and greatest values are of.", 1, math.MaxInt16, config.Rank(config.Low)),
		config.List(&c.Names, "metrics.names", "By which rules the metrics at /metrics are named: any of "+setNames()+". Each gives the names and labels that the rules of that origin make the JMX exporter give; see metrics.md. "+
			"strimzi uses a few names of jmx-exporter with other labels: choose one of the two. Without any there are tandem's own alone.", config.Rank(config.Low), config.Check(checkSets)),
		config.List(&c.Listeners, "metrics.listeners", "Addresses that serve /metrics and nothing else, http://host:port or https://host:port, beside the REST API.", config.Rank(config.Low), config.Check(checkMetricsListeners)),
		config.Millis(&c.StalledAfter, "task.stalled.after.ms", "How long a source task may store no offset, although its source has changes for it, and the store of a sink task take nothing, although there is something for it, "+
			"before the task is reported as stalled: in the log, in the metrics and at /admin/lag. 0 for never. Never less than twice offset.flush.interval.ms (a second, if that is more), nor for a sink than twice heartbeat.interval.ms or fetch.max.wait.ms. "+
			"A task with exactly-once delivery has as long as its transactions may take, at least.", 0, config.Rank(config.Low)),
	}
}

func setNames() string {
	var names []string
	for _, s := range metrics.Sets() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func checkSets(text string) error {
	for _, name := range config.SplitList(text) {
		if !slices.Contains(metrics.Sets(), metrics.Set(name)) {
			return fmt.Errorf("there are no rules %q; there are %s", name, setNames())
		}
	}
	return nil
}

func checkMetricsListeners(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	return checkListeners(text)
}

// sets are the rule sets.
func (c *MetricsConfig) sets() []metrics.Set {
	var sets []metrics.Set
	for _, name := range c.Names {
		sets = append(sets, metrics.Set(name))
	}
	return sets
}
