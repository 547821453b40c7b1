package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
)

func txnConfig(brokers []string, id string) Config {
	c := testConfig(ForProducer, brokers)
	c.Producer.TransactionalID = id
	return c
}

// startTxn is a transactional producer that is initialised.
func startTxn(t testing.TB, c Config) *runningProducer {
	t.Helper()
	p := startProducer(t, c)
	if err := p.Init(testContext(t)); err != nil {
		t.Fatal(err)
	}
	return p
}

func commit(t testing.TB, p *runningProducer) {
	t.Helper()
	if err := p.Commit(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

// readCommitted reads what is committed, up to the first transaction that is open.
func readCommitted(t testing.TB, brokers []string, topic string) map[int32][]string {
	t.Helper()
	c := testConfig(ForConsumer, brokers)
	c.Consumer.Isolation = ReadCommitted
	got := make(map[int32][]string)
	err := Read(testContext(t), c, Reading{Topic: topic, From: FromBeginning, UntilEnd: true}, func(r *kafka.Record) error {
		got[r.Partition] = append(got[r.Partition], string(r.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// readPending waits for transactions that are open.
func readPending(t testing.TB, brokers []string, topic string) map[int32][]string {
	t.Helper()
	c := testConfig(ForConsumer, brokers)
	c.Consumer.Isolation = ReadCommitted
	got := make(map[int32][]string)
	err := Read(testContext(t), c, Reading{Topic: topic, From: FromBeginning, UntilEnd: true, Pending: true}, func(r *kafka.Record) error {
		got[r.Partition] = append(got[r.Partition], string(r.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func record(topic string, partition int32, value string) kafka.Record {
	return kafka.Record{Topic: topic, Partition: partition, Value: []byte(value)}
}

func TestTransactions(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 2)
	p := startTxn(t, txnConfig(brokers, topic))
	send(t, p.Producer, record(topic, 0, "a"), record(topic, 1, "b"))
	p.Flush()
	waitAcked(t, p.Producer, 2)
	if got := readCommitted(t, brokers, topic); len(got) != 0 {
		t.Errorf("before Commit readers of committed records see %v, want nothing", got)
	}
	commit(t, p)
	commit(t, p) // of nothing
	want := map[int32][]string{0: {"a"}, 1: {"b"}}
	if diff := cmp.Diff(want, readPending(t, brokers, topic)); diff != "" {
		t.Errorf("after Commit (-want +got):\n%s", diff)
	}

	send(t, p.Producer, record(topic, 0, "dropped"), record(topic, 1, "dropped"))
	p.Flush()
	waitAcked(t, p.Producer, 4)
	send(t, p.Producer, record(topic, 0, "dropped before it was sent"))
	if err := p.Abort(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if sent, acked := p.Sent(), p.Acked(); sent != 5 || acked != 5 {
		t.Errorf("after Abort: sent %d, acknowledged %d, want 5, 5", sent, acked)
	}
	for i := range 20 { // sequence numbers go on behind an abort
		v := fmt.Sprint("c", i)
		send(t, p.Producer, record(topic, 0, v))
		commit(t, p)
		want[0] = append(want[0], v)
	}
	send(t, p.Producer, record(topic, 1, "open at the end"))
	p.Flush()
	waitAcked(t, p.Producer, 26)
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, readPending(t, brokers, topic)); diff != "" {
		t.Errorf("after the end (-want +got):\n%s", diff)
	}
}

// TestAbortBeforeAnythingIsSent: the sequence numbers of batches that were made and dropped are used again.
func TestAbortBeforeAnythingIsSent(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	c := txnConfig(brokers, topic)
	c.Producer.BatchBytes = 100 // a batch per record or two: closed ones are in the queue
	p := startTxn(t, c)
	var want []string
	for i := range 30 {
		for j := range 3 {
			v := fmt.Sprint("kept", i, j)
			want = append(want, v)
			send(t, p.Producer, record(topic, 0, v))
		}
		commit(t, p)
		for range 3 {
			send(t, p.Producer, record(topic, 0, "dropped"))
		}
		if err := p.Abort(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, readPending(t, brokers, topic)[0]); diff != "" {
		t.Errorf("committed records (-want +got):\n%s", diff)
	}
}

// TestCut: records behind the cut are not of the transaction that is committed, although they were sent before.
func TestCut(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	p := startTxn(t, txnConfig(brokers, topic))
	send(t, p.Producer, record(topic, 0, "first"))
	p.Cut()
	send(t, p.Producer, record(topic, 0, "second"))
	p.Flush()
	p.Cut() // there is one
	commit(t, p)
	waitAcked(t, p.Producer, 2) // it goes by itself once the first transaction is committed
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int32][]string{0: {"first"}}, readPending(t, brokers, topic)); diff != "" {
		t.Errorf("committed records (-want +got):\n%s", diff)
	}
	if got := len(readAll(t, brokers, topic)[0]); got != 2 {
		t.Errorf("records in the log = %d, want 2", got)
	}
}

// TestFencedByTheNext: who takes the id over aborts what was open; the one before ends, for good.
func TestFencedByTheNext(t *testing.T) {
	for _, by := range []string{"producer", "admin"} {
		for _, at := range []string{"send", "commit"} {
			t.Run(by+" at "+at, func(t *testing.T) {
				brokers := testBrokers(t)
				topic := newTopic(t, brokers, 2)
				c := txnConfig(brokers, topic)
				old := startTxn(t, c)
				send(t, old.Producer, record(topic, 0, "of the old one"))
				old.Flush()
				waitAcked(t, old.Producer, 1)
				if by == "producer" {
					p := startTxn(t, c)
					send(t, p.Producer, record(topic, 0, "of the new one"))
					commit(t, p)
				} else {
					a := NewAdmin(testConfig(ForAdmin, brokers))
					defer a.Close()
					if err := a.FenceProducers(testContext(t), topic, topic+"-unused"); err != nil {
						t.Fatal(err)
					}
				}
				if at == "send" {
					send(t, old.Producer, record(topic, 1, "too late"))
					old.Flush()
				} else if err := old.Commit(testContext(t)); !isFenced(err) {
					t.Errorf("Commit of a fenced producer = %v, want a FencedError", err)
				}
				if err := old.failed(t); !isFenced(err) || isRetriable(err) || !contains(err, topic) {
					t.Errorf("Run of a fenced producer = %v, want a FencedError that names the id and is not retriable", err)
				}
				var want []string
				if by == "producer" {
					want = []string{"of the new one"}
				}
				if diff := cmp.Diff(want, readPending(t, brokers, topic)[0]); diff != "" {
					t.Errorf("committed records (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestFencedBeforeTheFirst: to fence an id that nobody has had leaves its first producer the time that it asks for.
func TestFencedBeforeTheFirst(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	a := NewAdmin(testConfig(ForAdmin, brokers))
	defer a.Close()
	if err := a.FenceProducers(testContext(t), topic); err != nil {
		t.Fatal(err)
	}
	p := startTxn(t, txnConfig(brokers, topic))
	send(t, p.Producer, record(topic, 0, "first"))
	p.Flush()
	waitAcked(t, p.Producer, 1)
	<-time.After(30 * time.Millisecond) // longer than the millisecond of who fences
	commit(t, p)
}

func isFenced(err error) bool {
	var fenced *kafka.FencedError
	return errors.As(err, &fenced)
}

// TestTransactionTimesOut: the broker gives a transaction up that is open for too long; that is not being fenced, so another attempt is due.
func TestTransactionTimesOut(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	c := txnConfig(brokers, topic)
	c.Producer.TransactionTimeout = 300 * time.Millisecond
	p := startTxn(t, c)
	send(t, p.Producer, record(topic, 0, "given up"))
	p.Flush()
	waitAcked(t, p.Producer, 1)
	reading, stop := context.WithTimeout(context.Background(), limit)
	defer stop()
	r := testConfig(ForConsumer, brokers)
	r.Consumer.Isolation = ReadCommitted
	err := Read(reading, r, Reading{Topic: topic, From: FromBeginning, UntilEnd: true, Pending: true}, func(*kafka.Record) error { // returns when it is aborted
		t.Error("a record that was not committed is read")
		return nil
	})
	if err != nil || reading.Err() != nil {
		t.Fatalf("Read = %v, %v", err, reading.Err())
	}
	err = p.Commit(testContext(t))
	var given *kafka.TransactionError
	if !errors.As(err, &given) || !isRetriable(err) || !contains(err, "transaction.timeout.ms") {
		t.Errorf("Commit after transaction.timeout.ms = %v, want a retriable TransactionError", err)
	}
	if err := p.failed(t); !errors.As(err, &given) {
		t.Errorf("Run = %v, want the TransactionError", err)
	}
}

func TestTransactionalMisuse(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	p := startProducer(t, txnConfig(brokers, topic))
	r := record(topic, 0, "x")
	if err := p.Send(testContext(t), &r); !errors.Is(err, errNoInit) {
		t.Errorf("Send before Init = %v, want %v", err, errNoInit)
	}
	if err := p.Commit(testContext(t)); !errors.Is(err, errNoInit) {
		t.Errorf("Commit before Init = %v, want %v", err, errNoInit)
	}
	if err := p.Abort(testContext(t)); !errors.Is(err, errNoInit) {
		t.Errorf("Abort before Init = %v, want %v", err, errNoInit)
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func(context.Context) error{"Init": p.Init, "Commit": p.Commit} {
		if err := call(testContext(t)); !errors.Is(err, ErrProducerEnded) {
			t.Errorf("%s after the end = %v, want %v", name, err, ErrProducerEnded)
		}
	}
	plain := startProducer(t, testConfig(ForProducer, brokers))
	for name, call := range map[string]func(context.Context) error{"Init": plain.Init, "Commit": plain.Commit, "Abort": plain.Abort} {
		if err := call(testContext(t)); !errors.Is(err, errNoTxn) {
			t.Errorf("%s without a transactional id = %v, want %v", name, err, errNoTxn)
		}
	}
}
