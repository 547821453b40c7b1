package main

import (
	"context"
	"os"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/filestream"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

// standardInput is read by one file source at a time.
var standardInput = filestream.NewStdin(os.Stdin)

// fileSource and fileSink are everybody's first connectors.
var (
	fileSource = connect.Source{
		Class:       filestream.SourceClass,
		TaskClass:   filestream.SourceTaskClass,
		Version:     filestream.Version,
		Keys:        func() config.Keys { c := filestream.DefaultSourceConfig(); return c.Keys() },
		Validate:    filestream.ValidateSource,
		ExactlyOnce: filestream.ExactlyOnce,
		TaskConfigs: filestream.SourceTaskConfigs,
		NewTask: func(props map[string]string, env connect.Env) (connect.SourceTask, error) {
			return filestream.NewSourceTask(props, filestream.SourceEnv{Log: env.Log, StoredOffset: env.StoredOffset, Stdin: standardInput})
		},
		AlterOffsets: func(_ context.Context, props map[string]string, offsets []connect.PartitionOffset) (handled bool, err error) {
			for _, o := range offsets {
				if err := filestream.CheckOffset(props, o.Partition, o.Offset); err != nil {
					return false, err
				}
			}
			return true, nil
		},
	}
	fileSink = connect.Sink{
		Class:     filestream.SinkClass,
		TaskClass: filestream.SinkTaskClass,
		Version:   filestream.Version,
		Keys:      func() config.Keys { return new(filestream.SinkConfig).Keys() },
		Validate:  filestream.ValidateSink,
		NewTask: func(props map[string]string, env connect.Env) (sink.Task, error) {
			return filestream.NewSinkTask(props, filestream.SinkEnv{Log: env.Log, Stdout: os.Stdout})
		},
		AlterOffsets: func(context.Context, map[string]string, []kafka.Position) (handled bool, err error) { return true, nil }, // it keeps none of its own
	}
)
