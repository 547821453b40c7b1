package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/tandem-cdc/tandem/connect"
)

var devCommand = command{
	name:    "dev",
	summary: "run a broker, a schema registry and a worker in one process",
	usage:   "[CONNECTOR.PROPERTIES…] [--dir D]",
	text: `Runs all that a connector needs in one process, to develop against: a Kafka broker on port 9092, a schema registry on
8081 and a worker with its REST API on 8083, all on 127.0.0.1; where a port is taken, the next free one. The worker
converts to Avro unless a connector says otherwise. Connectors come from the files given, and through the REST API.

All is in memory and gone at the end, unless there is a folder to keep it in. Ctrl-C ends it.`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *console, []string) error {
		dir := flags.String("dir", "", "`D` keep records, schemas and offsets in folder D; the next dev on it goes on from there")
		level := logFlag(flags)
		return func(ctx context.Context, c *console, args []string) error {
			return runDev(ctx, c, *dir, *level, args)
		}
	},
}

func runDev(ctx context.Context, c *console, given, level string, files []string) (err error) {
	requests := make([]connect.Request, 0, len(files))
	for _, file := range files {
		req, err := connect.ReadConnectorFile(file)
		if err != nil {
			return &exitError{code: exitConnector, err: err}
		}
		requests = append(requests, req)
	}
	dir, done, err := workDir(given, "tandem-dev")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	log, err := newLog(c, level)
	if err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	s, err := startStack(dir, given != "", log)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Fprintf(c.out, "broker    %s\nregistry  %s\nworker    %s\n", s.broker.Addr(), s.registry.URL(), s.host.url())
	return s.host.run(ctx, createAll(requests))
}
