package embedded

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// Registry is a running schema registry.
type Registry struct {
	server *http.Server
	addr   string
	served chan struct{} // made and closed by StartRegistry's goroutine when it ends
}

// StartRegistry listens on host:port; empty, or port 0: any free port of 127.0.0.1. The error of a taken address is ErrAddressInUse.
func StartRegistry(addr string) (*Registry, error) {
	ln, err := listen(addr)
	if err != nil {
		return nil, fmt.Errorf("start the embedded registry: %w", err)
	}
	return serve(ln, srfake.NewRegistry().Handler()), nil
}

func serve(ln net.Listener, h http.Handler) *Registry {
	r := &Registry{
		server: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second},
		addr:   ln.Addr().String(),
		served: make(chan struct{}),
	}
	go func() {
		defer close(r.served)
		_ = r.server.Serve(ln) // ends with ErrServerClosed
	}()
	return r
}

// Addr is host:port.
func (r *Registry) Addr() string { return r.addr }

// URL is its base address, without a slash at the end.
func (r *Registry) URL() string { return "http://" + r.addr }

// Close stops it; all schemas are gone, but for those in a file.
func (r *Registry) Close() {
	_ = r.server.Close()
	<-r.served
	if j, ok := r.server.Handler.(*journal); ok {
		j.close()
	}
}
