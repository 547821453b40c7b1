package client

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/kafka"
)

// link is connections for single questions, one at a time: of the Admin, of a consumer beside its records, of a Reader.
type link struct {
	cfg Config

	mu     sync.Mutex
	dial   *dialer
	client sarama.Client
	admin  sarama.ClusterAdmin
	outage outage
}

// call runs f, with retries while its error is retriable, until ctx ends or default.api.timeout.ms is over. op names the deed.
func (l *link) call(ctx context.Context, op string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.APITimeout)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(ctx); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, context.Cause(ctx))
	}
	stop := l.dial.use(ctx)
	defer stop()
	op = fmt.Sprintf("%s at %s", op, strings.Join(l.cfg.Brokers, ","))
	for attempt := 0; ; attempt++ {
		err := l.find()
		if err == nil {
			err = f()
		}
		if err = classify(op, err); err == nil {
			l.outage.ended(l.cfg.logger(), l.cfg.Brokers)
			return nil
		}
		if !retriable(err) || ctx.Err() != nil {
			return err
		}
		if attempt > 0 { // a broker that changes its role is no outage
			l.outage.began(l.cfg.logger(), l.cfg.Brokers, err)
		}
		if !pause.For(ctx, l.cfg.backoff(attempt)) {
			return err
		}
	}
}

func (l *link) open(ctx context.Context) error {
	if l.client != nil {
		return nil
	}
	l.dial = newDialer(ctx, l.cfg.DialTimeout)
	s, err := saramaConfig(l.dial, l.cfg)
	if err != nil {
		return err
	}
	s.Admin.Retry.Max = 0
	s.Admin.Timeout = l.cfg.RequestTimeout
	if l.client, err = sarama.NewClient(l.cfg.Brokers, s); err != nil {
		return fmt.Errorf("set up the Kafka %s: %w", l.cfg.Role, err)
	}
	l.cfg.Traffic.follow(l.client)
	return nil
}

// find meets the cluster the first time.
func (l *link) find() (err error) {
	if l.admin == nil {
		if err = l.refresh(noTopic); err == nil {
			l.admin, err = sarama.NewClusterAdminFromClient(l.client)
		}
	}
	return err
}

// close ends the connections; the next call opens others.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client != nil {
		_ = l.client.Close()
		l.dial.hangUp()
		l.client, l.admin, l.dial = nil, nil, nil
	}
}

// metadata asks any broker about topics; none: all. Within call.
func (l *link) metadata(topics []string) (*sarama.MetadataResponse, error) {
	broker := l.client.LeastLoadedBroker()
	if broker == nil {
		return nil, sarama.ErrOutOfBrokers
	}
	req := sarama.NewMetadataRequest(sarama.MaxVersion, topics)
	res, err := broker.GetMetadata(req)
	if err == nil && len(res.Brokers) > 0 {
		return res, nil
	}
	if err == nil {
		err = sarama.ErrOutOfBrokers // a broker that is starting
	}
	_ = broker.Close()
	if other := refreshMetadata(l.client, topics...); other != nil && !errors.Is(other, sarama.ErrUnknownTopicOrPartition) { // sets dead brokers aside
		err = other
	}
	return nil, err
}

// refresh has sarama find brokers, controller and leaders; topics that do not exist are no error. Within call.
func (l *link) refresh(topics ...string) error {
	err := refreshMetadata(l.client, topics...)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) || errors.Is(err, sarama.ErrInvalidTopic) {
		return nil
	}
	return err
}

// noTopic cannot be met: asking about it only keeps the answer short.
const noTopic = "__tandem.none"

// describe finds the topics that exist among names; none: all.
func (l *link) describe(names []string) (cluster string, topics []Topic, err error) {
	res, err := l.metadata(names)
	if err != nil {
		return "", nil, err
	}
	if res.ClusterID != nil {
		cluster = *res.ClusterID
	}
	for _, t := range res.Topics {
		switch t.Err {
		case sarama.ErrNoError, sarama.ErrLeaderNotAvailable:
		case sarama.ErrUnknownTopicOrPartition:
			continue
		default:
			return "", nil, fmt.Errorf("topic %q: %w", t.Name, t.Err)
		}
		found := Topic{Name: t.Name, ID: uuidText(t.Uuid), Partitions: len(t.Partitions), Internal: t.IsInternal || strings.HasPrefix(t.Name, "__consumer_offsets")}
		if len(t.Partitions) > 0 {
			found.Replicas = len(t.Partitions[0].Replicas)
		}
		topics = append(topics, found)
	}
	return cluster, topics, nil
}

// uuidText is the canonical text; "" for none.
func uuidText(u sarama.Uuid) string {
	if u == (sarama.Uuid{}) {
		return ""
	}
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// extents asks the leaders for the first and the next offset, of committed transactions only if isolation says so.
func (l *link) extents(parts []kafka.TopicPartition, isolation Isolation) ([]PartitionOffsets, error) {
	out := make([]PartitionOffsets, len(parts))
	if len(parts) == 0 {
		return out, nil
	}
	names := make(map[string]bool)
	for _, p := range parts {
		names[p.Topic] = true
	}
	topics := make([]string, 0, len(names))
	for name := range names {
		topics = append(topics, name)
	}
	if err := refreshMetadata(l.client, topics...); err != nil {
		return nil, err
	}
	begins, err := l.offsetsAt(parts, isolation, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	ends, err := l.offsetsAt(parts, isolation, sarama.OffsetNewest)
	if err != nil {
		return nil, err
	}
	for i, p := range parts {
		out[i] = PartitionOffsets{p, begins[i], ends[i]}
	}
	return out, nil
}

// offsetsAt asks the leaders, which are known, for offsets of a time or of what sarama has instead of one.
func (l *link) offsetsAt(parts []kafka.TopicPartition, isolation Isolation, at int64) ([]int64, error) {
	ask := make(map[string]map[int32]int64)
	for _, p := range parts {
		if ask[p.Topic] == nil {
			ask[p.Topic] = make(map[int32]int64)
		}
		ask[p.Topic][p.Partition] = at
	}
	options := &sarama.ListOffsetsOptions{}
	if isolation == ReadCommitted {
		options.IsolationLevel = sarama.ReadCommitted
	}
	res, err := l.admin.ListOffsets(ask, options)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(parts))
	for i, p := range parts {
		r := res[p.Topic][p.Partition]
		if r == nil {
			return nil, sarama.ErrIncompleteResponse
		}
		if r.Err != nil && !errors.Is(r.Err, sarama.ErrNoError) {
			return nil, fmt.Errorf("topic %q partition %d: %w", p.Topic, p.Partition, r.Err)
		}
		out[i] = r.Offset
	}
	return out, nil
}

// committed asks the coordinator for a group's offsets, -1 where there is none.
func (l *link) committed(group string, parts []kafka.TopicPartition) ([]int64, error) {
	ask := make(map[string][]int32)
	for _, p := range parts {
		ask[p.Topic] = append(ask[p.Topic], p.Partition)
	}
	res, err := l.admin.ListConsumerGroupOffsets(group, ask)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(parts))
	for i, p := range parts {
		block := res.GetGroupBlock(group, p.Topic, p.Partition)
		if block == nil {
			block = res.GetBlock(p.Topic, p.Partition)
		}
		if block == nil {
			return nil, sarama.ErrIncompleteResponse
		}
		if block.Err != sarama.ErrNoError {
			return nil, fmt.Errorf("topic %q partition %d: %w", p.Topic, p.Partition, block.Err)
		}
		out[i] = block.Offset
	}
	return out, nil
}

// member tells the coordinator who commits; the zero member is nobody in the group.
type member struct {
	id         string
	generation int32
	instance   string
}

// commit stores positions as a group's offsets.
func (l *link) commit(group string, m member, positions []kafka.Position) error {
	req := sarama.NewOffsetCommitRequest(l.client.Config(), group)
	if m.id != "" {
		req.ConsumerID, req.ConsumerGroupGeneration = m.id, m.generation
		if m.instance != "" {
			req.GroupInstanceId = &m.instance
		}
	}
	for _, p := range positions {
		req.AddBlock(p.Topic, p.Partition, p.Offset, 0, "")
	}
	coordinator, err := l.client.Coordinator(group)
	if err != nil {
		return err
	}
	res, err := coordinator.CommitOffset(req)
	if err != nil {
		_ = coordinator.Close()
		_ = l.client.RefreshCoordinator(group)
		return err
	}
	for topic, parts := range res.Errors {
		for id, code := range parts {
			if code == sarama.ErrNoError {
				continue
			}
			if code == sarama.ErrNotCoordinatorForConsumer {
				_ = l.client.RefreshCoordinator(group)
			}
			return fmt.Errorf("topic %q partition %d: %w", topic, id, code)
		}
	}
	return nil
}
