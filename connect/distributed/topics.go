package distributed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

const (
	cleanupPolicy = "cleanup.policy"
	compact       = "compact"
)

// prepare makes the topic, or checks that the one there is fit. It returns the number of its partitions.
func (l *topicLog) prepare(ctx context.Context) (partitions int, err error) {
	topic, exists, err := l.lookUp(ctx)
	if err != nil {
		return 0, err
	}
	if !exists {
		settings := map[string]string{cleanupPolicy: compact}
		maps.Copy(settings, l.spec.settings)
		settings[cleanupPolicy] = compact
		err := l.retrying(ctx, func() error {
			created, err := l.admin.CreateTopic(ctx, client.NewTopic{Name: l.spec.name, Partitions: l.spec.partitions, Replicas: l.spec.replicas, Configs: settings})
			if created {
				l.log.Info("created an internal topic", "topic", l.spec.name, "partitions", l.spec.partitions, "replication.factor", l.spec.replicas)
			}
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("%w; set %s.replication.factor to what the cluster has brokers for (-1: the broker's default), or create the topic with %s=%s",
				err, strings.TrimSuffix(l.spec.option, ".topic"), cleanupPolicy, compact)
		}
		for wait := 50 * time.Millisecond; !exists; wait = min(2*wait, time.Second) { // until a broker knows of it
			if topic, exists, err = l.lookUp(ctx); err != nil {
				return 0, err
			}
			if exists {
				break
			}
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(wait):
			}
		}
	}
	return topic.Partitions, l.check(ctx, topic)
}

// check refuses a topic in which state would be lost.
func (l *topicLog) check(ctx context.Context, topic client.Topic) error {
	if l.spec.single && topic.Partitions != 1 {
		return &unfitError{fmt.Errorf("topic %q (%s) has %d partitions: %s must be in one, for their order counts; create it anew with one, or name another topic",
			l.spec.name, l.spec.option, topic.Partitions, l.spec.what)}
	}
	var policy string
	var known bool
	err := l.retrying(ctx, func() (err error) {
		policy, known, err = l.admin.TopicConfig(ctx, l.spec.name, cleanupPolicy)
		return err
	})
	var auth *kafka.AuthError
	switch {
	case errors.As(err, &auth):
		l.log.Warn("cannot see whether an internal topic is compacted; if it is not, state will be lost", "topic", l.spec.name, "error", err)
		return nil
	case err != nil:
		return err
	case !known:
		l.log.Warn("the broker does not tell whether an internal topic is compacted; if it is not, state will be lost", "topic", l.spec.name)
		return nil
	case policy != compact:
		return &unfitError{fmt.Errorf("topic %q (%s) has %s=%s: %s would be lost; set %s=%s for it, or name another topic",
			l.spec.name, l.spec.option, cleanupPolicy, policy, l.spec.what, cleanupPolicy, compact)}
	}
	return nil
}

// unfitError: an internal topic is not what it must be.
type unfitError struct{ err error }

func (e *unfitError) Error() string   { return e.err.Error() }
func (e *unfitError) Unwrap() error   { return e.err }
func (e *unfitError) Retriable() bool { return false }

func (l *topicLog) lookUp(ctx context.Context) (t client.Topic, exists bool, err error) {
	err = l.retrying(ctx, func() (err error) {
		t, exists, err = l.admin.Topic(ctx, l.spec.name)
		return err
	})
	return t, exists, err
}

// retrying calls f until it succeeds, ctx ends, or the error says that waiting does not help: brokers may come up after the worker.
func (l *topicLog) retrying(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || !retriable(err) || ctx.Err() != nil {
			return err
		}
		l.log.Warn("cannot reach an internal topic; trying on", "topic", l.spec.name, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// retriable tells whether trying again may help: the first error in the chain that has an opinion decides.
func retriable(err error) bool {
	var r interface{ Retriable() bool }
	return errors.As(err, &r) && r.Retriable()
}
