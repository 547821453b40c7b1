package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/rest"
	"github.com/tandem-cdc/tandem/internal/embedded"
)

// secret stands wherever a password does. No log, status, error or answer may hold it but those that hand out a configuration as it was written.
const secret = "Xs3cr3tX"

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// secretConnectors are configurations that fail, each in a place of its own, with the secret in what they are given.
func secretConnectors(registry, folder string) map[string]map[string]string {
	avro := map[string]string{
		"value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": registry,
		"value.converter.basic.auth.credentials.source": "USER_INFO", "value.converter.basic.auth.user.info": "user:" + secret,
	}
	file := func(more map[string]string) map[string]string {
		props := map[string]string{"connector.class": "FileStreamSource", "file": filepath.Join(folder, "in.txt"), "topic": "lines"}
		for name, text := range more {
			props[name] = text
		}
		return props
	}
	jdbc := func(more map[string]string) map[string]string {
		props := map[string]string{"connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "topics": "lines", "connection.username": "u", "connection.password": secret,
			"connection.url": "jdbc:postgresql://127.0.0.1:1/db", "primary.key.mode": "none", "insert.mode": "insert"}
		for name, text := range more {
			props[name] = text
		}
		return props
	}
	postgres := func(more map[string]string) map[string]string {
		props := map[string]string{"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.hostname": "127.0.0.1", "database.port": "1", "database.user": "u",
			"database.password": secret, "database.dbname": "db", "topic.prefix": "p", "plugin.name": "pgoutput"}
		for name, text := range more {
			props[name] = text
		}
		return props
	}
	out := secretStores(registry, folder)
	maps.Copy(out, map[string]map[string]string{
		"jdbc-mysql":           jdbc(map[string]string{"connection.url": "jdbc:mysql://127.0.0.1:1/db?user=u&password=" + secret}),
		"jdbc-mysql-bad":       jdbc(map[string]string{"connection.url": "jdbc:mysql://u:" + secret + "@127.0.0.1:x/db"}),
		"jdbc-mysql-stores":    jdbc(map[string]string{"connection.url": "jdbc:mysql://127.0.0.1:1/db?sslMode=VERIFY_CA&trustCertificateKeyStoreUrl=file:" + store("trust.p12") + "&trustCertificateKeyStoreType=PKCS12&trustCertificateKeyStorePassword=" + secret}),
		"postgres-binding-tls": postgres(map[string]string{"database.channelBinding": "require", "database.sslmode": "require"}),
		"postgres-direct":      postgres(map[string]string{"database.sslNegotiation": "direct", "database.sslmode": "prefer"}),
		"no-class":             {"database.password": secret, "connection.password": secret, "value.converter.basic.auth.user.info": "user:" + secret, "producer.override.sasl.jaas.config": secret, "x.secret": secret, "y.api.key": secret},
		"registry-refuses":     file(avro),
		"registry-in-url":      file(map[string]string{"value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": strings.Replace(registry, "://", "://user:"+secret+"@", 1)}),
		"registry-away":        file(map[string]string{"value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": "http://user:" + secret + "@127.0.0.1:1"}),
		"registry-bad-url":     file(map[string]string{"value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": "http://user:" + secret + "@[bad"}),
		"registry-bearer":      file(map[string]string{"value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": registry, "value.converter.bearer.auth.credentials.source": "STATIC_TOKEN", "value.converter.bearer.auth.token": secret}),
		"registry-user-info":   file(map[string]string{"value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": registry, "value.converter.basic.auth.credentials.source": "USER_INFO", "value.converter.basic.auth.user.info": secret}),
		"jaas-malformed":       file(map[string]string{"producer.override.security.protocol": "SASL_PLAINTEXT", "producer.override.sasl.mechanism": "PLAIN", "producer.override.sasl.jaas.config": `Login required username="u" password="` + secret + `" oops`}),
		"jaas-unknown":         file(map[string]string{"producer.override.security.protocol": "SASL_PLAINTEXT", "producer.override.sasl.mechanism": "GSSAPI", "producer.override.sasl.jaas.config": "com.sun.Krb5LoginModule required keyTab=" + secret + ";"}),
		"sasl-refused":         file(map[string]string{"producer.override.security.protocol": "SASL_PLAINTEXT", "producer.override.sasl.mechanism": "PLAIN", "producer.override.delivery.timeout.ms": "300", "producer.override.request.timeout.ms": "100", "producer.override.linger.ms": "0", "producer.override.max.block.ms": "300", "producer.override.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="` + secret + `";`}),
		"keystore":             file(map[string]string{"producer.override.security.protocol": "SSL", "producer.override.ssl.keystore.location": "/none.jks", "producer.override.ssl.keystore.password": secret, "producer.override.ssl.key.password": secret}),
		"keystore-pem":         file(map[string]string{"producer.override.security.protocol": "SSL", "producer.override.ssl.keystore.type": "PEM", "producer.override.ssl.keystore.key": secret, "producer.override.ssl.keystore.certificate.chain": "x", "producer.override.ssl.truststore.certificates": "y", "producer.override.ssl.truststore.type": "PEM"}),
		"provider":             file(map[string]string{"tasks.max": "1", "topic": "lines", "password": "${file:" + filepath.Join(folder, "secrets.properties") + ":password}", "value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": registry, "value.converter.basic.auth.credentials.source": "USER_INFO", "value.converter.basic.auth.user.info": "user:${file:" + filepath.Join(folder, "secrets.properties") + ":password}"}),
		"provider-no-class":    {"greeting": "${file:" + filepath.Join(folder, "secrets.properties") + ":password}"},
		"provider-malformed":   file(map[string]string{"password": "${file:" + filepath.Join(folder, "malformed.properties") + ":password}"}),
		"jdbc-away":            jdbc(nil),
		"jdbc-in-url":          jdbc(map[string]string{"connection.url": "jdbc:postgresql://127.0.0.1:1/db?user=u&password=" + secret}),
		"jdbc-bad-url":         jdbc(map[string]string{"connection.url": "jdbc:postgresql://u:" + secret + "@[bad/db?password=" + secret}),
		"jdbc-bad-port":        jdbc(map[string]string{"connection.url": "jdbc:postgresql://127.0.0.1:x/db?password=" + secret}),
		"jdbc-other":           jdbc(map[string]string{"connection.url": "jdbc:oracle:thin:u/" + secret + "@host"}),
		"jdbc-no-url":          jdbc(map[string]string{"connection.url": "postgres://u:" + secret + "@127.0.0.1/db"}),
		"jdbc-bad-option":      jdbc(map[string]string{"insert.mode": "never", "tasks.max": "0"}),
		"postgres-away":        postgres(nil),
		"postgres-key":         postgres(map[string]string{"database.sslmode": "verify-full", "database.sslkey": "/none", "database.sslpassword": secret}),
		"postgres-bad-option":  postgres(map[string]string{"snapshot.mode": "never-ever", "database.port": "x"}),
		"registry-inherit":     file(with(avro, "value.converter.basic.auth.credentials.source", "SASL_INHERIT", "value.converter.sasl.jaas.config", `Login required username="u" password="`+secret+`" oops`)),
		"registry-oauth":       file(map[string]string{"value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": registry, "value.converter.bearer.auth.credentials.source": "OAUTHBEARER", "value.converter.bearer.auth.issuer.endpoint.url": "http://u:" + secret + "@" + strings.TrimPrefix(registry, "http://"), "value.converter.bearer.auth.client.id": "me", "value.converter.bearer.auth.client.secret": secret}),
		"registry-endpoint":    file(map[string]string{"value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": registry, "value.converter.bearer.auth.credentials.source": "OAUTHBEARER", "value.converter.bearer.auth.issuer.endpoint.url": "http://127.0.0.1:1/token", "value.converter.bearer.auth.client.id": "me", "value.converter.bearer.auth.client.secret": secret}),
		"registry-stores":      file(with(avro, "value.converter.schema.registry.ssl.keystore.location", store("key.jks"), "value.converter.schema.registry.ssl.keystore.password", secret, "value.converter.schema.registry.ssl.key.password", secret, "value.converter.schema.registry.ssl.truststore.location", store("trust.p12"), "value.converter.schema.registry.ssl.truststore.password", secret)),
		"keystore-jks":         file(map[string]string{"producer.override.security.protocol": "SSL", "producer.override.ssl.keystore.location": store("key.jks"), "producer.override.ssl.keystore.password": secret, "producer.override.ssl.key.password": secret}),
		"keystore-jks-key":     file(map[string]string{"producer.override.security.protocol": "SSL", "producer.override.ssl.keystore.location": store("key.jks"), "producer.override.ssl.keystore.password": "store-pw", "producer.override.ssl.key.password": secret}),
		"keystore-pkcs12":      file(map[string]string{"producer.override.security.protocol": "SSL", "producer.override.ssl.keystore.location": store("key.p12"), "producer.override.ssl.keystore.type": "PKCS12", "producer.override.ssl.keystore.password": secret}),
		"truststore-pkcs12":    file(map[string]string{"producer.override.security.protocol": "SSL", "producer.override.ssl.truststore.location": store("trust.p12"), "producer.override.ssl.truststore.type": "PKCS12", "producer.override.ssl.truststore.password": secret}),
		"oauth-away":           file(oauth("http://127.0.0.1:1/token", `clientId="me" clientSecret="`+secret+`"`)),
		"oauth-refused":        file(oauth("http://u:"+secret+"@"+strings.TrimPrefix(registry, "http://"), `clientId="me" clientSecret="`+secret+`"`)),
		"oauth-bad-endpoint":   file(oauth("u:"+secret+"@nowhere", `clientId="me" clientSecret="`+secret+`"`)),
		"oauth-bad-option":     file(oauth("http://127.0.0.1:1/token", `client="`+secret+`"`)),
		"oauth-stores":         file(oauth("https://127.0.0.1:1/token", `clientId="me" clientSecret="`+secret+`" ssl.truststore.location="`+store("trust.p12")+`" ssl.truststore.password="`+secret+`"`)),
		"oauth-unsecured":      file(oauth("", `unsecuredLoginNumberClaim_n="`+secret+`"`)),
		"scram-two-modules":    file(map[string]string{"producer.override.security.protocol": "SASL_PLAINTEXT", "producer.override.sasl.mechanism": "SCRAM-SHA-256", "producer.override.sasl.jaas.config": strings.Repeat(`org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="`+secret+`";`, 2)}),
		"postgres-pkcs12":      postgres(map[string]string{"database.sslmode": "require", "database.sslkey": store("key.p12"), "database.sslpassword": secret}),
		"postgres-pkcs8":       postgres(map[string]string{"database.sslmode": "require", "database.sslcert": store("leaf.pem"), "database.sslkey": store("pbes1-md5.pk8"), "database.sslpassword": secret}),
		"postgres-binding":     postgres(map[string]string{"database.channelBinding": "require", "database.sslmode": "disable"}),
		"postgres-webhook":     postgres(map[string]string{"signal.enabled.channels": "kafka", "signal.kafka.topic": "s", "signal.kafka.bootstrap.servers": "127.0.0.1:1", "signal.consumer.sasl.jaas.config": secret, "signal.consumer.security.protocol": "SASL_PLAINTEXT"}),
	})
	return out
}

// secretStores are those of connectors of other stores.
func secretStores(registry, folder string) map[string]map[string]string {
	s3 := func(more ...string) map[string]string {
		return with(map[string]string{"connector.class": "io.confluent.connect.s3.S3SinkConnector", "topics": "lines", "s3.bucket.name": "b", "s3.region": "eu-central-1",
			"storage.class": "io.confluent.connect.s3.storage.S3Storage", "format.class": "io.confluent.connect.s3.format.json.JsonFormat", "flush.size": "1",
			"aws.access.key.id": "id", "aws.secret.access.key": secret, "store.url": "http://127.0.0.1:1", "s3.part.retries": "0"}, more...)
	}
	elastic := func(more ...string) map[string]string {
		return with(map[string]string{"connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector", "topics": "lines", "key.ignore": "true", "schema.ignore": "true",
			"connection.url": "http://127.0.0.1:1", "connection.username": "u", "connection.password": secret, "max.retries": "0"}, more...)
	}
	polling := func(more ...string) map[string]string {
		return with(map[string]string{"connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector", "connection.url": "jdbc:postgresql://127.0.0.1:1/db", "connection.user": "u",
			"connection.password": secret, "connection.attempts": "1", "topic.prefix": "p-", "mode": "bulk", "table.whitelist": "t"}, more...)
	}
	withUser := func(address string) string { return strings.Replace(address, "://", "://u:"+secret+"@", 1) }
	return map[string]map[string]string{
		"s3-away":            s3(),
		"s3-refused":         s3("store.url", registry),
		"s3-in-url":          s3("store.url", withUser("http://127.0.0.1:1")),
		"s3-bad-url":         s3("store.url", withUser("http://[bad")),
		"s3-proxy":           s3("s3.proxy.url", withUser("http://127.0.0.1:1"), "s3.proxy.user", "u", "s3.proxy.password", secret),
		"s3-bad-proxy":       s3("s3.proxy.url", withUser("http://[bad")),
		"s3-customer-key":    s3("s3.ssea.name", "AES256", "s3.sse.customer.key", secret),
		"s3-half-a-key":      s3("aws.access.key.id", ""),
		"s3-bad-option":      s3("flush.size", "never", "partitioner.class", "none"),
		"elastic-away":       elastic(),
		"elastic-refused":    elastic("connection.url", registry),
		"elastic-in-url":     elastic("connection.url", withUser("http://127.0.0.1:1")),
		"elastic-bad-url":    elastic("connection.url", withUser("http://[bad")),
		"elastic-half":       elastic("connection.username", ""),
		"elastic-proxy":      elastic("proxy.host", "127.0.0.1", "proxy.port", "1", "proxy.username", "u", "proxy.password", secret),
		"elastic-stores":     elastic("elastic.security.protocol", "SSL", "elastic.https.ssl.keystore.location", store("key.jks"), "elastic.https.ssl.keystore.password", secret, "elastic.https.ssl.key.password", secret),
		"elastic-trust":      elastic("elastic.security.protocol", "SSL", "elastic.https.ssl.truststore.location", store("trust.p12"), "elastic.https.ssl.truststore.password", secret),
		"polling-away":       polling(),
		"polling-in-url":     polling("connection.url", "jdbc:postgresql://127.0.0.1:1/db?user=u&password="+secret),
		"polling-bad-url":    polling("connection.url", "jdbc:postgresql://u:"+secret+"@[bad/db?password="+secret),
		"polling-mysql":      polling("connection.url", "jdbc:mysql://127.0.0.1:1/db?trustCertificateKeyStorePassword="+secret),
		"polling-mysql-bad":  polling("connection.url", "jdbc:mysql://u:"+secret+"@127.0.0.1:x/db"),
		"polling-key":        polling("connection.url", "jdbc:postgresql://127.0.0.1:1/db?sslmode=verify-full&sslkey=/none&sslpassword="+secret),
		"polling-query":      polling("table.whitelist", "", "query.masked", "SELECT '"+secret+"' FROM", "connection.url", "jdbc:sqlite:"+filepath.Join(folder, "none.db")),
		"polling-bad-option": polling("mode", "never", "poll.interval.ms", "x"),
	}
}

// with is a copy of props with more in it.
func with(props map[string]string, more ...string) map[string]string {
	out := maps.Clone(props)
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// store is the path of a key store, a trust store or a key.
func store(name string) string {
	return filepath.Join("..", "..", "internal", "keystore", "testdata", name)
}

// oauth are the overrides of a producer that logs in by a token.
func oauth(endpoint, options string) map[string]string {
	props := map[string]string{"producer.override.security.protocol": "SASL_PLAINTEXT", "producer.override.sasl.mechanism": "OAUTHBEARER", "producer.override.delivery.timeout.ms": "300",
		"producer.override.request.timeout.ms": "100", "producer.override.linger.ms": "0", "producer.override.max.block.ms": "300",
		"producer.override.sasl.jaas.config": "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required " + options + ";"}
	if endpoint != "" {
		props["producer.override.sasl.oauthbearer.token.endpoint.url"] = endpoint
	}
	return props
}

// heardLog is a logger that says everything, also for connectors that have no tasks yet, and what it has said.
func heardLog(t *testing.T) (*syncBuffer, *slog.Logger) {
	t.Helper()
	log := new(syncBuffer)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(logger)
	return log, logger
}

// jsonCaller returns a function that sends JSON to a worker, and says on one line what it sent where and was answered.
func jsonCaller(t *testing.T, url string) func(method, path string, body any) string {
	return func(method, path string, body any) string {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), method, url+path, bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s %s = %d %s", method, path, response.StatusCode, answer)
	}
}

// Every way to fail is taken with a secret in it, and everything that is said is searched for it.
func TestSecretsStayHidden(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a broker and a registry")
	}
	broker, err := embedded.StartBroker(embedded.Options{Topics: []string{"lines"}})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized) // and tells what it was given, as careless ones do
		fmt.Fprintf(w, `{"error_code":401,"message":"not you"}`)
	}))
	defer registry.Close()
	folder := write(t, map[string]string{
		"in.txt": "one\ntwo\n", "secrets.properties": "password=" + secret + "\n", "malformed.properties": "password=" + secret + "\\u00zz\n",
		"worker.properties": "bootstrap.servers=" + broker.Addr() + "\nkey.converter=org.apache.kafka.connect.storage.StringConverter\nvalue.converter=org.apache.kafka.connect.storage.StringConverter\n" +
			"offset.storage.file.filename=$DIR/offsets\nlisteners=http://127.0.0.1:0\nconfig.providers=file\nconfig.providers.file.class=FileConfigProvider\n" +
			"unknown.password=" + secret + "\nconsumer.fetch.max.wait.ms=20\nadmin.unknown.sasl.jaas.config=" + secret + "\n",
	})
	log, logger := heardLog(t)
	cfg, report, err := connect.ReadWorkerConfig(filepath.Join(folder, "worker.properties"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Warnings {
		logger.Warn(p.Message)
	}
	w := connect.NewStandalone(cfg, plugins(), logger)
	server := httptest.NewServer(rest.Handler(w, http.DefaultClient, logger))
	defer server.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()

	var said []string
	call := jsonCaller(t, server.URL)
	connectors := secretConnectors(registry.URL, folder)
	created := make(map[string]bool)
	for name, props := range connectors {
		answer := call("POST", "/connectors", map[string]any{"name": name, "config": props})
		if strings.Contains(answer, " = 201 ") {
			created[name] = true // it shows the configuration as it was written
			continue
		}
		said = append(said, name+": "+answer)
		if class := props["connector.class"]; class != "" {
			props["name"] = name
			answer := call("PUT", "/connector-plugins/"+class+"/config/validate", props)
			said = append(said, name+": "+withoutValues(t, answer))
		}
	}
	deadline := time.Now().Add(3 * time.Second) // time for them to fail, some of which try for ever
	for name := range created {
		for {
			answer := call("GET", "/connectors/"+name+"/status", nil)
			if strings.Contains(answer, `"FAILED"`) || time.Now().After(deadline) {
				said = append(said, name+": "+answer)
				break
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	failures := 0
	for _, text := range append(said, strings.Split(log.String(), "\n")...) {
		if strings.Contains(text, secret) {
			t.Errorf("the secret is told: %.600s", text)
		}
		if strings.Contains(text, `"FAILED"`) || strings.Contains(text, " = 400 ") {
			failures++
		}
	}
	if failures < len(connectors)/2 {
		t.Errorf("%d of %d connectors failed; the test looks at too little", failures, len(connectors))
	}
	if _, err := os.Stat(filepath.Join(folder, "offsets")); err == nil {
		t.Log("offsets were stored")
	}
}

// withoutValues takes the values out of an answer of validate that are no passwords: they are shown as they were given.
func withoutValues(t *testing.T, answer string) string {
	t.Helper()
	_, body, _ := strings.Cut(answer, "{")
	var infos struct {
		Configs []struct {
			Definition struct{ Name, Type string }
			Value      struct {
				Value  *string
				Errors []string
			}
		}
	}
	if err := json.Unmarshal([]byte("{"+body), &infos); err != nil {
		return answer
	}
	var out []string
	for _, c := range infos.Configs {
		out = append(out, c.Value.Errors...)
		if c.Definition.Type == "PASSWORD" && c.Value.Value != nil {
			out = append(out, c.Definition.Name+"="+*c.Value.Value)
		}
	}
	return strings.Join(out, "\n")
}
