package registry

import (
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// secureServer speaks TLS, HTTP/2 too, and wants a certificate of the client if auth says so.
func secureServer(t *testing.T, auth tls.ClientAuthType, f http.HandlerFunc) (url string, trusted *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(f)
	s.EnableHTTP2 = true
	s.TLS, s.Config.ErrorLog = &tls.Config{ClientAuth: auth}, log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	trusted = x509.NewCertPool()
	trusted.AddCert(s.Certificate())
	return s.URL, trusted
}

// TestCompressedTwice asks a registry that compresses twice whoever takes it over HTTP/2, as Apicurio 3.3 does.
func TestCompressedTwice(t *testing.T) {
	url, trusted := secureServer(t, tls.NoClientCert, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Write([]byte(`{"id":5}`))
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		outer := gzip.NewWriter(w)
		inner := gzip.NewWriter(outer)
		inner.Write([]byte(`{"id":5}`))
		inner.Close()
		outer.Close()
	})
	c := newClient(t, Config{URLs: []string{url}, TLS: &tls.Config{RootCAs: trusted}})
	if id, err := c.Register(t.Context(), "a", text); err != nil || id != 5 {
		t.Errorf("Register = %d, %v, want 5", id, err)
	}
}

// TestRefusedCertificate has a server end the connection for want of a certificate while the request is on its way. Whichever side is quicker, the
// error tells of the certificate, and is for good.
func TestRefusedCertificate(t *testing.T) {
	url, trusted := secureServer(t, tls.RequireAnyClientCert, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"id":5}`)) })
	for i := range 100 {
		c := newClient(t, Config{URLs: []string{url}, TLS: &tls.Config{RootCAs: trusted}})
		_, err := c.Register(t.Context(), "a", text)
		if err == nil || retriable(err) || !strings.Contains(err.Error(), "schema.registry.ssl.keystore.location") {
			t.Fatalf("Register, attempt %d = %v, want an error that names the option, for good", i, err)
		}
	}
	_, err := newClient(t, Config{URLs: []string{url}, TLS: &tls.Config{RootCAs: x509.NewCertPool()}}).Register(t.Context(), "a", text)
	if err == nil || retriable(err) || !strings.Contains(err.Error(), "schema.registry.ssl.truststore.location") {
		t.Errorf("Register at a server that is not trusted = %v, want an error that names the option, for good", err)
	}
}

// TestReason writes to a server that has looked at the certificate, of which there is none, and is gone: the error is what it said before.
func TestReason(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.TLS = new(tls.Config)
	s.StartTLS()
	defer s.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(s.Certificate())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	gone := make(chan error, 1)
	go func() {
		raw, err := listener.Accept()
		if err == nil {
			_ = tls.Server(raw, &tls.Config{Certificates: s.TLS.Certificates, ClientAuth: tls.RequireAnyClientCert}).HandshakeContext(t.Context()) // fails, and says so to the client
			err = raw.Close()
		}
		gone <- err
	}()
	d := &secureDialer{plain: new(net.Dialer), config: &tls.Config{RootCAs: trusted}, timeout: time.Minute}
	c, err := d.dial(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := <-gone; err != nil {
		t.Fatal(err)
	}
	for err == nil { // the first write may still find room in the network
		_, err = c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	}
	if !refused(err) {
		t.Errorf("Write = %v, want the server's alert", err)
	}
}
