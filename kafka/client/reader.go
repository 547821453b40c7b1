package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/kafka"
)

// Reading says what Read reads.
type Reading struct {
	Topic      string
	Partitions []int32 // none: all that there are at the start
	From       int64   // an offset, FromBeginning or FromEnd
	UntilEnd   bool    // stop at the end as it is when the reading begins
	Pending    bool    // with UntilEnd and isolation.level=read_committed: that end is behind transactions that are open, which are waited for
	Max        int     // stop after so many records; 0: no bound

	// Reached hears how far the reading has come in a partition, at its start and when it has gone on: next is the offset behind records and
	// what is none, as markers of transactions. It is called behind the calls for the records; nil: nobody hears.
	Reached func(partition int32, next int64)
}

// Where a Reading starts.
const (
	FromBeginning int64 = -2
	FromEnd       int64 = -1
)

// Read hands the records of a topic to f, one at a time, in order within each partition, until the reading is at its end, f fails or ctx
// ends (nil). It belongs to no group, commits nothing and works on the caller's goroutine. A record lives until f returns.
func Read(ctx context.Context, c Config, r Reading, f func(*kafka.Record) error) error {
	asked := c
	asked.Role = ForAdmin
	rd := &reader{link: link{cfg: asked}, Reading: r, handle: f}
	defer rd.link.close()
	if err := rd.begin(ctx); err != nil {
		return endOf(ctx, err)
	}
	for !rd.done() && ctx.Err() == nil {
		answers, err := rd.round(ctx)
		if err != nil {
			return endOf(ctx, err)
		}
		if err := rd.hand(answers); err != nil {
			return err
		}
	}
	return nil
}

// reader is one Read: it fetches itself, for sarama's consumer does not tell that it has passed a transaction's marker at the end.
type reader struct {
	link
	Reading
	handle func(*kafka.Record) error
	parts  []*readPart
	count  int
	poll   poll
}

// readPart is one partition and where the reading is in it.
type readPart struct {
	kafka.TopicPartition
	next, end int64 // end only counts with UntilEnd
	bytes     int32 // to ask for
}

func (rd *reader) begin(ctx context.Context) error {
	admin := &Admin{link: link{cfg: rd.cfg}}
	defer admin.Close()
	isolation := rd.cfg.Consumer.Isolation
	if rd.Pending {
		isolation = ReadUncommitted
	}
	all, err := admin.offsets(ctx, rd.Topic, isolation)
	if err != nil {
		return err
	}
	ids := rd.Partitions
	if len(ids) == 0 {
		for i := range all {
			ids = append(ids, int32(i))
		}
	}
	for _, id := range ids {
		if id < 0 || int(id) >= len(all) {
			return fmt.Errorf("read topic %q: it has %d partitions, number %d is asked for", rd.Topic, len(all), id)
		}
		p := &readPart{TopicPartition: all[id].TopicPartition, next: rd.From, end: all[id].End, bytes: int32(max(rd.cfg.Consumer.PartitionBytes, 1))}
		switch {
		case rd.From == FromBeginning:
			p.next = all[id].Begin
		case rd.From == FromEnd:
			p.next = all[id].End
		case rd.From < all[id].Begin || rd.From > all[id].End:
			return &kafka.PositionError{Position: kafka.Position{TopicPartition: p.TopicPartition, Offset: rd.From}, Begin: all[id].Begin, End: all[id].End}
		}
		rd.parts = append(rd.parts, p)
		if rd.Reached != nil {
			rd.Reached(p.Partition, p.next)
		}
	}
	rd.dropDone()
	return nil
}

func (rd *reader) done() bool {
	return len(rd.parts) == 0 || rd.Max > 0 && rd.count >= rd.Max
}

func (rd *reader) dropDone() {
	if rd.UntilEnd {
		rd.parts = slices.DeleteFunc(rd.parts, func(p *readPart) bool { return p.next >= p.end })
	}
}

// fetched is one leader's answer.
type fetched struct {
	parts    []*readPart
	response *sarama.FetchResponse
}

// round fetches once from every leader.
func (rd *reader) round(ctx context.Context) (answers []fetched, err error) {
	err = rd.call(ctx, fmt.Sprintf("read topic %q", rd.Topic), func() (err error) {
		answers, err = rd.fetch()
		return err
	})
	return answers, err
}

// hand gives what came to the caller's function.
func (rd *reader) hand(answers []fetched) error {
	for _, a := range answers {
		for _, p := range a.parts {
			before := p.next
			if err := rd.take(p, a.response.GetBlock(p.Topic, p.Partition)); err != nil {
				return err
			}
			if rd.Reached != nil && p.next > before {
				rd.Reached(p.Partition, p.next)
			}
			if rd.done() {
				return nil
			}
		}
	}
	rd.dropDone()
	return nil
}

// fetch asks the leaders, all at the same time. Within call.
func (rd *reader) fetch() ([]fetched, error) {
	byLeader := make(map[*sarama.Broker]*fetched)
	for _, p := range rd.parts {
		leader, err := rd.client.Leader(p.Topic, p.Partition)
		if err != nil {
			return nil, err
		}
		if byLeader[leader] == nil {
			byLeader[leader] = new(fetched)
		}
		byLeader[leader].parts = append(byLeader[leader].parts, p)
	}
	wait := rd.cfg.Consumer.FetchWait
	if len(byLeader) > 1 { // nobody waits long for a leader without records
		wait = min(wait, 50*time.Millisecond)
	}
	var g errgroup.Group
	for leader, a := range byLeader {
		g.Go(func() (err error) {
			if a.response, err = leader.Fetch(rd.request(a.parts, wait)); err != nil {
				_ = leader.Close()
				return err
			}
			return fetchError(a)
		})
	}
	if err := g.Wait(); err != nil {
		_ = rd.client.RefreshMetadata(rd.Topic)
		return nil, err
	}
	answers := make([]fetched, 0, len(byLeader))
	for _, a := range byLeader {
		answers = append(answers, *a)
	}
	return answers, nil
}

func (rd *reader) request(parts []*readPart, wait time.Duration) *sarama.FetchRequest {
	req := &sarama.FetchRequest{
		Version: 12, MinBytes: 1, MaxWaitTime: int32(wait.Milliseconds()), MaxBytes: int32(max(rd.cfg.Consumer.FetchMaxBytes, 1)),
		SessionEpoch: -1, // no fetch session
	}
	if rd.cfg.Consumer.Isolation == ReadCommitted {
		req.Isolation = sarama.ReadCommitted
	}
	for _, p := range parts {
		req.AddBlock(p.Topic, p.Partition, p.next, p.bytes, -1)
	}
	return req
}

// fetchError is the first error of a partition.
func fetchError(a *fetched) error {
	for _, p := range a.parts {
		block := a.response.GetBlock(p.Topic, p.Partition)
		switch {
		case block == nil:
			return sarama.ErrIncompleteResponse
		case block.Err == sarama.ErrOffsetOutOfRange:
			return &kafka.PositionError{Position: kafka.Position{TopicPartition: p.TopicPartition, Offset: p.next}, Begin: block.LogStartOffset, End: block.HighWaterMarkOffset}
		case block.Err != sarama.ErrNoError:
			return block.Err
		}
	}
	return nil
}

// take hands on one partition's records and moves behind them, and behind what is none: markers, aborted transactions, gaps.
func (rd *reader) take(p *readPart, block *sarama.FetchResponseBlock) error {
	aborted := slices.Clone(block.AbortedTransactions)
	slices.SortFunc(aborted, func(a, b *sarama.AbortedTransaction) int { return int(min(1, max(-1, a.FirstOffset-b.FirstOffset))) })
	open := make(map[int64]bool) // producers within an aborted transaction
	for _, records := range block.RecordsSet {
		b := records.RecordBatch
		switch {
		case b == nil:
			return fmt.Errorf("read topic %q partition %d at offset %d: the records are in the format of Kafka before 0.11", p.Topic, p.Partition, p.next)
		case b.PartialTrailingRecord:
			if len(block.RecordsSet) == 1 {
				p.bytes = min(p.bytes, 1<<30/2) * 2
			}
			return nil
		}
		if rd.UntilEnd && b.FirstOffset >= p.end { // came since the end was asked for
			p.next = max(p.next, p.end)
			return nil
		}
		for len(aborted) > 0 && aborted[0].FirstOffset <= b.LastOffset() {
			open[aborted[0].ProducerID] = true
			aborted = aborted[1:]
		}
		switch {
		case b.Control:
			if isAbort(b) {
				delete(open, b.ProducerID)
			}
		case b.IsTransactional && open[b.ProducerID] && rd.cfg.Consumer.Isolation == ReadCommitted:
		default:
			if err := rd.batch(p, b); err != nil || rd.done() {
				return err
			}
		}
		p.next = max(p.next, b.LastOffset()+1)
	}
	return nil
}

// isAbort reads a marker: its key is Int16 version | Int16 type, 0 abort, 1 commit.
func isAbort(b *sarama.RecordBatch) bool {
	return len(b.Records) > 0 && len(b.Records[0].Key) >= 4 && b.Records[0].Key[2] == 0 && b.Records[0].Key[3] == 0
}

func (rd *reader) batch(p *readPart, b *sarama.RecordBatch) error {
	for _, r := range b.Records {
		offset := b.FirstOffset + r.OffsetDelta
		if offset < p.next { // the batch begins before
			continue
		}
		if rd.UntilEnd && offset >= p.end || rd.done() {
			return nil
		}
		m := sarama.ConsumerMessage{
			Topic: p.Topic, Partition: p.Partition, Offset: offset, Key: r.Key, Value: r.Value, Headers: r.Headers,
			Timestamp: b.FirstTimestamp.Add(r.TimestampDelta),
		}
		if b.LogAppendTime {
			m.Timestamp = b.MaxTimestamp
		}
		rd.poll.reset()
		rd.poll.addMessage(&m)
		p.next = offset + 1
		rd.count++
		if err := rd.handle(&rd.poll.records[0]); err != nil {
			return err
		}
	}
	return nil
}
