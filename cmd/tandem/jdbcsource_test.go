package main

import (
	"github.com/tandem-cdc/tandem/cdc/polling"
	"github.com/tandem-cdc/tandem/internal/config"
)

func jdbcSourcePage() config.Page {
	c := polling.DefaultConfig()
	return config.Page{
		Title: "The JDBC source connector",
		Intro: "`connector.class=" + polling.Class + "`. What it does stands in [jdbc-source.md](../connectors/jdbc-source.md). The options of every connector, [connectors.md](connectors.md), hold beside these. " +
			"Regular expressions match a whole name, as Java's do.",
		Sections: []config.Section{{Keys: c.Keys()}},
	}
}
