package replication

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/tlsconf/tlstest"
)

// TestBindingByCertificate logs in to servers whose certificates are signed in each way: what a password is bound to is a hash of the certificate, by
// the hash of its signature, and one whose signature has no hash of its own cannot be bound to.
func TestBindingByCertificate(t *testing.T) {
	s, _, _ := secureServer(t)
	for _, kind := range tlstest.Kinds(t, "localhost") {
		t.Run(kind.Signature.String(), func(t *testing.T) {
			for name, text := range map[string][]byte{"server.crt": kind.PEM, "server.key": kind.KeyPEM} {
				if err := os.WriteFile(filepath.Join(filepath.Dir(s.LogFile()), name), text, 0o600); err != nil { // an existing file keeps its owner
					t.Fatal(err)
				}
			}
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			cfg := DefaultConfig()
			cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Name, cfg.SSLMode = "localhost", s.Port(), "encrypted", "pässword", "postgres", SSLVerifyFull
			cfg.SSLRootCert = file(t, "root.crt", kind.PEM)
			for _, binding := range []string{"disable", "prefer", "require"} {
				cfg.ChannelBinding = binding
				if binding == "require" && !kind.Bindable {
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
