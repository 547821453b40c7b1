package elasticsearch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/config"
	kafkaclient "github.com/tandem-cdc/tandem/kafka/client"
)

// parse reads options, given as name, value, name, value …
func parse(t testing.TB, options ...string) (Config, config.Report) {
	t.Helper()
	props := map[string]string{"topics": "orders", "connection.url": "http://localhost:9200"}
	for i := 0; i < len(options); i += 2 {
		props[options[i]] = options[i+1]
		if options[i+1] == "<none>" {
			delete(props, options[i])
		}
	}
	return Parse(props, kafkaclient.ParseTLS)
}

func TestParseRefuses(t *testing.T) {
	jks := filepath.Join(t.TempDir(), "store.jks")
	if err := os.WriteFile(jks, []byte("\xfe\xed\xfe\xed"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		options []string
		want    []string // option: the beginning of the message
	}{
		{[]string{"connection.url", "<none>"}, []string{`connection.url: Missing required configuration "connection.url" which has no default value.`,
			"connection.url: Invalid value null for configuration connection.url: The config must be provided and non-null."}},
		{[]string{"connection.url", "http://a b"}, []string{"connection.url: Invalid value http://a b for configuration connection.url: The provided url 'http://a b' is not a valid url."}},
		{[]string{"connection.url", "ftp://a"}, []string{"connection.url: Malformed Elasticsearch connection URL: ftp://a: the scheme must be http or https"}},
		{[]string{"write.method", "replace"}, []string{"write.method: Invalid value replace for configuration write.method: Value must be one of: [insert, upsert]"}},
		{[]string{"behavior.on.null.values", "warn"}, []string{"behavior.on.null.values: Invalid value warn for configuration behavior.on.null.values: Value must be one of: [ignore, delete, fail]"}},
		{[]string{"batch.size", "0"}, []string{"batch.size: Invalid value 0 for configuration batch.size: Value must be at least 1"}},
		{[]string{"read.timeout.ms", "604800001"}, []string{"read.timeout.ms: Invalid value 604800001 for configuration read.timeout.ms: Value must be no more than 604800000"}},
		{[]string{"connection.username", "u"}, []string{"connection.username: Both 'connection.username' and 'connection.password' must be set.", "connection.password: Both 'connection.username' and 'connection.password' must be set."}},
		{[]string{"linger.ms", "2000", "flush.timeout.ms", "1000"}, []string{"linger.ms: 'linger.ms' (2000) can not be larger than 'flush.timeout.ms' (1000).", "flush.timeout.ms: 'linger.ms' (2000)"}},
		{[]string{"max.buffered.records", "9999"}, []string{"max.buffered.records: 'max.buffered.records' (9999) must be larger than or equal to 'batch.size' (2000) x max.in.flight.requests (5).", "batch.size: ", "max.in.flight.requests: "}},
		{[]string{"key.ignore", "true", "topic.key.ignore", "orders"}, []string{"key.ignore: 'topic.key.ignore' can not be set if 'key.ignore' is true.", "topic.key.ignore: "}},
		{[]string{"schema.ignore", "true", "topic.schema.ignore", "orders"}, []string{"schema.ignore: 'topic.schema.ignore' can not be set if 'schema.ignore' is true.", "topic.schema.ignore: "}},
		{[]string{"data.stream.type", "logs"}, []string{"data.stream.type: Either both or neither 'data.stream.dataset' and 'data.stream.type' must be set.", "data.stream.dataset: "}},
		{[]string{"data.stream.dataset", "Shop"}, []string{"data.stream.dataset: Invalid value Shop for configuration data.stream.dataset: The specified dataset must be in all lowercase."}},
		{[]string{"data.stream.namespace", "a-b"}, []string{`data.stream.namespace: Invalid value a-b for configuration data.stream.namespace: The specified namespace must not contain any spaces or invalid characters \/*?"<>|,#-:`}},
		{[]string{"data.stream.type", "logs", "data.stream.dataset", "shop", "write.method", "upsert"}, []string{"write.method: Upserts are not supported with data streams."}},
		{[]string{"data.stream.type", "logs", "data.stream.dataset", "shop", "behavior.on.null.values", "delete"}, []string{"behavior.on.null.values: Deletes are not supported with data streams."}},
		{[]string{"data.stream.timestamp.field", "at"}, []string{"data.stream.timestamp.field: Mapping a field to the '@timestamp' field is only necessary when working with data streams."}},
		{[]string{"external.resource.usage", "index"}, []string{"external.resource.usage: Invalid configuration: external.resource.usage and topic.to.external.resource.mapping must be configured together.", "topic.to.external.resource.mapping: "}},
		{[]string{"external.resource.usage", "index", "topic.to.external.resource.mapping", "orders"}, []string{"topic.to.external.resource.mapping: Invalid value orders for configuration topic.to.external.resource.mapping: Invalid topic-to-resource mapping format. The expected format: topic:resource"}},
		{[]string{"external.resource.usage", "index", "topic.to.external.resource.mapping", "orders:a,orders:b"}, []string{"topic.to.external.resource.mapping: Invalid value orders:b for configuration topic.to.external.resource.mapping: Topic 'orders' is mapped to multiple resources."}},
		{[]string{"external.resource.usage", "index", "topic.to.external.resource.mapping", "orders:a,items:a"}, []string{"topic.to.external.resource.mapping: Invalid value items:a for configuration topic.to.external.resource.mapping: Resource 'a' is mapped from multiple topics."}},
		{[]string{"external.resource.usage", "index", "topic.to.external.resource.mapping", "items:a"}, []string{"topic.to.external.resource.mapping: Topic 'orders' is not mapped to any resource."}},
		{[]string{"external.resource.usage", "index", "topic.to.external.resource.mapping", "orders:a,items:b"}, []string{"topic.to.external.resource.mapping: Topic 'items' is mapped but not configured."}},
		{[]string{"external.resource.usage", "index", "topic.to.external.resource.mapping", "orders:a,items:b", "max.external.resource.mappings", "1"},
			[]string{"topic.to.external.resource.mapping: Invalid value [orders:a, items:b] for configuration topic.to.external.resource.mapping: Too many topic-to-external-resource mappings are configured (2). Maximum allowed limit is 1."}},
		{[]string{"external.resource.usage", "datastream", "topic.to.external.resource.mapping", "orders:a", "data.stream.type", "logs", "data.stream.dataset", "d"},
			[]string{"topic.to.external.resource.mapping: Resource mapping mode and data stream configs are mutually exclusive.", "data.stream.type: ", "data.stream.dataset: "}},
		{[]string{"proxy.username", "u"}, []string{"proxy.username: 'proxy.host' must be set to use 'proxy.username'.", "proxy.host: "}},
		{[]string{"proxy.password", "p"}, []string{"proxy.password: 'proxy.host' must be set to use 'proxy.password'.", "proxy.host: "}},
		{[]string{"proxy.host", "h", "proxy.username", "u"}, []string{"proxy.username: Either both or neither 'proxy.username' and 'proxy.password' can be set.", "proxy.password: "}},
		{[]string{"elastic.security.protocol", "SSL"}, []string{"elastic.security.protocol: At least these SSL configs ('elastic.https.ssl.keystore.location'"}},
		{[]string{"elastic.https.ssl.truststore.location", "/x"}, []string{"elastic.security.protocol: 'elastic.security.protocol' must be set to 'SSL' to use SSL configs."}},
		{[]string{"elastic.security.protocol", "SSL", "elastic.https.ssl.truststore.location", jks}, []string{"elastic.https.ssl.truststore.location: Invalid configuration ssl.truststore.location: read " + jks + ": the JKS store is cut off"}},
		{[]string{"kerberos.user.principal", "me"}, []string{`kerberos.user.principal: Option "kerberos.user.principal"="me" is not supported: Kerberos is not spoken here`}},
	} {
		_, r := parse(t, c.options...)
		var got []string
		for _, p := range r.Errors {
			got = append(got, p.Name+": "+p.Message)
		}
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("Parse(%q) errors:\n%s\nwant beginnings:\n%s", c.options, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestParseTutorial takes the configuration of the tutorial, with options that the connector has not known for long.
func TestParseTutorial(t *testing.T) {
	c, r := parse(t, "type.name", "_doc", "topic.index.map", "a:b", "auto.create.indices.at.start", "true", "name", "x", "connector.class", Class, "tasks.max", "1",
		"key.ignore", "true", "value.converter", "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url", "http://registry:8081", "transforms", "a", "transforms.a.type", "x",
		"Write.Method", "x")
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range r.Warnings {
		got = append(got, w.Name)
	}
	if diff := cmp.Diff([]string{"Write.Method", "type.name", "topic.index.map", "auto.create.indices.at.start"}, got); diff != "" {
		t.Errorf("warnings (-want +got)\n%s", diff)
	}
	if !c.IgnoreKey || c.WriteMethod != methodInsert || c.OnNull != behaviourFail || c.Usage != usageDisabled {
		t.Errorf("Parse = %+v", c)
	}
}

func TestParseServers(t *testing.T) {
	for _, c := range []struct {
		in   []string
		want []string
	}{
		{[]string{"localhost:9200"}, []string{"http://localhost:9200"}},
		{[]string{"http://a:9200/", "https://b:9200"}, []string{"https://a:9200", "https://b:9200"}},
		{[]string{"https://user:secret@a/search/"}, []string{"https://a/search"}},
	} {
		servers, err := parseServers(c.in)
		var got []string
		for _, s := range servers {
			got = append(got, s.base)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("parseServers(%q) = %q, %v, want %q", c.in, got, err, c.want)
		}
	}
	if _, err := parseServers([]string{"http://"}); err == nil {
		t.Error("parseServers of a URL without host = no error")
	}
}

func TestResourceName(t *testing.T) {
	for topic, want := range map[string]string{
		"Orders": "orders", "-a": "a", "_a": "a", "__a": "_a", "--a": "-a", ".": "dot", "..": "dotdot", "_.": "dot", "a.B-c": "a.b-c",
		strings.Repeat("x", 300): strings.Repeat("x", 255), "-" + strings.Repeat("x", 300): strings.Repeat("x", 254),
	} {
		if got := indexName(topic); got != want {
			t.Errorf("indexName(%q) = %q, want %q", topic, got, want)
		}
	}
	c, r := parse(t, "data.stream.type", "LOGS", "data.stream.dataset", "shop")
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]string{"Orders": "logs-shop-orders", strings.Repeat("y", 101): "logs-shop-" + strings.Repeat("y", 100)} {
		if got, ok := c.resourceName(topic); got != want || !ok {
			t.Errorf("resourceName(%q) = %q, %v, want %q", topic, got, ok, want)
		}
	}
	c, r = parse(t, "external.resource.usage", "alias_index", "topic.to.external.resource.mapping", " orders : All ")
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.resourceName("orders"); got != "All" || !ok || c.dataStreams() {
		t.Errorf("resourceName of a mapped topic = %q, %v, want All", got, ok)
	}
	if _, ok := c.resourceName("items"); ok {
		t.Error("resourceName of a topic that is not mapped = ok")
	}
}

// TestListing holds the listing against the original's: 60 options, their groups, and that each number in a group is there once.
func TestListing(t *testing.T) {
	c := DefaultConfig()
	seen := make(map[string]map[int]string)
	n := 0
	for _, d := range c.Keys().Definitions() {
		n++
		if seen[d.Group] == nil {
			seen[d.Group] = make(map[int]string)
		}
		if other, twice := seen[d.Group][d.Order]; twice && d.Name != "use.autogenerated.ids" && other != "use.autogenerated.ids" {
			t.Errorf("%s and %s both have place %d of group %s", d.Name, other, d.Order, d.Group)
		}
		seen[d.Group][d.Order] = d.Name
	}
	if n != 60 {
		t.Errorf("%d options are listed, want 60", n)
	}
	for group, want := range map[string]int{"Connector": 23, "Data Conversion": 10, "Proxy": 4, "Security": 20, "Kerberos": 2} {
		if got := len(seen[group]); got != want {
			t.Errorf("group %s has %d places, want %d", group, got, want)
		}
	}
}
