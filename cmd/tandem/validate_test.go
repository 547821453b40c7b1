package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/sink/sqldb"
)

// rig is a database, a broker and a registry, and files that speak of them.
type rig struct {
	*testing.T
	database *url.URL
	conn     *pgx.Conn
	broker   *embedded.Broker
	registry *embedded.Registry
	refuses  string // a subject that the registry takes no new schema of
	worker   string // file
}

func newRig(t *testing.T, setup string) *rig {
	t.Helper()
	r := &rig{T: t}
	u, err := url.Parse(pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	r.database = u
	if r.conn, err = pgx.Connect(t.Context(), u.String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.conn.Close(context.Background()) })
	if _, err := r.conn.Exec(t.Context(), setup); err != nil {
		t.Fatal(err)
	}
	if r.broker, err = embedded.StartBroker(embedded.Options{Topics: []string{"orders"}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.broker.Close)
	if r.registry, err = embedded.StartRegistry(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.registry.Close)
	front := httptest.NewServer(r.refusing())
	t.Cleanup(front.Close)
	r.worker = r.file("worker.properties", map[string]string{"bootstrap.servers": r.broker.Addr(), "offset.storage.file.filename": "offsets",
		"key.converter": "io.confluent.connect.avro.AvroConverter", "key.converter.schema.registry.url": front.URL,
		"value.converter": "io.confluent.connect.avro.AvroConverter", "value.converter.schema.registry.url": front.URL})
	return r
}

// refusing is the registry, which also says that a schema is not compatible where it should be refused.
func (r *rig) refusing() http.Handler {
	target, err := url.Parse(r.registry.URL())
	if err != nil {
		r.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.refuses != "" && strings.HasPrefix(req.URL.Path, "/compatibility/subjects/"+r.refuses+"/") {
			_, _ = io.WriteString(w, `{"is_compatible": false, "messages": ["reader type: int not compatible with writer type: string"]}`)
			return
		}
		proxy.ServeHTTP(w, req)
	})
}

func (r *rig) file(name string, props map[string]string) string {
	r.Helper()
	var b strings.Builder
	for k, v := range props {
		b.WriteString(k + "=" + strings.ReplaceAll(v, `\`, `\\`) + "\n")
	}
	path := filepath.Join(r.TempDir(), name)
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		r.Fatal(err)
	}
	return path
}

// connector is a file of the PostgreSQL connector over the rig's database.
func (r *rig) connector(more map[string]string) string {
	password, _ := r.database.User.Password()
	name := strings.TrimPrefix(r.database.Path, "/")
	props := map[string]string{"name": "shop", "connector.class": "PostgresConnector", "database.hostname": r.database.Hostname(), "database.port": r.database.Port(),
		"database.user": r.database.User.Username(), "database.password": password, "database.dbname": name, "topic.prefix": "shop", "slot.name": name,
		"publication.name": name, "publication.autocreate.mode": "filtered"}
	for k, v := range more {
		props[k] = v
	}
	return r.file("shop.properties", props)
}

// validate runs the command and reads its document.
func (r *rig) validate(files ...string) (code int, verdicts []verdict) {
	r.Helper()
	var out, errs bytes.Buffer
	code = run(r.Context(), &console{out: &out, err: &errs}, append([]string{"validate", "--json", "--worker", r.worker}, files...))
	var document struct{ Connectors []verdict }
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		r.Fatalf("%v in %s; %s", err, out.String(), errs.String())
	}
	return code, document.Connectors
}

// untouched checks that the command left nothing behind, beside the topics that the test made.
func (r *rig) untouched(made ...string) {
	r.Helper()
	var slots, publications int
	if err := r.conn.QueryRow(r.Context(), "SELECT (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()), (SELECT count(*) FROM pg_publication)").Scan(&slots, &publications); err != nil {
		r.Fatal(err)
	}
	resp, err := http.Get(r.registry.URL() + "/subjects")
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	subjects, _ := io.ReadAll(resp.Body)
	c, _ := client.FromProperties(map[string]string{"bootstrap.servers": r.broker.Addr()}, client.ForAdmin)
	admin := client.NewAdmin(c)
	defer admin.Close()
	topics, err := admin.Topics(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	if slots != 0 || publications != 0 || strings.TrimSpace(string(subjects)) != "[]" || len(topics) != 1+len(made) {
		r.Errorf("after validate there are %d slots, %d publications, subjects %s and topics %v, want none but the topics orders and %q", slots, publications, subjects, topics, made)
	}
}

const shopTables = `CREATE TABLE bikes (id int PRIMARY KEY, name text NOT NULL); INSERT INTO bikes VALUES (1, 'Roadster'); CREATE TABLE log (line text)`

// TestValidateSource: what a source would do, with the schemas that the registry would take, and that nothing of it was done.
func TestValidateSource(t *testing.T) {
	r := newRig(t, shopTables)
	code, verdicts := r.validate(r.connector(map[string]string{"topic.creation.default.partitions": "3", "topic.creation.default.replication.factor": "-1", "heartbeat.interval.ms": "1000"}))
	v := verdicts[0]
	if code != 0 || len(v.Errors)+len(v.Problems) > 0 || v.Name != "shop" || v.Type != "source" {
		t.Fatalf("validate = %d, %+v, want no problem", code, v)
	}
	s := v.Plan.Source
	if !s.Slot.Created || s.Slot.Exists || !strings.HasPrefix(s.Publication.Statement, "CREATE PUBLICATION") || !strings.Contains(s.Publication.Statement, `"public"."bikes", "public"."log"`) {
		t.Errorf("slot %+v and publication %+v, want both to be made", s.Slot, s.Publication)
	}
	type use struct{ topic, from, key, value, creation string }
	var got []use
	for _, u := range v.Topics {
		key := "none"
		if u.Key != nil {
			key = u.Key.Subject
		}
		if u.Exists == nil || *u.Exists || !u.Value.New || u.Value.Schema == "" {
			t.Errorf("topic %s: exists %v, value %+v, want a new topic and a new schema", u.Topic, u.Exists, u.Value)
		}
		got = append(got, use{u.Topic, strings.Join(u.From, ","), key, u.Value.Subject, u.Creation})
	}
	const creation = "by the connector, with 3 partitions and the broker's number of replicas"
	want := []use{{"shop.public.bikes", "public.bikes", "shop.public.bikes-key", "shop.public.bikes-value", creation}, {"shop.public.log", "public.log", "none", "shop.public.log-value", creation},
		{"__debezium-heartbeat.shop", "heartbeats", "__debezium-heartbeat.shop-key", "__debezium-heartbeat.shop-value", creation}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(use{})); diff != "" {
		t.Errorf("topics differ (-want +got)\n%s", diff)
	}
	if !slices.ContainsFunc(v.Notices, func(n string) bool {
		return strings.Contains(n, "public.log has no replica identity") && strings.Contains(n, "UPDATE and DELETE on it fail")
	}) {
		t.Errorf("notices %q, want one of the table without key", v.Notices)
	}
	r.untouched()
}

// TestValidateTransforms: transforms are tried on the first row of a table, and on an empty one where there is none.
func TestValidateTransforms(t *testing.T) {
	r := newRig(t, shopTables)
	chain := map[string]string{"transforms": "u,r", "transforms.u.type": "ExtractNewRecordState", "transforms.r.type": "RegexRouter", "transforms.r.regex": "shop.public.(.*)", "transforms.r.replacement": "flat-$1"}
	byColumn := maps.Clone(chain)
	byColumn["transforms.u.route.by.field"], byColumn["table.include.list"] = "name", "public.bikes"
	for _, c := range []struct {
		props map[string]string
		want  []string
	}{{chain, []string{"flat-bikes", "flat-log"}}, {byColumn, []string{"Roadster"}}} {
		code, verdicts := r.validate(r.connector(c.props))
		var topics []string
		for _, u := range verdicts[0].Topics {
			topics = append(topics, u.Topic)
		}
		if diff := cmp.Diff(c.want, topics); code != 0 || diff != "" {
			t.Errorf("validate = %d, problems %q; topics differ (-want +got)\n%s", code, verdicts[0].Problems, diff)
		}
	}
	r.untouched()
}

// TestValidateProblems: what would keep a connector from working is told, and the exit code is 1.
func TestValidateProblems(t *testing.T) {
	r := newRig(t, shopTables)
	r.refuses = "shop.public.bikes-value"
	free := map[string]string{"database.port": "1"}
	for _, c := range []struct {
		name  string
		file  string
		error string // contained in an error of the configuration
		want  string // contained in a problem
	}{
		{"schema refused", r.connector(nil), "", "incompatible with an earlier version: reader type: int not compatible with writer type: string"},
		{"no table", r.connector(map[string]string{"table.include.list": "public.bike"}), "", "matches the filters"},
		{"no publication", r.connector(map[string]string{"publication.autocreate.mode": "disabled", "table.include.list": "public.log"}), "", "publication.autocreate.mode=disabled forbids to make it"},
		{"no database", r.connector(free), "Connection to", ""},
		{"wrong option", r.connector(map[string]string{"snapshot.mode": "sometimes"}), "Value must be one of", ""},
		{"found at the start only", r.connector(map[string]string{"topic.creation.default.replication.factor": "1", "table.include.list": "public.log"}), `Missing required configuration "topic.creation.default.partitions"`, ""},
		{"no class", r.file("x.properties", map[string]string{"name": "x", "connector.class": "Nope"}), "io.debezium.connector.jdbc.JdbcSinkConnector, ", ""},
		{"no file", filepath.Join(t.TempDir(), "none.json"), "none.json", ""},
	} {
		code, verdicts := r.validate(c.file)
		v := verdicts[0]
		found := c.error == "" || slices.ContainsFunc(v.Errors, func(n note) bool { return strings.Contains(n.Message, c.error) })
		found = found && (c.want == "" || slices.ContainsFunc(v.Problems, func(p string) bool { return strings.Contains(p, c.want) }))
		if code != 1 || !found {
			t.Errorf("%s: validate = %d, errors %v, problems %q, want 1, %q and %q", c.name, code, v.Errors, v.Problems, c.error, c.want)
		}
	}
	r.untouched()
}

// TestValidateRights: a role that may do nothing is told what it needs.
func TestValidateRights(t *testing.T) {
	r := newRig(t, shopTables)
	role := "v_" + strings.TrimPrefix(r.database.Path, "/")
	if _, err := r.conn.Exec(t.Context(), "CREATE ROLE "+role+" LOGIN PASSWORD 'x'"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := r.conn.Exec(context.Background(), "DROP ROLE "+role); err != nil {
			t.Error(err)
		}
	})
	code, verdicts := r.validate(r.connector(map[string]string{"database.user": role, "database.password": "x", "publication.autocreate.mode": "all_tables"}))
	problems := strings.Join(verdicts[0].Problems, "\n")
	for _, want := range []string{"LOGIN and REPLICATION", "make a publication FOR ALL TABLES", `GRANT SELECT ON "public"."bikes"`, "the replication connection cannot be opened"} {
		if !strings.Contains(problems, want) {
			t.Errorf("problems %q, want one that says %q", problems, want)
		}
	}
	if code != 1 {
		t.Errorf("validate = %d, want 1", code)
	}
	r.untouched()
}

// TestValidateSink: which topics are read and which tables written.
func TestValidateSink(t *testing.T) {
	r := newRig(t, "CREATE TABLE orders (id int PRIMARY KEY, total int)")
	password, _ := r.database.User.Password()
	file := r.file("lake.properties", map[string]string{"name": "lake", "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "topics": "orders,returns", "insert.mode": "upsert",
		"primary.key.mode": "record_key", "schema.evolution": "basic", "connection.url": "jdbc:postgresql://" + r.database.Host + r.database.Path,
		"connection.username": r.database.User.Username(), "connection.password": password})
	code, verdicts := r.validate(file)
	v := verdicts[0]
	if code != 0 || v.Plan.Target == nil || v.Plan.Group != "connect-lake" {
		t.Fatalf("validate = %d, %+v, want no problem", code, v)
	}
	type use struct {
		topic, table    string
		exists, created bool
	}
	var got []use
	for _, u := range v.Plan.Target.Tables {
		got = append(got, use{u.Topic, u.Table, u.Exists, u.Created})
	}
	want := []use{{"orders", "public.orders", true, false}, {"returns", "returns", false, true}, {"", "tandem_positions", false, true}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(use{})); diff != "" {
		t.Errorf("target tables differ (-want +got)\n%s", diff)
	}
	if len(v.Topics) != 2 || !*v.Topics[0].Exists || *v.Topics[1].Exists {
		t.Errorf("topics %+v, want orders there and returns not", v.Topics)
	}
	var tables int
	if err := r.conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace").Scan(&tables); err != nil || tables != 1 {
		t.Errorf("after validate there are %d tables, %v, want 1", tables, err)
	}
	r.untouched()
}

// TestValidateText: what people read, of files that need no server.
func TestValidateText(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lines.txt")
	if err := os.WriteFile(file, []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	props := filepath.Join(t.TempDir(), "lines.properties")
	if err := os.WriteFile(props, []byte("name=lines\nconnector.class=FileStreamSource\ntopic=lines\nfile="+file+"\nbach.size=3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := run(t.Context(), &console{out: &out, err: &errs}, []string{"validate", props})
	for _, want := range []string{"lines, from " + props, "source connector org.apache.kafka.connect.file.FileStreamSourceConnector", `warning bach.size: Option "bach.size" is not known`,
		"file " + file, "topic lines", "value  JsonConverter", "the worker is not known", "It would work, as far as can be told."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("validate prints\n%s\nwant %q in it", out.String(), want)
		}
	}
	if code != 0 {
		t.Errorf("validate = %d, %s, want 0", code, errs.String())
	}
	if code := run(t.Context(), &console{out: io.Discard, err: &errs}, []string{"validate"}); code != 1 {
		t.Errorf("validate without files = %d, want 1", code)
	}
}

// TestValidateFit: the last record of each topic is compared with the columns of its table, which stay as they are.
func TestValidateFit(t *testing.T) {
	r := newRig(t, `CREATE TABLE fits (id int PRIMARY KEY, name text); CREATE TABLE narrow (id int PRIMARY KEY);
		CREATE TABLE keyless (id int, name text)`)
	row := func(id string) string {
		return `{"schema":{"type":"struct","fields":[{"field":"id","type":"int32"},{"field":"name","type":"string","optional":true}]},"payload":{"id":` + id + `,"name":"x"}}`
	}
	const key = `{"schema":{"type":"struct","fields":[{"field":"id","type":"int32"}]},"payload":{"id":1}}`
	var records []kafka.Record
	for _, topic := range []string{"fits", "narrow", "keyless", "absent"} {
		records = append(records, kafka.Record{Topic: topic, Key: []byte(key), Value: []byte("not what is asked for")}, kafka.Record{Topic: topic, Key: []byte(key), Value: []byte(row("1"))},
			kafka.Record{Topic: topic, Key: []byte(key)})
	}
	records = append(records, kafka.Record{Topic: "broken", Key: []byte(key), Value: []byte("{")})
	r.produce(records...)
	password, _ := r.database.User.Password()
	props := map[string]string{"name": "lake", "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector", "topics": "fits,narrow,keyless,absent,broken,orders", "insert.mode": "upsert",
		"primary.key.mode": "record_key", "schema.evolution": "basic", "connection.url": "jdbc:postgresql://" + r.database.Host + r.database.Path,
		"connection.username": r.database.User.Username(), "connection.password": password,
		"key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter"}
	_, verdicts := r.validate(r.file("lake.properties", props))
	v := verdicts[0]
	if v.Plan == nil {
		t.Fatalf("verdict %+v, want a plan", v)
	}
	got := make(map[string]sqldb.Fitting)
	for _, f := range v.Plan.Fit {
		got[f.Topic] = f
	}
	for topic, want := range map[string]sqldb.Fitting{
		"fits":    {Topic: "fits", Table: "public.fits"},
		"narrow":  {Topic: "narrow", Table: "public.narrow", Adds: []string{"name"}},
		"absent":  {Topic: "absent", Table: "absent", Creates: []string{"id", "name"}},
		"keyless": {Topic: "keyless", Table: "public.keyless", Problem: "no primary key or unique constraint on (id)"},
	} {
		f := got[topic]
		if !strings.Contains(f.Problem, want.Problem) || want.Problem == "" && f.Problem != "" {
			t.Errorf("problem of topic %s = %q, want %q", topic, f.Problem, want.Problem)
		}
		f.Problem, want.Problem = "", ""
		if diff := cmp.Diff(want, f); diff != "" {
			t.Errorf("fit of topic %s differs (-want +got)\n%s", topic, diff)
		}
	}
	if len(got) != 4 || !strings.Contains(strings.Join(v.Problems, "\n"), "the record at offset 0 of partition 0 of topic broken: convert the value: ") {
		t.Errorf("%d topics were compared, problems %q, want four, and one of the topic broken", len(got), v.Problems)
	}
	props["schema.evolution"] = "none"
	if _, verdicts = r.validate(r.file("lake.properties", props)); !strings.Contains(strings.Join(verdicts[0].Problems, "\n"), "the last record of topic narrow: ") {
		t.Errorf("problems with schema.evolution=none = %q, want one of the topic narrow", verdicts[0].Problems)
	}
	var columns int
	if err := r.conn.QueryRow(t.Context(), "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'").Scan(&columns); err != nil || columns != 5 {
		t.Errorf("after validate there are %d columns, %v, want 5", columns, err)
	}
	r.untouched("fits", "narrow", "keyless", "absent", "broken")
}

// produce writes records to the broker.
func (r *rig) produce(records ...kafka.Record) {
	r.Helper()
	c := client.DefaultConfig(client.ForProducer)
	c.Brokers = []string{r.broker.Addr()}
	p := client.NewProducer(c)
	ctx, cancel := context.WithCancel(r.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for i := range records {
		if err := p.Send(ctx, &records[i]); err != nil {
			r.Fatal(err)
		}
	}
	if err := p.WaitAcked(ctx, uint64(len(records))); err != nil {
		r.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		r.Fatal(err)
	}
}
