package replication

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
)

// tlsConfigs are the ways to connect in the order to try them; nil is without encryption. Semantics of sslmode: pgjdbc and libpq.
func (c *Config) tlsConfigs() ([]*tls.Config, error) {
	if c.SSLMode == SSLDisable {
		return []*tls.Config{nil}, nil
	}
	t := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if net.ParseIP(c.Host) == nil {
		t.ServerName = c.Host // RFC 6066: no server name indication for addresses
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

// clientCertificate reads certificate and key, each in PEM or, as pgjdbc's users keep keys, in DER.
func (c *Config) clientCertificate() (tls.Certificate, error) {
	if c.SSLCert == "" || c.SSLKey == "" {
		return tls.Certificate{}, errors.New("database.sslcert and database.sslkey go together: set both or neither")
	}
	certificate, err := readPEM(c.SSLCert, "CERTIFICATE")
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read database.sslcert: %w", err)
	}
	key, err := readPEM(c.SSLKey, "PRIVATE KEY")
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read database.sslkey: %w", err)
	}
	if key, err = c.decrypt(key); err != nil {
		return tls.Certificate{}, fmt.Errorf("read database.sslkey %q: %w", c.SSLKey, err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read database.sslkey %q and database.sslcert %q: %w", c.SSLKey, c.SSLCert, err)
	}
	return pair, nil
}

// readPEM reads a file that is PEM, or DER of what kind says.
func readPEM(file, kind string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(text); block != nil {
		return text, nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: text}), nil
}

// decrypt opens a key in the traditional encrypted PEM form, the one the standard library knows.
func (c *Config) decrypt(key []byte) ([]byte, error) {
	block, _ := pem.Decode(key)
	switch {
	case block == nil:
		return nil, errors.New("no key in it")
	case block.Type == "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("keys encrypted in PKCS #8 are not read; store it unencrypted, readable by this user alone: openssl pkcs8 -in KEY -out NEW")
	//lint:ignore SA1019 the form is weak, but it is what existing installations have on their disks
	case !x509.IsEncryptedPEMBlock(block):
		return key, nil
	}
	//lint:ignore SA1019 as above
	der, err := x509.DecryptPEMBlock(block, []byte(c.SSLPassword.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("decrypt with database.sslpassword: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), nil
}
