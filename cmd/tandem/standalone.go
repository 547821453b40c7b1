package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/tandem-cdc/tandem/connect"
)

// Exit codes of connect-standalone.
const (
	exitUsage     = 1
	exitWorker    = 2 // worker configuration missing or wrong, or what it asks for cannot be had
	exitConnector = 3 // connector configuration missing, unreadable or refused
)

var standaloneCommand = command{
	name:    "standalone",
	summary: "run a worker and the connectors of the files given",
	usage:   "WORKER.PROPERTIES CONNECTOR.PROPERTIES…",
	text: `Runs a worker and connectors with the very files of Kafka Connect's connect-standalone: Java properties, and for
connectors JSON too. CONNECT_… variables of the environment override the worker's file, as in the container images of
Kafka Connect. Connectors can be added and removed through the REST API; source offsets are kept in the file of the
option offset.storage.file.filename.

Ctrl-C and SIGTERM stop the tasks in order, with exit code 0. Else the exit codes are those of connect-standalone: 1 for
a wrong command line, 2 for a wrong worker configuration, 3 for a connector configuration that is missing, unreadable
or refused.`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *console, []string) error {
		level := slog.LevelInfo
		flags.TextVar(&level, "log-level", slog.LevelInfo, "`LEVEL` log messages of this level and above: debug, info, warn or error")
		return func(ctx context.Context, c *console, args []string) error {
			if len(args) == 0 {
				return &exitError{code: exitUsage, err: errors.New("standalone: a worker configuration file is needed. See \"tandem standalone --help\"")}
			}
			return runStandalone(ctx, c, level, args[0], args[1:])
		}
	},
}

// gcPercent trades a little CPU for memory: draining a million changes took 66 to 92 MB instead of 70 to 100, for 0.1 CPU-s more. GOGC in the
// environment wins.
const gcPercent = 50

func runStandalone(ctx context.Context, c *console, level slog.Level, workerFile string, connectorFiles []string) error {
	log := slog.New(slog.NewTextHandler(c.err, &slog.HandlerOptions{Level: level}))
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	cfg, report, err := connect.ReadWorkerConfig(workerFile, c.environ)
	for _, p := range report.Warnings {
		log.Warn(p.Message)
	}
	if err != nil {
		return &exitError{code: exitWorker, err: err}
	}
	requests := make([]connect.Request, 0, len(connectorFiles))
	for _, file := range connectorFiles {
		req, err := connect.ReadConnectorFile(file)
		if err != nil {
			return &exitError{code: exitConnector, err: err}
		}
		requests = append(requests, req)
	}
	h, err := newHost(cfg, log)
	if err != nil {
		return &exitError{code: exitWorker, err: err}
	}
	log.Info("the worker runs", "rest", h.url(), "brokers", strings.Join(cfg.BootstrapServers, ","))
	err = h.run(ctx, createAll(requests))
	if exit := (*exitError)(nil); err != nil && !errors.As(err, &exit) {
		return &exitError{code: exitWorker, err: err}
	}
	if err == nil {
		log.Info("the worker has stopped")
	}
	return err
}
