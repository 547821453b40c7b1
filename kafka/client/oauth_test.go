package client

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/kafka"
)

const bearerModule = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "

// tokenServer gives tokens to who knows the secret.
func tokenServer(t *testing.T, status int) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if id, secret, _ := r.BasicAuth(); id != "me" || secret != "s3cr;et" {
			rw.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(rw, `{"error":"invalid_client"}`)
			return
		}
		rw.WriteHeader(status)
		fmt.Fprintf(rw, `{"access_token":"token-%s","expires_in":3600}`, r.PostFormValue("scope"))
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// bearerBroker takes logins by OAUTHBEARER, which kfake does not know, and keeps the first messages of the clients.
func bearerBroker(t *testing.T, messages chan<- string) (brokers []string) {
	t.Helper()
	cluster, brokers := fakeCluster(t)
	cluster.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		res := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
		if req.(*kmsg.SASLHandshakeRequest).Mechanism != "OAUTHBEARER" {
			res.ErrorCode = 33
		}
		return res, nil, true
	})
	cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		messages <- string(req.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes)
		return req.ResponseKind(), nil, true
	})
	return brokers
}

func TestOAuthBearer(t *testing.T) {
	url, asked := tokenServer(t, http.StatusOK)
	for _, c := range []struct {
		name  string
		props map[string]string
		want  string
	}{
		{"client credentials in the module", map[string]string{"sasl.oauthbearer.token.endpoint.url": url,
			"sasl.login.callback.handler.class": "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
			"sasl.jaas.config":                  bearerModule + `clientId="me" clientSecret="s3cr;et" scope="all" extension_logicalCluster="lkc-1";`}, "n,,\x01auth=Bearer token-all\x01logicalCluster=lkc-1\x01\x01"},
		{"client credentials as options", map[string]string{"sasl.oauthbearer.token.endpoint.url": url, "sasl.jaas.config": bearerModule + ";",
			"sasl.oauthbearer.client.credentials.client.id": "me", "sasl.oauthbearer.client.credentials.client.secret": "s3cr;et", "sasl.oauthbearer.scope": "x"}, "n,,\x01auth=Bearer token-x\x01\x01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked.Store(0)
			messages := make(chan string, 100)
			brokers := bearerBroker(t, messages)
			a := NewAdmin(bearerConfig(t, brokers, c.props))
			defer a.Close()
			if _, err := a.Topics(testContext(t)); err != nil {
				t.Fatal(err)
			}
			if got := <-messages; got != c.want {
				t.Errorf("first message = %q, want %q", got, c.want)
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("the token endpoint was asked %d times, want once", n)
			}
		})
	}
}

func bearerConfig(t *testing.T, brokers []string, props map[string]string) Config {
	t.Helper()
	all := map[string]string{"bootstrap.servers": brokers[0], "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER"}
	for name, text := range props {
		all[name] = text
	}
	c, report := FromProperties(all, ForAdmin)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestUnsecuredToken(t *testing.T) {
	messages := make(chan string, 100)
	brokers := bearerBroker(t, messages)
	a := NewAdmin(bearerConfig(t, brokers, map[string]string{"sasl.jaas.config": bearerModule +
		`unsecuredLoginStringClaim_sub="ann" unsecuredLoginNumberClaim_n="1.5" unsecuredLoginListClaim_l="|a|b" unsecuredLoginLifetimeSeconds="60" unsecuredLoginExtension_x="y";`}))
	defer a.Close()
	if _, err := a.Topics(testContext(t)); err != nil {
		t.Fatal(err)
	}
	token, rest, _ := strings.Cut(strings.TrimPrefix(<-messages, "n,,\x01auth=Bearer "), "\x01")
	parts := strings.Split(token, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || len(parts) != 3 || parts[2] != "" || rest != "x=y\x01\x01" {
		t.Fatalf("token %q with %q, %v", token, rest, err)
	}
	for _, want := range []string{`"sub":"ann"`, `"n":1.5`, `"l":["a","b"]`, `"exp":`, `"iat":`} {
		if !strings.Contains(string(claims), want) {
			t.Errorf("claims = %s, want %s", claims, want)
		}
	}
}

// What the endpoint refuses ends the client at once; what it cannot do now is tried again.
func TestTokenRefused(t *testing.T) {
	url, asked := tokenServer(t, http.StatusServiceUnavailable)
	brokers := bearerBroker(t, make(chan string, 100))
	c := bearerConfig(t, brokers, map[string]string{"sasl.oauthbearer.token.endpoint.url": url, "sasl.jaas.config": bearerModule + `clientId="me" clientSecret="wr0ng";`})
	a := NewAdmin(c)
	_, err := a.Topics(testContext(t))
	a.Close()
	var auth *kafka.AuthError
	if !errors.As(err, &auth) || isRetriable(err) || !strings.Contains(err.Error(), "invalid_client") || !strings.Contains(err.Error(), url) || strings.Contains(err.Error(), "wr0ng") {
		t.Errorf("Topics() with a wrong secret = %v, want an AuthError that says what the endpoint answered", err)
	}
	if n := asked.Load(); n > 4 {
		t.Errorf("the endpoint was asked %d times, want hardly more than once", n)
	}
	c = bearerConfig(t, brokers, map[string]string{"sasl.oauthbearer.token.endpoint.url": url, "sasl.jaas.config": bearerModule + `clientId="me" clientSecret="s3cr;et";`})
	c.APITimeout = 2 * time.Second
	a = NewAdmin(c)
	defer a.Close()
	if _, err := a.Topics(testContext(t)); !isRetriable(err) || !strings.Contains(err.Error(), "503") {
		t.Errorf("Topics() while the endpoint is down = %v, want an error that is retriable, with its cause", err)
	}
}

func TestBearerOptionsRefused(t *testing.T) {
	const endpoint = "sasl.oauthbearer.token.endpoint.url"
	for _, c := range []struct {
		option, value, jaas string
		at, want            string
	}{
		{"", "", bearerModule + `clientId="a" clientSecret="s3cret";`, "sasl.jaas.config", "token.endpoint.url is missing"},
		{endpoint, "https://h", bearerModule + `clientId="a";`, "sasl.jaas.config", "clientSecret are missing"},
		{endpoint, "h:80/token", bearerModule + `clientId="a" clientSecret="s3cret";`, endpoint, "must begin with https://"},
		{endpoint, "https://h", bearerModule + `clientId="a" clientSecret="s3cret" ssl.truststore.location="/none";`, "sasl.jaas.config", "/none"},
		{endpoint, "https://h", bearerModule + `clientID="s3cret";`, "sasl.jaas.config", "clientID is no option"},
		{endpoint, "https://h", bearerModule + `clientId="a" clientSecret="s3cret" extension_auth="x";`, "sasl.jaas.config", "called auth"},
		{"", "", bearerModule + `unsecuredLoginNumberClaim_x="s3cret";`, "sasl.jaas.config", "want a number"},
		{"", "", bearerModule + `unsecuredLoginLifetimeSeconds="0";`, "sasl.jaas.config", "number of seconds"},
		{"", "", "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"a\";", "sasl.jaas.config", "OAuthBearerLoginModule"},
		{"sasl.login.callback.handler.class", "software.amazon.msk.auth.iam.IAMClientCallbackHandler", bearerModule + `unsecuredLoginStringClaim_sub="a";`, "sasl.login.callback.handler.class", "cannot be loaded"},
		{"sasl.oauthbearer.assertion.file", "/x", bearerModule + `unsecuredLoginStringClaim_sub="a";`, "sasl.oauthbearer.assertion.file", "client credentials"},
	} {
		props := map[string]string{"bootstrap.servers": "a:1", "security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", "sasl.jaas.config": c.jaas}
		if c.option != "" {
			props[c.option] = c.value
		}
		_, report := FromProperties(props, ForProducer)
		text := fmt.Sprint(report.Errors)
		if len(report.Errors) == 0 || report.Errors[0].Name != c.at || !strings.Contains(text, c.want) || strings.Contains(text, "s3cret") {
			t.Errorf("%s=%s with %s reports %s, want at %s %q", c.option, c.value, c.jaas, text, c.at, c.want)
		}
	}
}
