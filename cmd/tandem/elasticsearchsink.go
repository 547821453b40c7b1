package main

import (
	"context"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/sink"
	"github.com/tandem-cdc/tandem/sink/elasticsearch"
)

// elasticsearchSink writes records as documents to Elasticsearch and OpenSearch.
var elasticsearchSink = connect.Sink{
	Class:     elasticsearch.Class,
	TaskClass: elasticsearch.TaskClass,
	Version:   elasticsearch.Version,
	Keys:      func() config.Keys { c := elasticsearch.DefaultConfig(); return c.Keys() },
	Validate: func(props map[string]string) config.Report {
		_, report := elasticsearch.Parse(props, client.ParseTLS)
		return report
	},
	Check: func(ctx context.Context, props map[string]string) config.Report {
		return elasticsearch.Check(ctx, props, client.ParseTLS)
	},
	NewTask: func(props map[string]string, env connect.Env) (sink.Task, error) {
		c, report := elasticsearch.Parse(props, client.ParseTLS)
		if err := report.Err(); err != nil {
			return nil, err
		}
		return elasticsearch.New(c, elasticsearch.Env{Log: env.Log, Report: env.Report, Letters: env.DeadLetters}), nil
	},
	AlterOffsets: func(context.Context, map[string]string, []kafka.Position) (handled bool, err error) { return true, nil }, // it keeps none of its own
}
