package main

import (
	"log/slog"
	"strings"
	"testing"

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

// A connector has no task of its own yet when it looks for tables: what it says then is in the worker's log all the same.
func TestJDBCSourceLogs(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	source := jdbcSource()
	var out strings.Builder
	if _, err := newLog(&console{err: &out}, "info"); err != nil {
		t.Fatal(err)
	}
	props := map[string]string{"name": "down", "connector.class": polling.Class, "connection.url": "jdbc:postgresql://127.0.0.1:1/x?user=x", "mode": "bulk", "topic.prefix": "t-"}
	if _, err := source.TaskConfigs(props, 1); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"level=WARN", "connector=down", "logger=" + polling.Class} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the log is %q, want it to have %q", out.String(), want)
		}
	}
}
