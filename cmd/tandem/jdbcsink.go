package main

import (
	"context"
	"log/slog"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
	"github.com/tandem-cdc/tandem/sink/sqldb"
)

// confluentJDBCVersion is the release of Confluent's JDBC connector whose options are taken.
const confluentJDBCVersion = "10.9.0"

// jdbcSinks are the relational sink under the names of both connectors whose configuration it takes.
func jdbcSinks() []connect.Sink {
	return []connect.Sink{jdbcSink(&sqldb.Confluent, confluentJDBCVersion), jdbcSink(&sqldb.Debezium, debeziumVersion)}
}

func jdbcSink(family *sqldb.Family, version string) connect.Sink {
	return connect.Sink{
		Class:     family.Class,
		TaskClass: family.TaskClass,
		Version:   version,
		Keys:      family.ListedKeys,
		Validate: func(props map[string]string) config.Report {
			_, report := family.Parse(props)
			return report
		},
		NewTask: func(props map[string]string, env connect.Env) (sink.Task, error) {
			c, report := family.Parse(props)
			if err := report.Err(); err != nil {
				return nil, err
			}
			task := sqldb.New(c, env.Connector, env.Log)
			task.PausedBy(env.Paused)
			return task, nil
		},
		AlterOffsets: func(ctx context.Context, props map[string]string, offsets []kafka.Position) (handled bool, err error) {
			return forgetPositions(ctx, family, props, offsets)
		},
	}
}

// forgetPositions makes the JDBC sink go on where the consumer group stands once that was altered: the target's own positions would win.
func forgetPositions(ctx context.Context, family *sqldb.Family, props map[string]string, offsets []kafka.Position) (handled bool, err error) {
	c, report := family.Parse(props)
	if err := report.Err(); err != nil {
		return false, err
	}
	partitions := make([]kafka.TopicPartition, len(offsets))
	for i, o := range offsets {
		partitions[i] = o.TopicPartition
	}
	return true, sqldb.ForgetPositions(ctx, c, props["name"], partitions, slog.New(slog.DiscardHandler))
}
