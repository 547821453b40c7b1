package main

import (
	"flag"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/loglevel"
)

// logFlag is the flag of commands that run a worker.
func logFlag(flags *flag.FlagSet) *string {
	return flags.String("log-level", "info", "`LEVEL` log messages of this level and above: off, error, warn, info, debug or trace;\nwith commas also LOGGER=LEVEL, as in info,io.debezium=debug")
}

// newLog makes the logger of a worker. What the flag says wins over the variables that the container images of Kafka Connect and Debezium know:
// CONNECT_LOG4J_ROOT_LOGLEVEL, LOG_LEVEL and CONNECT_LOG4J_LOGGERS. Levels can be changed through the REST API then.
func newLog(c *console, given string) (*slog.Logger, error) {
	levels := loglevel.New(slog.LevelInfo)
	for _, name := range []string{"CONNECT_LOG4J_ROOT_LOGLEVEL", "LOG_LEVEL", "CONNECT_LOG4J_LOGGERS"} {
		for _, v := range c.environ {
			if text, ok := strings.CutPrefix(v, name+"="); ok {
				if err := setLevels(levels, text); err != nil {
					return nil, fmt.Errorf("variable %s: %w", name, err)
				}
			}
		}
	}
	if given != "info" {
		if err := setLevels(levels, given); err != nil {
			return nil, fmt.Errorf("--log-level: %w", err)
		}
	}
	text := slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: slog.Level(math.MinInt32)}) // the levels decide
	log := slog.New(loglevel.NewHandler(text, levels))
	slog.SetDefault(log) // for what is made before any worker: plugins, and libraries
	return log, nil
}

// setLevels reads LEVEL and LOGGER=LEVEL, separated by commas.
func setLevels(levels *loglevel.Levels, text string) error {
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, level, found := strings.Cut(part, "=")
		if !found {
			name, level = loglevel.Root, part
		}
		parsed, ok := loglevel.Parse(strings.TrimSpace(level))
		if !ok {
			return fmt.Errorf("%q is not one of off, error, warn, info, debug and trace", strings.TrimSpace(level))
		}
		levels.Set(strings.TrimSpace(name), parsed, time.Time{})
	}
	return nil
}
