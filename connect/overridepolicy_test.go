package connect

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/sink"
)

// The answers are those of Kafka Connect 4.3.1, distributed, asked with the same configurations.
func TestPoliciesAsKafkaConnect(t *testing.T) {
	const class = "org.apache.kafka.connect.connector.policy.AllowlistConnectorClientConfigOverridePolicy"
	for _, c := range []struct {
		policy, props string
		alone, once   bool // a standalone worker; exactly.once.source.support=enabled
		sink          bool
		want          string // options that are refused
		refused       string // the request as a whole
	}{
		{policy: "All", props: "producer.override.acks=all\nconsumer.override.x=y\nadmin.override.zz=1"},
		{policy: "None", props: "producer.override.acks=all\nproducer.override.linger.ms=7", want: "producer.override.acks producer.override.linger.ms"},
		{policy: "None", props: "producer.override.security.protocol=PLAINTEXT\nproducer.override.sasl.mechanism=PLAIN\nproducer.override.sasl.jaas.config=a",
			want: "producer.override.security.protocol producer.override.sasl.mechanism producer.override.sasl.jaas.config"},
		{policy: "Principal", props: "producer.override.sasl.mechanism=PLAIN\nproducer.override.acks=all", want: "producer.override.acks"},
		{policy: "PrincipalConnectorClientConfigOverridePolicy", props: "producer.override.security.protocol=PLAINTEXT"},
		{policy: class, props: "producer.override.acks=all\nproducer.override.linger.ms=7\nproducer.override.batch.size=1", want: "producer.override.batch.size"},
		// Only the clients that a connector uses are looked at.
		{policy: "None", props: "consumer.override.x=y\nadmin.override.retries=z"},
		{policy: "None", props: "consumer.override.x=y\nadmin.override.retries=3", once: true, want: "consumer.override.x admin.override.retries"},
		{policy: "None", props: "consumer.override.x=y\nadmin.override.retries=3\noffsets.storage.topic=own", want: "consumer.override.x admin.override.retries"},
		{policy: "None", props: "consumer.override.x=y\noffsets.storage.topic=own", alone: true},
		{policy: "None", props: "admin.override.retries=3\nadmin.override.zz=1\ntopic.creation.default.partitions=1\ntopic.creation.default.replication.factor=1",
			want: "admin.override.zz admin.override.retries"},
		{policy: "None", props: "consumer.override.max.poll.records=5\nproducer.override.acks=1\nadmin.override.retries=1", sink: true, want: "consumer.override.max.poll.records"},
		{policy: "None", props: "consumer.override.max.poll.records=5\nproducer.override.acks=1\nadmin.override.retries=1\nerrors.deadletterqueue.topic.name=d", sink: true,
			want: "producer.override.acks consumer.override.max.poll.records admin.override.retries"},
		// What is not of its type ends the request, whatever the policy.
		{policy: "None", props: "producer.override.linger.ms=abc", refused: "Invalid value abc for configuration linger.ms: Not a number of type LONG"},
		{policy: "All", props: "producer.override.batch.size=abc\nproducer.override.nonsense=q", refused: "Invalid value abc for configuration batch.size: Not a number of type INT"},
		{policy: "All", props: "consumer.override.enable.auto.commit=maybe", sink: true,
			refused: "Invalid value maybe for configuration enable.auto.commit: Expected value to be either true or false"},
	} {
		cfg := DefaultWorkerConfig()
		cfg.BootstrapServers = []string{"127.0.0.1:1"}
		cfg.KeyConverter.Class, cfg.ValueConverter.Class = "org.apache.kafka.connect.storage.StringConverter", "org.apache.kafka.connect.storage.StringConverter"
		cfg.OverridePolicy, cfg.OverrideAllowlist = c.policy, []string{"acks", "linger.ms"}
		fine := func(map[string]string) config.Report { return config.Report{} }
		w := NewWorker(cfg, Plugins{
			Sources: []Source{{Class: "test.Source", Validate: fine}},
			Sinks:   []Sink{{Class: "test.Sink", Validate: fine, NewTask: func(map[string]string, Env) (sink.Task, error) { return nil, errors.New("unused") }}},
		}, &memoryOffsets{}, newHeardStates(), slog.New(slog.DiscardHandler))
		if !c.alone {
			w.InGroup(Distributed{Group: "workers", ExactlyOnce: c.once})
		}
		props := parseProps(t, c.props)
		props["name"], props["connector.class"] = "c", "test.Source"
		if c.sink {
			props["connector.class"], props["topics"] = "test.Sink", "t"
		}
		infos, err := w.Validate(t.Context(), Request{Name: "c", Config: props})
		if c.refused != "" {
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Why != Internal || refused.Message != c.refused {
				t.Errorf("Validate(%q) with policy %s = %v, want %s", c.props, c.policy, err, c.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("Validate(%q) with policy %s = %v", c.props, c.policy, err)
			continue
		}
		var got []string
		for _, p := range infos.Problems() {
			policy := strings.TrimSuffix(strings.TrimPrefix(c.policy, policyPackage), "ConnectorClientConfigOverridePolicy")
			_, option, _ := strings.Cut(p.Name, ".override.")
			if want := "The '" + policy + "' policy does not allow '" + option + "' to be overridden in the connector configuration."; p.Message != want {
				t.Errorf("message = %q, want %q", p.Message, want)
			}
			got = append(got, p.Name)
		}
		if diff := cmp.Diff(strings.Fields(c.want), got); diff != "" && (c.want != "" || len(got) > 0) {
			t.Errorf("options that %s refuses of %q (-want +got):\n%s", c.policy, c.props, diff)
		}
	}
}

// The texts are Kafka Connect's.
func TestExactlyOnceOptions(t *testing.T) {
	for props, want := range map[string]string{
		"transaction.boundary=never":          "Invalid value never for configuration transaction.boundary: String must be one of (case insensitive): INTERVAL, POLL, CONNECTOR",
		"transaction.boundary.interval.ms=-5": "Invalid value -5 for configuration transaction.boundary.interval.ms: Value must be at least 0",
		"transaction.boundary.interval.ms=x":  "Invalid value x for configuration transaction.boundary.interval.ms: Not a number of type LONG",
		"transaction.boundary.interval.ms=0":  "",
		"transaction.boundary=Interval":       "",
		"offsets.storage.topic=":              "Invalid value  for configuration offsets.storage.topic: String must be non-empty",
		"offsets.storage.topic=o":             "",
		"exactly.once.support=please":         "Invalid value please for configuration exactly.once.support: String must be one of (case insensitive): REQUIRED, REQUESTED",
	} {
		all := parseProps(t, props)
		all["name"], all["connector.class"] = "c", "x"
		_, report := parseConnectorConfig(all, KindSource)
		var got []string
		for _, p := range report.Errors {
			got = append(got, p.Message)
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("errors of %q = %q, want %q", props, got, want)
		}
	}
}
