//go:build integration

package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/hamba/avro/v2"
	"github.com/hamba/avro/v2/ocf"
	"github.com/parquet-go/parquet-go"

	"github.com/tandem-cdc/tandem/internal/minioserver"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// shared is the server of this process.
var shared struct {
	sync.Mutex
	server *minioserver.Server
}

// minio is a server, and a bucket that is new.
func minio(t *testing.T) (*minioserver.Server, string) {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	server, err := minioserver.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	bucket := "b" + strings.ToLower(rand.Text()[:10])
	if err := server.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	return server, bucket
}

// at are the options of a server.
func at(server *minioserver.Server, bucket string, extra ...string) []string {
	return append([]string{"store.url", server.URL(), "s3.bucket.name", bucket, "aws.access.key.id", minioserver.AccessKey, "aws.secret.access.key", minioserver.SecretKey,
		"s3.retry.backoff.ms", "20"}, extra...)
}

// liveTask is a task on a real server.
func liveTask(t *testing.T, clock func() time.Time, props []string, assigned ...sink.Assignment) (*Task, *client) {
	t.Helper()
	c := parsed(t, props...)
	s, err := newClient(c.Client)
	if err != nil {
		t.Fatal(err)
	}
	task, err := newTask(c, s, s.close, clock, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := task.Open(t.Context(), assigned); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var all []kafka.TopicPartition
		for _, a := range assigned {
			all = append(all, a.TopicPartition)
		}
		_ = task.Close(context.Background(), all)
		s.close()
	})
	return task, s
}

// objects are all objects of the bucket.
func (c *client) objects(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for after := ""; ; {
		names, more, err := c.list(t.Context(), "", after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			out, err := c.api.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &c.config.Bucket, Key: &n.name})
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(out.Body)
			_ = out.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			all[n.name] = string(data)
			after = n.name
		}
		if !more {
			return all
		}
	}
}

func names(objects map[string]string) []string { return slices.Sorted(maps.Keys(objects)) }

// TestIntegrationTutorial: the configuration of a tutorial gives exactly its object names, and Avro that others read.
func TestIntegrationTutorial(t *testing.T) {
	server, bucket := minio(t)
	task, s := liveTask(t, time.Now, at(server, bucket, "flush.size", "3", "s3.part.size", "5242880", "format.class", avroFormat, "partitioner.class", defaultPartitioner,
		"schema.generator.class", "io.confluent.connect.storage.hive.schema.DefaultSchemaGenerator", "schema.compatibility", "NONE"), assignment("mysql-prices", 0, 0))
	of := schema.StructOf("Price", schema.F("id", schema.Of(schema.Int64)), schema.F("price", schema.Of(schema.Float64)))
	for o := range int64(10) {
		put(t, task, sink.Record{Topic: "mysql-prices", Offset: o, ValueSchema: of, Value: schema.OfStruct(&schema.StructValue{Schema: of, Values: []schema.Value{schema.OfInt64(o), schema.OfFloat64(2.5)}})})
	}
	got := s.objects(t)
	want := []string{"topics/mysql-prices/partition=0/mysql-prices+0+0000000000.avro", "topics/mysql-prices/partition=0/mysql-prices+0+0000000003.avro", "topics/mysql-prices/partition=0/mysql-prices+0+0000000006.avro"}
	if diff := cmp.Diff(want, names(got)); diff != "" {
		t.Fatalf("objects (-want +got)\n%s", diff)
	}
	d, err := ocf.NewDecoder(strings.NewReader(got[want[1]]), ocf.WithDecoderSchemaCache(&avro.SchemaCache{}))
	if err != nil {
		t.Fatal(err)
	}
	ids := []any{}
	for d.HasNext() {
		var price map[string]any
		if err := d.Decode(&price); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, price["id"])
	}
	if diff := cmp.Diff([]any{int64(3), int64(4), int64(5)}, ids); diff != "" || d.Error() != nil {
		t.Errorf("ids of the second object, error %v (-want +got)\n%s", d.Error(), diff)
	}
	if got, want := flush(t, task), "mysql-prices-0@9"; got != want {
		t.Errorf("Flush() = %s, want %s", got, want)
	}
}

// TestIntegrationFormatsAndPartitioners: every format with every partitioner; each record is in the object that it belongs to.
func TestIntegrationFormatsAndPartitioners(t *testing.T) {
	server, bucket := minio(t)
	byTime := []string{"locale", "en", "timezone", "Europe/Paris", "timestamp.extractor", "Record"}
	ways := map[string][]string{
		"default": nil,
		"field":   {"partitioner.class", fieldPartitioner, "partition.field.name", "ok"},
		"hourly":  append([]string{"partitioner.class", hourlyPartitioner}, byTime...),
		"daily":   append([]string{"partitioner.class", dailyPartitioner}, byTime...),
		"time":    append([]string{"partitioner.class", timePartitioner, "partition.duration.ms", "600000", "path.format", "'at'=HH-mm"}, byTime...),
	}
	of := orderSchema()
	for format, count := range map[string]func(t *testing.T, content string) int{avroFormat: countAvro, jsonFormat: countLines, parquetFormat: countParquet, bytesFormat: countLines} {
		for way, options := range ways {
			dir := format[strings.LastIndexByte(format, '.')+1:] + "-" + way
			task, s := liveTask(t, time.Now, at(server, bucket, append([]string{"topics.dir", dir, "format.class", format, "flush.size", "20"}, options...)...), assignment("t", 0, 0), assignment("t", 1, 0))
			for partition := range int32(2) {
				for o := range int64(20) {
					r := sink.Record{Topic: "t", Partition: partition, Offset: o, ValueSchema: of, Value: order(of, o), Timestamp: time.Date(2024, 5, 1, 21, 0, 0, 0, time.UTC).Add(time.Duration(o) * 7 * time.Minute)}
					if format == bytesFormat {
						if way == "field" {
							continue
						}
						r.ValueSchema, r.Value = schema.Of(schema.Bytes), schema.OfBytes([]byte("x"))
					}
					put(t, task, r)
				}
			}
			parter, want, got := newPartitioner(&task.config), map[string]int{}, map[string]int{}
			for o := range int64(20) {
				r := sink.Record{Topic: "t", ValueSchema: of, Value: order(of, o), Timestamp: time.Date(2024, 5, 1, 21, 0, 0, 0, time.UTC).Add(time.Duration(o) * 7 * time.Minute)}
				for partition := range int32(2) {
					r.Partition = partition
					millis, _, err := parter.time(&r, 0)
					if err != nil {
						t.Fatal(err)
					}
					encoded, err := parter.encode(&r, millis)
					if err != nil {
						t.Fatal(err)
					}
					if format != bytesFormat || way != "field" {
						want[fmt.Sprintf("%s/t/%s %d", dir, encoded, partition)]++
					}
				}
			}
			for name, content := range s.objects(t) {
				if strings.HasPrefix(name, dir+"/") {
					file := name[strings.LastIndexByte(name, '/')+1:]
					got[name[:strings.LastIndexByte(name, '/')]+" "+strings.Split(file, "+")[1]] += count(t, content)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: records of directories and partitions (-want +got)\n%s", dir, diff)
			}
		}
	}
}

func countLines(_ *testing.T, content string) int { return strings.Count(content, "\n") }

func countAvro(t *testing.T, content string) (n int) {
	d, err := ocf.NewDecoder(strings.NewReader(content), ocf.WithDecoderSchemaCache(&avro.SchemaCache{}))
	if err != nil {
		t.Fatal(err)
	}
	for d.HasNext() {
		var v map[string]any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func countParquet(t *testing.T, content string) int {
	f, err := parquet.OpenFile(strings.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return int(f.NumRows())
}

// TestIntegrationServerCrash: the server is killed in the middle of uploads and comes back. Every record is in one object, none is lost, no upload is left.
func TestIntegrationServerCrash(t *testing.T) {
	server, bucket := minio(t)
	task, s := liveTask(t, time.Now, at(server, bucket, "flush.size", "150", "s3.part.size", "5242880", "s3.part.retries", "1"), assignment("t", 0, 0), assignment("t", 1, 0))
	text := schema.Entry{Key: schema.OfString("x"), Value: schema.OfString(strings.Repeat("x", 50_000))} // a file has 7.5 MB: two parts
	crashes, failures := 0, 0
	for o := int64(0); o < 600; o += 20 {
		var batch []sink.Record
		for i := range int64(20) {
			batch = append(batch, record(0, o+i, text), record(1, o+i))
		}
		var back chan error
		if o%200 == 100 {
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			crashes++
			back = make(chan error, 1) // sender: the goroutine; bound: its one result
			go func() { back <- server.Restart(context.Background()) }()
		}
		for {
			err := task.Put(t.Context(), batch)
			if err == nil {
				break
			}
			if failures++; !retriable(err) {
				t.Fatal(err)
			}
		}
		if back != nil {
			if err := <-back; err != nil {
				t.Fatal(err)
			}
		}
	}
	if failures == 0 {
		t.Error("the server was killed and nobody missed it")
	}
	if got, want := flush(t, task), "t-0@600 t-1@600"; got != want {
		t.Errorf("Flush() = %s, want %s", got, want)
	}
	seen := map[string]int{}
	for name, content := range s.objects(t) {
		for _, line := range linesOf(content) {
			var n int
			if _, err := fmt.Sscanf(line, `{"n":%d`, &n); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			seen[fmt.Sprint(strings.Split(name, "/")[2], " ", n)]++
		}
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("record %s is there %d times", key, n)
		}
	}
	if len(seen) != 1200 {
		t.Errorf("%d records are in objects, want 1200; the server crashed %d times, Put failed %d times", len(seen), crashes, failures)
	}
	left, err := s.api.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket, Prefix: aws.String("topics/t/partition=0/t+0+0000000000.json")})
	if err != nil || len(left.Uploads) > 0 {
		t.Errorf("%d uploads are left (%v)", len(left.Uploads), err)
	}
}

// TestIntegrationAbandonedUpload: an upload that a killed task left behind ends when the object is begun again.
func TestIntegrationAbandonedUpload(t *testing.T) {
	server, bucket := minio(t)
	_, s := liveTask(t, time.Now, at(server, bucket), assignment("t", 0, 0))
	first, err := s.begin(t.Context(), "a", putOptions{mark: "1"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.begin(t.Context(), "a", putOptions{mark: "2"})
	if err != nil {
		t.Fatal(err)
	}
	var gone *StoreError
	if _, err := s.part(t.Context(), "a", first, 1, bytes.NewReader([]byte("x")), 1); !errors.As(err, &gone) || gone.Code != codeNoUpload {
		t.Errorf("a part of the first upload = %v, want %s", err, codeNoUpload)
	}
	etag, err := s.part(t.Context(), "a", second, 1, bytes.NewReader([]byte("x")), 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the answer to the first got lost
		if err := s.complete(t.Context(), "a", second, []sentPart{{1, etag}}, putOptions{mark: "2"}); err != nil {
			t.Errorf("complete() = %v, want nil, the second time too", err)
		}
	}
	if err := s.abort(t.Context(), "a", first); err != nil {
		t.Errorf("abort() of an upload that is gone = %v, want nil", err)
	}
}

// TestIntegrationConditions: an object that somebody else wrote stays.
func TestIntegrationConditions(t *testing.T) {
	server, bucket := minio(t)
	_, s := liveTask(t, time.Now, at(server, bucket, "s3.send.digest", "true"), assignment("t", 0, 0))
	write := func(text, mark string, c condition, etag string) error {
		return s.put(t.Context(), "a", strings.NewReader(text), int64(len(text)), putOptions{mark: mark, condition: c, etag: etag})
	}
	if err := write("one", "1", ifNone, ""); err != nil {
		t.Fatal(err)
	}
	if err := write("one", "1", ifNone, ""); err != nil {
		t.Errorf("put() again by the same writer = %v, want nil", err)
	}
	var written *WrittenError
	if err := write("two", "2", ifNone, ""); !errors.As(err, &written) {
		t.Errorf("put() of another writer = %v, want that it is refused", err)
	}
	listed, _, err := s.list(t.Context(), "a", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := write("three", "3", ifSame, listed[0].etag); err != nil {
		t.Errorf("put() over what was listed = %v, want nil", err)
	}
	if err := write("four", "4", ifSame, listed[0].etag); !errors.As(err, &written) {
		t.Errorf("put() over what was written meanwhile = %v, want that it is refused", err)
	}
	if got := s.objects(t)["a"]; got != "three" {
		t.Errorf("object = %q, want three", got)
	}
}

// TestIntegrationClockCrash: files that the clock ends; a task is killed before its position is stored, and the next one reads on. Every record is in one object.
func TestIntegrationClockCrash(t *testing.T) {
	server, bucket := minio(t)
	clock := time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC)
	props := at(server, bucket, "flush.size", "1000", "rotate.schedule.interval.ms", "60000", "timezone", "UTC", "max.files.scan.limit", "2")
	first, _ := liveTask(t, func() time.Time { return clock }, props, assignment("t", 0, 0))
	for o := range int64(50) {
		put(t, first, record(0, o))
		clock = clock.Add(9 * time.Second)
	}
	second, s := liveTask(t, func() time.Time { return clock }, props, assignment("t", 0, 50)) // nothing was committed
	for o := range int64(60) {
		put(t, second, record(0, o))
		clock = clock.Add(13 * time.Second)
	}
	clock = clock.Add(time.Minute)
	if got, want := flush(t, second), "t-0@60"; got != want {
		t.Errorf("Flush() = %s, want %s", got, want)
	}
	seen := map[string]int{}
	for _, content := range s.objects(t) {
		for _, line := range linesOf(content) {
			seen[line]++
		}
	}
	for line, n := range seen {
		if n != 1 {
			t.Errorf("record %s is there %d times", line, n)
		}
	}
	if len(seen) != 60 {
		t.Errorf("%d records are in objects, want 60", len(seen))
	}
}

// TestIntegrationTags: objects carry tags.
func TestIntegrationTags(t *testing.T) {
	server, bucket := minio(t)
	task, s := liveTask(t, time.Now, at(server, bucket, "s3.object.tagging", "true", "s3.object.behavior.on.tagging.error", "fail"), assignment("t", 0, 0))
	put(t, task, records(0, 0, 3)...)
	out, err := s.api.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: &bucket, Key: aws.String("topics/t/partition=0/t+0+0000000000.json")})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tag := range out.TagSet {
		got[*tag.Key] = *tag.Value
	}
	if diff := cmp.Diff(map[string]string{"startOffset": "0", "endOffset": "2", "recordCount": "3"}, got); diff != "" {
		t.Errorf("tags (-want +got)\n%s", diff)
	}
}

// TestIntegrationRefusals: what the server refuses is said with the option and the remedy, and is not tried again.
func TestIntegrationRefusals(t *testing.T) {
	server, bucket := minio(t)
	for _, c := range []struct {
		props []string
		want  string
	}{
		{at(server, "missing-bucket"), "create the bucket, or correct s3.bucket.name"},
		{at(server, bucket, "aws.access.key.id", "nobody"), "correct aws.access.key.id"},
		{at(server, bucket, "aws.secret.access.key", "wrong"), "correct aws.secret.access.key"},
		{at(server, bucket, "s3.region", "eu-central-1"), "set s3.region to the region of the bucket"},
	} {
		config := parsed(t, c.props...)
		s, err := newClient(config.Client)
		if err != nil {
			t.Fatal(err)
		}
		err = s.check(t.Context())
		s.close()
		if err == nil || retriable(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("check() = %v, want an error that says %q and is not retriable", err, c.want)
		}
	}
}
