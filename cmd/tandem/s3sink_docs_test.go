package main

import (
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/sink/s3"
)

func s3SinkPage() config.Page {
	c := s3.DefaultConfig()
	return config.Page{
		Title: "The S3 sink connector",
		Intro: "`connector.class=" + s3.Class + "`. What it does stands in [s3-sink.md](../connectors/s3-sink.md). The options of every connector, " +
			"[connectors.md](connectors.md), hold beside these.",
		Sections: []config.Section{{Keys: c.Keys()}},
	}
}
