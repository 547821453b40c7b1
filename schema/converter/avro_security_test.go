package converter

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/keystore"
	"github.com/tandem-cdc/tandem/schema/registry"
)

// store is the path of a key store or trust store.
func store(name string) string {
	return filepath.Join("..", "..", "internal", "keystore", "testdata", name)
}

// secureRegistry answers every registration with the id 7, to clients that have a certificate and say who they are.
func secureRegistry(t *testing.T, authorization string) string {
	t.Helper()
	pemText, err := os.ReadFile(store("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(pemText)
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(store("key.jks"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := keystore.Identities(stored, "store-pw", "key-pw")
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != authorization || r.Header.Get("target-sr-cluster") != "lsrc-1" && strings.HasPrefix(authorization, "Bearer") {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(rw, `{"id":7}`)
	}))
	s.TLS = &tls.Config{Certificates: own, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: keystore.Pool([]*x509.Certificate{ca})}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestRegistrySecurity(t *testing.T) {
	tokens := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if id, secret, _ := r.BasicAuth(); id != "me" || secret != "s3cret" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(rw, `{"access_token":"abc","expires_in":60}`)
	}))
	defer tokens.Close()
	const jaas = `org.apache.kafka.common.security.scram.ScramLoginModule required username="user" password="s3cret";`
	bearer := map[string]string{"bearer.auth.credentials.source": "OAUTHBEARER", "bearer.auth.issuer.endpoint.url": tokens.URL, "bearer.auth.client.id": "me",
		"bearer.auth.client.secret": "s3cret", "schema.registry.bearer.auth.logical.cluster": "lsrc-1"}
	for _, c := range []struct {
		name, authorization string
		props               map[string]string
		want                string // in the error
	}{
		{"nobody", "", nil, ""},
		{"SASL_INHERIT", "Basic dXNlcjpzM2NyZXQ=", map[string]string{"basic.auth.credentials.source": "SASL_INHERIT", "sasl.jaas.config": jaas}, ""},
		{"OAUTHBEARER", "Bearer abc", bearer, ""},
		{"OAUTHBEARER, refused by the registry", "Bearer other", bearer, "bearer.auth.*"},
		{"OAUTHBEARER, refused by the endpoint", "Bearer abc", map[string]string{"bearer.auth.credentials.source": "OAUTHBEARER", "bearer.auth.issuer.endpoint.url": tokens.URL,
			"bearer.auth.client.id": "me", "bearer.auth.client.secret": "wr0ng"}, "get a token from " + tokens.URL},
		{"STATIC_TOKEN", "Bearer abc", map[string]string{"bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.token": "abc", "bearer.auth.logical.cluster": "lsrc-1"}, ""},
		{"no certificate", "", map[string]string{"schema.registry.ssl.keystore.location": ""}, "remote error"},
		{"another authority", "", map[string]string{"schema.registry.ssl.truststore.location": store("self.p12")}, "unknown authority"},
		{"the name counts", "", map[string]string{"schema.registry.ssl.endpoint.identification.algorithm": "https"}, "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			props := map[string]string{
				"schema.registry.url":                     secureRegistry(t, c.authorization),
				"schema.registry.ssl.truststore.location": store("trust.p12"), "schema.registry.ssl.truststore.password": "store-pw", "schema.registry.ssl.truststore.type": "PKCS12",
				"schema.registry.ssl.keystore.location": store("key.jks"), "schema.registry.ssl.keystore.password": "store-pw", "schema.registry.ssl.key.password": "key-pw",
				"schema.registry.ssl.endpoint.identification.algorithm": "",
			}
			for name, text := range c.props {
				props[name] = text
			}
			conf, report := parseAvroConfig(props)
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			client, err := conf.client(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			id, err := client.Register(t.Context(), "a-value", `"string"`)
			if c.want == "" {
				if id != 7 || err != nil {
					t.Errorf("Register = %d, %v, want 7", id, err)
				}
				return
			}
			var again interface{ Retriable() bool }
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &again) || again.Retriable() || strings.Contains(err.Error(), "wr0ng") {
				t.Errorf("Register = %v, want an error with %q that is not retriable", err, c.want)
			}
		})
	}
}

// A registry behind TLS of a public authority needs no option.
func TestRegistryWithoutStores(t *testing.T) {
	conf, report := parseAvroConfig(map[string]string{"schema.registry.url": "https://127.0.0.1:1"})
	var rc registry.Config
	if err := errors.Join(report.Err(), conf.secure(&rc)); err != nil || rc.TLS.RootCAs != nil || rc.TLS.InsecureSkipVerify {
		t.Errorf("secure = %v, %+v, want the system's certificates", err, rc.TLS)
	}
}
