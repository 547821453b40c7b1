package metrics

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/metrics.md")

// shapes are the beans that a type stands for: domain, type and properties.
var shapes = map[string][][]string{
	"connect-worker-metrics":           {{"kafka.connect", "connect-worker-metrics"}, {"kafka.connect", "connect-worker-metrics", "connector", "C"}},
	"connector-metrics":                {{"kafka.connect", "connector-metrics", "connector", "C"}},
	"connector-task-metrics":           {{"kafka.connect", "connector-task-metrics", "connector", "C", "task", "T"}},
	"source-task-metrics":              {{"kafka.connect", "source-task-metrics", "connector", "C", "task", "T"}},
	"sink-task-metrics":                {{"kafka.connect", "sink-task-metrics", "connector", "C", "task", "T"}},
	"task-error-metrics":               {{"kafka.connect", "task-error-metrics", "connector", "C", "task", "T"}},
	"connect-worker-rebalance-metrics": {{"kafka.connect", "connect-worker-rebalance-metrics"}},
	"connect-coordinator-metrics":      {{"kafka.connect", "connect-coordinator-metrics", "client-id", "I"}},
	"connect-metrics":                  {{"kafka.connect", "connect-metrics", "client-id", "I"}},
	"connector-metrics (debezium)":     {{"debezium.postgres", "connector-metrics", "context", "X", "server", "S"}},
	"producer-metrics":                 {{"kafka.producer", "producer-metrics", "client-id", "I"}},
	"producer-topic-metrics":           {{"kafka.producer", "producer-topic-metrics", "client-id", "I", "topic", "T"}},
	"consumer-metrics":                 {{"kafka.consumer", "consumer-metrics", "client-id", "I"}},
	"consumer-fetch-manager-metrics": {{"kafka.consumer", "consumer-fetch-manager-metrics", "client-id", "I"},
		{"kafka.consumer", "consumer-fetch-manager-metrics", "client-id", "I", "topic", "T"},
		{"kafka.consumer", "consumer-fetch-manager-metrics", "client-id", "I", "topic", "T", "partition", "P"}},
	"consumer-coordinator-metrics": {{"kafka.consumer", "consumer-coordinator-metrics", "client-id", "I"}},
	"admin-client-metrics":         {{"kafka.admin.client", "admin-client-metrics", "client-id", "I"}},
	"node-metrics": {{"kafka.producer", "producer-node-metrics", "client-id", "I", "node-id", "N"}, {"kafka.consumer", "consumer-node-metrics", "client-id", "I", "node-id", "N"},
		{"kafka.connect", "connect-node-metrics", "client-id", "I", "node-id", "N"}, {"kafka.admin.client", "admin-client-node-metrics", "client-id", "I", "node-id", "N"}},
	"app-info": {{"kafka.producer", "app-info", "client-id", "I"}, {"kafka.consumer", "app-info", "client-id", "I"}, {"kafka.connect", "app-info", "client-id", "I"}},
}

var texts = regexp.MustCompile(`^(status|.*-class|.*-type|.*-version|version|commit-id|connect-protocol|leader-name)$`)

// withAttr is one attribute alone, of a bean of each shape.
func withAttr(d Definition) *Out {
	out := new(Out)
	if d.Bean == "" {
		out.Own(d.Name, 1)
		return out
	}
	for _, shape := range shapes[d.Bean] {
		b := out.Bean(shape[0], shape[1], shape[2:]...)
		switch {
		case d.Name == "RowsScanned":
			b.Row(d.Name, "T", 1)
		case texts.MatchString(d.Name):
			b.Text(d.Name, "…")
		default:
			b.Put(d.Name, 1)
		}
	}
	return out
}

// names are those of an attribute in a set, with the names of the labels.
func names(d Definition, set Set) []string {
	var out []string
	for _, s := range withAttr(d).named([]Set{set}) {
		var labels []string
		for _, l := range s.labels {
			labels = append(labels, l.Name)
		}
		name := s.name
		if len(labels) > 0 {
			name += "{" + strings.Join(labels, ",") + "}"
		}
		out = append(out, name)
	}
	return slices.Compact(out)
}

func TestDefinitionsAreWhole(t *testing.T) {
	seen := make(map[[2]string]bool)
	for _, d := range Definitions() {
		if d.Bean != "" && shapes[d.Bean] == nil {
			t.Errorf("there is no bean of type %q", d.Bean)
		}
		if !strings.HasSuffix(d.Help, ".") || seen[[2]string{d.Bean, d.Name}] {
			t.Errorf("definition of %s %s: %q, want one sentence, once", d.Bean, d.Name, d.Help)
		}
		seen[[2]string{d.Bean, d.Name}] = true
	}
}

// TestRecordedAttributes wants every attribute of a Java worker defined, or named as absent, or a text, or a table that is empty there.
func TestRecordedAttributes(t *testing.T) {
	known := make(map[[2]string]bool)
	for _, d := range Definitions() {
		known[[2]string{d.Bean, d.Name}] = true
	}
	for _, b := range recordedBeans(t).beans {
		if b.Type == "kafka-metrics-count" || len(b.Props) > 0 && b.Props[0].Name == "id" {
			continue // no set of rules takes them
		}
		for i := range b.attrs {
			a := &b.attrs[i]
			if known[[2]string{b.documented(), a.name}] || a.isText || a.key != "" {
				continue
			}
			absent := false
			for _, set := range Sets() {
				if s, ok := rules[set](b, a); ok && Absent(lines([]series{s})[0]) != "" {
					absent = true
				}
			}
			if !absent {
				t.Errorf("attribute %s of %s %s is neither defined nor named as absent", a.name, b.Domain, b.Type)
			}
		}
	}
}

// TestDashboards wants every series that the dashboards ask for to be one of ours, in the sets that are the default.
func TestDashboards(t *testing.T) {
	ours := make(map[string]bool)
	for _, d := range Definitions() {
		for _, s := range withAttr(d).named([]Set{JMXExporter, Debezium}) {
			ours[s.name] = true
		}
	}
	files, err := filepath.Glob("../../deploy/grafana/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	name := regexp.MustCompile(`\b(?:kafka|debezium|tandem)_\w+`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Panels     []struct{ Targets []struct{ Expr string } }
			Templating struct{ List []struct{ Name, Type string } }
		}
		if err := json.Unmarshal(text, &board); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		asked := 0
		for _, p := range board.Panels {
			for _, target := range p.Targets {
				for _, n := range name.FindAllString(target.Expr, -1) {
					if asked++; !ours[n] {
						t.Errorf("%s asks for %s, which is not there: %s", file, n, target.Expr)
					}
				}
			}
		}
		var variables []string
		for _, v := range board.Templating.List {
			variables = append(variables, v.Name)
		}
		if want := []string{"datasource", "connector", "task"}; asked == 0 || !slices.Equal(variables, want) {
			t.Errorf("%s asks for %d series and has the variables %q, want some and %q", file, asked, variables, want)
		}
	}
}

const docsFile = "../../docs/metrics.md"

// TestDocs holds docs/metrics.md to the definitions; -update rewrites it.
func TestDocs(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile(docsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(want)); diff != "" {
		t.Errorf("docs/metrics.md is stale, run go test ./connect/metrics -update (-is +wants to be):\n%s", diff)
	}
}

const preface = `<!-- Generated: go test ./connect/metrics -run Docs -update -->
# Metrics

` + "`GET /metrics`" + ` of the REST API, and of the addresses in ` + "`metrics.listeners`" + `, gives the metrics of a worker in the text format of Prometheus:

` + "```yaml" + `
scrape_configs:
  - job_name: connect
    static_configs: [{targets: ["worker-1:8083", "worker-2:8083"]}]
` + "```" + `

A Java worker has its metrics in JMX, and an exporter with rules gives them names. Here the names come without an exporter, by the option
` + "`metrics.names`" + `, a list of rule sets:

| set | the names and labels of | default |
|---|---|---|
| ` + "`jmx-exporter`" + ` | ` + "`kafka-connect.yml`" + ` among the examples of the JMX exporter; with the rates, greatest values and classes that Strimzi's rules give beside | yes |
| ` + "`debezium`" + ` | Debezium's monitoring example | yes |
| ` + "`strimzi`" + ` | Strimzi's rules for Kafka Connect: as ` + "`jmx-exporter`" + `, but with labels in small letters (` + "`clientid`" + `) and with the status of connectors; in the place of ` + "`jmx-exporter`" + `, not beside it | |
| ` + "`confluent`" + ` | Confluent's JMX monitoring stacks | |

The names are those of the exporter up to its version 0.20. From 1.0 on it cuts ` + "`_total` and `_info`" + ` off names of gauges, and dashboards made for the rules
find nothing. Names, labels and types are held to recordings of a Java worker under that exporter.

Rates, averages and greatest values are of the last ` + "`metrics.num.samples` samples of `metrics.sample.window.ms`" + `, as in Kafka. What began less than a
window ago is measured as Kafka does: over one sample less than the window has. For long times PromQL's ` + "`rate`" + ` over a ` + "`_total`" + ` is the better figure.

` + "[`deploy/grafana/tandem.json`](../deploy/grafana/tandem.json)" + ` is a dashboard over the default sets: the state of connectors and tasks, the ladders of lag,
throughput, errors, the slot, snapshots, clients, groups and memory.

## The ladders of lag

A record goes up a ladder, and the rung on which it waits tells what is slow. Each rung has a position, and how far it is behind in bytes or
records and in seconds.

| source rung | has come to | lags when |
|---|---|---|
| server | the end of the WAL, asked every ` + "`lag.interval.ms`" + ` | |
| sent | what the server has put on the connection | the server's decoding: a long transaction comes whole at its end; or a role that may not see it: then it is missing |
| received | what was read from the replication connection | network, or whatever decoded waits for |
| decoded | what the encoder has taken | the encoder, or whatever it waits for |
| published | what was handed to the producer | topics, registry, transforms |
| acknowledged | what the broker has | the broker |
| stored | the source offset | the offset storage |
| confirmed | what the server may forget | nothing of ours: statuses go out every moment |

| sink rung | has come to | lags when |
|---|---|---|
| end | behind the last record of the partition, as the broker last told | |
| consumed | what was read | the broker, or a paused task |
| applied | what the store has taken | the store |
| committed | the group's offset, as lag tools see it | at most about a second behind applied |

The marks that end transactions are no records. Kafka's own tools count them: behind an exactly-once source that rests they show a lag of 1.

` + "`GET /admin/lag`" + ` gives the ladders of all tasks of the group as JSON, whichever worker is asked; with ` + "`?scope=worker`" + ` those of that worker alone. A source task
that stores no offset for ` + "`task.stalled.after.ms`" + `, although its source has changes for it, is stalled: ` + "`tandem_source_stalled`" + ` is 1, the log says so, and
` + "`/admin/lag`" + ` answers 503, which a monitor understands. So is a sink task whose store takes nothing for so long, although records are in its hands, and one that
hears nothing of the brokers (` + "`tandem_sink_stalled`" + `). A store that is to hold records back, such as S3 until a file is full, has taken them. A worker that does
not answer within three seconds is named in the answer, which is 503 too. States and ` + "`/health`" + ` stay what they are in Kafka Connect. As a probe of one process
take ` + "`/health`" + `, or the lag with ` + "`?scope=worker`" + `: a restart of one worker does not help another's task.

A slot whose ` + "`tandem_source_slot_retained_bytes`" + ` grows fills the server's disk; one whose ` + "`tandem_source_slot_safe_bytes`" + ` nears 0 is about to be lost.
`

// document writes docs/metrics.md.
func document() []byte {
	var b bytes.Buffer
	b.WriteString(preface)
	bean := "-"
	for _, d := range Definitions() {
		if d.Bean != bean {
			bean = d.Bean
			switch {
			case bean == "":
				b.WriteString("\n## tandem's own\n\nLabels beside those of the lists: `connector` and `task`; `rung` of the ladders; `topic` and `partition` of the sink's; `slot` of the slot's; `op`.\n\n| series | |\n|---|---|\n")
			default:
				fmt.Fprintf(&b, "\n## %s\n\n| attribute | `jmx-exporter` | |\n|---|---|---|\n", strings.Replace(bean, "connector-metrics (debezium)", "Debezium: connector-metrics", 1))
			}
		}
		if bean == "" {
			fmt.Fprintf(&b, "| `%s` | %s |\n", d.Name, d.Help)
			continue
		}
		given := names(d, JMXExporter)
		if len(given) == 0 {
			given = names(d, Debezium)
		}
		for i := range given {
			given[i] = "`" + given[i] + "`"
		}
		if len(given) == 0 {
			given = []string{"–"}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", d.Name, strings.Join(given, "<br>"), d.Help)
	}
	b.WriteString("\n## What a Java worker has beside\n\n| | |\n|---|---|\n")
	for _, a := range Absences() {
		fmt.Fprintf(&b, "| %s | %s |\n", a.What, a.Reason)
	}
	b.WriteString("| texts, such as LastEvent or SourceEventPosition of Debezium | The exporter drops them but for status and classes; positions stand in tandem_source_position. |\n" +
		"| figures of the JVM | Its place take tandem_memory_*, tandem_gc_* and tandem_goroutines. |\n")
	return b.Bytes()
}
