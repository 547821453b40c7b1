package connect

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func distributedProps(more map[string]string) map[string]string {
	props := map[string]string{
		"bootstrap.servers": "a:9092", "group.id": "g", "key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
		"config.storage.topic": "c", "offset.storage.topic": "o", "status.storage.topic": "s",
	}
	for name, text := range more {
		if text == "" {
			delete(props, name)
		} else {
			props[name] = text
		}
	}
	return props
}

func TestParseDistributedConfig(t *testing.T) {
	c, report := ParseDistributedConfig(distributedProps(nil))
	if err := report.Err(); err != nil || len(report.Warnings) > 0 {
		t.Fatalf("ParseDistributedConfig = %v, %v", err, report.Warnings)
	}
	want := DefaultDistributedConfig()
	want.Group, want.ConfigTopic.Name, want.OffsetTopic.Name, want.StatusTopic.Name = "g", "c", "o", "s"
	if diff := cmp.Diff(want, *c.Distributed); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	c, report = ParseDistributedConfig(distributedProps(map[string]string{
		"session.timeout.ms": "30000", "heartbeat.interval.ms": "9000", "rebalance.timeout.ms": "90000", "scheduled.rebalance.max.delay.ms": "0",
		"offset.storage.partitions": "-1", "status.storage.replication.factor": "1", "config.storage.min.insync.replicas": "2", "config.storage.cleanup.policy": "compact",
		"connect.protocol": "COMPATIBLE", "inter.worker.key.size": "512", "inter.worker.signature.algorithm": "HmacSHA512", "inter.worker.verification.algorithms": "HmacSHA256, HmacSHA512",
		"exactly.once.source.support": "ENABLED",
	}))
	if err := report.Err(); err != nil || len(report.Warnings) > 0 {
		t.Fatalf("ParseDistributedConfig = %v, %v", err, report.Warnings)
	}
	d := c.Distributed
	if d.Session != 30*time.Second || d.Heartbeat != 9*time.Second || d.Rebalance != 90*time.Second || d.MaxDelay != 0 || d.OffsetTopic.Partitions != -1 || d.StatusTopic.Replicas != 1 ||
		d.Protocol != ProtocolCompatible || d.KeySize != 512 || d.SignatureAlgorithm != "HmacSHA512" || d.ExactlyOnce != ExactlyOnceEnabled {
		t.Errorf("ParseDistributedConfig = %+v", *d)
	}
	if diff := cmp.Diff(map[string]string{"min.insync.replicas": "2"}, d.ConfigTopic.Settings); diff != "" {
		t.Errorf("settings of the config topic (-want +got):\n%s", diff)
	}
}

func TestParseDistributedConfigProblems(t *testing.T) {
	for name, c := range map[string]struct {
		more    map[string]string
		at      string
		text    string
		warning bool
	}{
		"no group":              {map[string]string{"group.id": ""}, "group.id", "group.id", false},
		"no config topic":       {map[string]string{"config.storage.topic": ""}, "config.storage.topic", "config.storage.topic", false},
		"one topic twice":       {map[string]string{"status.storage.topic": "c"}, "status.storage.topic", `name the same topic "c"`, false},
		"no replicas":           {map[string]string{"config.storage.replication.factor": "0"}, "config.storage.replication.factor", "-1", false},
		"late heartbeats":       {map[string]string{"heartbeat.interval.ms": "10000"}, "heartbeat.interval.ms", "must be less than session.timeout.ms", false},
		"few heartbeats":        {map[string]string{"heartbeat.interval.ms": "6000"}, "heartbeat.interval.ms", "a single heartbeat", true},
		"unknown protocol":      {map[string]string{"connect.protocol": "lazy"}, "connect.protocol", "eager, compatible, sessioned", false},
		"unknown algorithm":     {map[string]string{"inter.worker.key.generation.algorithm": "HmacMD4"}, "inter.worker.key.generation.algorithm", "HmacSHA256", false},
		"unverified signature":  {map[string]string{"inter.worker.signature.algorithm": "HmacSHA1"}, "inter.worker.signature.algorithm", "inter.worker.verification.algorithms", false},
		"nothing verified":      {map[string]string{"inter.worker.verification.algorithms": " "}, "inter.worker.verification.algorithms", "at least one", false},
		"partitions of configs": {map[string]string{"config.storage.partitions": "3"}, "config.storage.partitions", "no effect", true},
		"policy of offsets":     {map[string]string{"offset.storage.cleanup.policy": "delete"}, "offset.storage.cleanup.policy", "no effect", true},
		"a standalone's option": {map[string]string{"offset.storage.file.filename": "/f"}, "offset.storage.file.filename", "no effect", true},
	} {
		_, report := ParseDistributedConfig(distributedProps(c.more))
		problems := report.Errors
		if c.warning {
			problems = report.Warnings
			if err := report.Err(); err != nil {
				t.Errorf("%s: %v, want warnings alone", name, err)
			}
		}
		found := false
		for _, p := range problems {
			found = found || p.Name == c.at && strings.Contains(p.Message, c.text)
		}
		if !found {
			t.Errorf("%s: problems %v, want one at %s with %q", name, problems, c.at, c.text)
		}
	}
}
