package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Protocol is the value of security.protocol.
type Protocol string

// Protocols.
const (
	Plaintext     Protocol = "PLAINTEXT"
	SSL           Protocol = "SSL"
	SASLPlaintext Protocol = "SASL_PLAINTEXT"
	SASLSSL       Protocol = "SASL_SSL"
)

// Mechanism is the value of sasl.mechanism.
type Mechanism string

// Mechanisms that are spoken.
const (
	Plain       Mechanism = "PLAIN"
	ScramSHA256 Mechanism = "SCRAM-SHA-256"
	ScramSHA512 Mechanism = "SCRAM-SHA-512"
)

// Security holds how a broker is proven to us and we to it.
type Security struct {
	Protocol Protocol

	Mechanism Mechanism
	JAAS      config.Secret // sasl.jaas.config

	TrustType     string
	TrustFile     string
	TrustPassword config.Secret
	TrustPEM      config.Secret // ssl.truststore.certificates
	KeyType       string
	KeyFile       string
	KeyStorePass  config.Secret
	KeyPassword   config.Secret
	KeyPEM        config.Secret // ssl.keystore.key
	ChainPEM      config.Secret // ssl.keystore.certificate.chain

	// Identification is "https" or empty: whether the certificate must name the host.
	Identification string
	Protocols      []string
}

func (s *Security) keys() config.Keys {
	high := config.Rank(config.High)
	low := config.Rank(config.Low)
	return append(config.Keys{
		config.Enum(&s.Protocol, "security.protocol", "Whether the connection is encrypted (SSL) and whether it is opened with a user name and password (SASL).",
			[]Protocol{Plaintext, SSL, SASLPlaintext, SASLSSL}),
		config.String((*string)(&s.Mechanism), "sasl.mechanism", "How user name and password are shown to the broker: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. The default is Java's and not supported."),
		config.Password(&s.JAAS, "sasl.jaas.config", "User name and password, in Java's form (LoginModule required username=\"NAME\" password=\"SECRET\";), of the modules PlainLoginModule and ScramLoginModule.", config.Null()),
		config.String(&s.TrustType, "ssl.truststore.type", "Only PEM is read; convert other types. A file of PEM text is read whatever this says."),
		config.String(&s.TrustFile, "ssl.truststore.location", "File of certificates to trust; none: those of the system.", config.Null(), high),
		config.Password(&s.TrustPassword, "ssl.truststore.password", "PEM files have no password.", config.Null(), high, config.WithoutEffect()),
		config.Password(&s.TrustPEM, "ssl.truststore.certificates", "Certificates to trust, as PEM text, instead of a file.", config.Null(), high),
		config.String(&s.KeyType, "ssl.keystore.type", "Only PEM is read; convert other types. A file of PEM text is read whatever this says."),
		config.String(&s.KeyFile, "ssl.keystore.location", "File of our key and certificate chain.", config.Null(), high),
		config.Password(&s.KeyStorePass, "ssl.keystore.password", "PEM files have no password.", config.Null(), high, config.WithoutEffect()),
		config.Password(&s.KeyPassword, "ssl.key.password", "The key must not be encrypted.", config.Null(), high, config.WithoutEffect()),
		config.Password(&s.KeyPEM, "ssl.keystore.key", "Our key, as PEM text, instead of a file.", config.Null(), high),
		config.Password(&s.ChainPEM, "ssl.keystore.certificate.chain", "Our certificate chain, as PEM text.", config.Null(), high),
		config.Enum(&s.Identification, "ssl.endpoint.identification.algorithm", "https: the certificate must name the host; empty: any.", []string{"https", ""}, low),
		config.List(&s.Protocols, "ssl.enabled.protocols", "Versions of TLS: TLSv1.2, TLSv1.3.", config.Check(knownTLS)),
	}, config.Ignored("ssl.protocol", "ssl.provider", "ssl.cipher.suites", "ssl.keymanager.algorithm", "ssl.trustmanager.algorithm",
		"ssl.secure.random.implementation", "ssl.engine.factory.class", "sasl.kerberos.service.name", "sasl.kerberos.kinit.cmd",
		"sasl.login.class", "sasl.login.callback.handler.class", "sasl.client.callback.handler.class")...)
}

var tlsVersions = map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}

func knownTLS(text string) error {
	for _, v := range config.SplitList(text) {
		if tlsVersions[v] == 0 {
			return fmt.Errorf("%q is not one of TLSv1.2, TLSv1.3", v)
		}
	}
	return nil
}

func (s *Security) encrypted() bool { return s.Protocol == SSL || s.Protocol == SASLSSL }
func (s *Security) sasl() bool      { return s.Protocol == SASLPlaintext || s.Protocol == SASLSSL }

// check reports what the options cannot say one by one; it reads the certificate files.
func (s *Security) check(r *config.Report) {
	if s.sasl() {
		if !slices.Contains([]Mechanism{Plain, ScramSHA256, ScramSHA512}, s.Mechanism) {
			r.Fail("sasl.mechanism", "Invalid value %s for configuration sasl.mechanism: want one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", s.Mechanism)
		} else if _, _, err := s.login(); err != nil {
			r.Fail("sasl.jaas.config", "Invalid value %s for configuration sasl.jaas.config: %v", config.Hidden, err)
		}
	}
	if s.encrypted() {
		if _, err := s.tlsConfig(); err != nil {
			var at *optionError
			if errors.As(err, &at) {
				r.Fail(at.option, "Invalid configuration %s: %v", at.option, at.err)
			}
		}
	}
}

// optionError is an error that belongs to an option.
type optionError struct {
	option string
	err    error
}

func (e *optionError) Error() string { return e.option + ": " + e.err.Error() }
func (e *optionError) Unwrap() error { return e.err }

// login reads user name and password out of a JAAS line:
// org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";
func (s *Security) login() (user, password string, err error) {
	text := strings.TrimSpace(s.JAAS.Reveal())
	if text == "" {
		return "", "", errors.New("a line such as org.apache.kafka.common.security.plain.PlainLoginModule required username=\"…\" password=\"…\"; is required")
	}
	words, err := jaasWords(text)
	if err != nil {
		return "", "", err
	}
	module := map[Mechanism]string{Plain: "PlainLoginModule", ScramSHA256: "ScramLoginModule", ScramSHA512: "ScramLoginModule"}[s.Mechanism]
	if len(words) < 2 || !strings.HasSuffix(words[0], "."+module) {
		return "", "", fmt.Errorf("want the module org.apache.kafka.common.security.….%s for sasl.mechanism %s", module, s.Mechanism)
	}
	options := make(map[string]string)
	for _, w := range words[2:] {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return "", "", fmt.Errorf("after the control flag come options as name=\"value\"")
		}
		options[name] = value
	}
	if options["username"] == "" {
		return "", "", errors.New("username is missing")
	}
	return options["username"], options["password"], nil
}

// jaasWords splits a JAAS entry at blanks outside quotes, takes quotes and escapes off and ends at the semicolon.
func jaasWords(text string) ([]string, error) {
	var words []string
	var w strings.Builder
	inWord, quoted := false, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted != 0 && c == '\\' && i+1 < len(text):
			i++
			w.WriteByte(text[i])
		case quoted != 0 && c == quoted:
			quoted = 0
		case quoted != 0:
			w.WriteByte(c)
		case c == '"' || c == '\'':
			quoted, inWord = c, true
		case c == ';' || c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if inWord {
				words = append(words, w.String())
				w.Reset()
				inWord = false
			}
			if c == ';' {
				return words, nil
			}
		default:
			w.WriteByte(c)
			inWord = true
		}
	}
	if quoted != 0 {
		return nil, errors.New("a quotation mark is not closed")
	}
	return nil, errors.New("the line must end with a semicolon")
}

// tlsConfig reads the stores.
func (s *Security) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(s.Protocols) > 0 {
		c.MinVersion, c.MaxVersion = tls.VersionTLS13, tls.VersionTLS12
		for _, v := range s.Protocols {
			c.MinVersion, c.MaxVersion = min(c.MinVersion, tlsVersions[v]), max(c.MaxVersion, tlsVersions[v])
		}
	}
	var err error
	if c.RootCAs, err = s.trusted(); err != nil {
		return nil, err
	}
	if c.Certificates, err = s.ownChain(); err != nil {
		return nil, err
	}
	if s.Identification == "" {
		roots := c.RootCAs
		c.InsecureSkipVerify = true // the name is not checked, as asked; the chain is, below
		c.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, roots) }
	}
	return c, nil
}

func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
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
func (s *Security) trusted() (*x509.CertPool, error) {
	text, option := s.TrustPEM.Reveal(), "ssl.truststore.certificates"
	if text == "" {
		if s.TrustFile == "" {
			return nil, nil
		}
		option = "ssl.truststore.location"
		var err error
		if text, err = readPEM(s.TrustFile, s.TrustType, "keytool -exportcert -rfc -keystore %s -alias … -file truststore.pem"); err != nil {
			return nil, &optionError{option, err}
		}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(text)) {
		return nil, &optionError{option, errors.New("no certificate in PEM form is in it")}
	}
	return pool, nil
}

func (s *Security) ownChain() ([]tls.Certificate, error) {
	chain, key, option := s.ChainPEM.Reveal(), s.KeyPEM.Reveal(), "ssl.keystore.key"
	if key == "" {
		if s.KeyFile == "" {
			return nil, nil
		}
		option = "ssl.keystore.location"
		text, err := readPEM(s.KeyFile, s.KeyType, "openssl pkcs12 -in %s -nodes -out keystore.pem (a JKS file first: keytool -importkeystore -deststoretype PKCS12)")
		if err != nil {
			return nil, &optionError{option, err}
		}
		chain, key = text, text
	}
	for block, rest := pem.Decode([]byte(key)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" {
			return nil, &optionError{option, errors.New("the private key is encrypted; decrypt it with openssl pkey -in keystore.pem -out key.pem and protect the file instead")}
		}
	}
	pair, err := tls.X509KeyPair([]byte(chain), []byte(key))
	if err != nil {
		return nil, &optionError{option, err}
	}
	return []tls.Certificate{pair}, nil
}

// readPEM reads a store. convert is the command that makes PEM of the other types.
func readPEM(file, storeType, convert string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if strings.EqualFold(storeType, "PEM") || strings.Contains(string(b), "-----BEGIN ") { // people forget the type
		return string(b), nil
	}
	return "", fmt.Errorf("%s is a store of type %s, of which only PEM is read; convert it with "+convert+" and set the type to PEM", file, storeType, file)
}
