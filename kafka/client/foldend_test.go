package client

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
)

// TestNoLagBehindMarkers: who has read all records that there are to read is at the end, although the marks of transactions, and the records of those that
// were aborted or are open, stand behind them; also when they are all that it meets.
func TestNoLagBehindMarkers(t *testing.T) {
	brokers := testBrokers(t)
	topic := newTopic(t, brokers, 1)
	at := kafka.TopicPartition{Topic: topic}
	p := startTxn(t, txnConfig(brokers, topic))
	send(t, p.Producer, record(topic, 0, "a"), record(topic, 0, "b"))
	commit(t, p) // 0 and 1, the mark is 2
	abort := func() {
		t.Helper()
		send(t, p.Producer, record(topic, 0, "dropped"))
		p.Flush()
		waitAcked(t, p.Producer, p.Sent())
		if err := p.Abort(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
	abort() // 3, the mark is 4
	for _, isolation := range []Isolation{ReadCommitted, ReadUncommitted} {
		t.Run(string(isolation), func(t *testing.T) {
			cfg := groupConfig(t, brokers)
			cfg.Consumer.Isolation = isolation
			last := int64(1) // the offset of the last record
			if isolation == ReadUncommitted {
				last = 3
			}
			h := newRecorder()
			c := startConsumer(t, cfg, Subscription{Topics: []string{topic}}, h)
			h.until(t, "records", func() bool { return len(h.records) > 0 && h.records[len(h.records)-1].Offset == last })
			awaitPartition(t, c.Consumer, PartitionStats{TopicPartition: at, Next: last + 1, End: last + 1})
			if err := c.Commit(testContext(t), []kafka.Position{{TopicPartition: at, Offset: last + 1}}); err != nil {
				t.Fatal(err)
			}
			if err := c.end(t); err != nil {
				t.Fatal(err)
			}
			next := startConsumer(t, cfg, Subscription{Topics: []string{topic}}, newRecorder())
			awaitPartition(t, next.Consumer, PartitionStats{TopicPartition: at, Next: last + 1, End: last + 1})
		})
	}
}

// awaitPartition waits until a consumer stands there in its only partition.
func awaitPartition(t *testing.T, c *Consumer, want PartitionStats) {
	t.Helper()
	after := time.After(limit)
	for {
		got := c.Stats().Partitions
		if len(got) == 1 && got[0] == want {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-after:
			t.Fatalf("Stats().Partitions = %+v, want %+v", got, want)
		}
	}
}

// logBatch is a batch of a partition that a test makes up.
type logBatch struct {
	bytes       []byte
	first, next int64
	producer    int64
	transaction bool
	mark        bool // that ends the transaction of its producer
	aborts      bool
}

// someLog is a partition of n batches: of transactions that end, or do not, in every order, between records without one.
func someLog(t *testing.T, r *rand.Rand, n int) (log []logBatch) {
	t.Helper()
	open := make(map[int64]bool)
	next := int64(r.IntN(5))
	for range n {
		next += int64(r.IntN(9) / 8) // what was there was compacted away
		b := logBatch{first: next, producer: int64(r.IntN(4))}
		b.transaction = b.producer > 0
		b.mark = open[b.producer] && r.IntN(2) == 0
		b.aborts = b.mark && r.IntN(2) == 0
		attributes := uint16(0)
		if b.transaction {
			attributes |= attributeTransaction
			open[b.producer] = !b.mark
		}
		records := []kafka.Record{{Offset: next, Key: []byte("k")}, {Offset: next + int64(r.IntN(3)) + 1}}[:1+r.IntN(2)]
		switch {
		case b.mark && b.aborts:
			records, attributes = []kafka.Record{{Offset: next, Key: []byte{0, 0, 0, 0}}}, attributes|attributeControl
		case b.mark:
			records, attributes = []kafka.Record{{Offset: next, Key: []byte{0, 0, 0, 1}}}, attributes|attributeControl
		}
		b.bytes = wireBatch(t, next, attributes, records, nil)
		binary.BigEndian.PutUint64(b.bytes[batchProducer:], uint64(b.producer))
		binary.BigEndian.PutUint32(b.bytes[batchCRC:], crc32.Checksum(b.bytes[batchAttributes:], batchTable))
		next = records[len(records)-1].Offset + 1
		b.next = next
		log = append(log, b)
	}
	return log
}

// transactions are those of a log: where the open ones begin, and the aborted ones with the offset of their mark. given tells of each batch whether its
// records are given to readers of committed ones, as far as that is decided.
func transactions(log []logBatch) (open map[int64]int64, aborted map[abortedFrom]int64, given []bool) {
	open, aborted, given = make(map[int64]int64), make(map[abortedFrom]int64), make([]bool, len(log))
	for i, b := range log {
		first, began := open[b.producer]
		switch {
		case !b.transaction:
			given[i] = true
		case !b.mark && !began:
			open[b.producer] = b.first
		case b.mark:
			delete(open, b.producer)
			if b.aborts {
				aborted[abortedFrom{b.producer, first}] = b.first
				continue
			}
			for j := range i {
				if log[j].producer == b.producer && log[j].first >= first && !log[j].mark {
					given[j] = true
				}
			}
		}
	}
	return open, aborted, given
}

// TestEndOfRecords reads logs that grow, from any of their batches on, in answers of any length, and asks after each where the records end.
func TestEndOfRecords(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		isolation, version := []Isolation{ReadCommitted, ReadUncommitted}[seed%2], []int16{fetchOldest, fetchNewest}[seed/2%2]
		log := someLog(t, r, 30)
		visible := 1 + r.IntN(len(log))
		at := r.IntN(visible) // the batch to read next
		start := log[at].first
		passed := start
		f := newFolder(false, isolation)
		f.starts(foldedAt, start)
		if end, ok := f.end(foldedAt); ok {
			t.Fatalf("seed %d: end() = %d before the first answer, want that nothing is known", seed, end)
		}
		for range 40 {
			open, aborted, given := transactions(log[:visible])
			high := log[visible-1].next
			end, committed := high, high
			for _, first := range open {
				committed = min(committed, first)
			}
			if isolation == ReadCommitted {
				end = committed
			}
			var records []byte
			from := at
			for upto := at + r.IntN(5); at < visible && at < upto && log[at].next <= end; at++ {
				records = append(records, log[at].bytes...)
			}
			var told []abortedFrom
			for a, mark := range aborted {
				if isolation == ReadCommitted && at > from && a.first < log[at-1].next && mark >= log[from].first {
					told = append(told, a)
				}
			}
			if at < visible {
				records = append(records, log[at].bytes[:r.IntN(len(log[at].bytes))]...) // what is cut off at the end
			}
			in := &answerFrame{data: answerEnding(version, high, committed, told, records)[answerHeader:], users: 1}
			if _, ok := f.answer(make([]byte, answerHeader), in, version); !ok {
				t.Fatalf("seed %d: the answer cannot be read", seed)
			}
			if at > from {
				passed = log[at-1].next
			}
			want := end
			if passed >= end {
				want = start
				for i, b := range log[:at] {
					if b.first >= start && !b.mark && (given[i] || isolation == ReadUncommitted) {
						want = b.next
					}
				}
			}
			if got, ok := f.end(foldedAt); max(got, start) != want || !ok { // a reader may stand beyond what is committed by now
				t.Fatalf("seed %d: end() = %d, %v with %d of %d batches read from %d on, to %d, want %d", seed, got, ok, at, visible, start, end, want)
			}
			visible = min(len(log), visible+r.IntN(3))
		}
	}
}
