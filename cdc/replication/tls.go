package replication

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/tandem-cdc/tandem/internal/keystore"
)

// tlsConfigs are the ways to connect in the order to try them; nil is without encryption. Semantics of sslmode: pgjdbc and libpq.
func (c *Config) tlsConfigs() ([]*tls.Config, error) {
	if c.SSLMode == SSLDisable {
		return []*tls.Config{nil}, nil
	}
	if c.Negotiation == "direct" && (c.SSLMode == SSLAllow || c.SSLMode == SSLPrefer) {
		return nil, fmt.Errorf("database.sslNegotiation=direct needs database.sslmode=require, verify-ca or verify-full; it is %s", c.SSLMode)
	}
	t := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if net.ParseIP(c.Host) == nil {
		t.ServerName = c.Host // RFC 6066: no server name indication for addresses
	}
	if c.negotiation() == "direct" {
		t.NextProtos = []string{"postgresql"} // servers insist on it where TLS begins with the first byte
	}
	if c.SSLCert != "" || c.SSLKey != "" {
		certificate, err := c.clientCertificate()
		if err != nil {
			return nil, err
		}
		t.Certificates = []tls.Certificate{certificate}
	}
	switch c.SSLMode {
	case SSLAllow:
		return []*tls.Config{nil, t}, nil
	case SSLPrefer:
		return []*tls.Config{t, nil}, nil
	case SSLRequire:
		return []*tls.Config{t}, nil
	}
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	name := ""
	if c.SSLMode == SSLVerifyFull {
		name = c.Host
	}
	// The standard verification cannot leave out the name, which verify-ca does not check; so both modes verify here.
	t.VerifyConnection = func(s tls.ConnectionState) error {
		opts := x509.VerifyOptions{Roots: roots, DNSName: name, Intermediates: x509.NewCertPool()}
		for _, certificate := range s.PeerCertificates[1:] {
			opts.Intermediates.AddCert(certificate)
		}
		_, err := s.PeerCertificates[0].Verify(opts)
		return err
	}
	return []*tls.Config{t}, nil
}

// roots are the certificates that may sign the server's; nil for the system's.
func (c *Config) roots() (*x509.CertPool, error) {
	if c.SSLRootCert == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.SSLRootCert)
	if err != nil {
		return nil, fmt.Errorf("read database.sslrootcert: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read database.sslrootcert %q: no certificate in PEM form", c.SSLRootCert)
	}
	return pool, nil
}

// clientCertificate reads certificate and key. Each is PEM or, as pgjdbc's users keep them, in DER; a key in a PKCS #12 file brings its certificate.
func (c *Config) clientCertificate() (tls.Certificate, error) {
	if c.SSLKey == "" || c.SSLCert == "" && !isPKCS12(c.SSLKey) {
		return tls.Certificate{}, errors.New("database.sslcert and database.sslkey go together: set both or neither")
	}
	key, err := os.ReadFile(c.SSLKey)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read database.sslkey: %w", err)
	}
	if isPKCS12(c.SSLKey) {
		all, err := keystore.Identities(key, c.SSLPassword.Reveal(), "")
		if err != nil {
			return tls.Certificate{}, c.keyError(err)
		}
		return all[0], nil
	}
	chain, err := os.ReadFile(c.SSLCert)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read database.sslcert: %w", err)
	}
	if block, _ := pem.Decode(chain); block == nil { // DER
		chain = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain})
	}
	pair, err := keystore.Pair(chain, key, c.SSLPassword.Reveal())
	if err != nil {
		return tls.Certificate{}, c.keyError(err)
	}
	return pair, nil
}

// isPKCS12 goes by the name, as pgjdbc does.
func isPKCS12(file string) bool {
	name := strings.ToLower(file)
	return strings.HasSuffix(name, ".p12") || strings.HasSuffix(name, ".pfx")
}

func (c *Config) keyError(err error) error {
	if errors.Is(err, keystore.ErrPassword) {
		err = fmt.Errorf("%w; check database.sslpassword", err)
	}
	return fmt.Errorf("read database.sslkey %q and database.sslcert %q: %w", c.SSLKey, c.SSLCert, err)
}
