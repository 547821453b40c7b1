package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/rest"
)

// host is a standalone worker and its REST API.
type host struct {
	worker *connect.Standalone
	server *rest.Server
	addrs  []net.Addr
}

// newHost listens, so that a taken address is found out before anything runs. The host must be run.
func newHost(cfg connect.WorkerConfig, log *slog.Logger) (*host, error) {
	w := connect.NewStandalone(cfg, plugins(), log)
	h := &host{worker: w, server: rest.NewServer(w, log)}
	var err error
	if h.addrs, err = h.server.Listen(); err != nil {
		return nil, err
	}
	return h, nil
}

// run runs the worker and its REST API until ctx ends or one of them or act fails. act is what is done with the worker; the host goes on
// when it returns nil.
func (h *host) run(parent context.Context, act func(context.Context, *connect.Standalone) error) error {
	g, ctx := errgroup.WithContext(parent)
	g.Go(func() error { return h.server.Run(ctx) })
	g.Go(func() error { return h.worker.Run(ctx) })
	g.Go(func() error { return act(ctx, h.worker) })
	err := g.Wait()
	if parent.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// createAll creates connectors one after the other.
func createAll(requests []connect.Request) func(context.Context, *connect.Standalone) error {
	return func(ctx context.Context, w *connect.Standalone) error {
		for _, r := range requests {
			r.Unasked = true
			if _, err := w.Create(ctx, r); err != nil {
				if ctx.Err() != nil {
					return nil // stopped meanwhile: no fault of the connector
				}
				return &exitError{code: exitConnector, err: fmt.Errorf("create connector %s: %w", r.Name, err)}
			}
		}
		return nil
	}
}

// createFrom is createAll with the line that connect-standalone logs when one fails.
func createFrom(requests []connect.Request, files []string, log *slog.Logger) func(context.Context, *connect.Standalone) error {
	return func(ctx context.Context, w *connect.Standalone) error {
		for i := range requests {
			if err := createAll(requests[i:i+1])(ctx, w); err != nil {
				log.Error("Failed to create connector for " + files[i])
				return err
			}
		}
		return nil
	}
}

// url is where the REST API is served.
func (h *host) url() string {
	if addr, ok := h.addrs[0].(*net.TCPAddr); ok && addr.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", addr.Port)
	}
	return "http://" + h.addrs[0].String()
}
