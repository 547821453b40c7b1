package replication

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// selfSigned makes a certificate for localhost, whose signature is of the algorithm, and its key, both in PEM.
func selfSigned(t *testing.T, algorithm x509.SignatureAlgorithm, key crypto.Signer) (certificate, private []byte) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), SignatureAlgorithm: algorithm}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// TestBindingByCertificate logs in to servers whose certificates are signed in each way: what a password is bound to is a hash of the certificate, by
// the hash of its signature, and one whose signature has no hash of its own cannot be bound to.
func TestBindingByCertificate(t *testing.T) {
	s, _, _ := secureServer(t)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		algorithm x509.SignatureAlgorithm
		key       crypto.Signer
		bound     bool
	}{
		{x509.ECDSAWithSHA256, p256, true},
		{x509.ECDSAWithSHA384, p256, true},
		{x509.ECDSAWithSHA512, p256, true},
		{x509.SHA256WithRSA, r, true},
		{x509.SHA384WithRSAPSS, r, true},
		{x509.PureEd25519, edwards, false},
	} {
		t.Run(tt.algorithm.String(), func(t *testing.T) {
			certificate, key := selfSigned(t, tt.algorithm, tt.key)
			for name, text := range map[string][]byte{"server.crt": certificate, "server.key": key} {
				if err := os.WriteFile(filepath.Join(filepath.Dir(s.LogFile()), name), text, 0o600); err != nil { // an existing file keeps its owner
					t.Fatal(err)
				}
			}
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			cfg := DefaultConfig()
			cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Name, cfg.SSLMode = "localhost", s.Port(), "encrypted", "pässword", "postgres", SSLVerifyFull
			cfg.SSLRootCert = file(t, "root.crt", certificate)
			for _, binding := range []string{"disable", "prefer", "require"} {
				cfg.ChannelBinding = binding
				if binding == "require" && !tt.bound {
					_, general := cfg.Connect(context.Background(), General)
					_, streaming := Connect(context.Background(), cfg)
					for kind, err := range map[string]error{"General": general, "Streaming": streaming} {
						if err == nil || !strings.Contains(err.Error(), "database.channelBinding") || !strings.Contains(err.Error(), "Ed25519") || retriable(err) {
							t.Errorf("%s with channelBinding=require: %v, retriable %t, want an error that names the option and the signature, for good", kind, err, retriable(err))
						}
					}
					continue
				}
				open(t, cfg)
				if _, err := replication(t, cfg).Identify(context.Background()); err != nil {
					t.Errorf("Identify with channelBinding=%s: %v", binding, err)
				}
			}
		})
	}
}
