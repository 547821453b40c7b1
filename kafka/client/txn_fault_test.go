//go:build !integration

package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/kafka"
)

// TestTransactionsWhateverBreaks: connections break at any byte, the broker answers retriable errors to every kind of request, producers are
// killed at any moment and another one goes on behind what is committed: readers of committed records see each record once, in order.
func TestTransactionsWhateverBreaks(t *testing.T) {
	const partitions, records = 3, 3000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	var breaks atomic.Int64
	breaks.Store(60)
	listen := func(network, addr string) (net.Listener, error) {
		ln, err := net.Listen(network, addr)
		return &flakyListener{Listener: ln, breaks: &breaks, rnd: rand.New(rand.NewPCG(seed, 2))}, err
	}
	cluster, brokers := fakeCluster(t, kfake.ListenFn(listen), kfake.SeedTopics(partitions, "t"), kfake.SeedTopics(1, "progress"))
	faults := refuseSometimes(cluster, rand.New(rand.NewPCG(seed, 3)))

	c := txnConfig(brokers, "it")
	c.Producer.BatchBytes, c.Producer.MaxRequestBytes = 600, 3000
	lives, commits := 0, 0
	for next := 0; next < records; lives++ {
		p := startProducer(t, c)
		if err := p.Init(testContext(t)); err != nil {
			t.Fatal(err)
		}
		next = committedProgress(t, brokers) // what was left open is aborted by now
		life, kill := context.WithTimeout(testContext(t), time.Duration(5+rnd.IntN(150))*time.Millisecond)
		for next < records && life.Err() == nil {
			n := 1 + rnd.IntN(60)
			commits++
			if err := oneTransaction(life, p.Producer, rnd, partitions, next, min(next+n, records)); err != nil {
				if life.Err() == nil && !isRetriable(err) {
					t.Fatal(err)
				}
				break
			}
			next = min(next+n, records)
		}
		kill()
		if rnd.IntN(2) == 0 { // as a kill does: nothing is said to anybody, and the next one aborts
			p.mu.Lock()
			p.txn.begun = false
			p.mu.Unlock()
		}
		if err := p.end(); err != nil && !isRetriable(err) {
			t.Fatal(err)
		}
	}
	t.Logf("%d lives, %d transactions, breaks left %d, faults %d", lives, commits, breaks.Load(), faults.Load())
	if lives < 2 || faults.Load() == 0 {
		t.Error("nothing broke: the test tests nothing")
	}
	breaks.Store(0)
	seen := make(map[int]bool)
	for id, values := range readPending(t, brokers, "t") {
		before := -1
		for _, v := range values {
			n, err := strconv.Atoi(v)
			if err != nil || seen[n] || n <= before {
				t.Fatalf("partition %d: %s behind %d, seen before: %v", id, v, before, seen[n])
			}
			seen[n], before = true, n
		}
	}
	if len(seen) != records {
		t.Errorf("committed records = %d, want %d", len(seen), records)
	}
}

// oneTransaction sends the numbers from (included) to to, and the progress, and commits.
func oneTransaction(ctx context.Context, p *Producer, rnd *rand.Rand, partitions, from, to int) error {
	for i := from; i < to; i++ {
		if err := p.Send(ctx, &kafka.Record{Topic: "t", Partition: int32(rnd.IntN(partitions)), Value: []byte(strconv.Itoa(i))}); err != nil {
			return err
		}
	}
	if err := p.Send(ctx, &kafka.Record{Topic: "progress", Partition: 0, Value: []byte(strconv.Itoa(to))}); err != nil {
		return err
	}
	for {
		err := p.Commit(ctx)
		if err == nil || ctx.Err() != nil || !isRetriable(err) || p.failure() != nil {
			return err
		}
	}
}

func committedProgress(t *testing.T, brokers []string) int {
	t.Helper()
	last := 0
	for _, v := range readPending(t, brokers, "progress")[0] {
		n, err := strconv.Atoi(v)
		if err != nil || n <= last {
			t.Fatalf("progress %q behind %d: %v", v, last, err)
		}
		last = n
	}
	return last
}

// refuseSometimes answers retriable errors, and counts them.
func refuseSometimes(cluster *kfake.Cluster, rnd *rand.Rand) *atomic.Int64 {
	var count atomic.Int64
	refuse := func(codes ...int16) (int16, bool) {
		cluster.KeepControl()
		if rnd.IntN(8) != 0 {
			return 0, false
		}
		count.Add(1)
		return codes[rnd.IntN(len(codes))], true
	}
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		code, yes := refuse(3, 5, 6, 7, 19, 51, 56)
		if !yes {
			return nil, nil, false
		}
		return refuseProduce(req.(*kmsg.ProduceRequest), func(string, int32) int16 { return code }), nil, true
	})
	cluster.ControlKey(int16(kmsg.AddPartitionsToTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		code, yes := refuse(14, 15, 16, 51, 3)
		if !yes {
			return nil, nil, false
		}
		r := req.(*kmsg.AddPartitionsToTxnRequest)
		res := req.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
		for i, topic := range r.Topics {
			rt := kmsg.NewAddPartitionsToTxnResponseTopic()
			rt.Topic = topic.Topic
			for j, id := range topic.Partitions {
				rp := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
				rp.Partition, rp.ErrorCode = id, 55 // OPERATION_NOT_ATTEMPTED, but for one
				if i == 0 && j == 0 {
					rp.ErrorCode = code
				}
				rt.Partitions = append(rt.Partitions, rp)
			}
			res.Topics = append(res.Topics, rt)
		}
		return res, nil, true
	})
	cluster.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		code, yes := refuse(14, 15, 16, 51)
		if !yes {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.EndTxnResponse)
		res.ErrorCode = code
		return res, nil, true
	})
	cluster.ControlKey(int16(kmsg.InitProducerID), func(req kmsg.Request) (kmsg.Response, error, bool) {
		code, yes := refuse(14, 15, 16, 51)
		if !yes {
			return nil, nil, false
		}
		res := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		res.ErrorCode = code
		return res, nil, true
	})
	return &count
}

// TestTransactionalRecordIsRefused: a record that finally fails ends the producer, and nothing of its transaction is committed.
func TestTransactionalRecordIsRefused(t *testing.T) {
	cluster, brokers := fakeCluster(t, kfake.SeedTopics(2, "t"))
	cluster.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		r := req.(*kmsg.ProduceRequest)
		if r.Topics[0].Partitions[0].Partition != 1 {
			return nil, nil, false
		}
		return refuseProduce(r, func(string, int32) int16 { return 87 }), nil, true // INVALID_RECORD
	})
	p := startTxn(t, txnConfig(brokers, "it"))
	send(t, p.Producer, record("t", 0, "good"))
	p.Flush()
	waitAcked(t, p.Producer, 1)
	send(t, p.Producer, record("t", 1, "bad"))
	if err := p.Commit(testContext(t)); err == nil || !contains(err, "code 87") {
		t.Errorf("Commit = %v, want the error of the record", err)
	}
	if err := p.failed(t); err == nil || isRetriable(err) {
		t.Errorf("Run = %v, want the error of the record", err)
	}
	if got := readPending(t, brokers, "t"); len(got) != 0 {
		t.Errorf("committed records = %v, want none", fmt.Sprint(got))
	}
}
