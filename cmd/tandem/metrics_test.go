package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// metricsFolder is where the metrics of a Java worker under the JMX exporter stand.
const metricsFolder = "../../testdata/metrics"

// TestMetricsOfAJavaWorker runs the connectors whose metrics were recorded of a Java worker, and wants every series here but those that
// metrics.Absences names.
func TestMetricsOfAJavaWorker(t *testing.T) {
	w := startMetered(t, "jmx-exporter,strimzi,confluent,debezium")
	w.create("lines-source", map[string]string{"connector.class": "FileStreamSource", "file": w.path("in.txt"), "topic": "lines", "tasks.max": "1"})
	w.create("bad-source", map[string]string{"connector.class": "FileStreamSource", "file": w.path("bad.txt"), "topic": "lines", "tasks.max": "1",
		"value.converter": "org.apache.kafka.connect.storage.StringConverter"})
	w.create("lines-sink", map[string]string{"connector.class": "FileStreamSink", "file": w.path("out.txt"), "topics": "lines", "tasks.max": "2",
		"errors.tolerance": "all", "errors.deadletterqueue.topic.name": "lines-dead", "errors.deadletterqueue.topic.replication.factor": "1"})
	w.create("shop-source", w.shop())
	w.await(`kafka_connect_task_error_total_records_skipped\{connector="lines-sink",task="\d"\} 1\n`)
	w.await(`debezium_metrics_SnapshotCompleted\{.*name="shop".*\} 1\n`)
	w.await(`kafka_producer_topic_record_send_total\{clientId="connector-dlq-producer-lines-sink-\d",topic="lines-dead"\} 1\n`)
	w.await(`kafka_connect_coordinator_assigned_tasks\{.*\} 5\n`)
	got := make(map[string]bool)
	for _, line := range typedSeries(w.await(`kafka_consumer_fetch_manager_records_lag\{.*topic="lines"\} 0\n`)) {
		got[normal(line)] = true
	}
	for _, set := range metrics.Sets() {
		text, err := os.ReadFile(filepath.Join(metricsFolder, string(set)+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			_, series, _ := strings.Cut(line, " ")
			reason := metrics.Absent(series)
			switch here := got[normal(line)]; {
			case here && reason != "":
				t.Errorf("%s: %s is here, though it is said not to be: %s", set, line, reason)
			case !here && reason == "":
				t.Errorf("%s: %s is missing", set, line)
			}
		}
	}
}

// TestMetricsTell wants the figures of what was done, every figure that is defined, and every series that the dashboard asks for.
func TestMetricsTell(t *testing.T) {
	w := startMetered(t, "jmx-exporter,debezium")
	props := w.shop()
	props["value.converter"], props["key.converter"] = "org.apache.kafka.connect.json.JsonConverter", "org.apache.kafka.connect.json.JsonConverter"
	props["exactly.once.support"] = "requested"
	w.create("shop-source", props)
	target, err := url.Parse(pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := target.User.Password()
	w.create("shop-sink", map[string]string{"connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "tasks.max": "1", "topics": "shop.public.bikes",
		"value.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter": "org.apache.kafka.connect.json.JsonConverter",
		"connection.url": "jdbc:postgresql://" + target.Host + target.Path, "connection.username": target.User.Username(), "connection.password": password,
		"insert.mode": "upsert", "delete.enabled": "true", "primary.key.mode": "record_key", "schema.evolution": "basic", "collection.name.format": "bikes"})
	w.create("shop-search", map[string]string{"connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector", "topics": "shop.nothing",
		"connection.url": searchServer(t), "key.ignore": "true"})
	w.await(`tandem_elasticsearch_documents_total\{.*\} 0\n`)
	w.await(`tandem_jdbc_rows_total\{.*op="write".*\} 50\n`)
	w.await(`debezium_metrics_Connected\{.*context="streaming".*\} 1\n`)
	w.exec("insert into bikes values (100, 'x'), (101, 'y')", "update bikes set name = 'z' where id = 100", "delete from bikes where id = 100", "truncate shops",
		"select pg_logical_emit_message(true, 'p', 'm')")
	w.await(`tandem_jdbc_rows_total\{.*op="delete".*\} [12]\n`) // the tombstone deletes again when it comes in another batch
	w.await(`tandem_sink_lag_records\{.*rung="committed".*\} 0\n`)
	for _, rung := range []string{"sent", "received", "decoded", "published", "acknowledged", "stored", "confirmed"} {
		w.await(`tandem_source_lag_bytes\{.*rung="` + rung + `".*\} 0\n`)
	}
	text := w.await(`tandem_source_slot_active\{.*\} 1\n`)
	for _, want := range []string{
		`debezium_metrics_TotalNumberOfReadEventsSeen{context="snapshot",name="shop",plugin="postgres"} 52`,
		`debezium_metrics_RowsScanned{context="snapshot",name="shop",plugin="postgres",table="public.bikes"} 50`,
		`debezium_metrics_RemainingTableCount{context="snapshot",name="shop",plugin="postgres"} 0`,
		`debezium_metrics_SnapshotCompleted{context="snapshot",name="shop",plugin="postgres"} 1`,
		`debezium_metrics_TotalNumberOfCreateEventsSeen{context="streaming",name="shop",plugin="postgres"} 2`,
		`debezium_metrics_TotalNumberOfUpdateEventsSeen{context="streaming",name="shop",plugin="postgres"} 1`,
		`debezium_metrics_TotalNumberOfDeleteEventsSeen{context="streaming",name="shop",plugin="postgres"} 1`,
		`debezium_metrics_TotalNumberOfEventsSeen{context="streaming",name="shop",plugin="postgres"} 5`, // with the message, as there is no TRUNCATE
		`debezium_metrics_NumberOfErroneousEvents{context="streaming",name="shop",plugin="postgres"} 0`,
		`kafka_connect_connector_status{connector="shop-sink",status="running",task="0"} 1`,
		`kafka_connect_worker_connector_running_task_count{connector="shop-source"} 1`,
		`kafka_connect_sink_task_partition_count{connector="shop-sink",task="0"} 1`,
		`tandem_sink_lag_seconds{connector="shop-sink",partition="0",rung="applied",task="0",topic="shop.public.bikes"} 0`,
		`tandem_source_changes_total{connector="shop-source",op="r",task="0"} 52`,
		`tandem_source_slot_lost{connector="shop-source",slot="` + props["slot.name"] + `",task="0"} 0`,
		`kafka_connect_source_task_source_record_active_count{connector="shop-source",task="0"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			name, _, _ := strings.Cut(want, "{")
			t.Errorf("no series is %s; there are\n%s", want, strings.Join(regexp.MustCompile(`(?m)^`+name+`[{ ].*$`).FindAllString(text, -1), "\n"))
		}
	}
	for _, line := range typedSeries(text) {
		_, name, _ := strings.Cut(line, " ")
		name, _, _ = strings.Cut(name, "{")
		if !strings.Contains(text, "# HELP "+name+" ") {
			t.Errorf("series %s is not defined", name)
		}
	}
	lag := get(t, w.rest+"/admin/lag")
	for _, want := range []string{`{"stalled":0,"tasks":[{"connector":"shop-search","task":0,"state":"RUNNING","stalled":false,`, `{"connector":"shop-source","task":0,"state":"RUNNING","stalled":false,`,
		`"partitions":[{"topic":"shop.public.bikes","partition":0,"rungs":[{"rung":"end","position":`, `{"rung":"sent","position":"`, `{"rung":"confirmed","position":"`,
		`"slot":{"name":"` + props["slot.name"] + `","retained_bytes":`} {
		if !strings.Contains(lag, want) {
			t.Errorf("GET /admin/lag = %s, want %s in it", lag, want)
		}
	}
	for _, file := range []string{"../../docs/metrics.md", "../../deploy/grafana/tandem.json"} {
		told, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\b(?:kafka|debezium|tandem)_\w+`).FindAllString(string(told), -1) {
			if !strings.Contains(text, "# TYPE "+name+" ") && !sometimes.MatchString(name) {
				t.Errorf("%s tells of %s, which is not there", file, name)
			}
		}
	}
}

// searchServer is as much of an Elasticsearch as a sink without records asks for.
func searchServer(t *testing.T) (address string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"version":{"number":"7.17.29"}}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// sometimes are series that are not always there: of transactions, of a bound of the server that is off by default, and names that are cut.
var sometimes = regexp.MustCompile(`_transaction_size_|^tandem_source_slot_safe_bytes$|^kafka_connect_(commit_id_info|version_info|start_time_seconds)$|_$`)

// normal leaves out what differs from run to run: which task has the partition, addresses, versions, numbers of brokers.
func normal(line string) string {
	for _, r := range []struct{ from, to string }{
		{`connect-[a-z0-9.]+:\d+`, "connect-worker"}, {`(lines-sink)-\d`, "$1"}, {`(connector="lines-sink".*task=)"\d"`, `$1"0"`},
		{`(version|commit_id|start_time_ms|connector_version)="[^"]*"`, `$1=""`}, {`"node-[-0-9]+"`, `"node"`},
		{`connector_class="[^"]*\.`, `connector_class="`}, {`(connector_class="\w+?)(Connector)?"`, `$1"`},
	} {
		line = regexp.MustCompile(r.from).ReplaceAllString(line, r.to)
	}
	return line
}

// typedSeries are the series of a text of Prometheus, without values, each behind its type, as the recordings have them.
func typedSeries(text string) []string {
	var out []string
	kind := ""
	for _, line := range strings.Split(text, "\n") {
		if words := strings.Fields(line); len(words) == 4 && words[1] == "TYPE" {
			kind = words[3]
		}
		if at := strings.LastIndex(line, " "); at > 0 && !strings.HasPrefix(line, "#") {
			out = append(out, kind+" "+line[:at])
		}
	}
	return out
}

// metered is a worker of a group whose metrics are looked at.
type metered struct {
	*testing.T
	dir, rest string
	database  string
}

// startMetered runs "tandem distributed" until the end of the test.
func startMetered(t *testing.T, names string) *metered {
	t.Helper()
	broker, err := embedded.StartBroker(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	dir := write(t, map[string]string{"in.txt": "one\ntwo\n", "bad.txt": "no JSON\n", "worker.properties": `bootstrap.servers=` + broker.Addr() + `
group.id=connect-cluster
config.storage.topic=connect-cluster-configs
offset.storage.topic=connect-cluster-offsets
status.storage.topic=connect-cluster-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter.schemas.enable=false
offset.flush.interval.ms=100
listeners=http://127.0.0.1:0
metrics.names=` + names + "\n"})
	addr := make(chan string, 1)
	said := &tapped{line: func(line string) {
		if m := regexp.MustCompile(`the worker runs.* rest=(\S+)`).FindStringSubmatch(line); m != nil {
			addr <- m[1]
		}
	}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, &console{out: io.Discard, err: said}, []string{"distributed", filepath.Join(dir, "worker.properties")})
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 || t.Failed() {
			t.Errorf("tandem distributed, interrupted = exit code %d, want 0:\n%s", code, said)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	w := &metered{T: t, dir: dir}
	select {
	case w.rest = <-addr:
		w.rest = "http://" + w.rest
	case <-time.After(time.Minute):
		t.Fatal("the worker does not start")
	}
	return w
}

func (w *metered) path(name string) string { return filepath.Join(w.dir, name) }

// shop is the configuration of a source of a database of its own, in which there is something.
func (w *metered) shop() map[string]string {
	w.Helper()
	w.database = pgtest.Database(w.T)
	u, err := url.Parse(w.database)
	if err != nil {
		w.Fatal(err)
	}
	w.exec("create table bikes(id int primary key, name text)", "create table shops(id int primary key)", "insert into bikes select i, 'b' from generate_series(1, 50) i",
		"insert into shops values (1), (2)")
	password, _ := u.User.Password()
	return map[string]string{"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1", "topic.prefix": "shop",
		"database.hostname": u.Hostname(), "database.port": u.Port(), "database.user": u.User.Username(), "database.password": password,
		"database.dbname": strings.TrimPrefix(u.Path, "/"), "slot.name": strings.TrimPrefix(u.Path, "/"), "plugin.name": "pgoutput",
		"topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1", "lag.interval.ms": "100"}
}

func (w *metered) exec(statements ...string) {
	w.Helper()
	conn, err := pgx.Connect(w.Context(), w.database)
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(w.Context()))
	for _, sql := range statements {
		if _, err := conn.Exec(w.Context(), sql); err != nil {
			w.Fatalf("%s: %v", sql, err)
		}
	}
}

// create creates a connector as soon as the worker has its place.
func (w *metered) create(name string, props map[string]string) {
	w.Helper()
	body, err := json.Marshal(props)
	if err != nil {
		w.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPut, w.rest+"/connectors/"+name+"/config", bytes.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusCreated {
		w.Fatalf("create connector %s = %d %s", name, res.StatusCode, text)
	}
}

// await asks for the metrics until a line of them is as wanted.
func (w *metered) await(pattern string) string {
	w.Helper()
	wanted := regexp.MustCompile(pattern)
	limit := time.Now().Add(time.Minute)
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	for range ticks.C {
		text := get(w.T, w.rest+"/metrics")
		if wanted.MatchString(text) {
			return text
		}
		if time.Now().After(limit) || w.Failed() {
			kept := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return !strings.HasPrefix(line, pattern[:min(len(pattern), 20)]) })
			w.Fatalf("no line is as %q:\n%s", pattern, strings.Join(kept, "\n"))
		}
	}
	return ""
}
