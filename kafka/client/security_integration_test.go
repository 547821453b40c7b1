//go:build integration

package client

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha512"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/kafka"
)

// storePassword is that of all key stores and trust stores of TestIntegrationSecurity.
const storePassword = "store-pw"

// javaStores makes a key store of the broker and one of the client, both signing themselves, and the trust stores for the other side.
func javaStores(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	keytool := func(args ...string) {
		t.Helper()
		if err := jvmserver.Keytool(t.Context(), append(args, "-noprompt", "-storepass", storePassword)...); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	keytool("-genkeypair", "-alias", "broker", "-keyalg", "EC", "-dname", "CN=broker", "-ext", "san=ip:127.0.0.1", "-keystore", at("broker.p12"), "-storetype", "PKCS12")
	keytool("-genkeypair", "-alias", "client", "-keyalg", "RSA", "-dname", "CN=client", "-keypass", "client-key-pw", "-keystore", at("client.jks"), "-storetype", "JKS")
	for from, to := range map[string]string{"broker": "trust-broker.p12", "client": "trust-client.jks"} {
		kind := map[string]string{"broker": "PKCS12", "client": "JKS"}[from]
		file := at(from + map[string]string{"broker": ".p12", "client": ".jks"}[from])
		keytool("-exportcert", "-rfc", "-alias", from, "-keystore", file, "-file", at(from+".pem"))
		keytool("-importcert", "-alias", from, "-file", at(from+".pem"), "-keystore", at(to), "-storetype", kind)
	}
	return dir
}

// TestIntegrationSecurity writes and reads records over every listener that Kafka has besides plain ones, with Java's own stores.
func TestIntegrationSecurity(t *testing.T) {
	dir := javaStores(t)
	broker := map[string]string{"ssl.keystore.location": dir + "/broker.p12", "ssl.keystore.password": storePassword, "ssl.keystore.type": "PKCS12", "ssl.key.password": storePassword,
		"ssl.truststore.location": dir + "/trust-client.jks", "ssl.truststore.password": storePassword}
	sasl := map[string]string{
		"sasl.enabled.mechanisms":                 "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
		"plain.sasl.jaas.config":                  `org.apache.kafka.common.security.plain.PlainLoginModule required user_ann="pl\"ain";`,
		"scram-sha-512.sasl.jaas.config":          "org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"oauthbearer.sasl.jaas.config":            `org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
		"oauthbearer.connections.max.reauth.ms":   "2000", // who stays must log in again
		"scram-sha-512.connections.max.reauth.ms": "2000",
	}
	mutual := map[string]string{"ssl.client.auth": "required"}
	for name, text := range broker {
		sasl[name], mutual[name] = text, text
	}
	k, err := jvmserver.StartKafka(t.Context(), jvmserver.KafkaOptions{Listeners: []jvmserver.Listener{
		{Name: "LOGIN", Protocol: "SASL_SSL", Config: sasl}, {Name: "MUTUAL", Protocol: "SSL", Config: mutual}, {Name: "CLEAR", Protocol: "SASL_PLAINTEXT", Config: sasl},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	addScramUser(t, k.Addr(), "ann", "scr;am")
	trusting := map[string]string{"ssl.truststore.location": dir + "/trust-broker.p12", "ssl.truststore.password": storePassword, "ssl.truststore.type": "PKCS12"}
	login := func(protocol, mechanism, module string) map[string]string {
		return map[string]string{"security.protocol": protocol, "sasl.mechanism": mechanism, "sasl.jaas.config": "org.apache.kafka.common.security." + module + ";"}
	}
	const scram, plain = `scram.ScramLoginModule required username="ann" password="scr;am"`, `plain.PlainLoginModule required username="ann" password="pl\"ain"`
	const bearer = `oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="ann" unsecuredLoginLifetimeSeconds="60"`
	certified := map[string]string{"security.protocol": "SSL", "ssl.keystore.location": dir + "/client.jks", "ssl.keystore.password": storePassword, "ssl.key.password": "client-key-pw"}
	for _, c := range []struct {
		name     string
		listener int
		props    map[string]string
		refused  bool
	}{
		{"SCRAM over TLS", 0, login("SASL_SSL", "SCRAM-SHA-512", scram), false},
		{"PLAIN over TLS", 0, login("SASL_SSL", "PLAIN", plain), false},
		{"OAUTHBEARER over TLS", 0, login("SASL_SSL", "OAUTHBEARER", bearer), false},
		{"SCRAM in plain", 2, login("SASL_PLAINTEXT", "SCRAM-SHA-512", scram), false},
		{"client certificate", 1, certified, false},
		{"wrong password of SCRAM", 0, login("SASL_SSL", "SCRAM-SHA-512", `scram.ScramLoginModule required username="ann" password="wr0ng"`), true},
		{"wrong password of PLAIN", 0, login("SASL_SSL", "PLAIN", `plain.PlainLoginModule required username="ann" password="wr0ng"`), true},
		{"a token that is over", 0, login("SASL_SSL", "OAUTHBEARER", `oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="ann" unsecuredLoginNumberClaim_exp="1000000000"`), true},
		{"a mechanism that it does not have", 0, login("SASL_SSL", "SCRAM-SHA-256", scram), true},
		{"no client certificate", 1, map[string]string{"security.protocol": "SSL"}, true},
		{"no trust", 0, map[string]string{"security.protocol": "SSL", "ssl.truststore.location": dir + "/trust-client.jks", "ssl.truststore.type": "JKS"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			props := map[string]string{"bootstrap.servers": k.Listener(c.listener)}
			for _, more := range []map[string]string{trusting, c.props} {
				for name, text := range more {
					props[name] = text
				}
			}
			parse := func(role Role) Config {
				conf, report := FromProperties(props, role)
				if err := report.Err(); err != nil {
					t.Fatal(err)
				}
				return conf
			}
			if c.refused {
				refusedLogin(t, parse(ForProducer))
				return
			}
			roundTrip(t, parse)
		})
	}
}

// refusedLogin wants a producer to end at once, for a cause that names no password.
func refusedLogin(t *testing.T, c Config) {
	p := startProducer(t, c)
	began := time.Now()
	err := p.Send(testContext(t), ptr(text("refused", "k", "v")))
	var auth *kafka.AuthError
	if !errors.As(err, &auth) || isRetriable(err) || strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), "client-key-pw") {
		t.Errorf("Send = %v, want an AuthError", err)
	}
	if err := p.failed(t); !errors.As(err, &auth) {
		t.Errorf("Run = %v, want an AuthError", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v until the login was given up", took)
	}
}

// roundTrip writes records for longer than a session of the broker may last without another login, and reads them.
func roundTrip(t *testing.T, parse func(Role) Config) {
	admin := parse(ForAdmin)
	a := NewAdmin(admin)
	defer a.Close()
	topic := topicName(t)
	topic = strings.ReplaceAll(topic, " ", "_")
	if _, err := a.CreateTopic(testContext(t), NewTopic{Name: topic, Partitions: 1, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	p := startProducer(t, parse(ForProducer))
	const n = 6
	tick := time.NewTicker(500 * time.Millisecond) // the records are to come before and behind the end of the session
	defer tick.Stop()
	for i := range n {
		if err := p.Send(testContext(t), ptr(text(topic, "k", string(rune('a'+i))))); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	config := parse(ForConsumer)
	config.Consumer.Group, config.Consumer.Reset = topic, Earliest
	r := newRecorder()
	startConsumer(t, config, Subscription{Topics: []string{topic}}, r)
	r.until(t, "last record", func() bool { return r.count == n })
}

// addScramUser tells the broker of a user, over its plain listener.
func addScramUser(t *testing.T, addr, user, password string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	salt := []byte("salt of the test")
	salted, err := pbkdf2.Key(sha512.New, password, salt, 4096, sha512.Size)
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	req.Upsertions = []kmsg.AlterUserSCRAMCredentialsRequestUpsertion{{Name: user, Mechanism: 2, Iterations: 4096, Salt: salt, SaltedPassword: salted}}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	res, err := req.RequestWith(ctx, client)
	if err != nil || len(res.Results) != 1 || res.Results[0].ErrorCode != 0 {
		t.Fatalf("make the user %s: %+v, %v", user, res, err)
	}
}
