package tlsconf

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"
)

// TestBinding shakes hands with servers whose certificates are signed by keys of several kinds.
func TestBinding(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		key     crypto.Signer
		trusted bool
		want    string // "" for an error
	}{{"ECDSA", ec, true, "prefer"}, {"Ed25519", edwards, true, "disable"}, {"not trusted", ec, false, ""}} {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"here"}, NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, tt.key.Public(), tt.key)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if cert, err := x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		} else if tt.trusted {
			pool.AddCert(cert)
		}
		near, far := net.Pipe()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = tls.Server(far, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: tt.key}}, SessionTicketsDisabled: true}).HandshakeContext(t.Context())
		}()
		got, err := Binding(t.Context(), tls.Client(near, &tls.Config{RootCAs: pool, ServerName: "here"}))
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: Binding = %q, %v, want %q", tt.name, got, err, tt.want)
		}
		near.Close()
		<-ended
		far.Close()
	}
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if got, err := Binding(t.Context(), near); got != "disable" || err != nil {
		t.Errorf("Binding of a plain connection = %q, %v, want disable", got, err)
	}
}
