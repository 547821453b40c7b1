//go:build integration

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/internal/minioserver"
)

// s3Test is a worker with S3 sinks, a broker and a MinIO.
type s3Test struct {
	*worker
	server *minioserver.Server
	bucket string
	api    *s3.Client
	kafka  *kgo.Client
	topic  string
}

func newS3Test(t *testing.T) *s3Test {
	server, err := minioserver.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &s3Test{worker: newWorker(t), server: server, bucket: "records", topic: fmt.Sprintf("s3-%d", rand.Uint32())}
	if err := server.CreateBucket(s.bucket); err != nil {
		t.Fatal(err)
	}
	s.api = s3.New(s3.Options{Region: minioserver.Region, BaseEndpoint: aws.String(server.URL()), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(minioserver.AccessKey, minioserver.SecretKey, "")})
	broker := requiredEnv(t, "TANDEM_KAFKA")
	if s.kafka, err = kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(s.topic), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kafka.Close)
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = s.topic, 2, 1
	create.Topics = append(create.Topics, topic)
	if answer, err := create.RequestWith(t.Context(), s.kafka); err != nil || answer.Topics[0].ErrorCode != 0 {
		t.Fatalf("create topic %s: %v, %+v", s.topic, err, answer)
	}
	s.write("worker.properties", map[string]string{"bootstrap.servers": broker, "offset.flush.interval.ms": "500", "listeners": "http://127.0.0.1:0", "offset.storage.file.filename": s.dir + "/offsets",
		"key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false"})
	return s
}

// sink writes the configuration of a sink.
func (s *s3Test) sink(file string, extra map[string]string) {
	props := map[string]string{"name": file, "connector.class": "io.confluent.connect.s3.S3SinkConnector", "tasks.max": "1", "topics": s.topic, "storage.class": "io.confluent.connect.s3.storage.S3Storage",
		"format.class": "io.confluent.connect.s3.format.json.JsonFormat", "s3.bucket.name": s.bucket, "store.url": s.server.URL(), "aws.access.key.id": minioserver.AccessKey,
		"aws.secret.access.key": minioserver.SecretKey, "topics.dir": file, "flush.size": "100", "errors.retry.delay.max.ms": "500",
		"consumer.override.session.timeout.ms": "6000", "consumer.override.heartbeat.interval.ms": "1000", "consumer.override.max.poll.records": "500"}
	for k, v := range extra {
		props[k] = v
	}
	s.write(file, props)
}

// produce writes records from..to-1 into both partitions.
func (s *s3Test) produce(from, to int) {
	s.Helper()
	var all []*kgo.Record
	for n := from; n < to; n++ {
		for p := range int32(2) {
			all = append(all, &kgo.Record{Partition: p, Value: fmt.Appendf(nil, `{"n":%d,"p":%d,"kind":"k%d"}`, n, p, n%3)})
		}
	}
	if err := s.kafka.ProduceSync(s.Context(), all...).FirstErr(); err != nil {
		s.Fatal(err)
	}
}

// found counts, by partition and number, the records in the objects below a directory.
func (s *s3Test) found(dir string) (records map[[2]int]int, objects int, err error) {
	records = make(map[[2]int]int)
	pages := s3.NewListObjectsV2Paginator(s.api, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(dir + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.Context())
		if err != nil {
			return nil, 0, err
		}
		for _, o := range page.Contents {
			objects++
			if err := s.count(*o.Key, records); err != nil {
				return nil, 0, err
			}
		}
	}
	return records, objects, nil
}

func (s *s3Test) count(name string, records map[[2]int]int) error {
	out, err := s.api.GetObject(s.Context(), &s3.GetObjectInput{Bucket: &s.bucket, Key: &name})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		return err
	}
	last := -1
	for line := range strings.Lines(string(data)) {
		var r struct{ N, P int }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if r.N <= last {
			return fmt.Errorf("%s: record %d behind %d", name, r.N, last)
		}
		last = r.N
		records[[2]int{r.P, r.N}]++
	}
	return nil
}

// await waits until every record is there, and says whether one is twice.
func (s *s3Test) await(dir string, total int) {
	s.Helper()
	var records map[[2]int]int
	s.until("all records are in objects below "+dir, func() (bool, string) {
		found, objects, err := s.found(dir)
		records = found
		return err == nil && len(found) == 2*total, fmt.Sprintf("%d of %d records in %d objects, %v", len(found), 2*total, objects, err)
	})
	for at, n := range records {
		if n != 1 {
			s.Errorf("%s: record %d of partition %d is there %d times", dir, at[1], at[0], n)
		}
	}
}

// TestIntegrationS3Kill kills the worker with signal 9 in the middle of its work, and the server too. Every record is in exactly one object, with files that are
// finished by count, and with files that the clock finishes.
func TestIntegrationS3Kill(t *testing.T) {
	s := newS3Test(t)
	s.sink("count", nil)
	s.sink("fields", map[string]string{"partitioner.class": "io.confluent.connect.storage.partitioner.FieldPartitioner", "partition.field.name": "kind"})
	s.sink("clock", map[string]string{"flush.size": "100000", "rotate.schedule.interval.ms": "700", "timezone": "UTC"})
	sinks := []string{"count", "fields", "clock"}
	const total, lives = 6000, 4
	s.produce(0, 100)
	produced := make(chan struct{}) // closer: the goroutine
	go func() {
		defer close(produced)
		for from := 100; from < total; from += 100 {
			s.produce(from, from+100)
		}
	}()
	for life := range lives {
		s.start(sinks...)
		before := s.objects()
		s.until("the worker goes on, as long as there are records", func() (bool, string) {
			n := s.objects()
			select {
			case <-produced:
				return true, ""
			default:
				return n > before || life == 0 && n > 0, fmt.Sprint(n, " objects")
			}
		})
		if life%2 == 1 { // the server first: the worker has requests under way
			if err := s.server.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := s.server.Restart(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		moment := time.NewTimer(time.Duration(rand.IntN(400)) * time.Millisecond) // a random moment is what is tested
		<-moment.C
		s.kill()
	}
	<-produced
	s.start(sinks...)
	for _, dir := range sinks {
		s.await(dir, total)
	}
}

// objects counts all objects.
func (s *s3Test) objects() (n int) {
	s.Helper()
	pages := s3.NewListObjectsV2Paginator(s.api, &s3.ListObjectsV2Input{Bucket: &s.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		n += len(page.Contents)
	}
	return n
}

// TestIntegrationS3Refusals: what is wrong fails the task, with option and remedy, in the status that the REST API tells.
func TestIntegrationS3Refusals(t *testing.T) {
	s := newS3Test(t)
	s.produce(0, 10)
	s.sink("bucket", map[string]string{"s3.bucket.name": "nobody-has-it"})
	s.sink("key", map[string]string{"aws.secret.access.key": "wrong"})
	s.start("bucket", "key")
	for connector, want := range map[string]string{"bucket": "create the bucket, or correct s3.bucket.name", "key": "correct aws.secret.access.key"} {
		s.until("task of "+connector+" fails", func() (bool, string) {
			tasks := s.status(connector).Tasks
			return len(tasks) == 1 && strings.Contains(tasks[0].Trace, want), fmt.Sprintf("%+v", tasks)
		})
	}
}

// TestIntegrationS3DeadLetters: a record that cannot be written goes to the dead letter topic alone.
func TestIntegrationS3DeadLetters(t *testing.T) {
	s := newS3Test(t)
	s.sink("dead", map[string]string{"flush.size": "3", "errors.tolerance": "all", "errors.deadletterqueue.topic.name": s.topic + "-dead", "errors.deadletterqueue.topic.replication.factor": "1"})
	s.produce(0, 2)
	if err := s.kafka.ProduceSync(t.Context(), &kgo.Record{Partition: 0, Key: []byte("gone")}).FirstErr(); err != nil { // a tombstone
		t.Fatal(err)
	}
	s.produce(2, 3)
	s.start("dead")
	s.await("dead", 3)
	c, err := kgo.NewClient(kgo.SeedBrokers(requiredEnv(t, "TANDEM_KAFKA")), kgo.ConsumeTopics(s.topic+"-dead"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	letters := c.PollFetches(t.Context()).Records()
	if len(letters) != 1 || !slices.Equal(letters[0].Key, []byte("gone")) {
		t.Errorf("dead letters: %v, want the tombstone alone", letters)
	}
}
