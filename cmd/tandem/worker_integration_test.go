//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/compare"
)

// worker is a built tandem that runs standalone in a process of its own, with the files that were written into its folder.
type worker struct {
	*testing.T
	dir, binary string
	cmd         *exec.Cmd // nil: not running
	log         *os.File
	since       int      // where the log of this process begins
	environment []string // besides ours
	prelude     string   // what a shell does before it becomes the worker; empty: there is none
}

func newWorker(t *testing.T) *worker { return workerOf(t, built(t)) }

// built is tandem, built with more flags.
func built(t *testing.T, flags ...string) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "tandem")
	if out, err := exec.Command("go", append(append([]string{"build"}, flags...), "-o", binary, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

func workerOf(t *testing.T, binary string) *worker {
	w := &worker{T: t, dir: t.TempDir(), binary: binary}
	var err error
	if w.log, err = os.Create(filepath.Join(w.dir, "worker.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.kill()
		w.log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(w.log.Name())
			t.Logf("end of the worker's log:\n%s", text[max(0, len(text)-20000):])
		}
	})
	return w
}

// write writes a file of properties.
func (w *worker) write(name string, props map[string]string) {
	w.Helper()
	var b bytes.Buffer
	for key, value := range props {
		fmt.Fprintf(&b, "%s=%s\n", key, strings.ReplaceAll(value, `\`, `\\`))
	}
	if err := os.WriteFile(filepath.Join(w.dir, name), b.Bytes(), 0o600); err != nil {
		w.Fatal(err)
	}
}

// configure writes worker.properties.
func (w *worker) configure(broker, registry string) {
	w.Helper()
	w.write("worker.properties", map[string]string{
		"bootstrap.servers": broker, "offset.storage.file.filename": filepath.Join(w.dir, "offsets"), "offset.flush.interval.ms": "1000",
		"key.converter": "io.confluent.connect.avro.AvroConverter", "key.converter.schema.registry.url": registry,
		"value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": registry,
		"listeners": "http://127.0.0.1:0",
	})
}

// start starts it with connectors, which are named by their files.
func (w *worker) start(connectors ...string) {
	w.Helper()
	args := []string{"standalone"}
	for _, file := range append([]string{"worker.properties"}, connectors...) {
		args = append(args, filepath.Join(w.dir, file))
	}
	_, w.since = w.said(0)
	w.cmd = exec.Command(w.binary, args...)
	if w.prelude != "" {
		w.cmd = exec.Command("sh", append([]string{"-c", w.prelude + ` && exec "$0" "$@"`, w.binary}, args...)...)
	}
	w.cmd.Stdout, w.cmd.Stderr = w.log, w.log
	w.cmd.Env = append(os.Environ(), w.environment...)
	if err := w.cmd.Start(); err != nil {
		w.Fatal(err)
	}
}

// kill ends it as signal 9 does.
func (w *worker) kill() {
	if w.cmd != nil && w.cmd.Process != nil {
		_ = w.cmd.Process.Kill()
		_ = w.cmd.Wait()
		w.cmd = nil
	}
}

// said is what it logged since a position, and the position after that.
func (w *worker) said(since int) (string, int) {
	w.Helper()
	text, err := os.ReadFile(w.log.Name())
	if err != nil {
		w.Fatal(err)
	}
	return string(text[since:]), len(text)
}

var restAddress = regexp.MustCompile(`the worker runs.* rest=(\S+)`)

// rest is the base of its REST API.
func (w *worker) rest() (base string) {
	w.Helper()
	w.until("the worker tells its address", func() (bool, string) {
		text, _ := w.said(w.since)
		m := restAddress.FindStringSubmatch(text)
		if m != nil {
			base = m[1]
		}
		return m != nil, text
	})
	return base
}

// statuses are the states of a connector and its tasks as the REST API tells them.
type statuses struct {
	Connector struct{ State connect.State }
	Tasks     []struct {
		State connect.State
		Trace string
	}
}

func (w *worker) status(connector string) (s statuses) {
	w.Helper()
	code, text := request(w.T, "GET", w.rest()+"/connectors/"+connector+"/status", "")
	if code == http.StatusNotFound { // not created yet
		return s
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil || code != http.StatusOK {
		w.Fatalf("status of %s: %d %s", connector, code, text)
	}
	return s
}

// waitRunning waits until a connector and its one task run.
func (w *worker) waitRunning(connectors ...string) {
	w.Helper()
	for _, c := range connectors {
		w.until(c+" runs", func() (bool, string) {
			s := w.status(c)
			return s.Connector.State == connect.Running && len(s.Tasks) == 1 && s.Tasks[0].State == connect.Running, fmt.Sprintf("%+v", s)
		})
	}
}

// sourceProperties are of a connector that captures the schema store; prefix names topics, slot and publication.
func sourceProperties(t *testing.T, prefix, database string) map[string]string {
	t.Helper()
	source := parsed(t, database)
	return map[string]string{
		"name": prefix + "-source", "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "topic.prefix": prefix,
		"database.hostname": source.Hostname(), "database.port": source.Port(), "database.user": source.User.Username(), "database.password": password(source), "database.dbname": strings.TrimPrefix(source.Path, "/"),
		"schema.include.list": "store", "slot.name": prefix, "publication.name": prefix, "publication.autocreate.mode": "filtered", "slot.retry.delay.ms": "500",
		"retriable.restart.connector.wait.ms": "500",
		"topic.creation.default.partitions":   "3", "topic.creation.default.replication.factor": "1",
	}
}

// sinkProperties are of a connector that applies the topics of prefix.
func sinkProperties(t *testing.T, prefix, database string) map[string]string {
	t.Helper()
	target := parsed(t, database)
	return map[string]string{
		"name": prefix + "-sink", "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "topics.regex": prefix + `\.store\..*`,
		"connection.url": "jdbc:postgresql://" + target.Host + target.Path, "connection.username": target.User.Username(), "connection.password": password(target),
		"insert.mode": "upsert", "primary.key.mode": "record_key", "delete.enabled": "true", "schema.evolution": "basic", "collection.name.format": "${source.schema}.${source.table}",
		"consumer.override.metadata.max.age.ms": "1000", "consumer.override.session.timeout.ms": "6000",
	}
}

func requiredEnv(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set; run \"make integration\", which starts Kafka and a registry", name)
	}
	return value
}

func parsed(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func password(u *url.URL) string {
	text, _ := u.User.Password()
	return text
}

func (w *worker) dial(u string) *pgx.Conn {
	w.Helper()
	conn, err := pgx.Connect(w.Context(), u)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// exec runs SQL scripts in a database.
func (w *worker) exec(u string, scripts ...string) {
	w.Helper()
	conn := w.dial(u)
	for _, sql := range scripts {
		if _, err := conn.Exec(w.Context(), sql); err != nil {
			w.Fatal(err)
		}
	}
}

// until polls until done, which says what it last saw.
func (w *worker) until(what string, done func() (bool, string)) {
	w.Helper()
	const limit = 2 * time.Minute
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, seen := done()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("waited %s until %s; last: %s", limit, what, seen)
		}
		<-tick.C
	}
}

// waitEqual waits until the schema store of the target equals that of the source, and returns a report.
func (w *worker) waitEqual(source, target string) string {
	w.Helper()
	var report bytes.Buffer
	w.until("the target equals the source", func() (bool, string) {
		tables, err := compare.Run(w.Context(), compare.Options{Source: source, Target: target, Schemas: []string{"store"}})
		if err != nil {
			return false, err.Error()
		}
		report.Reset()
		_ = compare.WriteTable(&report, tables)
		if !compare.Equal(tables) {
			_ = compare.WriteDiff(&report, tables)
		}
		return compare.Equal(tables), report.String()
	})
	return report.String()
}

// waitAnswer waits until a URL answers with a text.
func (w *worker) waitAnswer(url, want string) {
	w.Helper()
	w.until(url+" answers "+want, func() (bool, string) {
		code, text := request(w.T, "GET", url, "")
		return code == http.StatusOK && text == want, text
	})
}

func put(t *testing.T, url string, body map[string]string) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if code, answer := request(t, "PUT", url, string(text)); code != http.StatusOK {
		t.Fatalf("PUT %s: %d %s", url, code, answer)
	}
}

// request gives status and body of the answer.
func request(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
