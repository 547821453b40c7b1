//go:build !integration

package client

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/kafka"
)

// sharedText is a log that two goroutines look at.
type sharedText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *sharedText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sharedText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// strictBroker refuses records that are older than 50 ms behind the first ones it saw, as a broker does whose clock is ahead of, or behind, the
// producer's by more than message.timestamp.before.max.ms or message.timestamp.after.max.ms, until that is put right.
func strictBroker(t *testing.T) (brokers []string) {
	t.Helper()
	cluster, brokers := fakeCluster(t, kfake.SeedTopics(1, "t"))
	var first int64
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		r := req.(*kmsg.ProduceRequest)
		const timestampAt = 27 // in a batch: see appendHead
		stamp := int64(binary.BigEndian.Uint64(r.Topics[0].Partitions[0].Records[timestampAt:]))
		if first == 0 {
			first = stamp
		}
		if stamp < first+50 {
			return refuseProduce(r, func(string, int32) int16 { return 32 }), nil, true // INVALID_TIMESTAMP
		}
		return nil, nil, false
	})
	return brokers
}

// TestClockOfBrokerDiffers: records that the broker refuses because a clock jumped are sent again, in their order, with the time as it is then, and the log says
// what is wrong. Those that came with a time of their own keep it, and fail.
func TestClockOfBrokerDiffers(t *testing.T) {
	brokers := strictBroker(t)
	var said sharedText
	c := testConfig(ForProducer, brokers)
	c.Log = slog.New(slog.NewTextHandler(&said, nil))
	p := startProducer(t, c)
	began := time.Now()
	for _, value := range []string{"1", "2", "3"} {
		send(t, p.Producer, text("t", "k", value))
	}
	waitAcked(t, p.Producer, 3)
	got := readAll(t, brokers, "t")[0]
	if len(got) != 3 {
		t.Fatalf("the topic has %d records, want 3", len(got))
	}
	for i, r := range got {
		if want := []string{"1", "2", "3"}[i]; string(r.Value) != want || r.Timestamp.Before(began.Add(49*time.Millisecond)) || r.Timestamp.After(time.Now()) {
			t.Errorf("record %d = %s at %v, want %s at a time after it was refused", i, r.Value, r.Timestamp, want)
		}
	}
	if text := said.String(); !strings.Contains(text, "message.timestamp.after.max.ms") || !strings.Contains(text, "topic=t") {
		t.Errorf("the log says %q, want the option and the topic", text)
	}
}

func TestClockOfRecordDiffers(t *testing.T) {
	p := startProducer(t, testConfig(ForProducer, strictBroker(t)))
	send(t, p.Producer, kafka.Record{Topic: "t", Partition: 0, Timestamp: time.UnixMilli(1_000_000), Value: []byte("dated")})
	if err := p.failed(t); err == nil || isRetriable(err) || !contains(err, `"t"`) {
		t.Errorf("Run = %v, want an error of topic \"t\" that is not retriable", err)
	}
}
