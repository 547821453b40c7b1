package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/loglevel"
)

// serverLogger is the name of the logger, that of the Java class which does the same.
const serverLogger = "org.apache.kafka.connect.runtime.rest.RestServer"

// Server serves the API on the worker's listeners, and what is for administrators on their own, if there are any.
type Server struct {
	herder    connect.Herder
	log       *slog.Logger
	others    *http.Client
	listeners []served
}

// served is a bound address and what is served there.
type served struct {
	net.Listener
	url     string
	handler http.Handler
}

// NewServer stores what it serves; Listen and Run act.
func NewServer(h connect.Herder, log *slog.Logger) *Server {
	transport := &http.Transport{TLSClientConfig: h.Config().REST.ClientTLS, IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 4}
	return &Server{herder: h, log: log.With(loglevel.Key, serverLogger), others: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Listen binds the addresses of the options listeners and admin.listeners and tells the worker its port, so that a taken port is known before
// anything runs. The addresses returned are those of listeners.
func (s *Server) Listen() ([]net.Addr, error) {
	cfg := s.herder.Config()
	auth, err := newBasicAuth(&cfg.REST)
	if err != nil {
		return nil, err
	}
	a := &api{herder: s.herder, log: s.log, others: s.others, auth: auth}
	admin := a.adminResources()
	resources := a.resources()
	if !cfg.REST.AdminApart {
		resources = append(resources, admin...)
	}
	var bound []net.Addr
	for i, listener := range cfg.Listeners {
		ln, err := s.listen("listeners", listener, a.handler(resources, cfg.REST.ResponseHeaders))
		if err != nil {
			return nil, err
		}
		bound = append(bound, ln.Addr())
		if addr, ok := ln.Addr().(*net.TCPAddr); ok && i == cfg.AdvertisedListener() {
			s.herder.Listening(addr.Port)
		}
	}
	for _, listener := range cfg.REST.AdminListeners {
		handler := a.handler(admin, nil)
		if cfg.REST.AdminProfiles {
			handler = a.profiled(handler)
		}
		if _, err := s.listen("admin.listeners", listener, handler); err != nil {
			return nil, err
		}
	}
	for _, listener := range cfg.Metrics.Listeners {
		if _, err := s.listen("metrics.listeners", listener, a.handler(nil, cfg.REST.ResponseHeaders)); err != nil {
			return nil, err
		}
	}
	return bound, nil
}

// listen binds one address; when that fails, none is left.
func (s *Server) listen(option, listener string, handler http.Handler) (net.Listener, error) {
	u, err := url.Parse(listener)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("listen on %q (%s): %w", listener, option, err)
	}
	ln, err := net.Listen("tcp", u.Host)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("serve the REST API on %s (%s): %w", listener, option, err)
	}
	scheme := strings.ToLower(u.Scheme)
	cfg := s.herder.Config().REST
	settings := cfg.ServerTLS
	if option == "admin.listeners" {
		settings = cfg.AdminTLS
	}
	if scheme == "https" {
		ln = tls.NewListener(ln, settings)
	}
	if option != "metrics.listeners" && open(ln.Addr()) && !cfg.BasicAuth && (scheme != "https" || settings.ClientAuth != tls.RequireAndVerifyClientCert) {
		s.log.Warn("other machines reach this address without authentication: whoever does can make connectors, which read files and databases with the rights of this worker; "+
			"listen on 127.0.0.1, set rest.extension.classes="+connect.BasicAuthClass+", or use https with ssl.client.auth=required", "option", option, "address", listener)
	}
	s.listeners = append(s.listeners, served{ln, scheme + "://" + ln.Addr().String(), handler})
	return ln, nil
}

// open tells whether an address is more than this machine's own.
func open(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
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
	defer s.others.CloseIdleConnections()
	g, groupCtx := errgroup.WithContext(ctx)
	for _, ln := range s.listeners {
		server := &http.Server{
			Handler:           ln.handler,
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       30 * time.Second, // Jetty's
			// The handler answers them, as Jetty does.
			DisableGeneralOptionsHandler: true,
			ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		}
		s.log.Info("the REST API is served", "address", ln.url)
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
