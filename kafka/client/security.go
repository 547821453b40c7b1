package client

import (
	"fmt"
	"slices"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/oauth"
	"github.com/tandem-cdc/tandem/internal/tlsconf"
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
	OAuthBearer Mechanism = "OAUTHBEARER"
)

// Security holds how a broker is proven to us and we to it.
type Security struct {
	Protocol  Protocol
	Mechanism Mechanism
	JAAS      config.Secret // sasl.jaas.config
	OAuth     OAuthConfig
	TLS       tlsconf.Options
}

// OAuthConfig holds where tokens for the mechanism OAUTHBEARER come from. What stands here wins over the same in sasl.jaas.config.
type OAuthConfig struct {
	Endpoint       string // "": unsecured tokens, if sasl.jaas.config asks for such
	ClientID       string
	Secret         config.Secret
	Scope          string
	Escape         bool
	ConnectTimeout time.Duration
	ReadTimeout    time.Duration
}

// defaultSecurity is the only place of defaults.
func defaultSecurity() Security {
	return Security{
		Protocol: Plaintext, Mechanism: "GSSAPI", TLS: tlsconf.Default(),
		OAuth: OAuthConfig{ConnectTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second},
	}
}

func (s *Security) keys() config.Keys {
	keys := append(config.Keys{
		config.Enum(&s.Protocol, "security.protocol", "Whether the connection is encrypted (SSL) and whether it is opened by logging in (SASL).",
			[]Protocol{Plaintext, SSL, SASLPlaintext, SASLSSL}),
		config.String((*string)(&s.Mechanism), "sasl.mechanism", "How to log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER. The default is Java's and not supported."),
		config.Password(&s.JAAS, "sasl.jaas.config", "One login module in Java's form: PlainLoginModule and ScramLoginModule (… required username=\"NAME\" password=\"SECRET\";), "+
			"or OAuthBearerLoginModule, whose options are those of Kafka: clientId, clientSecret, scope, ssl.* of the token endpoint, extension_NAME, and unsecuredLogin….", config.Null()),
	}, s.OAuth.keys()...)
	keys = append(keys, s.TLS.Keys()...)
	return append(keys, config.Ignored("sasl.kerberos.service.name", "sasl.kerberos.kinit.cmd", "sasl.kerberos.min.time.before.relogin",
		"sasl.kerberos.ticket.renew.jitter", "sasl.kerberos.ticket.renew.window.factor", "sasl.login.class", "sasl.client.callback.handler.class")...)
}

func (o *OAuthConfig) keys() config.Keys {
	low := config.Rank(config.Low)
	keys := config.Keys{
		config.String(&o.Endpoint, "sasl.oauthbearer.token.endpoint.url", "Where OAUTHBEARER gets its token by client credentials: https:// or http://; or a file:// that holds one, which is read at each login.",
			config.Null()),
		config.String(&o.ClientID, "sasl.oauthbearer.client.credentials.client.id", "Our name at the token endpoint; else clientId of sasl.jaas.config.", config.Null()),
		config.Password(&o.Secret, "sasl.oauthbearer.client.credentials.client.secret", "Our secret at the token endpoint; else clientSecret of sasl.jaas.config.", config.Null()),
		config.String(&o.Scope, "sasl.oauthbearer.scope", "Scope that is asked for; else scope of sasl.jaas.config.", config.Null()),
		config.Bool(&o.Escape, "sasl.oauthbearer.header.urlencode", "Whether name and secret are form-urlencoded in the header, as RFC 6749 has it.", low),
		config.Millis(&o.ConnectTimeout, "sasl.login.connect.timeout.ms", "How long connecting to the token endpoint may take.", time.Millisecond, low),
		config.Millis(&o.ReadTimeout, "sasl.login.read.timeout.ms", "How long an answer of the token endpoint may take.", time.Millisecond, low),
		config.String(new(string), "sasl.login.callback.handler.class", "Kafka's OAuthBearerLoginCallbackHandler is built in; other Java classes are not loaded, and refused with OAUTHBEARER.",
			config.Null(), config.WithoutEffect()),
		config.String(new(string), "sasl.oauthbearer.jwt.retriever.class", "Kafka's classes for client credentials and files are built in; others are not loaded, and refused with OAUTHBEARER.",
			config.Null(), config.WithoutEffect(), low),
	}
	for _, name := range []string{"sasl.login.retry.backoff.ms", "sasl.login.retry.backoff.max.ms"} {
		keys = append(keys, config.String(new(string), name, "Accepted and without effect: a login is tried again with the request that needs it.", config.Null(), config.WithoutEffect(), low))
	}
	for _, name := range []string{"sasl.login.refresh.window.factor", "sasl.login.refresh.window.jitter", "sasl.login.refresh.min.period.seconds", "sasl.login.refresh.buffer.seconds"} {
		keys = append(keys, config.String(new(string), name, "Accepted and without effect: a token is renewed with the first login after four fifths of its time.", config.Null(), config.WithoutEffect(), low))
	}
	for _, name := range []string{"sasl.oauthbearer.scope.claim.name", "sasl.oauthbearer.sub.claim.name", "sasl.oauthbearer.jwt.validator.class", "sasl.oauthbearer.expected.audience",
		"sasl.oauthbearer.expected.issuer", "sasl.oauthbearer.clock.skew.seconds", "sasl.oauthbearer.jwks.endpoint.url", "sasl.oauthbearer.jwks.endpoint.refresh.ms",
		"sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms"} {
		keys = append(keys, config.String(new(string), name, "Accepted and without effect: tokens are the broker's to prove.", config.Null(), config.WithoutEffect(), low))
	}
	return append(keys, config.Refused("sasl.oauthbearer.assertion.file", "", "signed assertions are not made; use client credentials."),
		config.Refused("sasl.oauthbearer.assertion.private.key.file", "", "signed assertions are not made; use client credentials."))
}

func (s *Security) encrypted() bool { return s.Protocol == SSL || s.Protocol == SASLSSL }
func (s *Security) sasl() bool      { return s.Protocol == SASLPlaintext || s.Protocol == SASLSSL }

// check reports what the options cannot say one by one; it reads the certificate files.
func (s *Security) check(props map[string]string, r *config.Report) {
	if s.OAuth.Endpoint != "" {
		if err := oauth.Check(s.OAuth.Endpoint); err != nil { // without its value, which may hold a password
			r.Fail("sasl.oauthbearer.token.endpoint.url", "Invalid value for configuration sasl.oauthbearer.token.endpoint.url: %v", err)
		}
	}
	if s.sasl() {
		if !slices.Contains([]Mechanism{Plain, ScramSHA256, ScramSHA512, OAuthBearer}, s.Mechanism) {
			r.Fail("sasl.mechanism", "Invalid value %s for configuration sasl.mechanism: want one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER", s.Mechanism)
		} else if _, err := s.credentials(); err != nil {
			r.Fail("sasl.jaas.config", "Invalid value %s for configuration sasl.jaas.config: %v", config.Hidden, err)
		}
		if s.Mechanism == OAuthBearer {
			checkClasses(props, r)
		}
	}
	if s.encrypted() {
		s.TLS.Check(r)
	}
}

// builtIn are the Java classes that do what is done here.
var builtIn = map[string][]string{
	"sasl.login.callback.handler.class": {
		"org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
		"org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
		"org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler",
	},
	"sasl.oauthbearer.jwt.retriever.class": {
		"org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
		"org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever",
		"org.apache.kafka.common.security.oauthbearer.FileJwtRetriever",
	},
}

// checkClasses refuses other classes: they would get other tokens.
func checkClasses(props map[string]string, r *config.Report) {
	for _, option := range []string{"sasl.login.callback.handler.class", "sasl.oauthbearer.jwt.retriever.class"} {
		if class := props[option]; class != "" && !slices.Contains(builtIn[option], class) {
			r.Fail(option, "Invalid value %s for configuration %s: %s", class, option,
				fmt.Sprintf("the Java class cannot be loaded; leave the option out, or name %s", builtIn[option][0]))
		}
	}
}
