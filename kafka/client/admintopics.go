package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/kafka"
)

// Requests about many topics: the broker answers one request of a connection after the other, so that thousands of topics asked about singly take
// minutes.

// TopicsNamed describes those of the names that exist, in one request.
func (a *Admin) TopicsNamed(ctx context.Context, names ...string) (topics []Topic, err error) {
	if len(names) == 0 { // which asks for all of them
		return nil, nil
	}
	err = a.link.call(ctx, "look up "+few(names), func() (err error) {
		_, topics, err = a.link.describe(names)
		return err
	})
	return topics, err
}

// CreateTopics makes topics in one request; created are the names of those that did not exist. With an error some may have been made.
func (a *Admin) CreateTopics(ctx context.Context, topics ...NewTopic) (created []string, err error) {
	if len(topics) == 0 {
		return nil, nil
	}
	names := make([]string, len(topics))
	details := make(map[string]*sarama.TopicDetail, len(topics))
	for i, t := range topics {
		names[i], details[t.Name] = t.Name, t.detail()
	}
	made := make(map[string]bool) // also by an attempt whose other topics failed
	err = a.link.call(ctx, "create "+few(names), func() error {
		if err := a.link.refresh(noTopic); err != nil { // the controller may be another one
			return err
		}
		controller, err := a.link.client.Controller()
		if err != nil {
			return err
		}
		res, err := controller.CreateTopics(sarama.NewCreateTopicsRequest(a.link.client.Config().Version, details, a.link.cfg.RequestTimeout, false))
		if err != nil {
			return err
		}
		return eachAnswer(names, func(name string) error {
			said, ok := res.TopicErrors[name]
			if !ok {
				return sarama.ErrIncompleteResponse
			}
			if errors.Is(said.Err, sarama.ErrTopicAlreadyExists) {
				return nil
			}
			made[name] = made[name] || errors.Is(said.Err, sarama.ErrNoError)
			if made[name] {
				return nil
			}
			return said
		})
	})
	for _, name := range names {
		if made[name] {
			created = append(created, name)
		}
	}
	return created, err
}

// DeleteTopics removes topics in one request; one that does not exist is no error.
func (a *Admin) DeleteTopics(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	return a.link.call(ctx, "delete "+few(names), func() error {
		if err := a.link.refresh(noTopic); err != nil {
			return err
		}
		controller, err := a.link.client.Controller()
		if err != nil {
			return err
		}
		res, err := controller.DeleteTopics(sarama.NewDeleteTopicsRequest(a.link.client.Config().Version, names, a.link.cfg.RequestTimeout))
		if err != nil {
			return err
		}
		return eachAnswer(names, func(name string) error {
			code, ok := res.TopicErrorCodes[name]
			if !ok {
				return sarama.ErrIncompleteResponse
			}
			if code == sarama.ErrNoError || code == sarama.ErrUnknownTopicOrPartition {
				return nil
			}
			return code
		})
	})
}

// EndsOf are the next offsets of all partitions of several topics, in the order of the names and of the partitions, as EndOffsets for one.
func (a *Admin) EndsOf(ctx context.Context, isolation Isolation, names ...string) (ends [][]int64, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	op := "look up the offsets of " + few(names)
	var absent string
	err = a.link.call(ctx, op, func() error {
		err := refreshMetadata(a.link.client, names...)
		if err != nil && !onlyAbsent(err) {
			return err
		}
		known, err := a.link.client.Topics()
		if err != nil {
			return err
		}
		slices.Sort(known)
		var parts []kafka.TopicPartition
		counts := make([]int, len(names))
		for n, name := range names {
			if _, ok := slices.BinarySearch(known, name); !ok {
				absent = name
				return errNoTopic
			}
			ids, err := a.link.client.Partitions(name)
			if err != nil {
				return err
			}
			for i := range ids {
				parts = append(parts, kafka.TopicPartition{Topic: name, Partition: int32(i)})
			}
			counts[n] = len(ids)
		}
		all, err := a.link.offsetsAt(parts, isolation, sarama.OffsetNewest)
		if err != nil {
			return err
		}
		ends = ends[:0]
		for _, n := range counts {
			ends, all = append(ends, all[:n]), all[n:]
		}
		return nil
	})
	if errors.Is(err, errNoTopic) {
		err = &kafka.UnknownTopicError{Op: op, Topic: absent}
	}
	return ends, err
}

// eachAnswer joins the errors of topics; one that another attempt may better comes first, for the classes go by the first one.
func eachAnswer(names []string, answer func(name string) error) error {
	var errs []error
	for _, name := range names {
		err := answer(name)
		if err == nil {
			continue
		}
		err = fmt.Errorf("topic %q: %w", name, err)
		if retriable(classify("", err)) {
			errs = slices.Insert(errs, 0, err)
		} else {
			errs = append(errs, err)
		}
		if len(errs) > mostNamed { // thousands of the same help nobody
			errs = errs[:mostNamed]
		}
	}
	return errors.Join(errs...)
}

// mostNamed is how many topics an error names.
const mostNamed = 3

// few names topics for an error.
func few(names []string) string {
	if len(names) == 1 {
		return fmt.Sprintf("topic %q", names[0])
	}
	if len(names) <= mostNamed {
		return fmt.Sprintf("topics %q", names)
	}
	return fmt.Sprintf("%d topics (%q, …)", len(names), names[:mostNamed])
}

// detail is what sarama asks for.
func (t *NewTopic) detail() *sarama.TopicDetail {
	d := &sarama.TopicDetail{NumPartitions: int32(t.Partitions), ReplicationFactor: int16(t.Replicas), ConfigEntries: make(map[string]*string)}
	for name, value := range t.Configs {
		d.ConfigEntries[name] = &value
	}
	return d
}
