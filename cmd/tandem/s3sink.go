package main

import (
	"context"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
	"github.com/tandem-cdc/tandem/sink/s3"
)

// s3Sink writes records as objects into a bucket.
var s3Sink = connect.Sink{
	Class:     s3.Class,
	TaskClass: s3.TaskClass,
	Version:   s3.Version,
	Keys:      func() config.Keys { c := s3.DefaultConfig(); return c.Keys() },
	Validate:  s3.Validate,
	NewTask: func(props map[string]string, env connect.Env) (sink.Task, error) {
		return s3.NewTask(props, env.Log)
	},
	AlterOffsets: func(context.Context, map[string]string, []kafka.Position) (handled bool, err error) { return true, nil }, // it keeps none of its own
}
