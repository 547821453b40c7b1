package tlsconf

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func store(name string) string { return filepath.Join("..", "keystore", "testdata", name) }

func TestVersionsAndSuites(t *testing.T) {
	const old, new13 = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"
	for _, c := range []struct {
		versions, suites string
		low, high        uint16
		ids              []uint16
		warnings         int
	}{
		{"", "", tls.VersionTLS12, tls.VersionTLS13, nil, 0},
		{"TLSv1.2", "", tls.VersionTLS12, tls.VersionTLS12, nil, 0},
		{"TLSv1.3", "", tls.VersionTLS13, tls.VersionTLS13, nil, 0},
		{"", old, tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, 0},
		{"", new13, tls.VersionTLS13, tls.VersionTLS13, nil, 0},
		{"", new13 + "," + old + ",TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", tls.VersionTLS12, tls.VersionTLS13, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, 1},
	} {
		props := map[string]string{}
		if c.versions != "" {
			props["ssl.enabled.protocols"] = c.versions
		}
		if c.suites != "" {
			props["ssl.cipher.suites"] = c.suites
		}
		got, r := Parse(props)
		if err := r.Err(); err != nil {
			t.Fatal(err)
		}
		if got.MinVersion != c.low || got.MaxVersion != c.high || cmp.Diff(c.ids, got.CipherSuites) != "" || len(r.Warnings) != c.warnings {
			t.Errorf("Parse(%v) = %x to %x, suites %x, warnings %v, want %+v", props, got.MinVersion, got.MaxVersion, got.CipherSuites, r.Warnings, c)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		props      map[string]string
		name, want string
	}{
		{map[string]string{"ssl.cipher.suites": "SSL_RSA_WITH_RC4_128_MD5"}, "ssl.cipher.suites", "none of them is spoken"},
		{map[string]string{"ssl.cipher.suites": "TLS_AES_128_GCM_SHA256", "ssl.enabled.protocols": "TLSv1.2"}, "ssl.cipher.suites", "versions TLSv1.2"},
		{map[string]string{"ssl.enabled.protocols": "TLSv1.1"}, "ssl.enabled.protocols", "TLSv1.1"},
		{map[string]string{"ssl.keystore.type": "BCFKS"}, "ssl.keystore.type", "JKS"},
		{map[string]string{"ssl.truststore.location": "/none"}, "ssl.truststore.location", "/none"},
		{map[string]string{"ssl.truststore.location": store("trust.p12"), "ssl.truststore.password": "s3cret"}, "ssl.truststore.location", "check ssl.truststore.password"},
		{map[string]string{"ssl.keystore.location": store("key.jks"), "ssl.keystore.password": "s3cret"}, "ssl.keystore.location", "check ssl.keystore.password and ssl.key.password"},
		{map[string]string{"ssl.keystore.key": "s3cret", "ssl.keystore.certificate.chain": "x"}, "ssl.keystore.key", "no certificate"},
	} {
		got, r := Parse(c.props)
		if got != nil || len(r.Errors) != 1 || r.Errors[0].Name != c.name || !strings.Contains(r.Errors[0].Message, c.want) || strings.Contains(r.Errors[0].Message, "s3cret") {
			t.Errorf("Parse(%v) reports %v, want at %s %q", c.props, r.Errors, c.name, c.want)
		}
	}
}

// A listener shows what a client shows, and proves clients by what the client trusts.
func TestServer(t *testing.T) {
	c, r := Parse(map[string]string{"ssl.keystore.location": store("key.jks"), "ssl.keystore.password": "store-pw", "ssl.key.password": "key-pw", "ssl.truststore.location": store("trust.jks")})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	for auth, want := range map[string]tls.ClientAuthType{"": tls.NoClientCert, "none": tls.NoClientCert, "requested": tls.VerifyClientCertIfGiven, "required": tls.RequireAndVerifyClientCert} {
		if s := Server(c, auth); s.ClientAuth != want || s.ClientCAs != c.RootCAs || len(s.Certificates) != 1 {
			t.Errorf("Server(%q) asks clients by %v, want %v", auth, s.ClientAuth, want)
		}
	}
}
