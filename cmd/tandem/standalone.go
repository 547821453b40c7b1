package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
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
	usage:   standaloneUsage,
	text: `Runs a worker and connectors with the very files of Kafka Connect's connect-standalone: Java properties, and for
connectors JSON too. CONNECT_… variables of the environment override the worker's file, as in the container images of
Kafka Connect. Connectors can be added and removed through the REST API; source offsets are kept in the file of the
option offset.storage.file.filename.

Ctrl-C and SIGTERM stop the tasks in order, with exit code 0. Else the exit codes are those of connect-standalone: 1 for
a wrong command line, 2 for a wrong worker configuration, 3 for a connector configuration that is missing, unreadable
or refused.`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *console, []string) error {
		level := logFlag(flags)
		return func(ctx context.Context, c *console, args []string) error {
			if len(args) == 0 {
				fmt.Fprintln(c.err, "usage: tandem standalone "+standaloneUsage)
				return &exitError{code: exitUsage, err: errors.New("standalone: a worker configuration file is needed. See \"tandem standalone --help\"")}
			}
			return runStandalone(ctx, c, *level, args[0], args[1:])
		}
	},
}

const standaloneUsage = "WORKER.PROPERTIES CONNECTOR.PROPERTIES…"

// Log lines of connect-standalone, which scripts look for.
const (
	stoppingDue       = "Stopping due to error"
	stoppingConnector = "Stopping after connector error"
)

func runStandalone(ctx context.Context, c *console, level, workerFile string, connectorFiles []string) error {
	log, err := newLog(c, level)
	if err != nil {
		return &exitError{code: exitUsage, err: fmt.Errorf("standalone: %w", err)}
	}
	paceCollector()
	cfg, report, err := connect.ReadWorkerConfig(workerFile, c.environ)
	for _, p := range report.Warnings {
		log.Warn(p.Message)
	}
	if err != nil {
		log.Error(stoppingDue)
		return &exitError{code: exitWorker, err: err}
	}
	requests := make([]connect.Request, 0, len(connectorFiles))
	for _, file := range connectorFiles {
		req, err := connect.ReadConnectorFile(file)
		if err != nil {
			log.Error(stoppingConnector)
			return &exitError{code: exitConnector, err: err}
		}
		requests = append(requests, req)
	}
	h, err := newHost(cfg, log)
	if err != nil {
		log.Error(stoppingDue)
		return &exitError{code: exitWorker, err: err}
	}
	giveBackSoon(log)
	log.Info("the worker runs", "rest", h.url(), "brokers", strings.Join(cfg.BootstrapServers, ","))
	err = h.run(ctx, createFrom(requests, connectorFiles, log))
	if exit := (*exitError)(nil); errors.As(err, &exit) {
		log.Error(stoppingConnector)
	} else if err != nil {
		log.Error(stoppingDue)
		return &exitError{code: exitWorker, err: err}
	}
	if err == nil {
		log.Info("the worker has stopped")
	}
	return err
}
