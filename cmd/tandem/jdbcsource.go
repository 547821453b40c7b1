package main

import (
	"context"
	"log/slog"

	"github.com/tandem-cdc/tandem/cdc/polling"
	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/loglevel"
)

// jdbcSource is the JDBC source connector. Unlike the Java connector it says whether it can deliver exactly once.
func jdbcSource() connect.Source {
	c := polling.NewConnector(func() *slog.Logger { return slog.Default().With(loglevel.Key, polling.Class) })
	return connect.Source{
		Class:       polling.Class,
		TaskClass:   polling.TaskClass,
		Version:     polling.Version,
		Keys:        func() config.Keys { c := polling.DefaultConfig(); return c.Keys() },
		Validate:    polling.Validate,
		Check:       c.Check,
		ExactlyOnce: polling.ExactlyOnce,
		TaskConfigs: c.TaskConfigs,
		Watch:       c.Watch,
		NewTask: func(props map[string]string, env connect.Env) (connect.SourceTask, error) {
			return polling.NewTask(props, polling.Env{Log: env.Log, StoredOffset: env.StoredOffset, ExactlyOnce: env.ExactlyOnce})
		},
		AlterOffsets: func(_ context.Context, props map[string]string, offsets []connect.PartitionOffset) (handled bool, err error) {
			for _, o := range offsets {
				if err := polling.CheckOffset(props, o.Partition, o.Offset); err != nil {
					return false, err
				}
			}
			return true, nil
		},
	}
}
