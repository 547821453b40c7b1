package resttest

import (
	"context"
	"errors"
	"os"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/filestream"
	"github.com/tandem-cdc/tandem/connect/transform"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// Plugins are those of the recordings; Debezium's connector publishes one record and stores nothing.
func Plugins() connect.Plugins {
	p := connect.Plugins{
		Sources: []connect.Source{
			{
				Class: filestream.SourceClass, TaskClass: filestream.SourceTaskClass, Version: filestream.Version,
				Validate: filestream.ValidateSource, TaskConfigs: filestream.SourceTaskConfigs, ExactlyOnce: filestream.ExactlyOnce,
				NewTask: func(props map[string]string, env connect.Env) (connect.SourceTask, error) {
					return filestream.NewSourceTask(props, filestream.SourceEnv{Log: env.Log, StoredOffset: env.StoredOffset})
				},
				AlterOffsets: func(_ context.Context, props map[string]string, offsets []connect.PartitionOffset) (bool, error) {
					for _, o := range offsets {
						if err := filestream.CheckOffset(props, o.Partition, o.Offset); err != nil {
							return false, err
						}
					}
					return true, nil
				},
			},
			{
				Class: "io.debezium.connector.postgresql.PostgresConnector", TaskClass: "io.debezium.connector.postgresql.PostgresConnectorTask", Version: "3.7.0.Final",
				Validate: func(props map[string]string) (r config.Report) {
					if props["database.port"] == "1" {
						r.Fail("database.hostname", "Error while validating connector config: Connection to %s:1 refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections.", props["database.hostname"])
					}
					return r
				},
				TaskConfigs: func(props map[string]string, _ int) ([]map[string]string, error) {
					return []map[string]string{props}, nil
				},
				NewTask: func(props map[string]string, _ connect.Env) (connect.SourceTask, error) {
					return oneRecord(props["topic.prefix"] + "." + props["table.include.list"]), nil
				},
			},
		},
		Sinks: []connect.Sink{{
			Class: filestream.SinkClass, TaskClass: filestream.SinkTaskClass, Version: filestream.Version, Validate: filestream.ValidateSink,
			NewTask: func(props map[string]string, env connect.Env) (sink.Task, error) {
				return filestream.NewSinkTask(props, filestream.SinkEnv{Log: env.Log, Stdout: os.Stdout})
			},
			AlterOffsets: func(context.Context, map[string]string, []kafka.Position) (bool, error) { return true, nil },
		}},
	}
	for _, t := range transform.Plugins() {
		p.Transforms = append(p.Transforms, connect.TransformPlugin{Class: t.Class, Version: transform.Version, Keys: t.Keys, New: t.New})
	}
	for _, t := range transform.Predicates() {
		p.Predicates = append(p.Predicates, connect.PredicatePlugin{Class: t.Class, Version: transform.Version, Keys: t.Keys, New: t.New})
	}
	return p
}

// oneRecord is a source that publishes one record to a topic.
type oneRecord string

func (topic oneRecord) Run(ctx context.Context, out connect.Emitter) error {
	handle, err := out.Stream(string(topic), 0, nil, schema.Of(schema.String), nil)
	if err != nil {
		return err
	}
	_, v := out.Begin(handle)
	v.Text([]byte("x"))
	if err := errors.Join(out.End(nil), out.Flush()); err != nil && ctx.Err() == nil {
		return err
	}
	<-ctx.Done()
	return nil
}
func (oneRecord) Offset(uint64) (partition, offset []byte, ok bool) { return nil, nil, false }
func (oneRecord) Stored(uint64)                                     {}
