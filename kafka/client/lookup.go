package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/kafka"
)

// keepMetadata finds partitions and leaders when they are asked for and every metadata.max.age.ms, and once the producer's id. It owns the client's metadata and starts a sender in g for every broker that leads something.
func (p *Producer) keepMetadata(ctx context.Context, client sarama.Client, g *errgroup.Group) error {
	age := time.NewTicker(max(p.cfg.MetadataAge, time.Second))
	defer age.Stop()
	for attempt := 0; ; {
		names := p.wanted()
		if len(names) > 0 {
			if err := p.refresh(ctx, client, g, names); err != nil {
				return endOf(ctx, err)
			}
			names = p.wanted()
		}
		var again <-chan time.Time
		if len(names) > 0 {
			again = time.After(p.cfg.backoff(attempt))
			attempt++
		} else {
			attempt = 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-p.lookup:
			if again != nil { // it failed just now: no sooner for being asked again
				select {
				case <-ctx.Done():
					return nil
				case <-again:
				}
			}
		case <-age.C:
			p.mu.Lock()
			for _, t := range p.topics {
				t.stale = true
			}
			p.mu.Unlock()
		}
	}
}

// endOf is nil when the error is only that ctx ended.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// identify gets the producer's id, if it has none yet.
func (p *Producer) identify(client sarama.Client) error {
	if !p.cfg.Producer.Idempotent || p.identified || p.txn != nil { // a transactional id brings its own: Init
		return nil
	}
	res, err := client.InitProducerID()
	if err == nil && res.Err != sarama.ErrNoError {
		err = res.Err
	}
	if err != nil {
		return classify("get a producer id", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.identified, p.producerID, p.epoch = true, res.ProducerID, res.ProducerEpoch
	return nil
}

func retriable(err error) bool {
	var r interface{ Retriable() bool }
	return errors.As(err, &r) && r.Retriable()
}

// wanted are the topics to look up.
func (p *Producer) wanted() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for name, t := range p.topics {
		if t.err == nil && (t.parts == nil || t.stale) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Expect has the partitions of topics looked up that records are about to come for, in one request rather than one at each topic's first record.
// A topic that is not found is looked up anew at its first record.
func (p *Producer) Expect(topics ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range topics {
		if p.topics[name] == nil {
			p.topics[name] = &topic{name: name, since: time.Now(), expected: true}
		}
	}
	wake(p.lookup)
}

// refresh looks the topics up. Where some are refused, those that are found do not wait for them, and the rest are looked up one by one, so that each
// gets its own error; that topics do not exist yet is the same for all.
func (p *Producer) refresh(ctx context.Context, client sarama.Client, g *errgroup.Group, names []string) error {
	err := refreshMetadata(client, names...)
	var code sarama.KError
	if len(names) == 1 || !errors.As(err, &code) {
		return p.learn(ctx, client, g, names, err)
	}
	cached, _ := client.Topics()
	known := make(map[string]bool, len(cached))
	for _, name := range cached {
		known[name] = true
	}
	var found, rest []string
	for _, name := range names {
		if known[name] {
			found = append(found, name)
		} else {
			rest = append(rest, name)
		}
	}
	if len(found) > 0 {
		if err := p.learn(ctx, client, g, found, nil); err != nil {
			return err
		}
	}
	if len(rest) > 0 && onlyAbsent(err) {
		return p.learn(ctx, client, g, rest, err)
	}
	for _, name := range rest {
		if err := p.learn(ctx, client, g, []string{name}, refreshMetadata(client, name)); err != nil {
			return err
		}
	}
	return nil
}

// onlyAbsent tells whether all that an error of several topics says is that they are not there yet.
func onlyAbsent(err error) bool {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return !onlyAbsent(err) })
	case interface{ Unwrap() error }:
		return onlyAbsent(e.Unwrap())
	}
	return err == sarama.ErrUnknownTopicOrPartition || err == sarama.ErrLeaderNotAvailable
}

// learn takes over what a refresh has found. Its error ends the producer.
func (p *Producer) learn(ctx context.Context, client sarama.Client, g *errgroup.Group, names []string, refreshErr error) error {
	refreshErr = classify(fmt.Sprintf("look up %s at %v", few(names), p.cfg.Brokers), refreshErr)
	var auth *kafka.AuthError
	if errors.Is(refreshErr, sarama.ErrSASLAuthenticationFailed) || errors.As(refreshErr, &auth) && !errors.Is(refreshErr, sarama.ErrTopicAuthorizationFailed) {
		return refreshErr
	}
	trouble := refreshErr
	if !errors.Is(refreshErr, kafka.ErrUnavailable) || errors.Is(refreshErr, sarama.ErrLeaderNotAvailable) { // a broker has answered
		if trouble = p.identify(client); trouble != nil && !retriable(trouble) {
			return trouble
		}
	}
	if trouble != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.unreachable(trouble)
		p.giveUp(trouble)
		return nil
	}
	cached, _ := client.Topics()
	slices.Sort(cached)
	for _, name := range names {
		var found []int32
		leaders := make(map[int32]int32)
		if _, ok := slices.BinarySearch(cached, name); ok {
			found, _ = client.Partitions(name)
			writable, _ := client.WritablePartitions(name)
			for _, id := range writable {
				if leader, err := client.Leader(name, id); err == nil {
					leaders[id] = leader.ID()
				}
			}
		}
		p.mu.Lock()
		p.take(ctx, client, g, name, found, leaders, refreshErr)
		p.mu.Unlock()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lookedUp = time.Now()
	p.reached()
	p.changed.all()
	return nil
}

// take stores one topic's partitions and leaders.
func (p *Producer) take(ctx context.Context, client sarama.Client, g *errgroup.Group, name string, found []int32, leaders map[int32]int32, refreshErr error) {
	t := p.topics[name]
	if t == nil {
		return
	}
	if len(found) == 0 {
		if t.parts == nil {
			p.missing(t, refreshErr)
		}
		return
	}
	for len(t.parts) < len(found) { // a topic may grow
		t.parts = append(t.parts, &partition{topic: t, id: int32(len(t.parts))})
	}
	t.stale = false
	for _, part := range t.parts {
		leader, ok := leaders[part.id]
		if !ok {
			t.stale = t.stale || part.outstanding()
			p.move(part, nil)
			continue
		}
		s := p.senders[leader]
		if s == nil {
			s = &sender{broker: leader, wake: make(chan struct{}, 1), idle: true, pack: packer{cfg: &p.cfg.Producer, pool: &p.pool}}
			p.senders[leader] = s
			g.Go(func() error { return p.send(ctx, client, s) })
		}
		p.move(part, s)
	}
}

// move gives a partition to its leader's sender.
func (p *Producer) move(part *partition, s *sender) {
	if part.sender == s {
		return
	}
	if part.pending {
		part.sender.pending = slices.DeleteFunc(part.sender.pending, func(o *partition) bool { return o == part })
		part.pending = false
	}
	part.sender = s
	if s != nil && (part.open != nil || len(part.queue) > 0) {
		p.offer(part)
		wake(s.wake)
	}
}

// missing fails the wait for a topic that is not there after max.block.ms, or that is forbidden.
func (p *Producer) missing(t *topic, refreshErr error) {
	var auth *kafka.AuthError
	op := fmt.Sprintf("publish to topic %q", t.name)
	switch {
	case errors.As(refreshErr, &auth):
		t.err = refreshErr
	case errors.Is(refreshErr, sarama.ErrInvalidTopic):
		t.err = classify(op, refreshErr)
	case time.Since(t.since) >= p.cfg.Producer.MaxBlock:
		t.err = &kafka.UnknownTopicError{Op: op, Topic: t.name}
	}
}

// giveUp fails the waits for topics that lasted max.block.ms without any broker.
func (p *Producer) giveUp(err error) {
	for _, t := range p.topics {
		if t.parts == nil && t.err == nil && time.Since(t.since) >= p.cfg.Producer.MaxBlock {
			t.err = fmt.Errorf("publish to topic %q: no answer within max.block.ms=%d: %w", t.name, p.cfg.Producer.MaxBlock.Milliseconds(), err)
		}
	}
	p.changed.all()
}
