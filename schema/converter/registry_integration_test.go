//go:build integration

package converter

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
)

const (
	javaStorePassword = "store-pw"
	javaKeyPassword   = "own-key-pw"
)

// signed makes a key and a certificate for 127.0.0.1, signed by an authority of its own, all in PEM.
func signed(t *testing.T) (authority, chain, key []byte) {
	t.Helper()
	now := time.Now()
	issue := func(number int64, parent *x509.Certificate, by *ecdsa.PrivateKey, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if parent == nil {
			parent, by = template, own
		}
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(number), now.Add(-time.Minute), now.Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, own.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return certificate, own
	}
	ca, caKey := issue(1, nil, nil, &x509.Certificate{Subject: pkix.Name{CommonName: "private authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	leaf, leafKey := issue(2, ca, caKey, &x509.Certificate{Subject: pkix.Name{CommonName: "registry"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature})
	pkcs8, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	authority = block("CERTIFICATE", ca.Raw)
	return authority, append(block("CERTIFICATE", leaf.Raw), authority...), block("PRIVATE KEY", pkcs8)
}

// mutual stands before the registry, and lets in who has the certificate in the file: the registry as it is released asks
// nobody for one, so that those who want certificates put such a front before it.
func mutual(t *testing.T, registryURL, chain, key, client string, registryCA []byte) string {
	t.Helper()
	own, err := tls.LoadX509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := func(text []byte) *x509.CertPool {
		p := x509.NewCertPool()
		if !p.AppendCertsFromPEM(text) {
			t.Fatal("no certificate in PEM form")
		}
		return p
	}
	text, err := os.ReadFile(client)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(registryURL)
	if err != nil {
		t.Fatal(err)
	}
	target.Path = ""
	proxy := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool(registryCA)}, DisableCompression: true}
	proxy.Transport = transport
	s := httptest.NewUnstartedServer(proxy)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(text)}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(func() { s.Close(); transport.CloseIdleConnections() })
	return strings.Replace(registryURL, target.Host, s.Listener.Addr().String(), 1)
}

// TestIntegrationRegistryTLS registers and reads schemas at a registry that speaks TLS alone, with stores as keytool writes them.
func TestIntegrationRegistryTLS(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, text []byte) string {
		t.Helper()
		if err := os.WriteFile(at(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	keytool := func(args ...string) {
		t.Helper()
		if err := jvmserver.Keytool(ctx, append(args, "-noprompt", "-storepass", javaStorePassword)...); err != nil {
			t.Fatal(err)
		}
	}
	ca, chain, key := signed(t)
	strange, _, _ := signed(t)
	write("ca.pem", ca)
	write("strange.pem", strange)
	for file, kind := range map[string]string{"trust.jks": "JKS", "trust.p12": "PKCS12"} {
		keytool("-importcert", "-alias", "ca", "-file", at("ca.pem"), "-keystore", at(file), "-storetype", kind)
	}
	for _, name := range []string{"client", "stranger"} {
		keytool("-genkeypair", "-alias", name, "-keyalg", "EC", "-dname", "CN="+name, "-ext", "eku=clientAuth", "-keypass", javaKeyPassword, "-keystore", at(name+".jks"), "-storetype", "JKS")
	}
	keytool("-exportcert", "-rfc", "-alias", "client", "-keystore", at("client.jks"), "-file", at("client.pem"))
	keytool("-importkeystore", "-srckeystore", at("client.jks"), "-srcstorepass", javaStorePassword, "-srckeypass", javaKeyPassword, "-srcalias", "client",
		"-destkeystore", at("client.p12"), "-deststoretype", "PKCS12", "-destkeypass", javaStorePassword)

	r, err := jvmserver.StartRegistry(ctx, jvmserver.RegistryOptions{Certificate: write("chain.pem", chain), Key: write("key.pem", key)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	front := mutual(t, r.URL(), at("chain.pem"), at("key.pem"), at("client.pem"), ca)
	secured := func(options ...string) map[string]string {
		out := make(map[string]string)
		for i := 0; i < len(options); i += 2 {
			out["schema.registry.ssl."+options[i]] = options[i+1]
		}
		return out
	}
	and := func(all ...map[string]string) map[string]string {
		out := make(map[string]string)
		for _, one := range all {
			maps.Copy(out, one)
		}
		return out
	}
	trust := secured("truststore.location", at("trust.jks"), "truststore.password", javaStorePassword)
	localhost := strings.Replace(r.URL(), "127.0.0.1", "localhost", 1)
	const authorities, name, own = "schema.registry.ssl.truststore.location", "schema.registry.ssl.endpoint.identification.algorithm", "schema.registry.ssl.keystore.location"
	for _, tt := range []struct {
		name, url string
		props     map[string]string
		want      string // in the error, which is for good
	}{
		{"JKS", r.URL(), trust, ""},
		{"JKS without password", r.URL(), secured("truststore.location", at("trust.jks")), ""},
		{"PKCS12", r.URL(), secured("truststore.location", at("trust.p12"), "truststore.password", javaStorePassword, "truststore.type", "PKCS12"), ""},
		{"PEM", r.URL(), secured("truststore.location", at("ca.pem"), "truststore.type", "PEM"), ""},
		{"PEM text", r.URL(), secured("truststore.certificates", string(ca), "truststore.type", "PEM"), ""},
		{"TLS 1.2", r.URL(), and(trust, secured("enabled.protocols", "TLSv1.2")), ""},
		{"the system's authorities", r.URL(), nil, authorities},
		{"another authority", r.URL(), secured("truststore.location", at("strange.pem"), "truststore.type", "PEM"), authorities},
		{"another authority, any name", r.URL(), secured("truststore.location", at("strange.pem"), "truststore.type", "PEM", "endpoint.identification.algorithm", ""), authorities},
		{"another name", localhost, trust, name},
		{"any name", localhost, and(trust, secured("endpoint.identification.algorithm", "")), ""},
		{"client certificate, JKS", front, and(trust, secured("keystore.location", at("client.jks"), "keystore.password", javaStorePassword, "key.password", javaKeyPassword)), ""},
		{"client certificate, PKCS12", front, and(trust, secured("keystore.location", at("client.p12"), "keystore.password", javaStorePassword, "keystore.type", "PKCS12")), ""},
		{"client certificate, TLS 1.2", front, and(trust, secured("keystore.location", at("client.p12"), "keystore.password", javaStorePassword, "enabled.protocols", "TLSv1.2")), ""},
		{"no client certificate", front, trust, own},
		{"no client certificate, TLS 1.2", front, and(trust, secured("enabled.protocols", "TLSv1.2")), own},
		{"a stranger's certificate", front, and(trust, secured("keystore.location", at("stranger.jks"), "keystore.password", javaStorePassword, "key.password", javaKeyPassword)), own},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conf, report := parseAvroConfig(and(tt.props, map[string]string{"schema.registry.url": tt.url}))
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			client, err := conf.client(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			const text = `{"type":"record","name":"r","fields":[{"name":"a","type":"int"}]}`
			id, err := client.Register(ctx, "tls-value", text)
			if tt.want != "" {
				var again interface{ Retriable() bool }
				if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.As(err, &again) || again.Retriable() {
					t.Errorf("Register = %d, %v, want an error with %q that is not retriable", id, err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// A client that has not registered it asks for it.
			other, err := conf.client(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if got, err := other.Schema(ctx, id); err != nil || got != text {
				t.Errorf("Schema(%d) = %s, %v, want %s", id, got, err, text)
			}
		})
	}
}
