package main

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/distributed"
	"github.com/tandem-cdc/tandem/connect/rest"
	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// startSecretive starts a worker of a group that keeps all it stores in the broker, and whose file provider knows the secret; stop ends it in order.
func startSecretive(t *testing.T, folder string, log *slog.Logger) (url string, stop func()) {
	t.Helper()
	cfg, report, err := connect.ReadDistributedConfig(filepath.Join(folder, "worker.properties"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Warnings {
		log.Warn(p.Message)
	}
	h, err := distributed.New(cfg, plugins(), log)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(rest.Handler(h, http.DefaultClient, log))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	return server.URL, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		server.Close()
	}
}

// TestSecretsStayVariables gives a worker of a group all the configurations that fail, with variables for secrets. What it stores in Kafka, all that
// it answers and all that it logs must hold the variables, and nowhere what they stand for.
func TestSecretsStayVariables(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a broker and a registry")
	}
	broker, err := embedded.StartBroker(embedded.Options{Topics: []string{"lines"}})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer registry.Close()
	folder := write(t, map[string]string{
		"in.txt": "one\ntwo\n", "secrets.properties": "password=" + secret + "\n",
		"worker.properties": "bootstrap.servers=" + broker.Addr() + "\ngroup.id=secrets\nkey.converter=org.apache.kafka.connect.storage.StringConverter\n" +
			"value.converter=org.apache.kafka.connect.storage.StringConverter\nconfig.storage.topic=configs\noffset.storage.topic=offsets\nstatus.storage.topic=statuses\n" +
			"config.storage.replication.factor=1\noffset.storage.replication.factor=1\nstatus.storage.replication.factor=1\noffset.storage.partitions=1\nstatus.storage.partitions=1\n" +
			"listeners=http://127.0.0.1:0\nconfig.providers=file\nconfig.providers.file.class=FileConfigProvider\nscheduled.rebalance.max.delay.ms=0\nheartbeat.interval.ms=100\n" +
			"consumer.fetch.max.wait.ms=20\nadmin.unknown.sasl.jaas.config=${file:$DIR/secrets.properties:password}\n" +
			"ssl.keystore.password=${file:$DIR/secrets.properties:password}\nproducer.ssl.key.password=" + secret + "\nlisteners.https.ssl.truststore.password=" + secret + "\n",
	})
	variable := "${file:" + filepath.Join(folder, "secrets.properties") + ":password}"
	log, logger := heardLog(t)
	url, stop := startSecretive(t, folder, logger)
	said := make(map[string]string)
	call := jsonCaller(t, url)
	created := make(map[string]bool)
	for name, props := range secretConnectors(registry.URL, folder) {
		if name == "provider-malformed" {
			continue // its file is not there
		}
		for option, text := range props {
			props[option] = strings.ReplaceAll(text, secret, variable)
		}
		answer := call("POST", "/connectors", map[string]any{"name": name, "config": props})
		for range 100 { // the worker is not in its group yet, or divides the work anew
			if !strings.Contains(answer, " = 409 ") && !strings.Contains(answer, " = 500 ") && !strings.Contains(answer, " = 503 ") {
				break
			}
			<-time.After(50 * time.Millisecond)
			answer = call("POST", "/connectors", map[string]any{"name": name, "config": props})
		}
		said["POST "+name] = answer
		created[name] = strings.Contains(answer, " = 201 ")
	}
	failed := settled(created, func(name string) string { return call("GET", "/connectors/"+name+"/status", nil) })
	if failed < 20 || len(created) < 70 {
		t.Errorf("%d of %d connectors failed; the test looks at too little", failed, len(created))
	}
	for name, there := range created {
		if there {
			for _, path := range []string{"", "/config", "/status", "/tasks", "/topics", "/offsets", "/tasks/0/status"} {
				said[name+path] = call("GET", "/connectors/"+name+path, nil)
			}
		}
	}
	for _, path := range []string{"/", "/health", "/connectors?expand=info&expand=status", "/admin/lag", "/admin/loggers", "/metrics"} {
		said[path] = call("GET", path, nil)
	}
	stop()
	stored := storedIn(t, broker.Addr(), "configs", "offsets", "statuses")
	for topic, texts := range stored {
		said["topic "+topic] = strings.Join(texts, "\n")
	}
	said["log"] = log.String()
	for what, text := range said {
		for line := range strings.Lines(text) {
			if at := strings.Index(line, secret); at >= 0 {
				t.Errorf("%s tells the secret: … %.300s", what, line[max(0, at-200):])
			}
		}
	}
	for _, topic := range []string{"configs", "statuses"} {
		if len(stored[topic]) < len(created)/2 {
			t.Errorf("topic %s holds %d records of %d connectors; the test looks at too little", topic, len(stored[topic]), len(created))
		}
	}
	if got := said["topic configs"]; !strings.Contains(got, variable) {
		t.Errorf("the configurations hold no %s: %.300s", variable, got)
	}
}

// settled gives the tasks of connectors time to fail, and returns how many have: some try for ever.
func settled(created map[string]bool, status func(name string) string) (failed int) {
	deadline := time.Now().Add(4 * time.Second)
	left := maps.Clone(created)
	for time.Now().Before(deadline) {
		for name, there := range left {
			if !there {
				delete(left, name)
			} else if strings.Contains(status(name), `"FAILED"`) {
				delete(left, name)
				failed++
			}
		}
		<-time.After(100 * time.Millisecond)
	}
	return failed
}

// storedIn are the records of topics, key and value of each.
func storedIn(t *testing.T, broker string, topics ...string) map[string][]string {
	t.Helper()
	cfg, report := client.FromProperties(map[string]string{"bootstrap.servers": broker}, client.ForConsumer)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]string)
	for _, topic := range topics {
		err := client.Read(t.Context(), cfg, client.Reading{Topic: topic, From: client.FromBeginning, UntilEnd: true}, func(r *kafka.Record) error {
			out[topic] = append(out[topic], cmp.Or(string(r.Key), "-")+" "+string(r.Value))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}
