//go:build !integration

package client

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/kafka"
)

// Trap 24: a record counts when all in-sync replicas have it, by default and in what is sent, and nobody lowers that by accident: acks=1 is refused beside
// enable.idempotence, and warned of alone. Defaults in DefaultConfig protect, and sender's RequiredAcks; what a change of the leader does then is
// the brokers' promise, and TestProducerFollowsTheLeader's.
func TestTrap24AllReplicasAcknowledge(t *testing.T) {
	cluster, brokers := fakeCluster(t, kfake.SeedTopics(1, "t"))
	var requests, weak atomic.Int64
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		requests.Add(1)
		if req.(*kmsg.ProduceRequest).Acks != -1 {
			weak.Add(1)
		}
		return nil, nil, false
	})
	p := startProducer(t, testConfig(ForProducer, brokers))
	for i := range 100 {
		send(t, p.Producer, kafka.Record{Topic: "t", Partition: kafka.AnyPartition, Value: []byte(valueOf(i))})
	}
	waitAcked(t, p.Producer, 100)
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	if requests.Load() == 0 || weak.Load() != 0 {
		t.Errorf("%d of %d produce requests ask for less than all replicas, want none", weak.Load(), requests.Load())
	}
	for _, c := range []struct {
		props      map[string]string
		acks       Acks
		fails      bool
		idempotent bool
	}{
		{nil, AcksAll, false, true},
		{map[string]string{"acks": "-1"}, AcksAll, false, true},
		{map[string]string{"acks": "1", "enable.idempotence": "true"}, "", true, false},
		{map[string]string{"acks": "1"}, AcksLeader, false, false},
		{map[string]string{"acks": "0"}, "", true, false},
	} {
		all := map[string]string{"bootstrap.servers": brokers[0]}
		for k, v := range c.props {
			all[k] = v
		}
		got, report := FromProperties(all, ForProducer)
		if err := report.Err(); (err != nil) != c.fails {
			t.Errorf("FromProperties(%v) = %v, want an error: %t", c.props, err, c.fails)
		} else if !c.fails && (got.Producer.Acks != c.acks || got.Producer.Idempotent != c.idempotent) {
			t.Errorf("FromProperties(%v): acks %s, idempotent %t, want %s, %t", c.props, got.Producer.Acks, got.Producer.Idempotent, c.acks, c.idempotent)
		}
	}
}
