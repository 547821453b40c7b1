package replication

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/config"
)

// authority signs certificates for the tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a certificate for a host and its key, both in DER.
func (a *authority) sign(host string) (cert, key []byte) {
	a.t.Helper()
	k := newKey(a.t)
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour)}, a.cert, &k.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	if key, err = x509.MarshalPKCS8PrivateKey(k); err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// file writes content to a file of the test and returns its path.
func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tlsServer answers an SSLRequest and refuses the startup message behind it with SQLSTATE 3D000, telling in the text what it saw. It returns its port.
func tlsServer(t *testing.T, config *tls.Config) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			refuse(c, config)
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	return l.Addr().(*net.TCPAddr).Port
}

func refuse(c net.Conn, config *tls.Config) {
	defer c.Close()
	saw := "plain"
	b := pgproto3.NewBackend(c, c)
	m, err := b.ReceiveStartupMessage()
	if err != nil {
		return
	}
	if _, ok := m.(*pgproto3.SSLRequest); ok {
		if config == nil {
			_, _ = c.Write([]byte{'N'})
			return
		}
		_, _ = c.Write([]byte{'S'})
		s := tls.Server(c, config)
		if s.Handshake() != nil {
			return
		}
		saw = "encrypted"
		if len(s.ConnectionState().PeerCertificates) > 0 {
			saw = "certified"
		}
		b = pgproto3.NewBackend(s, s)
		if _, err := b.ReceiveStartupMessage(); err != nil {
			return
		}
	}
	b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "3D000", Message: saw})
	_ = b.Flush()
}

func TestSSLMode(t *testing.T) {
	a := newAuthority(t)
	roots := file(t, "root.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
	strange := file(t, "strange.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: newAuthority(t).cert.Raw}))
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	server := func(host string) *tls.Config {
		cert, key := a.sign(host)
		k, err := x509.ParsePKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: k}}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
	}
	clientCert, clientKey := a.sign("me")
	certPEM := file(t, "me.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: clientCert}))
	keyDER := file(t, "me.pk8", clientKey)
	with, without := tlsServer(t, server("localhost")), tlsServer(t, nil)
	wrongName := tlsServer(t, server("elsewhere"))
	for _, tt := range []struct {
		name    string
		mode    SSLMode
		port    int
		roots   string
		client  bool
		want    string // in the error: what the server saw, or why it was not reached
		refused bool   // for good
	}{
		{"disable", SSLDisable, with, "", false, "plain", true},
		{"allow", SSLAllow, with, "", false, "plain", true},
		{"prefer, with", SSLPrefer, with, "", false, "encrypted", true},
		{"prefer, without", SSLPrefer, without, "", false, "plain", true},
		{"require, with", SSLRequire, with, "", false, "encrypted", true},
		{"require, without", SSLRequire, without, "", false, "TLS", false},
		{"require ignores roots, as pgjdbc", SSLRequire, with, strange, false, "encrypted", true},
		{"verify-ca", SSLVerifyCA, wrongName, roots, false, "encrypted", true},
		{"verify-ca, strange", SSLVerifyCA, with, strange, false, "unknown authority", true},
		{"verify-full", SSLVerifyFull, with, roots, false, "encrypted", true},
		{"verify-full, name", SSLVerifyFull, wrongName, roots, false, "elsewhere", true},
		{"verify-full, system's roots", SSLVerifyFull, with, "", false, "unknown authority", true},
		{"client certificate", SSLVerifyFull, with, roots, true, "certified", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Host, cfg.Port, cfg.User, cfg.Name, cfg.SSLMode, cfg.SSLRootCert = "localhost", tt.port, "u", "d", tt.mode, tt.roots
			if tt.client {
				cfg.SSLCert, cfg.SSLKey = certPEM, keyDER
			}
			_, err := Connect(context.Background(), cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) || retriable(err) == tt.refused {
				t.Errorf("Connect = %v, retriable %t, want %q, %t", err, retriable(err), tt.want, !tt.refused)
			}
		})
	}
}

// How an encrypted connection begins reaches the driver, and nothing of the environment does.
func TestNegotiation(t *testing.T) {
	t.Setenv("PGSSLNEGOTIATION", "direct")
	t.Setenv("PGCHANNELBINDING", "require")
	for _, tt := range []struct {
		mode        SSLMode
		negotiation string
		want        string
	}{{SSLRequire, "postgres", ""}, {SSLRequire, "direct", "direct"}, {SSLVerifyFull, "direct", "direct"}, {SSLDisable, "direct", ""}} {
		cfg := DefaultConfig()
		cfg.Host, cfg.SSLMode, cfg.Negotiation = "localhost", tt.mode, tt.negotiation
		got, err := cfg.driver("test", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got.TLSConfig != nil && (len(got.TLSConfig.NextProtos) == 1) != (tt.want == "direct") {
			t.Errorf("driver(%s, %s) offers %q, which direct negotiation alone does", tt.mode, tt.negotiation, got.TLSConfig.NextProtos)
		}
		if got.SSLNegotiation != tt.want || got.ChannelBinding != "prefer" {
			t.Errorf("driver(%s, %s) = %q, channel binding %q, want %q, prefer", tt.mode, tt.negotiation, got.SSLNegotiation, got.ChannelBinding, tt.want)
		}
	}
}

// stored is the path of a key or a certificate.
func stored(name string) string {
	return filepath.Join("..", "..", "internal", "keystore", "testdata", name)
}

// Keys are read in all the forms in which pgjdbc's users keep them.
func TestSSLKeys(t *testing.T) {
	for key, password := range map[string]string{"key.pem": "", "pkcs8.der": "", "pbes1-md5.pk8": "key-pw", "pbes2-aes256.key": "key-pw", "traditional.key": "key-pw", "key.p12": "store-pw"} {
		cfg := DefaultConfig()
		cfg.Host, cfg.SSLMode, cfg.SSLKey, cfg.SSLPassword = "localhost", SSLRequire, stored(key), config.Secret(password)
		if key != "key.p12" {
			cfg.SSLCert = stored("leaf.pem")
		}
		got, err := cfg.tlsConfigs()
		if err != nil || len(got) != 1 || len(got[0].Certificates) != 1 {
			t.Errorf("tlsConfigs with %s = %v, %v, want one certificate", key, got, err)
		}
	}
}

func TestSSLFiles(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.sign("me")
	certFile := file(t, "c", cert)
	for _, tt := range []struct {
		name, want string
		set        func(*Config)
	}{
		{"no such root", "database.sslrootcert", func(c *Config) { c.SSLRootCert = "/nowhere" }},
		{"root without certificate", "no certificate in PEM form", func(c *Config) { c.SSLRootCert = file(t, "r", []byte("text")) }},
		{"certificate alone", "go together", func(c *Config) { c.SSLCert = certFile }},
		{"no such key", "database.sslkey", func(c *Config) { c.SSLCert, c.SSLKey = certFile, "/nowhere" }},
		{"damaged PKCS #8", "database.sslkey", func(c *Config) {
			c.SSLCert, c.SSLKey = certFile, file(t, "k", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: key[1:]}))
		}},
		{"encrypted, no password", "no password", func(c *Config) {
			c.SSLCert, c.SSLKey = stored("leaf.pem"), stored("pbes2-aes256.key")
		}},
		{"encrypted, wrong password", "database.sslpassword", func(c *Config) {
			c.SSLCert, c.SSLKey, c.SSLPassword = stored("leaf.pem"), stored("pbes1-md5.pk8"), "x"
		}},
		{"PKCS #12, wrong password", "database.sslpassword", func(c *Config) { c.SSLKey, c.SSLPassword = stored("key.p12"), "x" }},
		{"direct negotiation with a fallback", "sslNegotiation", func(c *Config) { c.SSLMode, c.Negotiation = SSLPrefer, "direct" }},
		{"no key", "database.sslkey", func(c *Config) { c.SSLCert, c.SSLKey = certFile, file(t, "k", []byte("text")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Host, cfg.SSLMode = "localhost", SSLVerifyFull
			tt.set(&cfg)
			if _, err := cfg.tlsConfigs(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("tlsConfigs = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// Over TLS the server makes a record of every message; one Receive still takes many.
func TestReceiveOverTLS(t *testing.T) {
	a := newAuthority(t)
	der, key := a.sign("localhost")
	k, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	client, server := pair(t)
	secure := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: k}}})
	o := StreamOptions{BatchBytes: 8 << 20}
	o.complete()
	conn := tls.Client(&socket{Conn: client}, &tls.Config{InsecureSkipVerify: true})
	sent := make(chan error, 1)
	const rows = 5000
	go func() {
		for _, m := range transaction(0x20, 0x40, make([]string, rows)...) {
			p, err := m.Encode(nil)
			if err == nil {
				_, err = secure.Write(p)
			}
			if err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	s := newStream(newNetWire(conn), o, 1)
	first := new(cdc.Batch)
	if err := s.Receive(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	got := len(insertsOf(first))
	batches := 1
	for got < rows {
		var b cdc.Batch
		if err := s.Receive(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		got += len(insertsOf(&b))
		batches++
	}
	if batches > rows/20 {
		t.Errorf("%d batches for %d rows that were there", batches, rows)
	}
}
