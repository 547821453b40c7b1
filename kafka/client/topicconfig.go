package client

import (
	"context"
	"fmt"

	"github.com/IBM/sarama"
)

// TopicConfig looks up one setting of a topic, such as cleanup.policy, the broker's default included; ok is false when the broker does not know it.
func (a *Admin) TopicConfig(ctx context.Context, topic, setting string) (value string, ok bool, err error) {
	err = a.link.call(ctx, fmt.Sprintf("look up %s of topic %q", setting, topic), func() error {
		if err := a.link.refresh(topic); err != nil {
			return err
		}
		results, err := a.link.admin.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{setting}}}, sarama.DescribeConfigsOptions{})
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.ErrorCode != sarama.ErrNoError {
				return fmt.Errorf("%s: %w", r.ErrorMsg, r.ErrorCode)
			}
			for _, e := range r.Configs {
				if e.Name == setting {
					value, ok = e.Value, true
				}
			}
		}
		return nil
	})
	return value, ok, err
}

// EndOffsets are the next offsets of a topic's partitions as a reader of this isolation comes to see them: before the first open transaction.
func (a *Admin) EndOffsets(ctx context.Context, topic string, isolation Isolation) ([]int64, error) {
	extents, err := a.offsets(ctx, topic, isolation)
	if err != nil {
		return nil, err
	}
	ends := make([]int64, len(extents))
	for i, e := range extents {
		ends[i] = e.End
	}
	return ends, nil
}
