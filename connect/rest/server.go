package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/connect"
)

// Server serves the API on the worker's listeners.
type Server struct {
	worker    *connect.Worker
	log       *slog.Logger
	listeners []net.Listener
}

// NewServer stores what it serves; Listen and Run act.
func NewServer(w *connect.Worker, log *slog.Logger) *Server { return &Server{worker: w, log: log} }

// Listen binds the addresses of the option listeners and tells the worker its port, so that a taken port is known before anything runs.
func (s *Server) Listen() ([]net.Addr, error) {
	var bound []net.Addr
	for _, listener := range s.worker.Config().Listeners {
		u, err := url.Parse(listener)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("listen on %q (listeners): %w", listener, err)
		}
		ln, err := net.Listen("tcp", u.Host)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("serve the REST API on %s (listeners): %w", listener, err)
		}
		s.listeners = append(s.listeners, ln)
		bound = append(bound, ln.Addr())
	}
	if addr, ok := bound[0].(*net.TCPAddr); ok {
		s.worker.Listening(addr.Port)
	}
	return bound, nil
}

func (s *Server) close() {
	for _, ln := range s.listeners {
		ln.Close()
	}
	s.listeners = nil
}

// Run serves until ctx ends (nil) or a listener fails. It binds the addresses when Listen was not called.
func (s *Server) Run(ctx context.Context) error {
	if s.listeners == nil {
		if _, err := s.Listen(); err != nil {
			return err
		}
	}
	g, groupCtx := errgroup.WithContext(ctx)
	handler := Handler(s.worker, s.log)
	for _, ln := range s.listeners {
		server := &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       30 * time.Second, // Jetty's
			ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		}
		s.log.Info("the REST API is served", "address", "http://"+ln.Addr().String())
		g.Go(func() error {
			if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve the REST API on %s: %w", ln.Addr(), err)
			}
			return nil
		})
		g.Go(func() error {
			<-groupCtx.Done()
			stop, cancel := context.WithTimeout(context.WithoutCancel(groupCtx), time.Second)
			defer cancel()
			if server.Shutdown(stop) != nil {
				server.Close()
			}
			return nil
		})
	}
	return g.Wait()
}
