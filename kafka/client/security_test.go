package client

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/tlsconf/tlstest"
	"github.com/tandem-cdc/tandem/kafka"
)

func jaasLine(m Mechanism, user, password string) string {
	module := "org.apache.kafka.common.security.scram.ScramLoginModule"
	if m == Plain {
		module = "org.apache.kafka.common.security.plain.PlainLoginModule"
	}
	return fmt.Sprintf(`%s required username="%s" password="%s";`, module, user, password)
}

func TestSASL(t *testing.T) {
	for _, m := range []Mechanism{Plain, ScramSHA256, ScramSHA512} {
		t.Run(string(m), func(t *testing.T) {
			cluster, brokers := fakeCluster(t, kfake.EnableSASL(), kfake.Superuser(string(m), "al,i=ce", "pa ss;w0rd"))
			refuse := false
			cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				if !refuse {
					return nil, nil, false
				}
				res := req.ResponseKind().(*kmsg.SASLAuthenticateResponse) // as Kafka answers; kfake hangs up
				res.ErrorCode, res.ErrorMessage = 58, kmsg.StringPtr("Authentication failed: Invalid username or password")
				return res, nil, true
			})
			for i, password := range []string{"pa ss;w0rd", "wrong"} {
				works := i == 0
				refuse = !works
				c, report := FromProperties(map[string]string{
					"bootstrap.servers": brokers[0], "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": string(m), "sasl.jaas.config": jaasLine(m, "al,i=ce", password),
				}, ForAdmin)
				if err := report.Err(); err != nil {
					t.Fatal(err)
				}
				a := NewAdmin(c)
				_, err := a.Topics(testContext(t))
				a.Close()
				var auth *kafka.AuthError
				if works && err != nil {
					t.Errorf("Topics() = %v, want nil", err)
				}
				if !works && (!errors.As(err, &auth) || isRetriable(err) || strings.Contains(err.Error(), "wrong")) {
					t.Errorf("Topics() with a wrong password = %v, want an AuthError", err)
				}
				if !works {
					c.Role = ForProducer
					p := startProducer(t, c)
					if err := p.Send(testContext(t), ptr(text("t", "k", "v"))); !errors.As(err, &auth) {
						t.Errorf("Send with a wrong password = %v, want an AuthError", err)
					}
					if err := p.failed(t); !errors.As(err, &auth) {
						t.Errorf("Run with a wrong password = %v, want an AuthError", err)
					}
				}
			}
		})
	}
}

// TestSASLRefused: brokers that do not know the mechanism, or no SASL, say so in the handshake; nobody shall be told that no broker can be reached.
func TestSASLRefused(t *testing.T) {
	for code, want := range map[int16]string{
		33: "log in with sasl.mechanism=PLAIN: The broker does not support the requested SASL mechanism;",
		34: "log in with sasl.mechanism=PLAIN: Request is not valid given the current SASL state;",
	} {
		cluster, brokers := fakeCluster(t, kfake.EnableSASL(), kfake.Superuser(string(Plain), "alice", "secret"))
		cluster.ControlKey(int16(kmsg.SASLHandshake), func(req kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			res := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
			res.ErrorCode, res.SupportedMechanisms = code, []string{"SCRAM-SHA-512"}
			return res, nil, true
		})
		c, report := FromProperties(map[string]string{
			"bootstrap.servers": brokers[0], "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.jaas.config": jaasLine(Plain, "alice", "secret"),
		}, ForAdmin)
		if err := report.Err(); err != nil {
			t.Fatal(err)
		}
		a := NewAdmin(c)
		_, err := a.Topics(testContext(t))
		a.Close()
		var auth *kafka.AuthError
		if !errors.As(err, &auth) || isRetriable(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("Topics() where the handshake is answered with code %d = %v, want an AuthError with %q", code, err, want)
		}
		c.Role = ForProducer
		p := startProducer(t, c)
		if err := p.Send(testContext(t), ptr(text("t", "k", "v"))); !errors.As(err, &auth) {
			t.Errorf("Send where the handshake is answered with code %d = %v, want an AuthError", code, err)
		}
		c.Role = ForConsumer
		c.Consumer.Group = "g"
		k := startConsumer(t, c, Subscription{Topics: []string{"t"}}, newRecorder())
		if err := k.result(t); !errors.As(err, &auth) || !strings.Contains(err.Error(), want) {
			t.Errorf("Run of a consumer where the handshake is answered with code %d = %v, want an AuthError with %q", code, err, want)
		}
	}
}

func TestTLS(t *testing.T) {
	server, own, other := tlstest.SelfSigned(t, "127.0.0.1"), tlstest.SelfSigned(t, "client"), tlstest.SelfSigned(t, "elsewhere.example")
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(own.PEM)
	_, brokers := fakeCluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server.Certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}))
	_, others := fakeCluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{other.Certificate}}))
	dir := t.TempDir()
	file := func(name string, content ...[]byte) string {
		path := filepath.Join(dir, name)
		var all []byte
		for _, c := range content {
			all = append(all, c...)
		}
		if err := os.WriteFile(path, all, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		broker string
		props  map[string]string
		works  bool
	}{
		"PEM files":                 {brokers[0], map[string]string{"ssl.truststore.location": file("t.pem", server.PEM), "ssl.truststore.type": "PEM", "ssl.keystore.location": file("k.pem", own.KeyPEM, own.PEM), "ssl.keystore.type": "PEM"}, true},
		"PEM texts":                 {brokers[0], map[string]string{"ssl.truststore.certificates": string(server.PEM), "ssl.keystore.key": string(own.KeyPEM), "ssl.keystore.certificate.chain": string(own.PEM)}, true},
		"not trusted":               {brokers[0], map[string]string{"ssl.truststore.certificates": string(other.PEM), "ssl.keystore.key": string(own.KeyPEM), "ssl.keystore.certificate.chain": string(own.PEM)}, false},
		"other name":                {others[0], map[string]string{"ssl.truststore.certificates": string(other.PEM)}, false},
		"name ignored":              {others[0], map[string]string{"ssl.truststore.certificates": string(other.PEM), "ssl.endpoint.identification.algorithm": ""}, true},
		"name ignored, not trusted": {others[0], map[string]string{"ssl.truststore.certificates": string(server.PEM), "ssl.endpoint.identification.algorithm": ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.props["bootstrap.servers"], c.props["security.protocol"] = c.broker, "SSL"
			conf, report := FromProperties(c.props, ForAdmin)
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			a := NewAdmin(conf)
			defer a.Close()
			_, err := a.Topics(testContext(t))
			var auth *kafka.AuthError
			if c.works && err != nil || !c.works && (!errors.As(err, &auth) || isRetriable(err)) {
				t.Errorf("Topics() = %v, works is wanted to be %v", err, c.works)
			}
		})
	}
	damaged := file("e.pem", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}), own.PEM)
	for option, c := range map[string]struct{ path, want string }{
		"ssl.truststore.location": {file("t.jks", []byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2}), "cut off"},
		"ssl.keystore.location":   {damaged, "no private key of a form"},
	} {
		_, report := FromProperties(map[string]string{"bootstrap.servers": "a:1", "security.protocol": "SSL", option: c.path}, ForAdmin)
		if len(report.Errors) != 1 || report.Errors[0].Name != option || !strings.Contains(report.Errors[0].Message, c.want) {
			t.Errorf("%s=%s reports %v, want an error with %q", option, c.path, report.Errors, c.want)
		}
	}
}

func TestLogin(t *testing.T) {
	for _, c := range []struct{ text, user, password, err string }{
		{`org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";`, "u", "p", ""},
		{"org.apache.kafka.common.security.plain.PlainLoginModule\n required\n username='u' password=\"a\\\"b c;=\" other=\"x\" ;", "u", `a"b c;=`, ""},
		{`org.apache.kafka.common.security.plain.PlainLoginModule required username=u password=p;`, "u", "p", ""},
		{`org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="p";`, "", "", "PlainLoginModule"},
		{`org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p"`, "", "", "semicolon"},
		{`org.apache.kafka.common.security.plain.PlainLoginModule required username="u`, "", "", "quotation mark"},
		{`org.apache.kafka.common.security.plain.PlainLoginModule required password="p";`, "", "", "username"},
		{`org.apache.kafka.common.security.plain.PlainLoginModule required username="u" debug;`, "", "", `name="value"`},
		{``, "", "", "is required"},
	} {
		sec := Security{Mechanism: Plain, JAAS: config.Secret(c.text)}
		login, err := sec.credentials()
		user, password := login.user, login.password
		if user != c.user || password != c.password || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("credentials(%q) = %q, %q, %v, want %q, %q, %s", c.text, user, password, err, c.user, c.password, c.err)
		}
		if err != nil && strings.Contains(err.Error(), `"p"`) {
			t.Errorf("credentials(%q) shows the password: %v", c.text, err)
		}
	}
}

func FuzzLogin(f *testing.F) {
	f.Add(jaasLine(Plain, "u", "p"))
	f.Add(`a.PlainLoginModule required username="\`)
	f.Add(`a.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="a" unsecuredLoginListClaim_x="|a|b" extension_y="z" ssl.truststore.location="t";`)
	f.Fuzz(func(t *testing.T, text string) {
		s := Security{Mechanism: Plain, JAAS: config.Secret(text)}
		login, err := s.credentials() // must not panic
		if err == nil && login.user == "" {
			t.Errorf("credentials(%q) has neither user nor error", text)
		}
		s.Mechanism = OAuthBearer
		if login, err = s.credentials(); err == nil && login.unsecured == nil {
			t.Errorf("credentials(%q) has neither a way to tokens nor an error", text)
		}
	})
}

// TestScramRFC7677 is the exchange of RFC 7677, section 3.
func TestScramRFC7677(t *testing.T) {
	s := newScram(ScramSHA256)
	s.nonce = "rOprNGfwEbeRWgbNEkqO"
	if err := s.Begin("user", "pencil", ""); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ in, out string }{
		{"", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"},
		{"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="},
		{"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ""},
	} {
		got, err := s.Step(c.in)
		if err != nil || got != c.out {
			t.Fatalf("Step %d = %q, %v, want %q", i, got, err, c.out)
		}
	}
	if !s.Done() {
		t.Error("Done() = false, want true")
	}
}

func FuzzScram(f *testing.F) {
	f.Add("r=nonceX,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "v=6rri")
	f.Add("e=other-error", "")
	f.Fuzz(func(t *testing.T, first, last string) {
		s := newScram(ScramSHA512)
		s.nonce = "nonce"
		_ = s.Begin("u", "p", "")
		_, _ = s.Step("")
		if len(scramFields(first)['i']) > 4 {
			return // slow, not wrong
		}
		if _, err := s.Step(first); err != nil {
			return
		}
		if _, err := s.Step(last); err == nil {
			t.Errorf("a server that does not know the password is accepted: %q, %q", first, last)
		}
	})
}
