package client

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/kafka"
)

// maxPollBytes bounds the keys and values of one call of Handler.Records; a larger record comes alone.
const maxPollBytes = 16 << 20

// session is this member in one generation of the group; sarama calls its methods. A goroutine per partition, sarama's, takes records off
// sarama's channel and gives them to the pump, which alone calls the handler.
type session struct {
	run    *groupRun
	sarama sarama.ConsumerGroupSession
	parts  []kafka.TopicPartition
	taken  bool // Assigned has returned without error

	chunks chan []piece // maker: Setup; senders: ConsumeClaim; never closed; bound: none
	pump   sync.WaitGroup

	mu     sync.Mutex
	next   map[kafka.TopicPartition]int64 // where each partition is
	claims []sarama.ConsumerGroupClaim    // which know how far each goes
	begins map[kafka.TopicPartition]int64 // of the partitions, when they were assigned
	starts []kafka.Position               // where partitions start of which the group knows something else, until it was told
}

// Setup begins the session: the handler says where to start.
func (s *session) Setup(sess sarama.ConsumerGroupSession) error {
	s.sarama = sess
	s.chunks = make(chan []piece)
	s.next = make(map[kafka.TopicPartition]int64)
	for topic, ids := range sess.Claims() {
		for _, id := range ids {
			s.parts = append(s.parts, kafka.TopicPartition{Topic: topic, Partition: id})
		}
	}
	slices.SortFunc(s.parts, func(a, b kafka.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	if len(s.parts) == 0 { // more members than partitions
		s.run.reached()
		s.run.consumer.counts.joined()
		return nil
	}
	assigned, err := s.assignments(sess.Context())
	if err != nil {
		if !retriable(err) && sess.Context().Err() == nil {
			s.run.fail(err)
		}
		return err
	}
	s.run.enter(s)
	s.noteBegins(assigned)
	own, err := s.run.handler.Assigned(sess.Context(), assigned)
	if err == nil {
		s.taken = true
		err = s.seek(assigned, own)
	}
	if err == nil && s.run.consumer.cfg.Consumer.Reset == Latest { // else a partition without records would start behind those of the meantime again
		if err = s.run.consumer.Commit(sess.Context(), s.untold()); retriable(err) && sess.Context().Err() == nil {
			return err // the next session does it
		}
	}
	if ended := sess.Context().Err(); err != nil && ended != nil { // given up meanwhile: no failure, the next session asks anew
		return ended
	}
	if err != nil {
		s.run.fail(err)
		return err
	}
	s.run.reached()
	s.run.consumer.counts.joined()
	s.pump.Go(func() { s.hand(sess.Context()) })
	return nil
}

// seek tells sarama every partition's position.
func (s *session) seek(assigned []Assignment, own []kafka.Position) error {
	for _, a := range assigned {
		offset, err := s.position(a, own)
		if err != nil {
			return err
		}
		// MarkOffset only goes forward and ResetOffset only back, from whatever sarama believes.
		s.sarama.MarkOffset(a.Topic, a.Partition, offset, "")
		s.sarama.ResetOffset(a.Topic, a.Partition, offset, "")
		s.startsAt(a, offset)
	}
	return nil
}

// startsAt notes where a partition starts.
func (s *session) startsAt(a Assignment, offset int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next[a.TopicPartition] = offset
	s.run.folder.starts(a.TopicPartition, offset)
	if offset != a.Committed {
		s.starts = append(s.starts, kafka.Position{TopicPartition: a.TopicPartition, Offset: offset})
	}
}

// untold is where partitions start of which the group has yet to be told.
func (s *session) untold() []kafka.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.starts
}

// withStarts adds to what is to be committed where the other partitions start that the group has yet to be told of: it has a place in each then,
// whatever auto.offset.reset says.
func (s *session) withStarts(positions []kafka.Position) []kafka.Position {
	all := slices.Clone(positions)
	for _, start := range s.untold() {
		if !slices.ContainsFunc(positions, func(p kafka.Position) bool { return p.TopicPartition == start.TopicPartition }) {
			all = append(all, start)
		}
	}
	return all
}

// told forgets the starts: the group knows them.
func (s *session) told() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts = nil
}

func (s *session) assignments(ctx context.Context) ([]Assignment, error) {
	c := s.run.consumer
	out := make([]Assignment, len(s.parts))
	err := c.side.call(ctx, "look up the assigned partitions", func() error {
		var names []string
		for _, p := range s.parts {
			names = append(names, p.Topic)
		}
		cluster, topics, err := c.side.describe(slices.Compact(names))
		if err != nil {
			return err
		}
		known := make(map[string]Topic)
		for _, t := range topics {
			known[t.Name] = t
		}
		extents, err := c.side.extents(s.parts, c.cfg.Consumer.Isolation)
		if err != nil {
			return err
		}
		committed, err := c.side.committed(c.cfg.Consumer.Group, s.parts)
		if err != nil {
			return err
		}
		for i, p := range s.parts {
			out[i] = Assignment{TopicPartition: p, ClusterID: cluster, TopicID: known[p.Topic].ID, Partitions: known[p.Topic].Partitions, Begin: extents[i].Begin, End: extents[i].End, Committed: committed[i]}
		}
		return nil
	})
	return out, err
}

// position is the handler's, the group's, or that of auto.offset.reset.
func (s *session) position(a Assignment, own []kafka.Position) (int64, error) {
	if last, ok := s.run.suspected(a.TopicPartition); ok && (last < a.Begin || last > a.End) {
		return 0, &kafka.PositionError{Position: kafka.Position{TopicPartition: a.TopicPartition, Offset: last}, Begin: a.Begin, End: a.End}
	}
	for _, p := range own {
		if p.TopicPartition != a.TopicPartition {
			continue
		}
		if p.Offset < a.Begin || p.Offset > a.End {
			return 0, &kafka.PositionError{Position: p, Begin: a.Begin, End: a.End}
		}
		return p.Offset, nil
	}
	if a.Committed >= a.Begin && a.Committed <= a.End {
		return a.Committed, nil
	}
	reset := s.run.consumer.cfg.Consumer.Reset
	if reset == Fail {
		return 0, &kafka.PositionError{Position: kafka.Position{TopicPartition: a.TopicPartition, Offset: a.Committed}, Begin: a.Begin, End: a.End}
	}
	offset := a.Begin
	if reset == Latest {
		offset = a.End
	}
	if a.Committed >= 0 {
		s.run.consumer.cfg.logger().Warn("the committed offset is not in the partition; auto.offset.reset decides",
			"topic", a.Topic, "partition", a.Partition, "committed", a.Committed, "begin", a.Begin, "end", a.End, "start", offset)
	}
	return offset, nil
}

// Cleanup ends the session, after all ConsumeClaims have.
func (s *session) Cleanup(sess sarama.ConsumerGroupSession) error {
	s.pump.Wait()
	s.run.folder.forget()
	defer s.run.enter(nil)
	if !s.taken {
		return nil
	}
	cause := context.Cause(sess.Context())
	lost := errors.Is(cause, sarama.ErrUnknownMemberId) || errors.Is(cause, sarama.ErrIllegalGeneration) || errors.Is(cause, sarama.ErrFencedInstancedId)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(sess.Context()), s.run.consumer.cfg.Consumer.rebalance())
	defer cancel()
	if err := s.run.handler.Revoked(ctx, s.parts, lost); err != nil {
		s.run.fail(err)
	}
	return nil
}

// piece is what the pump is given at once: a batch of records, or a single one that sarama unpacked.
type piece struct {
	message *sarama.ConsumerMessage // of a batch: what stands for it
	batch   *folded                 // nil: a record
	open    *unpacker               // of the batch, when the pump has begun with it
}

// ConsumeClaim moves one partition's records to the pump: as many as have come while the handler was busy.
func (s *session) ConsumeClaim(sess sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	most := s.run.consumer.cfg.Consumer.MaxPollRecords
	var chunk []piece
	records, bytes := 0, 0
	next := claim.InitialOffset()
	s.claimed(claim)
	for {
		in, out := claim.Messages(), s.chunks
		if len(chunk) == 0 {
			out = nil
		}
		if records >= most || bytes >= maxPollBytes/4 {
			in = nil
		}
		select {
		case <-sess.Context().Done():
			return nil
		case out <- chunk:
			chunk, records, bytes = nil, 0, 0
		case m, ok := <-in:
			if !ok {
				s.run.suspect(s, kafka.TopicPartition{Topic: claim.Topic(), Partition: claim.Partition()})
				return nil
			}
			p := piece{message: m}
			if batch, ok := s.run.folder.unfold(m); ok {
				batch.from = next
				p.batch = batch
				bytes += len(batch.batch)
			} else {
				records++
				bytes += len(m.Key) + len(m.Value)
			}
			next = m.Offset + 1
			chunk = append(chunk, p)
		}
	}
}

// hand is the pump: it calls the handler until the session ends or a call fails.
func (s *session) hand(ctx context.Context) {
	polls := [2]poll{{folder: s.run.folder}, {folder: s.run.folder}} // one is the handler's for longer than its call
	var backlog []piece
	counts := &s.run.consumer.counts
	for n := 0; ; n = 1 - n {
		p := &polls[n]
		p.reset()
		counts.idles()
		if len(backlog) == 0 {
			select {
			case <-ctx.Done():
			case backlog = <-s.chunks:
			}
		}
		if ctx.Err() != nil {
			counts.rests()
			return
		}
		counts.works()
		err := s.gather(p, &backlog)
		if err == nil {
			err = s.deliver(ctx, p)
		}
		if err != nil {
			if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
				s.run.fail(err)
			}
			return
		}
	}
}

// gather fills a poll with what there is, also of other partitions, up to what a call of the handler takes.
func (s *session) gather(p *poll, backlog *[]piece) error {
	most := s.run.consumer.cfg.Consumer.MaxPollRecords
	for len(p.records) < most && p.bytes < maxPollBytes {
		if len(*backlog) == 0 {
			select {
			case *backlog = <-s.chunks:
			default:
				return nil
			}
		}
		done, err := p.take(&(*backlog)[0], most)
		if err != nil {
			return err
		}
		if done {
			(*backlog)[0] = piece{}
			*backlog = (*backlog)[1:]
		}
	}
	return nil
}

// deliver hands a poll on.
func (s *session) deliver(ctx context.Context, p *poll) error {
	if ctx.Err() != nil || len(p.records) == 0 {
		return ctx.Err()
	}
	records := p.records[:len(p.records):len(p.records)]
	if err := s.run.handler.Records(ctx, records); err != nil {
		return err
	}
	s.passed(records)
	return nil
}

// passed notes how far the partitions are.
func (s *session) passed(records []kafka.Record) {
	s.run.cleared()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run.consumer.counts.handed(records)
	for i := range records {
		r := &records[i]
		if i+1 < len(records) && records[i+1].Partition == r.Partition && records[i+1].Topic == r.Topic {
			continue // only the last of a run
		}
		s.next[kafka.TopicPartition{Topic: r.Topic, Partition: r.Partition}] = r.Offset + 1
	}
}

// at is where the partition is; -1 when it is not of this session.
func (s *session) at(tp kafka.TopicPartition) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if offset, ok := s.next[tp]; ok {
		return offset
	}
	return -1
}

// poll is the records of one call, with memory that is used again: that of their bytes only where the folder recycles.
type poll struct {
	folder  *folder // nil: there are no batches
	bytes   int
	records []kafka.Record
	headers []kafka.Header
	frames  []*answerFrame    // what the records are views of
	names   map[string]string // of headers: the same few in every record
}

func (p *poll) reset() {
	clear(p.records)
	clear(p.headers)
	for i, in := range p.frames {
		p.folder.release(in)
		p.frames[i] = nil
	}
	p.records, p.headers, p.frames, p.bytes = p.records[:0], p.headers[:0], p.frames[:0], 0
}

// take adds records of a piece until the poll has most, or bytes enough; done tells that there are no more.
func (p *poll) take(next *piece, most int) (done bool, err error) {
	if next.batch == nil {
		p.addMessage(next.message)
		return true, nil
	}
	if next.open == nil {
		m := next.message
		if next.open, err = p.folder.unpack(kafka.TopicPartition{Topic: m.Topic, Partition: m.Partition}, next.batch); err != nil {
			return false, err
		}
	}
	u := next.open
	for u.left > 0 {
		if len(p.records) >= most || p.bytes >= maxPollBytes {
			return false, nil
		}
		if _, _, ok := u.size(); !ok {
			if err := u.refill(); err != nil {
				return false, u.fail(err)
			}
		}
		p.holds(u.memory)
		if !u.next(p) {
			return false, u.fail(errRecord)
		}
	}
	u.close()
	return true, nil
}

// holds notes what the next record is a view of.
func (p *poll) holds(in *answerFrame) {
	if n := len(p.frames); n > 0 && p.frames[n-1] == in {
		return
	}
	p.folder.share(in)
	p.frames = append(p.frames, in)
}

// addMessage adds a record that sarama unpacked.
func (p *poll) addMessage(m *sarama.ConsumerMessage) {
	r := kafka.Record{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Key: m.Key, Value: m.Value, Timestamp: m.Timestamp}
	start := len(p.headers)
	for _, h := range m.Headers {
		p.headers = append(p.headers, kafka.Header{Key: p.name(h.Key), Value: h.Value})
	}
	if end := len(p.headers); end > start {
		r.Headers = p.headers[start:end:end]
	}
	p.records = append(p.records, r)
	p.bytes += len(m.Key) + len(m.Value)
}

// name makes the same string of the same bytes without allocating, for a bounded number of them.
func (p *poll) name(b []byte) string {
	if s, ok := p.names[string(b)]; ok {
		return s
	}
	const most = 256
	s := string(b)
	if p.names == nil || len(p.names) >= most {
		p.names = make(map[string]string)
	}
	p.names[s] = s
	return s
}
