package converter

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/tlsconf"
	"github.com/tandem-cdc/tandem/schema/registry"
)

// avroConfig are the options of the AvroConverter, without the prefix key.converter. or value.converter.
type avroConfig struct {
	avro      avroOptions
	cacheSize int

	urls              []string
	credentialsSource string
	userInfo          config.Secret
	jaas              config.Secret
	bearerSource      string
	bearerToken       config.Secret
	bearer            bearerConfig
	tls               tlsconf.Options
	autoRegister      bool
	useLatest         bool
	useID             int
	normalize         bool
	keyStrategy       string
	valueStrategy     string
	proxyHost         string
	proxyPort         int
	connectTimeout    time.Duration
	readTimeout       time.Duration
	headers           http.Header
}

func defaultAvroConfig() avroConfig {
	return avroConfig{
		avro: avroOptions{metaData: true}, cacheSize: 1000, credentialsSource: "URL", autoRegister: true, useID: -1,
		keyStrategy: topicStrategy, valueStrategy: topicStrategy, proxyPort: -1,
		connectTimeout: registry.DefaultTimeout, readTimeout: registry.DefaultTimeout, headers: make(http.Header), tls: tlsconf.Default(),
	}
}

// Subject name strategies.
const (
	strategies          = "io.confluent.kafka.serializers.subject."
	topicStrategy       = strategies + "TopicNameStrategy"
	recordStrategy      = strategies + "RecordNameStrategy"
	topicRecordStrategy = strategies + "TopicRecordNameStrategy"
)

var strategyNames = []string{topicStrategy, recordStrategy, topicRecordStrategy}

// avroKeys is the only place of the option names.
func (c *avroConfig) avroKeys() config.Keys {
	strict := true
	keys := config.Keys{
		config.List(&c.urls, "schema.registry.url", "Addresses of the schema registry, separated by commas; the next one is tried when one does not answer.", config.Required(), config.Rank(config.High)),
		config.Bool(&c.autoRegister, "auto.register.schemas", "Register schemas that the registry does not have."),
		config.Bool(&c.useLatest, "use.latest.version", "With auto.register.schemas=false: write under the id of the subject's latest version, which must have the same fields."),
		config.Int(&c.useID, "use.schema.id", "With auto.register.schemas=false: write under this id, whose schema must have the same fields; -1 is none.", -1, math.MaxInt32),
		config.Bool(&c.normalize, "normalize.schemas", "Let the registry compare and store schemas in their normal form."),
		config.Enum(&c.keyStrategy, "key.subject.name.strategy", "How the subject of a key is named: by topic (bikes-key), by record, or by both.", strategyNames),
		config.Enum(&c.valueStrategy, "value.subject.name.strategy", "How the subject of a value is named: by topic (bikes-value), by record, or by both.", strategyNames),
		config.Bool(&c.avro.metaData, "connect.meta.data", "Put what Avro has no word for into connect.* properties of the schema, and read it from there."),
		config.Bool(&c.avro.ignoreDefaultForNull, "ignore.default.for.nullables", "Write a null of an optional field as null, and not as the field's default."),
		config.Bool(&c.avro.optionalMapKeys, "allow.optional.map.keys", "Write maps with optional string keys as Avro maps."),
		config.Bool(&c.avro.enhanced, "enhanced.avro.schema.support", "Write what was read from an enum as an enum again, and name the fields of a union by the full names of its types."),
		config.Bool(&c.avro.generalized, "generalized.sum.type.support", "Read enums and unions into the form that the converters for Avro, JSON Schema and Protobuf share (parameters org.apache.kafka.connect.data.Enum and Union), and write that form as enums and unions."),
		config.Bool(&c.avro.scrub, "scrub.invalid.names", "Make names that Avro does not take valid: other than letters and digits become _ and the digits of their code."),
		config.Bool(&c.avro.discardDoc, "discard.type.doc.default", "Read and write the documentation of fields as that of their schemas, and leave what is only for Avro out of the parameters."),
		config.Bool(&c.avro.flattenSingle, "flatten.singleton.unions", "Read a union of one type as that type."),
		config.Bool(&strict, "latest.compatibility.strict", "Without effect: under the latest version only records are written that have its fields.", config.WithoutEffect()),
		config.Bool(&strict, "id.compatibility.strict", "Without effect: under the schema of use.schema.id only records are written that have its fields.", config.WithoutEffect()),
		config.Int(&c.cacheSize, "schemas.cache.config", "How many schemas are kept ready for reading; 0: none, each record costs a request.", math.MinInt32, math.MaxInt32),
		config.String(&c.proxyHost, "proxy.host", "Host of an HTTP proxy to the registry; empty: none."),
		config.Int(&c.proxyPort, "proxy.port", "Port of the proxy; needed with proxy.host.", -1, math.MaxUint16),
		config.Millis(&c.connectTimeout, "http.connect.timeout.ms", "How long connecting to the registry may take.", time.Millisecond),
		config.Millis(&c.readTimeout, "http.read.timeout.ms", "How long an answer of the registry may take.", time.Millisecond),
		config.Prefix("request.header.", "Header that is sent to the registry with every request.", func(name, value string) error {
			c.headers.Set(name, value)
			return nil
		}),
		config.Refused("context.name.strategy", "io.confluent.kafka.serializers.context.NullContextNameStrategy", "put the context into schema.registry.url (…/contexts/NAME)."),
		config.Refused("flatten.unions", "true", "a union of null and a type is an optional type; leave it true."),
		config.Refused("rule.executors", "", "data contract rules run in Java only."),
	}
	keys = append(keys, c.securityKeys()...)
	return append(keys, config.Ignored("max.schemas.per.subject", "latest.cache.size", "latest.cache.ttl.sec", "missing.cache.size", "missing.id.cache.ttl.sec",
		"missing.version.query.cache.ttl.sec", "missing.schema.cache.ttl.sec", "specific.avro.reader", "avro.use.logical.type.converters", "avro.remove.java.properties")...)
}

// parseAvroConfig reads the options and reports everything that is wrong with them.
func parseAvroConfig(props map[string]string) (avroConfig, config.Report) {
	c := defaultAvroConfig()
	r := c.avroKeys().Parse(props)
	if c.avro.generalized {
		c.avro.unions = new(atomic.Int64)
	}
	c.checkSecurity(&r)
	if c.autoRegister && (c.useLatest || c.useID >= 0) {
		name := "use.latest.version"
		if c.useID >= 0 {
			name = "use.schema.id"
		}
		r.Warn(name, "Option %q has no effect while auto.register.schemas is true.", name)
	}
	if c.proxyHost != "" && c.proxyPort <= 0 {
		r.Fail("proxy.port", "proxy.host needs proxy.port.")
	}
	return c, r
}

// client makes the registry's client.
func (c *avroConfig) client(transport http.RoundTripper) (*registry.Client, error) {
	rc := registry.Config{URLs: c.urls, Normalize: c.normalize, Headers: c.headers, Timeout: c.readTimeout, ConnectTimeout: c.connectTimeout, Transport: transport}
	if err := c.secure(&rc); err != nil {
		return nil, err
	}
	if c.proxyHost != "" {
		rc.Proxy = &url.URL{Scheme: "http", Host: fmt.Sprintf("%s:%d", c.proxyHost, c.proxyPort)}
	}
	return registry.New(rc)
}

// subject names the subject of a schema.
func (c *avroConfig) subject(topic string, isKey bool, t *avroType) (string, error) {
	strategy, suffix, option := c.valueStrategy, "-value", "value.subject.name.strategy"
	if isKey {
		strategy, suffix, option = c.keyStrategy, "-key", "key.subject.name.strategy"
	}
	if strategy == topicStrategy {
		return topic + suffix, nil
	}
	record := t
	if inner := nullable(t); inner != nil {
		record = inner
	}
	if record.kind != "record" {
		return "", &DataError{Converter: "AvroConverter", Topic: topic, Err: fmt.Errorf("with %s=%s %s must be a struct with a name, it is %s", option, strategy, part(isKey), record.summary())}
	}
	if strategy == topicRecordStrategy {
		return topic + "-" + record.fullName(), nil
	}
	return record.fullName(), nil
}
