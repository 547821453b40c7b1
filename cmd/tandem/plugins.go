package main

import (
	"runtime/debug"
	"strings"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/connect"
	kafkatransform "github.com/tandem-cdc/tandem/connect/transform"
	"github.com/tandem-cdc/tandem/envelope/transform"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/sink"
	"github.com/tandem-cdc/tandem/sink/sqldb"
)

// debeziumVersion is the release whose behaviour the connectors have; clients of the REST API ask for it.
const debeziumVersion = "3.7.0.Final"

// plugins is the list of connectors and transforms.
func plugins() connect.Plugins {
	return connect.Plugins{
		Sources: []connect.Source{fileSource, {
			Class:       source.Class,
			Version:     debeziumVersion,
			Keys:        source.ListedKeys,
			Validate:    source.Validate,
			Check:       source.Check,
			ExactlyOnce: func(map[string]string) bool { return true },
			TaskConfigs: source.TaskConfigs,
			NewTask: func(props map[string]string, env connect.Env) (connect.SourceTask, error) {
				return source.NewTask(props, source.Env{Connector: env.Connector, Task: env.Task, Log: env.Log, Drain: env.Drain,
					StoredOffset: env.StoredOffset, ReadSignals: readSignals})
			},
		}},
		Sinks: []connect.Sink{fileSink, {
			Class:     "io.debezium.connector.jdbc.JdbcSinkConnector",
			TaskClass: "io.debezium.connector.jdbc.JdbcSinkConnectorTask",
			Version:   debeziumVersion,
			Keys:      func() config.Keys { c := sqldb.DefaultConfig(); return c.Keys() },
			Validate: func(props map[string]string) config.Report {
				_, report := sqldb.Parse(props)
				return report
			},
			NewTask: func(props map[string]string, env connect.Env) (sink.Task, error) {
				c, report := sqldb.Parse(props)
				if err := report.Err(); err != nil {
					return nil, err
				}
				return sqldb.New(c, env.Connector, env.Log), nil
			},
			AlterOffsets: forgetPositions,
		}},
		Transforms: transforms(),
		Predicates: predicates(),
	}
}

// transforms are Debezium's and Kafka Connect's own.
func transforms() (all []connect.TransformPlugin) {
	for _, p := range transform.Plugins() {
		all = append(all, connect.TransformPlugin{Class: p.Class, Version: debeziumVersion, Keys: p.Keys, New: p.New, Refused: p.Refused})
	}
	for _, p := range kafkatransform.Plugins() {
		all = append(all, connect.TransformPlugin{Class: p.Class, Version: kafkatransform.Version, Keys: p.Keys, New: p.New})
	}
	return all
}

// predicates are Kafka Connect's own.
func predicates() (all []connect.PredicatePlugin) {
	for _, p := range kafkatransform.Predicates() {
		all = append(all, connect.PredicatePlugin{Class: p.Class, Version: kafkatransform.Version, Keys: p.Keys, New: p.New})
	}
	return all
}

// version is that of this program: a release's tag, or the revision it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	revision := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value[:min(12, len(s.Value))]
		}
	}
	return strings.TrimSpace(strings.Trim(info.Main.Version, "()") + " " + revision)
}
