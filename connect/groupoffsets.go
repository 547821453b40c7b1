package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// Members of the partitions and offsets of a sink, as the REST API shows them.
const (
	groupTopic     = "kafka_topic"
	groupPartition = "kafka_partition"
	groupOffset    = "kafka_offset"
)

// groupAdmin makes a client for the consumer group of a sink.
func (w *Worker) groupAdmin(c *connector) (a *client.Admin, group string, err error) {
	o := w.cfg.optionsFor(TaskID{c.name, 0}, &c.config)
	cfg, report := client.FromProperties(o.admin, client.ForAdmin)
	if err := report.Err(); err != nil {
		return nil, "", err
	}
	cfg.Log = named(c.log, clientLoggers[client.ForAdmin])
	return client.NewAdmin(cfg), o.sink["group.id"], nil
}

// groupOffsets are the committed offsets of a sink.
func (w *Worker) groupOffsets(ctx context.Context, c *connector) ([]PartitionOffset, error) {
	a, group, err := w.groupAdmin(c)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	positions, err := a.Committed(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("read the offsets of sink connector %s: %w", c.name, err)
	}
	offsets := make([]PartitionOffset, len(positions))
	for i, p := range positions {
		partition := fmt.Appendf(nil, `{"%s":%d,"%s":`, groupPartition, p.Partition, groupTopic)
		partition = append(AppendJSONText(partition, p.Topic), '}')
		offsets[i] = PartitionOffset{partition, fmt.Appendf(nil, `{"%s":%d}`, groupOffset, p.Offset)}
	}
	return offsets, nil
}

// alterGroup sets and resets committed offsets of a sink.
func (w *Worker) alterGroup(ctx context.Context, c *connector, offsets []PartitionOffset) (handled bool, err error) {
	positions, err := groupPositions(c.name, offsets)
	if err != nil {
		return false, err
	}
	if alter := c.plugin.sink.AlterOffsets; alter != nil {
		if handled, err = alter(ctx, maps.Clone(c.props), positions); err != nil {
			return false, &RefusedError{Internal, err.Error()}
		}
	}
	a, group, err := w.groupAdmin(c)
	if err != nil {
		return false, err
	}
	defer a.Close()
	var set []kafka.Position
	var forget []kafka.TopicPartition
	for _, p := range positions {
		if p.Offset < 0 {
			forget = append(forget, p.TopicPartition)
		} else {
			set = append(set, p)
		}
	}
	for _, p := range set {
		if t, known, err := a.Topic(ctx, p.Topic); err != nil || !known || int(p.Partition) >= t.Partitions || p.Partition < 0 {
			w.log.Warn("cannot set an offset of a sink: there is no such partition", "connector", c.name, "topic", p.Topic, "partition", p.Partition, "error", err)
			return false, &RefusedError{Internal, "Failed to alter consumer group offsets for connector " + c.name}
		}
	}
	if len(set) > 0 {
		err = a.SetCommitted(ctx, group, set)
	}
	if err == nil && len(forget) > 0 {
		err = a.DeleteCommitted(ctx, group, forget)
	}
	return handled, groupFailure(c, "alter", err)
}

// resetGroup forgets the committed offsets of a sink, and with them its consumer group.
func (w *Worker) resetGroup(ctx context.Context, c *connector) (handled bool, err error) {
	a, group, err := w.groupAdmin(c)
	if err != nil {
		return false, err
	}
	defer a.Close()
	if alter := c.plugin.sink.AlterOffsets; alter != nil {
		if handled, err = alter(ctx, maps.Clone(c.props), nil); err != nil {
			return false, &RefusedError{Internal, err.Error()}
		}
	}
	return handled, groupFailure(c, "reset", a.DeleteGroup(ctx, group))
}

// Kafka's error codes for a group that has members: UNKNOWN_MEMBER_ID, NON_EMPTY_GROUP, GROUP_SUBSCRIBED_TO_TOPIC.
const (
	codeUnknownMember   = 25
	codeNonEmptyGroup   = 68
	codeGroupSubscribed = 86
)

// groupFailure is what a user is told when offsets of a group could not be changed.
func groupFailure(c *connector, deed string, err error) error {
	if err == nil {
		return nil
	}
	c.log.Warn("cannot "+deed+" the offsets of the sink", "error", err)
	text := fmt.Sprintf("Failed to %s consumer group offsets for connector %s", deed, c.name)
	var broker *kafka.BrokerError
	if errors.As(err, &broker) && (broker.Code == codeUnknownMember || broker.Code == codeNonEmptyGroup || broker.Code == codeGroupSubscribed) {
		text += " either because its tasks haven't stopped completely yet or the connector was resumed before the request to " + deed + " its offsets could be successfully completed. " +
			"If the connector is in a stopped state, this operation can be safely retried. If it doesn't eventually succeed, the Connect cluster may need to be restarted to get rid of the zombie sink tasks."
	}
	return &RefusedError{Internal, text}
}

// groupPositions reads the offsets of a sink as users write them: numbers may be texts, other members do not count. An offset of -1 stands for a reset.
func groupPositions(name string, offsets []PartitionOffset) ([]kafka.Position, error) {
	invalid := func(format string, args ...any) error { return &RefusedError{Invalid, fmt.Sprintf(format, args...)} }
	var positions []kafka.Position
	for _, o := range offsets {
		if isNull(o.Partition) {
			return nil, invalid("The partition for a sink connector offset cannot be null or missing")
		}
		var partition, offset map[string]json.RawMessage
		if err := json.Unmarshal(o.Partition, &partition); err != nil {
			return nil, fmt.Errorf("read a partition of connector %s: %w", name, err)
		}
		_, hasTopic := partition[groupTopic]
		_, hasPartition := partition[groupPartition]
		if !hasTopic || !hasPartition {
			return nil, invalid("The partition for a sink connector offset must contain the keys '%s' and '%s'", groupTopic, groupPartition)
		}
		topic, ok := scalarText(partition[groupTopic])
		if !ok {
			return nil, invalid("Kafka topic names must be valid strings and may not be null")
		}
		p := kafka.Position{TopicPartition: kafka.TopicPartition{Topic: topic}, Offset: -1}
		text, ok := scalarText(partition[groupPartition])
		if !ok {
			return nil, invalid("Kafka partitions must be valid numbers and may not be null")
		}
		id, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, invalid("Failed to parse the following Kafka partition value in the provided offsets: '%s'. Partition values for sink connectors need to be integers.", text)
		}
		p.Partition = int32(id)
		if !isNull(o.Offset) {
			if err := json.Unmarshal(o.Offset, &offset); err != nil {
				return nil, fmt.Errorf("read an offset of connector %s: %w", name, err)
			}
			raw, has := offset[groupOffset]
			if !has {
				return nil, invalid("The offset for a sink connector should either be null or contain the key '%s'", groupOffset)
			}
			text, ok := scalarText(raw)
			if !ok {
				return nil, invalid("Failed to parse the following Kafka offset value in the provided offsets: 'null'. Offset values for sink connectors need to be integers.")
			}
			if p.Offset, err = strconv.ParseInt(text, 10, 64); err != nil {
				return nil, invalid("Failed to parse the following Kafka offset value in the provided offsets: '%s'. Offset values for sink connectors need to be integers.", text)
			}
			if p.Offset < 0 {
				return nil, &RefusedError{Internal, "Failed to modify offsets for sink connector " + name}
			}
		}
		positions = append(positions, p)
	}
	return positions, nil
}

// scalarText is a JSON text or number as text; false for null.
func scalarText(raw json.RawMessage) (string, bool) {
	raw = bytes.TrimSpace(raw)
	if isNull(raw) {
		return "", false
	}
	return JSONScalar(raw), true
}
