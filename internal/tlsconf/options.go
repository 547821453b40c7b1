package tlsconf

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"crypto/tls"
	"crypto/x509"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/keystore"
)

// Options are those of one connection; start from Default.
type Options struct {
	TrustType     StoreType
	TrustFile     string
	TrustPassword config.Secret
	TrustPEM      config.Secret // ssl.truststore.certificates

	KeyType       StoreType
	KeyFile       string
	StorePassword config.Secret // ssl.keystore.password
	KeyPassword   config.Secret
	KeyPEM        config.Secret // ssl.keystore.key
	ChainPEM      config.Secret // ssl.keystore.certificate.chain

	// Identification is "https" or empty: whether the certificate must name the host.
	Identification string
	Versions       []string
	Suites         []string
}

// StoreType is the value of ssl.keystore.type and ssl.truststore.type.
type StoreType string

// Types of stores.
const (
	JKS    StoreType = "JKS"
	PKCS12 StoreType = "PKCS12"
	PEM    StoreType = "PEM"
)

// Default is the only place of defaults, which are those of Kafka's Java clients.
func Default() Options {
	return Options{TrustType: JKS, KeyType: JKS, Identification: "https", Versions: []string{"TLSv1.2", "TLSv1.3"}}
}

var versions = map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}

// Keys is the only place of the names.
func (o *Options) Keys() config.Keys {
	high, low := config.Rank(config.High), config.Rank(config.Low)
	types := []StoreType{JKS, PKCS12, PEM}
	const told = " What the file is shows by its first bytes, whatever this says: Java takes PKCS12 for JKS too."
	return append(config.Keys{
		config.Enum(&o.TrustType, "ssl.truststore.type", "Type of the trust store: JKS, PKCS12 or PEM."+told, types),
		config.String(&o.TrustFile, "ssl.truststore.location", "File of certificates to trust; none: those of the system.", config.Null(), high),
		config.Password(&o.TrustPassword, "ssl.truststore.password", "Password of the trust store. A JKS store is read without one, but not proven to be whole; PEM files have none.", config.Null(), high),
		config.Password(&o.TrustPEM, "ssl.truststore.certificates", "Certificates to trust, as PEM text, instead of a file.", config.Null(), high),
		config.Enum(&o.KeyType, "ssl.keystore.type", "Type of the key store: JKS, PKCS12 or PEM."+told, types),
		config.String(&o.KeyFile, "ssl.keystore.location", "File of our key and certificate chain.", config.Null(), high),
		config.Password(&o.StorePassword, "ssl.keystore.password", "Password of the key store; PEM files have none.", config.Null(), high),
		config.Password(&o.KeyPassword, "ssl.key.password", "Password of our key in the key store or in PEM text; that of the store without. A PKCS12 store has one password for both.", config.Null(), high),
		config.Password(&o.KeyPEM, "ssl.keystore.key", "Our key, as PEM text, instead of a file.", config.Null(), high),
		config.Password(&o.ChainPEM, "ssl.keystore.certificate.chain", "Our certificate chain, as PEM text.", config.Null(), high),
		config.Enum(&o.Identification, "ssl.endpoint.identification.algorithm", "https: the certificate must name the host; empty: any.", []string{"https", ""}, low),
		config.List(&o.Versions, "ssl.enabled.protocols", "Versions of TLS: TLSv1.2, TLSv1.3.", config.Check(knownVersions)),
		config.List(&o.Suites, "ssl.cipher.suites", "Cipher suites, by their standard names; empty: all that are safe. Of TLS 1.3, whose suites are all safe, naming one allows all, and naming none forbids that version.",
			config.Null(), low, config.Check(knownSuites)),
		config.String(new(string), "ssl.protocol", "Accepted and without effect: ssl.enabled.protocols decides.", config.WithoutEffect(), config.Null()),
	}, config.Ignored("ssl.provider", "ssl.keymanager.algorithm", "ssl.trustmanager.algorithm", "ssl.secure.random.implementation", "ssl.engine.factory.class")...)
}

func knownVersions(text string) error {
	for _, v := range config.SplitList(text) {
		if versions[v] == 0 {
			return fmt.Errorf("%q is not one of TLSv1.2, TLSv1.3", v)
		}
	}
	return nil
}

func knownSuites(text string) error {
	names := config.SplitList(text)
	ids, modern := suites(names)
	if len(names) > 0 && len(ids) == 0 && !modern {
		var known []string
		for _, s := range tls.CipherSuites() {
			known = append(known, s.Name)
		}
		return fmt.Errorf("none of them is spoken here; there are %s", strings.Join(known, ", "))
	}
	return nil
}

// suites are the numbers of those that are spoken, but for those of TLS 1.3, of which it tells whether there are any.
func suites(names []string) (ids []uint16, modern bool) {
	for _, s := range tls.CipherSuites() {
		switch {
		case !slices.Contains(names, s.Name):
		case slices.Equal(s.SupportedVersions, []uint16{tls.VersionTLS13}):
			modern = true
		default:
			ids = append(ids, s.ID)
		}
	}
	return ids, modern
}

// Error is an error that belongs to an option.
type Error struct {
	Option string
	Err    error
}

func (e *Error) Error() string { return e.Option + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Retriable is false: files and passwords do not come right by themselves.
func (e *Error) Retriable() bool { return false }

// Client reads the stores. The name that the certificate must have is the caller's to set, as ServerName, or the dialler's.
func (o *Options) Client() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(o.Versions) > 0 {
		c.MinVersion, c.MaxVersion = tls.VersionTLS13, tls.VersionTLS12
		for _, v := range o.Versions {
			c.MinVersion, c.MaxVersion = min(c.MinVersion, versions[v]), max(c.MaxVersion, versions[v])
		}
	}
	if err := o.limit(c); err != nil {
		return nil, err
	}
	var err error
	if c.RootCAs, err = o.trusted(); err != nil {
		return nil, err
	}
	if c.Certificates, err = o.identities(); err != nil {
		return nil, err
	}
	if o.Identification == "" {
		roots := c.RootCAs
		c.InsecureSkipVerify = true // the name is not checked, as asked; the chain is, below
		c.VerifyConnection = func(state tls.ConnectionState) error { return VerifyChain(state, roots) }
	}
	return c, nil
}

// limit allows the suites that are named.
func (o *Options) limit(c *tls.Config) error {
	if len(o.Suites) == 0 {
		return nil
	}
	ids, modern := suites(o.Suites)
	c.CipherSuites = ids
	if !modern {
		c.MaxVersion = tls.VersionTLS12
	}
	if len(ids) == 0 {
		c.MinVersion = tls.VersionTLS13
	}
	if c.MaxVersion != 0 && c.MinVersion > c.MaxVersion {
		return &Error{"ssl.cipher.suites", fmt.Errorf("none of them is of the versions %s", strings.Join(o.Versions, ", "))}
	}
	return nil
}

// VerifyChain checks a server's certificate, and not its name. The chain is the system's to prove without roots.
func VerifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	between := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	if _, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}

// trusted is nil for the system's certificates.
func (o *Options) trusted() (*x509.CertPool, error) {
	store, option := []byte(o.TrustPEM.Reveal()), "ssl.truststore.certificates"
	if len(store) == 0 {
		if o.TrustFile == "" {
			return nil, nil
		}
		option = "ssl.truststore.location"
		var err error
		if store, err = os.ReadFile(o.TrustFile); err != nil {
			return nil, &Error{option, err}
		}
	}
	certs, err := keystore.Trusted(store, o.TrustPassword.Reveal())
	if err != nil {
		return nil, storeError(option, o.TrustFile, "ssl.truststore.password", err)
	}
	return keystore.Pool(certs), nil
}

func (o *Options) identities() ([]tls.Certificate, error) {
	if o.KeyPEM != "" {
		one, err := keystore.Pair([]byte(o.ChainPEM.Reveal()), []byte(o.KeyPEM.Reveal()), o.KeyPassword.Reveal())
		if err != nil {
			return nil, storeError("ssl.keystore.key", "", "ssl.key.password", err)
		}
		return []tls.Certificate{one}, nil
	}
	if o.KeyFile == "" {
		return nil, nil
	}
	store, err := os.ReadFile(o.KeyFile)
	if err != nil {
		return nil, &Error{"ssl.keystore.location", err}
	}
	all, err := keystore.Identities(store, o.StorePassword.Reveal(), o.KeyPassword.Reveal())
	if err != nil {
		return nil, storeError("ssl.keystore.location", o.KeyFile, "ssl.keystore.password and ssl.key.password", err)
	}
	return all, nil
}

// storeError names the file, and the options to look at when it does not open.
func storeError(option, file, passwords string, err error) error {
	if errors.Is(err, keystore.ErrPassword) {
		err = fmt.Errorf("%w; check %s", err, passwords)
	}
	if file != "" {
		err = fmt.Errorf("read %s: %w", file, err)
	}
	return &Error{option, err}
}

// Check reads the stores and reports what is wrong with them.
func (o *Options) Check(r *config.Report) {
	var wrong *Error
	if _, err := o.Client(); errors.As(err, &wrong) {
		r.Fail(wrong.Option, "Invalid configuration %s: %v", wrong.Option, wrong.Err)
	}
	if _, modern := suites(o.Suites); len(o.Suites) > 0 {
		ids, _ := suites(o.Suites)
		for _, name := range o.Suites {
			if !slices.ContainsFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool { return s.Name == name }) && (modern || len(ids) > 0) {
				r.Warn("ssl.cipher.suites", "Option \"ssl.cipher.suites\" names %s, which is not spoken here and is left out.", name)
			}
		}
	}
}

// Parse reads the options of a client; without config where the report has errors.
func Parse(props map[string]string) (*tls.Config, config.Report) {
	o := Default()
	r := o.Keys().Parse(props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	o.Check(&r)
	if len(r.Errors) > 0 {
		return nil, r
	}
	c, err := o.Client()
	if err != nil { // a file that was there a moment ago
		r.Fail("ssl.keystore.location", "Invalid configuration ssl.keystore.location: %v", err)
		return nil, r
	}
	return c, r
}

// Server turns a client's settings into a listener's. auth is the value of ssl.client.auth: required, requested or none.
func Server(c *tls.Config, auth string) *tls.Config {
	s := &tls.Config{MinVersion: c.MinVersion, MaxVersion: c.MaxVersion, CipherSuites: c.CipherSuites, Certificates: c.Certificates, ClientCAs: c.RootCAs}
	switch auth {
	case "required":
		s.ClientAuth = tls.RequireAndVerifyClientCert
	case "requested":
		s.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return s
}
