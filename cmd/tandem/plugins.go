package main

import (
	"runtime/debug"
	"strings"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/connect"
	kafkatransform "github.com/tandem-cdc/tandem/connect/transform"
	"github.com/tandem-cdc/tandem/envelope/transform"
)

// debeziumVersion is the release whose behaviour the connectors have; clients of the REST API ask for it.
const debeziumVersion = "3.7.0.Final"

// plugins is the list of connectors and transforms.
func plugins() connect.Plugins {
	return connect.Plugins{
		Sources: []connect.Source{fileSource, jdbcSource(), {
			Class:       source.Class,
			Version:     debeziumVersion,
			Keys:        source.ListedKeys,
			Validate:    source.Validate,
			Check:       source.Check,
			ExactlyOnce: func(map[string]string) bool { return true }, DefinesTransactions: true,
			TaskConfigs: source.TaskConfigs,
			NewTask: func(props map[string]string, env connect.Env) (connect.SourceTask, error) {
				return source.NewTask(props, source.Env{Connector: env.Connector, Task: env.Task, Log: env.Log, Drain: env.Drain,
					StoredOffset: env.StoredOffset, ExactlyOnce: env.ExactlyOnce, ReadSignals: readSignals})
			},
		}},
		Sinks:      append([]connect.Sink{fileSink, s3Sink, elasticsearchSink}, jdbcSinks()...),
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
