package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/kafka"
)

// Subscription is what a consumer reads: topics by name, or all that Match accepts but Kafka's internal ones. Topics that do not exist yet
// join as soon as they are seen, every metadata.max.age.ms.
type Subscription struct {
	Topics []string
	Match  func(topic string) bool

	// Recycle has the bytes of records used again. Without it they stay what they are as long as somebody holds them, though no promise says so.
	Recycle bool
}

// Assignment is a partition given to this member. It has the fields of sink.Assignment and converts to it.
type Assignment struct {
	kafka.TopicPartition
	ClusterID string
	TopicID   string // canonical UUID text; "" when the broker is too old to say
	// Partitions is how many the topic has, those of other members among them.
	Partitions int
	// Begin and End are the offsets of the first record and of the next one to be written, when the partition was assigned.
	Begin, End int64
	// Committed is the group's committed offset, -1 when there is none.
	Committed int64
}

// Handler is who gets the records. Its methods are called by one goroutine at a time; an error of one ends Run with it, but that of an
// Assigned whose context has ended: the partitions were given up meanwhile.
type Handler interface {
	// Assigned takes partitions over and returns where to start in those whose position the caller holds itself. The others start from
	// the group's committed offset, then auto.offset.reset. It is called with every rebalance, with all partitions of this member.
	Assigned(ctx context.Context, partitions []Assignment) ([]kafka.Position, error)

	// Records gets the next records, in order within each partition. They live until the next call of Records or of Revoked returns, bytes included. It may
	// block: the member stays alive meanwhile. ctx ends when the partitions must be given up, which waits for Records to return.
	Records(ctx context.Context, records []kafka.Record) error

	// Revoked gives up all partitions of the last Assigned; it is called once for each Assigned that returned without error. Commit still
	// works in it, unless lost: then another member may have them already.
	Revoked(ctx context.Context, partitions []kafka.TopicPartition, lost bool) error
}

// Consumer is a member of a consumer group.
type Consumer struct {
	cfg  Config
	sub  Subscription
	side link // for questions and commits: the group's own connections are busy waiting for records

	counts consumerCounts

	mu      sync.Mutex
	session *session // nil: no partitions
}

// NewConsumer stores the configuration; Run dials.
func NewConsumer(c Config, s Subscription) *Consumer {
	asked := c
	asked.Role = ForAdmin
	asked.APITimeout = min(c.APITimeout, 10*time.Second) // Run goes on trying, and says so
	return &Consumer{cfg: c, sub: s, side: link{cfg: asked}}
}

// closeTimeout is how long a consumer may take to leave its group when the brokers are gone too.
const closeTimeout = 10 * time.Second

// Run is a member of the group and hands records to h until ctx ends (nil) or a call fails. While no broker can be reached it goes on
// trying, and says so once. It is called once.
func (c *Consumer) Run(parent context.Context, h Handler) error {
	if c.cfg.Consumer.Group == "" {
		return errors.New("a consumer needs a group.id")
	}
	// The group is left in order after parent ends, within closeTimeout.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	defer cancel(nil)
	defer context.AfterFunc(parent, func() { time.AfterFunc(closeTimeout, func() { cancel(nil) }) })()
	defer c.side.close()
	f := newFolder(c.sub.Recycle, c.cfg.Consumer.Isolation)
	client, err := c.openGroupClient(ctx, f)
	if err != nil {
		return err
	}
	group, err := sarama.NewConsumerGroupFromClient(c.cfg.Consumer.Group, client)
	if err != nil {
		_ = client.Close()
		return fmt.Errorf("set up consumer group %q: %w", c.cfg.Consumer.Group, err)
	}
	r := &groupRun{consumer: c, client: client, group: group, handler: h, folder: f}
	var errs sync.WaitGroup
	errs.Go(r.readErrors)
	err = r.loop(parent)
	_ = group.Close() // leaves the group
	errs.Wait()
	_ = client.Close()
	return err
}

func (c *Consumer) openGroupClient(ctx context.Context, f *folder) (sarama.Client, error) {
	k := c.cfg.Consumer
	d := newDialer(ctx, c.cfg.DialTimeout)
	d.wrap = f.wrap
	s, err := saramaConfig(d, c.cfg)
	if err != nil {
		return nil, err
	}
	s.ChannelBufferSize = 16                                                 // of batches
	s.Metadata.Retry.Max, s.Metadata.Retry.Backoff = 3, 250*time.Millisecond // heartbeats are tried as often
	s.Consumer.Return.Errors = true
	s.Consumer.Offsets.AutoCommit.Enable = false
	s.Consumer.Offsets.Initial = sarama.OffsetOldest // never used: a session sets every offset
	s.Consumer.Group.ResetInvalidOffsets = false
	s.Consumer.Group.InstanceId = k.Instance
	s.Consumer.Group.Session.Timeout, s.Consumer.Group.Heartbeat.Interval = k.Session, k.Heartbeat
	s.Consumer.Group.Rebalance.Timeout = k.rebalance()
	s.Consumer.Group.Rebalance.GroupStrategies = k.strategies()
	s.Consumer.Fetch.Min, s.Consumer.Fetch.Default = int32(max(k.FetchMinBytes, 1)), int32(max(k.PartitionBytes, 1))
	s.Consumer.Fetch.MaxBytes = int32(max(k.FetchMaxBytes, 1))
	s.Consumer.MaxWaitTime = max(k.FetchWait, time.Millisecond)
	s.Consumer.Retry.Backoff = c.cfg.RetryBackoffMost
	if k.Isolation == ReadCommitted {
		s.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	s.Net.ReadTimeout = max(s.Net.ReadTimeout, k.FetchWait+c.cfg.RequestTimeout, k.rebalance()+5*time.Second) // joining waits for the slowest member
	client, err := sarama.NewClient(c.cfg.Brokers, s)
	if err != nil {
		return nil, fmt.Errorf("set up consumer group %q: %w", k.Group, err)
	}
	d.use(ctx)
	c.cfg.Traffic.follow(client)
	return client, nil
}

// rebalance is how long the members may take to join: sarama knows one limit for all responses, and a broker that is silent for
// minutes should not keep it.
func (k *ConsumerConfig) rebalance() time.Duration { return min(k.MaxPollInterval, time.Minute) }

func (k *ConsumerConfig) strategies() []sarama.BalanceStrategy {
	var out []sarama.BalanceStrategy
	for _, name := range k.assignors {
		switch assignors[name] {
		case RangeAssignor:
			out = append(out, sarama.NewBalanceStrategyRange())
		case RoundRobinAssignor:
			out = append(out, sarama.NewBalanceStrategyRoundRobin())
		case StickyAssignor:
			out = append(out, sarama.NewBalanceStrategySticky())
		}
	}
	return out
}

// Commit stores positions as the group's committed offsets; the first of an assignment also where the other partitions started. It works from
// Assigned to the end of Revoked, one call at a time.
func (c *Consumer) Commit(ctx context.Context, positions []kafka.Position) error {
	if len(positions) == 0 {
		return nil
	}
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	op := fmt.Sprintf("commit the offsets of group %q", c.cfg.Consumer.Group)
	if s == nil {
		return &kafka.BrokerError{Op: op, Code: int16(sarama.ErrUnknownMemberId), Err: errors.New("no partitions are assigned"), Transient: true}
	}
	m := member{id: s.sarama.MemberID(), generation: s.sarama.GenerationID(), instance: c.cfg.Consumer.Instance}
	positions = s.withStarts(positions)
	began := time.Now()
	defer func() { c.counts.commit(time.Since(began)) }()
	var gone error // of a membership that is over: what helps is a rebalance, not the same call
	err := c.side.call(ctx, op, func() error {
		err := c.side.commit(c.cfg.Consumer.Group, m, positions)
		var code sarama.KError
		if errors.As(err, &code) && (code == sarama.ErrIllegalGeneration || code == sarama.ErrUnknownMemberId || code == sarama.ErrRebalanceInProgress) {
			gone = err
			return nil
		}
		return err
	})
	if err == nil {
		err = classify(op, gone)
	}
	if err == nil {
		s.told()
	}
	return err
}

// groupRun is one Run.
type groupRun struct {
	consumer *Consumer
	client   sarama.Client
	group    sarama.ConsumerGroup
	handler  Handler
	folder   *folder

	mu   sync.Mutex
	err  error              // ends Run
	stop context.CancelFunc // ends the session
	down bool
	// Where partitions were whose records sarama gave up to read: it does so when the offset is out of range, and tells why later.
	suspects map[kafka.TopicPartition]int64
}

// loop joins the group again after every rebalance.
func (r *groupRun) loop(parent context.Context) error {
	c := r.consumer
	log := c.cfg.logger()
	for attempt := 0; parent.Err() == nil; {
		topics, missing, err := r.topics(parent)
		if err == nil && len(topics) > 0 {
			err = r.session(parent, topics)
		}
		if fatal := r.failure(); fatal != nil {
			return fatal
		}
		if parent.Err() != nil {
			return nil
		}
		err = classify(fmt.Sprintf("consume in group %q at %v", c.cfg.Consumer.Group, c.cfg.Brokers), err)
		switch {
		case err != nil && !retriable(err) && !errors.Is(err, context.Canceled):
			return err
		case err != nil:
			r.lost(err)
			if !pause.For(parent, c.cfg.backoff(attempt)) {
				return nil
			}
			attempt++
		case len(topics) == 0:
			if attempt == 0 {
				log.Warn("no topic to consume exists yet; waiting", "group", c.cfg.Consumer.Group, "topics", missing)
			}
			if !pause.For(parent, min(c.cfg.MetadataAge, time.Second<<min(attempt, 5))) {
				return nil
			}
			attempt++
		default:
			attempt = 0
		}
	}
	return nil
}

// topics are those of the subscription that exist.
func (r *groupRun) topics(ctx context.Context) (found, missing []string, err error) {
	c := r.consumer
	if c.sub.Match == nil && c.cfg.Consumer.AutoCreate {
		_ = r.client.RefreshMetadata(c.sub.Topics...) // makes the broker create them; what it could not is missing below
	}
	var all []Topic
	err = c.side.call(ctx, "look up the topics to consume", func() (err error) {
		_, all, err = c.side.describe(c.sub.Topics)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, t := range all {
		if c.sub.Match == nil || !t.Internal && c.sub.Match(t.Name) {
			found = append(found, t.Name)
		}
	}
	slices.Sort(found)
	for _, name := range c.sub.Topics {
		if !slices.Contains(found, name) {
			missing = append(missing, name)
		}
	}
	return found, missing, nil
}

// session is a member of one generation of the group, or ends early because other topics are to be consumed.
func (r *groupRun) session(parent context.Context, topics []string) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	r.mu.Lock()
	r.stop = cancel
	failed := r.err != nil // since the session before: nobody stops this one for it
	r.mu.Unlock()
	if failed {
		return nil
	}
	var watcher sync.WaitGroup
	watcher.Go(func() { r.watchTopics(ctx, cancel, topics) })
	r.consumer.counts.rejoins()
	err := r.group.Consume(ctx, topics, &session{run: r})
	cancel()
	watcher.Wait()
	if errors.Is(err, context.Canceled) && parent.Err() == nil {
		err = nil // topics changed
	}
	if err != nil && parent.Err() == nil {
		r.consumer.counts.failed.Add(1)
	}
	return err
}

// watchTopics ends the session when the subscription's topics are others.
func (r *groupRun) watchTopics(ctx context.Context, cancel context.CancelFunc, topics []string) {
	for pause.For(ctx, max(r.consumer.cfg.MetadataAge, 100*time.Millisecond)) {
		if now, _, err := r.topics(ctx); err == nil && !slices.Equal(now, topics) && len(now) > 0 {
			cancel()
			return
		}
	}
}

// readErrors drains what sarama reports beside its return values, until the group is closed.
func (r *groupRun) readErrors() {
	for err := range r.group.Errors() {
		var at *sarama.ConsumerError
		if errors.As(err, &at) && errors.Is(err, sarama.ErrOffsetOutOfRange) {
			r.fail(r.outOfRange(kafka.TopicPartition{Topic: at.Topic, Partition: at.Partition}))
			continue
		}
		r.lost(err)
	}
}

// lost says once that something keeps the consumer from its records.
func (r *groupRun) lost(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.down {
		r.down = true
		r.consumer.cfg.logger().Warn("the consumer has lost its brokers or its group; trying on", "group", r.consumer.cfg.Consumer.Group, "error", plainText(err))
	}
}

// suspect notes where a partition was when its records ended before the session did.
func (r *groupRun) suspect(s *session, tp kafka.TopicPartition) {
	if s.sarama.Context().Err() != nil {
		return
	}
	at := s.at(tp)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.suspects == nil {
		r.suspects = make(map[kafka.TopicPartition]int64)
	}
	if _, ok := r.suspects[tp]; !ok {
		r.suspects[tp] = at
	}
}

func (r *groupRun) suspected(tp kafka.TopicPartition) (at int64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok = r.suspects[tp]
	return at, ok
}

// cleared forgets the suspects: records flow again.
func (r *groupRun) cleared() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.suspects)
}

// outOfRange tells where a partition was and what there is of it.
func (r *groupRun) outOfRange(tp kafka.TopicPartition) error {
	out := &kafka.PositionError{Position: kafka.Position{TopicPartition: tp, Offset: -1}, Begin: -1, End: -1}
	c := r.consumer
	if at, ok := r.suspected(tp); ok {
		out.Offset = at
	} else {
		c.mu.Lock()
		if c.session != nil {
			out.Offset = c.session.at(tp)
		}
		c.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = c.side.call(ctx, "look up a partition", func() error {
		extents, err := c.side.extents([]kafka.TopicPartition{tp}, ReadUncommitted)
		if err == nil {
			out.Begin, out.End = extents[0].Begin, extents[0].End
		}
		return err
	})
	return out
}

// enter makes s the session that Commit belongs to; nil: none.
func (r *groupRun) enter(s *session) {
	r.consumer.mu.Lock()
	defer r.consumer.mu.Unlock()
	r.consumer.session = s
}

// fail ends Run with the first error.
func (r *groupRun) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	if r.stop != nil {
		r.stop()
	}
}

func (r *groupRun) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// reached forgets an outage.
func (r *groupRun) reached() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		r.down = false
		r.consumer.cfg.logger().Info("the consumer is in its group again", "group", r.consumer.cfg.Consumer.Group)
	}
}
