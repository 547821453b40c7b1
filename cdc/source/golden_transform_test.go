package source_test

import (
	"log/slog"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/envelope/transform"
	"github.com/tandem-cdc/tandem/internal/golden/replay"
	"github.com/tandem-cdc/tandem/schema"
)

// transforms makes the chain of a case, the one that the worker puts behind a task.
func transforms(props map[string]string) (replay.Transform, error) {
	var plugins connect.Plugins
	for _, p := range transform.Plugins() {
		plugins.Transforms = append(plugins.Transforms, connect.TransformPlugin{Class: p.Class, Keys: p.Keys, New: p.New, Refused: p.Refused})
	}
	chain, report := connect.NewChain(props, plugins, slog.New(slog.DiscardHandler))
	if err := report.Err(); err != nil {
		return nil, err
	}
	return func(in *replay.Record) (*replay.Record, error) {
		r := schema.Record{Topic: in.Topic, Partition: in.Partition, Offset: schema.NoOffset, Timestamp: schema.NoTimestamp, KeySchema: in.KeySchema, Key: in.Key,
			ValueSchema: in.ValueSchema, Value: in.Value, Headers: in.Headers}
		if in.Timestamp != nil {
			r.Timestamp = *in.Timestamp
		}
		keep, err := chain.Apply(&r)
		if err != nil || !keep {
			return nil, err
		}
		out := &replay.Record{Topic: r.Topic, Partition: r.Partition, KeySchema: r.KeySchema, Key: r.Key, ValueSchema: r.ValueSchema, Value: r.Value, Headers: r.Headers}
		if r.Timestamp != schema.NoTimestamp {
			out.Timestamp = &r.Timestamp
		}
		return out, nil
	}, nil
}
