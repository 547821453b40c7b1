package connect

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tandem-cdc/tandem/internal/config"
)

func parseProps(t *testing.T, text string) map[string]string {
	t.Helper()
	props, err := config.ParseProperties(text)
	if err != nil {
		t.Fatal(err)
	}
	return props
}

const leastWorker = `bootstrap.servers=kafka:9092
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
offset.storage.file.filename=/tmp/connect.offsets
`

func TestParseWorkerConfig(t *testing.T) {
	c, r := ParseWorkerConfig(parseProps(t, leastWorker+`
bootstrap.servers=one:9092, two:9092
key.converter.schemas.enable=false
value.converter.schema.registry.url=http://registry:8081
offset.flush.interval.ms=10000
listeners=HTTP://:8084,http://127.0.0.1:8085
rest.advertised.host.name=worker
producer.compression.type=lz4
consumer.max.poll.records=10
security.protocol=SASL_SSL
sasl.mechanism=PLAIN
consumer.security.protocol=PLAINTEXT
plugin.path=/usr/share/java
producer.interceptor.classes=io.confluent.X
offset.flush.intervall.ms=1
`))
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	want := DefaultWorkerConfig()
	want.BootstrapServers = []string{"one:9092", "two:9092"}
	want.KeyConverter = ConverterConfig{Class: "org.apache.kafka.connect.json.JsonConverter", Options: map[string]string{"schemas.enable": "false"}}
	want.ValueConverter = ConverterConfig{Class: "org.apache.kafka.connect.json.JsonConverter", Options: map[string]string{"schema.registry.url": "http://registry:8081"}}
	want.OffsetFile = "/tmp/connect.offsets"
	want.OffsetFlushInterval = 10 * time.Second
	want.Listeners = []string{"HTTP://:8084", "http://127.0.0.1:8085"}
	want.AdvertisedHost = "worker"
	want.Client = map[string]string{"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}
	want.Producer = map[string]string{"compression.type": "lz4", "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}
	want.Consumer = map[string]string{"max.poll.records": "10", "security.protocol": "PLAINTEXT"}
	want.Admin = map[string]string{"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}
	if diff := cmp.Diff(want, c, cmpopts.IgnoreFields(WorkerConfig{}, "Providers")); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	var warned []string
	for _, w := range r.Warnings {
		warned = append(warned, w.Message)
	}
	if diff := cmp.Diff([]string{
		`Option "producer.interceptor.classes" names Java classes, which cannot be loaded; it has no effect.`,
		`Option "plugin.path" concerns the JVM only and has no effect.`,
		`Option "offset.flush.intervall.ms" is not known and has no effect; the nearest known one is "offset.flush.interval.ms".`,
	}, warned); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	if got := c.WorkerID(8084); got != "worker:8084" {
		t.Errorf("WorkerID(8084) = %s, want worker:8084", got)
	}
}

func TestParseWorkerConfigErrors(t *testing.T) {
	for _, c := range []struct{ props, want string }{
		{"", `Missing required configuration "bootstrap.servers" which has no default value.` + "\n" +
			`Missing required configuration "key.converter" which has no default value.` + "\n" +
			`Missing required configuration "value.converter" which has no default value.` + "\n" +
			`Missing required configuration "offset.storage.file.filename" which has no default value.`},
		{leastWorker + "bootstrap.servers=kafka", `Invalid value kafka for configuration bootstrap.servers: "kafka" is not host:port`},
		{leastWorker + "bootstrap.servers=k:1,k:1", `Invalid value k:1,k:1 for configuration bootstrap.servers: "k:1" stands there twice`},
		{leastWorker + "listeners=8083", `Invalid value 8083 for configuration listeners: "8083" is not of the form http://host:port`},
		{leastWorker + "listeners=https://:8443", `Option "ssl.keystore.location" is missing: a listener with https needs a key and a certificate (ssl.keystore.location, or ssl.keystore.key and ssl.keystore.certificate.chain)`},
		{leastWorker + "rest.extension.classes=x.Basic", `Invalid value x.Basic for configuration rest.extension.classes: "x.Basic" is a Java class, which cannot be loaded; ` +
			"there is org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension"},
		{leastWorker + "value.converter=Jason", "Invalid value Jason for configuration value.converter: Class Jason could not be found."},
		{leastWorker + "offset.flush.interval.ms=soon", "Invalid value soon for configuration offset.flush.interval.ms: Not a number of type LONG"},
		{leastWorker + "connector.client.config.override.policy=Some", "Invalid value Some for configuration connector.client.config.override.policy: " +
			"Class Some could not be found; want one of All, None, Principal, Allowlist"},
	} {
		_, r := ParseWorkerConfig(parseProps(t, c.props))
		got := ""
		if err := r.Err(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("ParseWorkerConfig(%q) errors = %s\nwant %s", c.props, got, c.want)
		}
	}
}

func TestOldRestOptions(t *testing.T) {
	c, r := ParseWorkerConfig(parseProps(t, leastWorker+"rest.host.name=127.0.0.1\nrest.port=9999\n"))
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"http://127.0.0.1:9999"}, c.Listeners); diff != "" {
		t.Errorf("listeners (-want +got):\n%s", diff)
	}
	if len(r.Warnings) != 2 || !strings.Contains(r.Warnings[1].Message, `"rest.port" is an old name; use "listeners"`) {
		t.Errorf("warnings = %v, want both old names", r.Warnings)
	}
}

func TestReadWorkerConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.properties")
	if err := os.WriteFile(path, []byte(leastWorker), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := ReadWorkerConfig(path, []string{"CONNECT_BOOTSTRAP_SERVERS=other:9092", "PATH=/bin"})
	if err != nil || c.BootstrapServers[0] != "other:9092" {
		t.Errorf("ReadWorkerConfig = %v, %v, want the environment to win", c.BootstrapServers, err)
	}
	if err := os.WriteFile(path, []byte("a=b\nc=\\u12\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadWorkerConfig(path, nil); err == nil || !strings.Contains(err.Error(), path+": line 2") {
		t.Errorf("ReadWorkerConfig(malformed) = %v, want the file and line 2", err)
	}
	if _, _, err := ReadWorkerConfig(filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("ReadWorkerConfig(missing) has no error")
	}
}

func TestEnvironmentProperties(t *testing.T) {
	got := EnvironmentProperties([]string{
		"CONNECT_BOOTSTRAP_SERVERS=a:1", "CONNECT_KEY_CONVERTER_SCHEMAS_ENABLE=false", "CONNECT_A__B___C=x=y", "CONNECT_LOG4J_ROOT_LOGLEVEL=DEBUG",
		"BOOTSTRAP_SERVERS=b:2", "OFFSET_FLUSH_INTERVAL_MS=100", "HOME=/root",
	})
	want := map[string]string{"bootstrap.servers": "a:1", "key.converter.schemas.enable": "false", "a-b_c": "x=y", "offset.flush.interval.ms": "100"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("EnvironmentProperties (-want +got):\n%s", diff)
	}
}

func TestReadConnectorFile(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, text string
		want       Request
		err        string
	}{
		{"a.properties", "name=a\nconnector.class=X\n", Request{Name: "a", Config: map[string]string{"name": "a", "connector.class": "X"}}, ""},
		{"b.json", `{"name": "b", "tasks.max": 2, "ok": true, "f": 1.50}`,
			Request{Name: "b", Config: map[string]string{"name": "b", "tasks.max": "2", "ok": "true", "f": "1.5"}}, ""},
		{"c.json", `{"name": "c", "config": {"topic": "t"}, "initial_state": "stopped", "ignored": 1}`,
			Request{Name: "c", Config: map[string]string{"name": "c", "topic": "t"}, InitialState: Stopped}, ""},
		{"d.json", "{\n \"name\": \"d\",\n \"x\" 1}", Request{}, "line 3, column 6: malformed JSON: invalid character '1' after object key"},
		{"e.json", `{"name":`, Request{}, "line 1, column 9: malformed JSON: the text ends early"},
		{"f.json", `[1]`, Request{}, "want a JSON object, got a array"},
		{"g.json", `{"connector.class": "X"}`, Request{}, "is missing the mandatory 'name' configuration"},
		{"h.json", `{"name": "h", "o": {"a": 1}}`, Request{}, `option "o": want a text, got {"a": 1}`},
		{"i.properties", "name=i\nx=\\uZZZZ\n", Request{}, "line 2: value of \"x\": malformed"},
		{"j.json", `{"name": "j", "config": {}, "initial_state": "ASLEEP"}`, Request{}, `field "initial_state": want RUNNING, PAUSED or STOPPED, got "ASLEEP"`},
		{"k.json", `{"name": "k"} {`, Request{}, "more text behind"},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadConnectorFile(path)
		switch {
		case c.err == "" && err != nil:
			t.Errorf("ReadConnectorFile(%s) = %v", c.name, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), path)):
			t.Errorf("ReadConnectorFile(%s) = %v, want the path and %q", c.name, err, c.err)
		case c.err == "":
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("ReadConnectorFile(%s) (-want +got):\n%s", c.name, diff)
			}
		}
	}
}

func TestParseConnectorConfig(t *testing.T) {
	for _, c := range []struct {
		kind  Kind
		props string
		want  string // errors
		warn  string // part of a warning
	}{
		{KindSource, "tasks.max=x\nerrors.tolerance=maybe\nerrors.retry.timeout=y\nconfig.action.reload=never",
			"Invalid value x for configuration tasks.max: Not a number of type INT\nInvalid value null for configuration tasks.max: Value must be non-null\n" +
				"Invalid value never for configuration config.action.reload: String must be one of: none, restart\n" +
				"Invalid value y for configuration errors.retry.timeout: Not a number of type LONG\n" +
				"Invalid value maybe for configuration errors.tolerance: String must be one of: none, all", ""},
		{KindSource, "key.converter.schemas.enable=false", "", `Option "key.converter.schemas.enable" has no effect: the connector names no "key.converter" of its own`},
		{KindSource, "topic.creation.default.replication.factor=1", `Missing required configuration "topic.creation.default.partitions" which has no default value.`, ""},
		{KindSource, "topic.creation.default.replication.factor=0\ntopic.creation.default.partitions=-1",
			"Invalid value 0 for configuration replication.factor: Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default", ""},
		{KindSource, "topic.creation.default.replication.factor=-1\ntopic.creation.default.partitions=-2",
			"Invalid value -2 for configuration partitions: Number of partitions must be positive, or -1 to use the broker's default", ""},
		{KindSource, "topic.creation.default.replication.factor=x\ntopic.creation.default.partitions=1",
			"Invalid value x for configuration topic.creation.default.replication.factor: Not a number of type SHORT", ""},
		{KindSource, "topic.creation.groups=g\ntopic.creation.h.include=x\ntopic.creation.default.replication.factor=1\ntopic.creation.default.partitions=1", "",
			`Option "topic.creation.h.include" has no effect: topic.creation.groups has no group "h"`},
		{KindSource, "errors.max.retries=x\nretriable.restart.connector.wait.ms=-1",
			"Invalid value x for configuration errors.max.retries: Not a number of type INT\n" +
				"Invalid value -1 for configuration retriable.restart.connector.wait.ms: Value must be at least 0", ""},
		{KindSink, "", "Must configure one of topics or topics.regex\nMust configure one of topics or topics.regex", ""},
		{KindSink, "topics=a\ntopics.regex=b", "topics and topics.regex are mutually exclusive options, but both are set.\n" +
			"topics and topics.regex are mutually exclusive options, but both are set.", ""},
		{KindSink, "topics= , ", "Configuration 'topics' values must not be duplicated.", ""},
		{KindSink, "topics=a,b\nerrors.deadletterqueue.topic.name=b",
			"The DLQ topic 'b' may not be included in the list of topics ('topics=[a, b]') consumed by the connector", ""},
		{KindSink, "topics.regex=co-.*\nerrors.deadletterqueue.topic.name=co-dlq",
			"The DLQ topic 'co-dlq' may not be matched by the regex for the topics ('topics.regex=co-.*') consumed by the connector", ""},
	} {
		props := parseProps(t, "name=c\nconnector.class=X\n"+c.props)
		_, r := parseConnectorConfig(props, c.kind)
		got := ""
		if err := r.Err(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("parseConnectorConfig(%q) errors = %s\nwant %s", c.props, got, c.want)
		}
		warnings := ""
		for _, w := range r.Warnings {
			warnings += w.Message + "\n"
		}
		if !strings.Contains(warnings, c.warn) || c.warn == "" && warnings != "" {
			t.Errorf("parseConnectorConfig(%q) warnings = %s\nwant %s", c.props, warnings, c.warn)
		}
	}
}

func TestTopicRules(t *testing.T) {
	props := parseProps(t, `topic.creation.groups=compacted,rest
topic.creation.default.replication.factor=3
topic.creation.default.partitions=5
topic.creation.compacted.include=inv\\..*,ref
topic.creation.compacted.exclude=inv\\.log
topic.creation.compacted.partitions=1
topic.creation.compacted.cleanup.policy=compact
topic.creation.rest.include=rest.*
`)
	var r config.Report
	rules := parseTopicRules(props, &r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		topic, group string
		partitions   int32
		cleanup      string
	}{
		{"inv.orders", "compacted", 1, "compact"}, {"ref", "compacted", 1, "compact"}, {"reference", "default", 5, ""},
		{"inv.log", "default", 5, ""}, {"rest1", "rest", 5, ""},
	} {
		g, err := rules.forTopic(c.topic)
		if err != nil || g.name != c.group || g.partitions != c.partitions || g.settings["cleanup.policy"] != c.cleanup || g.replication != 3 {
			t.Errorf("forTopic(%s) = %+v, want group %s", c.topic, g, c.group)
		}
	}
	if parseTopicRules(map[string]string{"name": "x"}, &r) != nil {
		t.Error("rules without topic.creation.*")
	}
}

func TestOverridePolicies(t *testing.T) {
	overrides := map[string]string{"acks": "1", "sasl.mechanism": "PLAIN"}
	for _, c := range []struct {
		policy string
		want   int
	}{{"All", 0}, {"None", 2}, {"Principal", 1}, {"Allowlist", 1}, {policyPackage + "NoneConnectorClientConfigOverridePolicy", 2}} {
		w := DefaultWorkerConfig()
		w.OverridePolicy, w.OverrideAllowlist = c.policy, []string{"acks"}
		var r config.Report
		w.checkOverrides("producer.override.", overrides, &r)
		if len(r.Errors) != c.want {
			t.Errorf("policy %s refuses %v, want %d of them", c.policy, r.Errors, c.want)
		}
	}
}

func FuzzParseConnectorFile(f *testing.F) {
	f.Add([]byte(`{"name": "c", "config": {"topic": "t"}, "initial_state": "stopped"}`), true)
	f.Add([]byte(`{"name": 1.50, "x": null}`), false)
	f.Add([]byte("name=a\\\nb\nx:\\u0041"), false)
	f.Fuzz(func(t *testing.T, text []byte, isJSON bool) {
		req, err := parseConnectorFile(text, isJSON) // must not panic
		if err == nil && req.Config == nil {
			t.Errorf("parseConnectorFile(%q) has neither options nor an error", text)
		}
	})
}

func TestWorkerVariables(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.properties")
	text := leastWorker + "config.providers=env\nconfig.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider\n" +
		"plugin.path=${env:BROKERS}\nproducer.client.id=${env:MISSING}\nbootstrap.servers=${env:BROKERS}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, r, err := ReadWorkerConfig(path, []string{"BROKERS=a:1,b:2", "CONNECT_CONSUMER_CLIENT_ID=${env:BROKERS}"})
	if err != nil || strings.Join(c.BootstrapServers, " ") != "a:1 b:2" || c.Consumer["client.id"] != "a:1,b:2" || c.Producer["client.id"] != "${env:MISSING}" {
		t.Errorf("ReadWorkerConfig = %v, %v, %v, %v", c.BootstrapServers, c.Consumer, c.Producer, err)
	}
	if !slices.ContainsFunc(r.Warnings, func(p config.Problem) bool { return p.Name == "producer.client.id" }) {
		t.Errorf("the warnings do not tell of the variable that stays: %v", r.Warnings)
	}
	got, err := c.Providers.Resolve(map[string]string{"k": "${env:BROKERS}"}, slog.New(slog.DiscardHandler))
	if err != nil || got["k"] != "a:1,b:2" {
		t.Errorf("the worker's providers resolve %v, %v", got, err)
	}
}
