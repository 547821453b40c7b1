//go:build integration

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/jvmserver"
)

// TestIntegrationElasticsearch runs the Elasticsearch sink in a worker of its own: the configuration of the ratings tutorial, dead letters, and
// workers that are killed in the middle of their bulks. It needs mvn (or a filled TANDEM_JVM_CACHE) and a JDK 21.
func TestIntegrationElasticsearch(t *testing.T) {
	e := &elasticTest{worker: newWorker(t), broker: requiredEnv(t, "TANDEM_KAFKA"), registry: requiredEnv(t, "TANDEM_REGISTRY"), prefix: fmt.Sprintf("elastic%d", rand.Uint32())}
	var err error
	if e.server, err = jvmserver.StartElasticsearch(t.Context(), jvmserver.SearchOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.server.Close(); err != nil {
			t.Error(err)
		}
	})
	if e.kafka, err = kgo.NewClient(kgo.SeedBrokers(e.broker), kgo.AllowAutoTopicCreation()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.kafka.Close)
	e.configure(e.broker, e.registry)
	e.start()
	t.Run("ratings", e.ratings)
	t.Run("dead letters", e.deadLetters)
	t.Run("kill", e.killed)
}

type elasticTest struct {
	*worker
	server           *jvmserver.Search
	kafka            *kgo.Client
	broker, registry string
	prefix           string // of topics and connectors
}

// topic makes a topic.
func (e *elasticTest) topic(t *testing.T, name string, partitions int32) string {
	t.Helper()
	name = e.prefix + "-" + name
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	create.Topics = append(create.Topics, topic)
	if answer, err := create.RequestWith(t.Context(), e.kafka); err != nil || answer.Topics[0].ErrorCode != 0 {
		t.Fatalf("create topic %s: %v, %+v", name, err, answer)
	}
	return name
}

// create makes a connector as the tutorial does: a bare configuration is put.
func (e *elasticTest) create(t *testing.T, name string, config map[string]string) {
	t.Helper()
	body, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if code, text := request(t, "PUT", e.rest()+"/connectors/"+name+"/config", string(body)); code != 201 {
		t.Fatalf("create %s: %d %s", name, code, text)
	}
}

func (e *elasticTest) produce(t *testing.T, records ...*kgo.Record) {
	t.Helper()
	if err := e.kafka.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// documents are those of an index, by id; it asks for all of them at once.
func (e *elasticTest) documents(t *testing.T, index string) map[string]map[string]any {
	t.Helper()
	request(t, "POST", e.server.URL()+"/"+index+"/_refresh", "")
	code, text := request(t, "GET", e.server.URL()+"/"+index+"/_search?size=10000&ignore_unavailable=true", "")
	if code == http.StatusServiceUnavailable { // the index is made this moment
		return nil
	}
	var found struct {
		Hits struct {
			Hits []struct {
				ID     string         `json:"_id"`
				Source map[string]any `json:"_source"`
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil || code != 200 {
		t.Fatalf("search of %s: %d %s", index, code, text)
	}
	out := make(map[string]map[string]any)
	for _, h := range found.Hits.Hits {
		out[h.ID] = h.Source
	}
	return out
}

const ratingSchema = `{"type":"record","name":"rating","namespace":"ratings","fields":[{"name":"rating_id","type":"long"},{"name":"user_id","type":"int"},{"name":"stars","type":"int"},
	{"name":"country","type":["null","string"],"default":null},{"name":"rating_time","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},{"name":"message","type":"string"}]}`

// ratings is the tutorial's: Avro, a bare configuration with an option that is long gone, ids from a field of the value.
func (e *elasticTest) ratings(t *testing.T) {
	topic := e.topic(t, "Ratings-With-Country", 3)
	body, err := json.Marshal(map[string]string{"schema": ratingSchema})
	if err != nil {
		t.Fatal(err)
	}
	code, text := request(t, "POST", e.registry+"/subjects/"+topic+"-value/versions", string(body))
	var registered struct{ ID uint32 }
	if err := json.Unmarshal([]byte(text), &registered); err != nil || code != 200 {
		t.Fatalf("register the schema: %d %s", code, text)
	}
	e.create(t, e.prefix+"-ratings", map[string]string{
		"connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector", "topics": topic, "connection.url": e.server.URL(), "type.name": "_doc",
		"key.converter": "org.apache.kafka.connect.storage.StringConverter", "transforms": "createKey,extractInt",
		"transforms.createKey.type": "org.apache.kafka.connect.transforms.ValueToKey", "transforms.createKey.fields": "rating_id",
		"transforms.extractInt.type": "org.apache.kafka.connect.transforms.ExtractField$Key", "transforms.extractInt.field": "rating_id",
	})
	schema := avro.MustParse(ratingSchema)
	want := make(map[string]map[string]any)
	var records []*kgo.Record
	for i := range 500 {
		rating := map[string]any{"rating_id": int64(i), "user_id": i % 7, "stars": i%5 + 1, "country": nil, "rating_time": time.UnixMilli(int64(1_700_000_000_000 + i)), "price": big.NewRat(int64(i), 100), "message": "it's ok"}
		document := map[string]any{"rating_id": float64(i), "user_id": float64(i % 7), "stars": float64(i%5 + 1), "country": nil, "rating_time": float64(1_700_000_000_000 + i), "price": float64(i) / 100, "message": "it's ok"}
		if i%2 == 0 {
			rating["country"], document["country"] = map[string]any{"string": "France"}, "France"
		}
		value, err := avro.Marshal(schema, rating)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, &kgo.Record{Topic: topic, Value: append(binary.BigEndian.AppendUint32([]byte{0}, registered.ID), value...)})
		want[fmt.Sprint(i)] = document
	}
	e.produce(t, records...)
	index := strings.ToLower(topic)
	e.until("all ratings are documents", func() (bool, string) {
		n := len(e.documents(t, index))
		return n == len(want), fmt.Sprint(n)
	})
	if diff := cmp.Diff(want, e.documents(t, index)); diff != "" {
		t.Errorf("documents (-want +got)\n%s", diff)
	}
	_, text = request(t, "GET", e.server.URL()+"/"+index+"/_mapping", "")
	for _, part := range []string{`"rating_time":{"type":"date"}`, `"price":{"type":"double"}`, `"country":{"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":256}}}`} {
		if !strings.Contains(text, part) {
			t.Errorf("the mapping lacks %s:\n%s", part, text)
		}
	}
	// The continuous count by country of the tutorial.
	_, text = request(t, "POST", e.server.URL()+"/"+index+"/_search?size=0", `{"aggs":{"countries":{"terms":{"field":"country.keyword"}}}}`)
	if !strings.Contains(text, `{"key":"France","doc_count":250}`) {
		t.Errorf("count by country = %s", text)
	}
	e.waitCommitted(t, e.prefix+"-ratings", 500)
}

// waitCommitted waits until the offsets of a connector add up.
func (e *elasticTest) waitCommitted(t *testing.T, connector string, want int64) {
	t.Helper()
	e.until("the offsets are committed", func() (bool, string) {
		code, text := request(t, "GET", e.rest()+"/connectors/"+connector+"/offsets", "")
		var offsets struct {
			Offsets []struct {
				Offset struct {
					Next int64 `json:"kafka_offset"`
				}
			}
		}
		if err := json.Unmarshal([]byte(text), &offsets); err != nil || code != 200 {
			return false, text
		}
		sum := int64(0)
		for _, o := range offsets.Offsets {
			sum += o.Offset.Next
		}
		return sum == want, text
	})
}

// deadLetters: documents that the server refuses, and records that cannot become documents, go to the dead letter topic one by one; the others are
// written and the task goes on.
func (e *elasticTest) deadLetters(t *testing.T) {
	topic, letters := e.topic(t, "letters", 1), e.prefix+"-dead"
	request(t, "PUT", e.server.URL()+"/"+topic, `{"mappings":{"properties":{"n":{"type":"integer"}}}}`)
	name := e.prefix + "-letters"
	e.create(t, name, map[string]string{
		"connector.class": "ElasticsearchSink", "topics": topic, "connection.url": e.server.URL(), "schema.ignore": "true", "behavior.on.null.values": "delete",
		"key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
		"errors.tolerance": "all", "errors.deadletterqueue.topic.name": letters, "errors.deadletterqueue.topic.replication.factor": "1", "errors.deadletterqueue.context.headers.enable": "true",
	})
	text := func(key, value string) *kgo.Record {
		r := &kgo.Record{Topic: topic, Value: []byte(value)}
		if key != "" {
			r.Key = []byte(key)
		}
		return r
	}
	e.produce(t, text("a", `{"n":1}`), text("b", `{"n":"no number"}`), text("", `{"n":2}`), text("c", `no json`), text("d", `{"n":3}`), text("e", `{"n":{"x":1}}`), text("f", `{"n":4}`))
	e.waitCommitted(t, name, 7)
	if got := slices.Sorted(maps.Keys(e.documents(t, topic))); !slices.Equal(got, []string{"a", "d", "f"}) {
		t.Errorf("documents %q, want a, d, f", got)
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(e.broker), kgo.ConsumeTopics(letters), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := make(map[string]string)
	for len(got) < 4 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%v; letters so far: %v", err, got)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			headers := make(map[string]string)
			for _, h := range r.Headers {
				headers[strings.TrimPrefix(h.Key, "__connect.errors.")] = string(h.Value)
			}
			got[headers["offset"]] = fmt.Sprintf("%s %s %s %s", r.Key, r.Value, headers["stage"], headers["exception.class.name"])
		})
	}
	const reporting = "io.confluent.connect.elasticsearch.ElasticsearchClient$ReportingException"
	want := map[string]string{
		"1": `b {"n":"no number"} TASK_PUT ` + reporting,
		"2": ` {"n":2} TASK_PUT org.apache.kafka.connect.errors.DataException`,
		"3": `c no json VALUE_CONVERTER org.apache.kafka.connect.errors.DataException`,
		"5": `e {"n":{"x":1}} TASK_PUT ` + reporting,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letters (-want +got)\n%s", diff)
	}
	if s := e.status(name); s.Tasks[0].State != connect.Running {
		t.Errorf("the task is %s", s.Tasks[0].State)
	}
}

// killed ends the worker with signal 9 while bulks are on their way, again and again: the documents are those of the model.
func (e *elasticTest) killed(t *testing.T) {
	topic := e.topic(t, "killed", 2)
	e.write("killed.properties", map[string]string{
		"name": e.prefix + "-killed", "connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector", "topics": topic, "connection.url": e.server.URL(), "schema.ignore": "true",
		"behavior.on.null.values": "delete", "batch.size": "100", "max.buffered.records": "1000",
		"key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
		"consumer.override.session.timeout.ms": "6000",
	})
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	model := make(map[string]map[string]any)
	offsets := int64(0)
	for round := range 4 {
		var records []*kgo.Record
		for range 5000 {
			key := fmt.Sprint("k", random.IntN(800))
			r := &kgo.Record{Topic: topic, Key: []byte(key)}
			if delete(model, key); random.IntN(5) > 0 {
				model[key] = map[string]any{"n": float64(offsets)}
				r.Value = fmt.Appendf(nil, `{"n":%d}`, offsets)
			}
			records = append(records, r)
			offsets++
		}
		e.produce(t, records...)
		e.kill()
		e.start("killed.properties")
		if round == 3 {
			break
		}
		before := e.indexed(t, topic)
		e.until("documents are written", func() (bool, string) {
			n := e.indexed(t, topic)
			return n > before+100, fmt.Sprint(n)
		})
		<-time.After(time.Duration(random.IntN(300)) * time.Millisecond) // a random moment is what is tested
	}
	e.waitCommitted(t, e.prefix+"-killed", offsets)
	if diff := cmp.Diff(model, e.documents(t, topic)); diff != "" {
		t.Errorf("seed %d: documents (-model +got)\n%s", seed, diff)
	}
}

// indexed is how many writes an index has seen.
func (e *elasticTest) indexed(t *testing.T, index string) int {
	t.Helper()
	_, text := request(t, "GET", e.server.URL()+"/"+index+"/_stats/indexing", "")
	var stats struct {
		All struct {
			Primaries struct {
				Indexing struct {
					Total   int `json:"index_total"`
					Deleted int `json:"delete_total"`
				}
			}
		} `json:"_all"`
	}
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		t.Fatalf("statistics of %s: %v: %s", index, err, text)
	}
	return stats.All.Primaries.Indexing.Total + stats.All.Primaries.Indexing.Deleted
}
