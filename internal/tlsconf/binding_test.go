package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"github.com/tandem-cdc/tandem/internal/tlsconf/tlstest"
)

// TestBinding shakes hands with servers whose certificates are signed in each way: a login is bound to those whose signature has a hash.
func TestBinding(t *testing.T) {
	for _, kind := range tlstest.Kinds(t, "here") {
		want := "disable"
		if kind.Bindable {
			want = "prefer"
		}
		if got, err := bindingOf(t, kind.Certificate, true); got != want || err != nil {
			t.Errorf("Binding to a certificate with signature %s = %q, %v, want %q", kind.Signature, got, err, want)
		}
	}
	if got, err := bindingOf(t, tlstest.SelfSigned(t, "here"), false); err == nil {
		t.Errorf("Binding to a certificate that is not trusted = %q, want an error", got)
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if got, err := Binding(t.Context(), near); got != "disable" || err != nil {
		t.Errorf("Binding of a plain connection = %q, %v, want disable", got, err)
	}
}

// bindingOf is Binding of a connection to a server with that certificate.
func bindingOf(t *testing.T, c tlstest.Certificate, trusted bool) (string, error) {
	t.Helper()
	pool := x509.NewCertPool()
	if trusted {
		pool.AddCert(c.Leaf)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if far, err := l.Accept(); err == nil {
			_ = tls.Server(far, &tls.Config{Certificates: []tls.Certificate{c.Certificate}}).HandshakeContext(t.Context())
			far.Close()
		}
	}()
	near, err := net.Dial("tcp", l.Addr().String())
	defer func() {
		l.Close()
		<-ended
	}()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	return Binding(t.Context(), tls.Client(near, &tls.Config{RootCAs: pool, ServerName: "here"}))
}
