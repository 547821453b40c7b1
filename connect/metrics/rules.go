package metrics

import "strings"

// Set is a set of rules by which figures get their names, a value of metrics.names.
type Set string

// Sets. Each gives the names and labels that the rules of that origin give under the JMX exporter up to 0.20; its versions from 1.0 on cut
// _total and _info off, which breaks the dashboards made for these rules.
const (
	// JMXExporter is the example for Kafka Connect in the JMX exporter's repository, and what Strimzi's rules add to it without using a name twice.
	JMXExporter Set = "jmx-exporter"
	// Strimzi is Strimzi's rules for Kafka Connect: labels in small letters, and the status of connectors.
	Strimzi Set = "strimzi"
	// Confluent is the rules of Confluent's JMX monitoring stacks.
	Confluent Set = "confluent"
	// Debezium is the rules of Debezium's monitoring example.
	Debezium Set = "debezium"
)

// Sets are all sets.
func Sets() []Set { return []Set{JMXExporter, Strimzi, Confluent, Debezium} }

// rules give the series of an attribute; ok is false where a set's rules leave it out.
var rules = map[Set]func(*Bean, *attr) (s series, ok bool){
	JMXExporter: func(b *Bean, a *attr) (series, bool) { return jmxExporter(b, a, false) },
	Strimzi:     func(b *Bean, a *attr) (series, bool) { return jmxExporter(b, a, true) },
	Confluent:   confluent,
	Debezium:    debezium,
}

// What the patterns of jmx-exporter take, in the order of their alternatives. They are not anchored at the end: records-lag-max is taken as
// records-lag, and is left out when there is a records-lag already.
var (
	ofPartition = []string{"-total", "compression-rate", "-avg", "-replica", "-lag", "-lead"}
	ofTopic     = []string{"-total", "compression-rate", "-avg"}
	ofNode      = []string{"-total", "-avg"}
	ofClient    = []string{"-total", "-avg", "-bytes", "-count", "-ratio", "-age", "-flight", "-threads", "-connectors", "-tasks", "-ago"}
	// with what Strimzi's rules have beside
	ofTask = []string{"-total", "-count", "-ms", "-ratio", "-seq-no", "-rate", "-max", "-avg", "-failures", "-requests", "-timestamp", "-logged", "-errors", "-retries", "-skipped"}
)

// taken is the part of an attribute's name that a pattern takes: up to the last place where one of its ends stands, the first end before others.
func taken(name string, ends []string) (string, bool) {
	for _, end := range ends {
		// ".+" before the end takes at least one letter.
		if at := strings.LastIndex(name, end); at > 0 || at == 0 && !strings.HasPrefix(end, "-") {
			return name[:at+len(end)], true
		}
	}
	return "", false
}

// jmxExporter names as the JMX exporter's example does, or as Strimzi's variant of it.
func jmxExporter(b *Bean, a *attr, strimzi bool) (series, bool) {
	clientID, nodeID := "clientId", "nodeId"
	if strimzi {
		clientID, nodeID = "clientid", "nodeid"
	}
	side, ofKafka := strings.CutPrefix(b.Domain, "kafka.")
	if !ofKafka {
		return series{}, false
	}
	if b.Type == "app-info" {
		return appInfo(b, a, side, clientID)
	}
	kind, ok := strings.CutSuffix(b.Type, "-metrics")
	if !ok {
		return series{}, false
	}
	var name string
	labels := []Label{{clientID, b.prop("client-id")}}
	ends, typ := ofClient, "gauge"
	switch {
	case b.has("client-id", "topic", "partition"):
		ends, labels = ofPartition, append(labels, b.Props[1], b.Props[2])
	case b.has("client-id", "topic"):
		ends, labels = ofTopic, append(labels, b.Props[1])
	case b.has("client-id", "node-id"):
		ends, typ, labels = ofNode, "untyped", append(labels, Label{nodeID, b.Props[1].Value})
	case b.has("client-id"):
	case side == "connect":
		return ofConnect(b, a, kind, strimzi)
	default:
		return series{}, false
	}
	if name, ok = taken(a.name, ends); !ok || a.isText {
		return series{}, false
	}
	return line(clean("kafka_"+kind+"_"+name, true), labels, a.value, typ), true
}

func appInfo(b *Bean, a *attr, side, clientID string) (series, bool) {
	if !b.has("client-id") {
		return series{}, false
	}
	labels := []Label{{clientID, b.Props[0].Value}}
	switch a.name {
	case "start-time-ms":
		return line(clean("kafka_"+side+"_start_time_seconds", true), labels, a.value/1000, "gauge"), true
	case "commit-id", "version":
		labels = append(labels, Label{clean(a.name, false), a.text})
		return line(clean("kafka_"+side+"_"+a.name+"_info", true), labels, 1, "gauge"), true
	}
	return series{}, false
}

// ofConnect names the beans of connectors, tasks and the worker.
func ofConnect(b *Bean, a *attr, kind string, strimzi bool) (series, bool) {
	switch {
	case b.Type == "connector-task-metrics" && a.name == "status":
		name := "kafka_connect_connector_status"
		if strimzi {
			name = "kafka_connect_connector_task_status"
		}
		return line(name, append(b.labels(), Label{"status", a.text}), 1, "gauge"), true
	case b.Type == "connector-metrics" && b.has("connector"):
		if !a.isText || a.name == "status" && !strimzi { // the name is that of tasks
			return series{}, false
		}
		return line(clean("kafka_connect_"+connectorAttr(a.name), true), append(b.labels(), Label{clean(a.name, false), a.text}), 1, "gauge"), true
	case a.isText:
		return series{}, false
	case b.has("connector", "task"):
		name, ok := taken(a.name, ofTask)
		return line(clean("kafka_connect_"+kind+"_"+name, true), b.labels(), a.value, "gauge"), ok
	case b.Type == "connect-worker-metrics" && (len(b.Props) == 0 || b.has("connector")):
		return line(clean("kafka_connect_worker_"+a.name, true), b.labels(), a.value, "gauge"), true
	case b.Type == "connect-worker-rebalance-metrics" && len(b.Props) == 0:
		return line(clean("kafka_connect_worker_rebalance_"+a.name, true), nil, a.value, "gauge"), true
	}
	return series{}, false
}

// connectorAttr is the end of kafka_connect_connector_…: Strimzi's rule writes the attribute behind "connector_", which its name begins with too.
func connectorAttr(name string) string { return "connector_" + name }

// confluent names as Confluent's rules do: everything, by its full name.
func confluent(b *Bean, a *attr) (series, bool) {
	side, ofKafka := strings.CutPrefix(b.Domain, "kafka.")
	if !ofKafka || side == "admin.client" || len(b.Props) > 0 && b.Props[0].Name == "id" || b.Type == "kafka-metrics-count" {
		return series{}, false
	}
	if side != "connect" {
		return confluentClient(b, a, side)
	}
	switch {
	case b.Type == "app-info":
		return line("kafka_connect_app_info", append(b.labels(), Label{clean(a.name, true), a.shown()}), 1, "untyped"), b.has("client-id")
	case b.Type == "connector-metrics":
		return line("kafka_connect_connector_metrics", append(b.labels(), Label{clean(a.name, true), a.text}), 1, "untyped"), a.isText
	case a.isText || b.Type == "connect-node-metrics" || b.Type == "connector-transform-metrics":
		return series{}, false
	case b.Type == "connect-worker-metrics" && len(b.Props) == 0:
		return line(clean("kafka_connect_connect_worker_metrics_"+a.name, true), []Label{{"connector", "aggregate"}}, a.value, "untyped"), true
	case strings.HasSuffix(b.Type, "-task-metrics") && b.has("connector", "task"):
		return line(clean("kafka_connect_"+strings.TrimSuffix(b.Type, "-metrics")+"_metrics_"+a.name, true), b.labels(), a.value, "untyped"), true
	}
	return line(clean("kafka_connect_"+b.Type+"_"+a.name, true), b.labels(), a.value, "untyped"), true
}

func confluentClient(b *Bean, a *attr, side string) (series, bool) {
	labels := append([]Label{{"client_type", side}}, b.labels()...)
	if b.Type == "app-info" {
		return line("kafka_"+side+"_app_info", append(labels, Label{clean(a.name, true), a.shown()}), 1, "untyped"), true
	}
	return line(clean("kafka_"+side+"_"+b.Type+"_"+a.name, true), labels, a.value, "gauge"), !a.isText
}

// debezium names as the rules of Debezium's example do.
func debezium(b *Bean, a *attr) (series, bool) {
	if a.isText {
		return series{}, false
	}
	if plugin, ok := strings.CutPrefix(b.Domain, "debezium."); ok && b.Type == "connector-metrics" && b.has("context", "server") {
		labels := []Label{{"context", b.Props[0].Value}, {"name", b.Props[1].Value}, {"plugin", plugin}}
		if a.key != "" {
			return line("debezium_metrics_RowsScanned", append(labels, Label{"table", a.key}), a.value, "untyped"), a.name == "RowsScanned"
		}
		return line(clean("debezium_metrics_"+a.name, false), labels, a.value, "untyped"), true
	}
	switch {
	case b.Domain != "kafka.connect":
	case b.Type == "connect-worker-metrics" && len(b.Props) == 0:
		return line(clean("kafka_connect_worker_metrics_"+a.name, false), nil, a.value, "untyped"), true
	case b.Type == "connect-metrics" && b.has("client-id"):
		// The rule itself takes no id with a colon, which Kafka Connect's ids have had since; its dashboard wants the series.
		return line(clean("kafka_connect_metrics_"+a.name, false), []Label{{"client", b.Props[0].Value}}, a.value, "untyped"), true
	}
	return series{}, false
}

// labels are the properties, their names as a label may have them.
func (b *Bean) labels() []Label {
	out := make([]Label, len(b.Props), len(b.Props)+1)
	for i, p := range b.Props {
		out[i] = Label{clean(p.Name, true), p.Value}
	}
	return out
}

// shown is the value as text.
func (a *attr) shown() string {
	if a.isText {
		return a.text
	}
	return formatInteger(a.value)
}

// clean makes a name of Prometheus', every other letter becoming an underscore, as the exporter does: rows of them stay rows.
func clean(name string, lower bool) string {
	out := []byte(name)
	for i, c := range out {
		switch {
		case 'A' <= c && c <= 'Z':
			if lower {
				out[i] = c + 'a' - 'A'
			}
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == ':':
		default:
			out[i] = '_'
		}
	}
	return string(out)
}

// line is a series without its help.
func line(name string, labels []Label, value float64, kind string) series {
	return series{name: name, labels: labels, value: value, kind: kind}
}
