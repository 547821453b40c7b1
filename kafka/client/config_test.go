package client

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFromProperties(t *testing.T) {
	c, report := FromProperties(map[string]string{
		"bootstrap.servers": "a:1, b:2", "client.id": "me", "acks": "-1", "compression.type": "LZ4", "batch.size": "1000", "linger.ms": "7",
		"max.request.size": "5000", "buffer.memory": "100000", "delivery.timeout.ms": "9223372036854775807", "request.timeout.ms": "1234",
		"max.in.flight.requests.per.connection": "1", "enable.idempotence": "true", "max.block.ms": "99",
	}, ForProducer)
	if err := report.Err(); err != nil || len(report.Warnings) != 0 {
		t.Fatalf("FromProperties reports %v", report)
	}
	want := DefaultConfig(ForProducer)
	want.Brokers, want.ClientID, want.RequestTimeout = []string{"a:1", "b:2"}, "me", 1234*time.Millisecond
	want.Producer.Compression, want.Producer.BatchBytes, want.Producer.Linger = LZ4, 1000, 7*time.Millisecond
	want.Producer.MaxRequestBytes, want.Producer.BufferBytes, want.Producer.MaxInFlight = 5000, 100000, 1
	want.Producer.DeliveryTimeout, want.Producer.MaxBlock = 9223372036854*time.Millisecond, 99*time.Millisecond
	if diff := cmp.Diff(want, c, cmpopts.IgnoreFields(Config{}, "Log"), cmp.AllowUnexported(ConsumerConfig{})); diff != "" {
		t.Errorf("FromProperties differs (-want +got):\n%s", diff)
	}
}

func TestFromPropertiesConsumer(t *testing.T) {
	c, report := FromProperties(map[string]string{
		"bootstrap.servers": "a:1", "group.id": "connect-x", "auto.offset.reset": "earliest", "isolation.level": "read_committed",
		"max.poll.records": "10", "fetch.min.bytes": "2", "fetch.max.wait.ms": "3", "max.partition.fetch.bytes": "4", "session.timeout.ms": "5000",
		"heartbeat.interval.ms": "600", "max.poll.interval.ms": "7000",
		"partition.assignment.strategy": "org.apache.kafka.clients.consumer.CooperativeStickyAssignor,org.apache.kafka.clients.consumer.RangeAssignor",
		"key.deserializer":              "org.apache.kafka.common.serialization.ByteArrayDeserializer",
	}, ForConsumer)
	if err := report.Err(); err != nil || len(report.Warnings) != 1 {
		t.Fatalf("FromProperties reports %v, want a warning for key.deserializer alone", report)
	}
	k := c.Consumer
	if k.Group != "connect-x" || k.Reset != Earliest || k.Isolation != ReadCommitted || k.MaxPollRecords != 10 || k.FetchMinBytes != 2 ||
		k.FetchWait != 3*time.Millisecond || k.PartitionBytes != 4 || k.Session != 5*time.Second || k.Heartbeat != 600*time.Millisecond || k.MaxPollInterval != 7*time.Second {
		t.Errorf("FromProperties = %+v", k)
	}
	if s := k.strategies(); len(s) != 1 || s[0].Name() != "range" {
		t.Errorf("strategies() = %v, want range alone", s)
	}
}

func TestFromPropertiesReports(t *testing.T) {
	for _, c := range []struct {
		role          Role
		name, value   string
		error, warned string // parts of the message
	}{
		{ForProducer, "acks", "0", "Value must be one of all, -1, 1", ""},
		{ForProducer, "acks", "1", "", "idempotent producer off"},
		{ForProducer, "retries", "3", "", "delivery.timeout.ms alone"},
		{ForProducer, "max.in.flight.requests.per.connection", "6", "at most 5", ""},
		{ForProducer, "compression.type", "brotli", "none, gzip, snappy, lz4, zstd", ""},
		{ForProducer, "bootstrap.servers", "nowhere", `"nowhere" is not host:port`, ""},
		{ForProducer, "bootstrap.servers", "", "bootstrap.servers", ""},
		{ForProducer, "linger", "3", "", `did you mean`},
		{ForProducer, "buffer.memory", "10", "", "max.request.size"},
		{ForProducer, "interceptor.classes", "x.Y", "", "JVM"},
		{ForProducer, "partitioner.class", "x.Y", "partitioned as Kafka's default", ""},
		{ForProducer, "transactional.id", "x", "without a transaction", ""},
		{ForConsumer, "heartbeat.interval.ms", "45000", "less than session.timeout.ms", ""},
		{ForConsumer, "group.protocol", "consumer", "only the classic protocol", ""},
		{ForConsumer, "enable.auto.commit", "true", "only false", ""},
		{ForConsumer, "partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor", "at least one of", ""},
		{ForConsumer, "partition.assignment.strategy", "x.Y", `"x.Y" is not one of`, ""},
		{ForAdmin, "security.protocol", "TLS", "PLAINTEXT, SSL", ""},
		{ForAdmin, "security.protocol", "SASL_SSL", "want one of PLAIN, SCRAM", ""},
	} {
		props := map[string]string{"bootstrap.servers": "a:1"}
		props[c.name] = c.value
		_, report := FromProperties(props, c.role)
		errors, warnings := "", ""
		for _, p := range report.Errors {
			errors += p.Name + ": " + p.Message + "\n"
		}
		for _, p := range report.Warnings {
			warnings += p.Name + ": " + p.Message + "\n"
		}
		if (c.error == "") != (errors == "") || !strings.Contains(errors, c.error) {
			t.Errorf("%s %s=%s: errors %q, want %q", c.role, c.name, c.value, errors, c.error)
		}
		if (c.warned == "") != (warnings == "") || !strings.Contains(warnings, c.warned) && c.name != "linger" {
			t.Errorf("%s %s=%s: warnings %q, want %q", c.role, c.name, c.value, warnings, c.warned)
		}
	}
	if _, report := FromProperties(map[string]string{"bootstrap.servers": "a:1", "group.id": "g", "x.y": "z"}, ForProducer, "group.id", "x."); len(report.Warnings) != 0 {
		t.Errorf("names that are known elsewhere are warned about: %v", report.Warnings)
	}
}

func TestKeysHaveDefaults(t *testing.T) {
	for _, role := range []Role{ForProducer, ForConsumer, ForAdmin} {
		seen := make(map[string]bool)
		for _, k := range Keys(role) {
			if seen[k.Name] {
				t.Errorf("%s: option %q is defined twice", role, k.Name)
			}
			seen[k.Name] = true
			if k.Doc == "" {
				t.Errorf("%s: option %q has no doc", role, k.Name)
			}
		}
	}
}
