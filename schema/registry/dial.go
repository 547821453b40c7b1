package registry

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// newTransport makes the connections that a Config asks for. It speaks as Confluent's client does: HTTP/1.1, and no answer compressed. Apicurio
// compresses twice over HTTP/2, and says so once.
func newTransport(c Config) *http.Transport {
	plain := &net.Dialer{Timeout: c.ConnectTimeout}
	t := &http.Transport{
		Proxy:              http.ProxyFromEnvironment,
		TLSClientConfig:    c.TLS, // behind a proxy, which DialTLSContext does not know
		DialContext:        plain.DialContext,
		DialTLSContext:     (&secureDialer{plain: plain, config: c.TLS, timeout: cmp.Or(c.ConnectTimeout, c.Timeout)}).dial,
		DisableCompression: true,
		IdleConnTimeout:    5 * time.Second, // registrations come in bursts, when streams begin
		// As many as connect asks for side by side, so that none of them dials anew.
		MaxIdleConnsPerHost: 8,
	}
	if c.Proxy != nil {
		t.Proxy = http.ProxyURL(c.Proxy)
	}
	return t
}

// secureDialer makes encrypted connections.
type secureDialer struct {
	plain   *net.Dialer
	config  *tls.Config // nil: the system's certificates
	timeout time.Duration
}

func (d *secureDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	raw, err := d.plain.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.config != nil {
		config = d.config.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	c := tls.Client(raw, config)
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return &secureConn{c}, nil
}

// secureConn tells why the server hung up. With TLS 1.3 a client is ready before the server has looked at its certificate: what it writes may fail
// because the server is gone, while the reason lies there to be read.
type secureConn struct{ *tls.Conn }

// reasonTimeout is for what has arrived already.
const reasonTimeout = time.Second

// Write writes, or returns the server's alert if there is one.
func (c *secureConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err == nil {
		return n, nil
	}
	_ = c.SetReadDeadline(time.Now().Add(reasonTimeout)) // the connection is of no more use
	if _, reason := c.Read(make([]byte, 1)); refused(reason) {
		err = reason
	}
	return n, err
}
