package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/distributed"
	"github.com/tandem-cdc/tandem/connect/rest"
)

var distributedCommand = command{
	name:    "distributed",
	summary: "run a worker of a group that shares connectors and tasks",
	usage:   "WORKER.PROPERTIES",
	text: `Runs a worker with the very file of Kafka Connect's connect-distributed. Workers with the same group.id share the
connectors and tasks that are created through the REST API of any of them; configurations, source offsets and states
are kept in the topics of the options config.storage.topic, offset.storage.topic and status.storage.topic, in Kafka
Connect's own format. CONNECT_… variables of the environment override the file, as in the container images of Kafka
Connect.

Ctrl-C and SIGTERM stop the tasks in order and leave the group, with exit code 0. Else the exit codes are those of
connect-distributed: 1 for a wrong command line, 2 for a wrong worker configuration, 3 for a worker that cannot go on.`,
	prepare: func(flags *flag.FlagSet) func(context.Context, *console, []string) error {
		level := logFlag(flags)
		return func(ctx context.Context, c *console, args []string) error {
			if len(args) != 1 {
				return &exitError{code: exitUsage, err: errors.New("distributed: one worker configuration file is needed. See \"tandem distributed --help\"")}
			}
			return runDistributed(ctx, c, *level, args[0])
		}
	},
}

func runDistributed(parent context.Context, c *console, level, workerFile string) error {
	log, err := newLog(c, level)
	if err != nil {
		return &exitError{code: exitUsage, err: fmt.Errorf("distributed: %w", err)}
	}
	paceCollector()
	cfg, report, err := connect.ReadDistributedConfig(workerFile, c.environ)
	for _, p := range report.Warnings {
		log.Warn(p.Message)
	}
	if err != nil {
		return &exitError{code: exitWorker, err: err}
	}
	h, err := distributed.New(cfg, plugins(), log)
	if err != nil {
		return &exitError{code: exitWorker, err: err}
	}
	server := rest.NewServer(h, log)
	var addrs []net.Addr
	if addrs, err = server.Listen(); err != nil {
		return &exitError{code: exitWorker, err: err}
	}
	giveBackSoon(log)
	log.Info("the worker runs", "rest", addrs[0].String(), "brokers", strings.Join(cfg.BootstrapServers, ","), "group", cfg.Distributed.Group, "worker", h.ID())
	g, ctx := errgroup.WithContext(parent)
	g.Go(func() error { return server.Run(ctx) })
	g.Go(func() error { return h.Run(ctx) })
	err = g.Wait()
	if err != nil && !(parent.Err() != nil && errors.Is(err, context.Canceled)) {
		return &exitError{code: exitConnector, err: err}
	}
	log.Info("the worker has stopped")
	return nil
}
