package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/jaas"
	"github.com/tandem-cdc/tandem/internal/oauth"
	"github.com/tandem-cdc/tandem/internal/tlsconf"
	"github.com/tandem-cdc/tandem/kafka"
)

// credentials are what a login shows: user and password, or a way to tokens.
type credentials struct {
	user, password string

	source     *oauth.Source // of tokens
	unsecured  *unsecured    // the other way to tokens
	extensions map[string]string
}

// modules are the login modules of the mechanisms.
var modules = map[Mechanism]string{Plain: "PlainLoginModule", ScramSHA256: "ScramLoginModule", ScramSHA512: "ScramLoginModule", OAuthBearer: "OAuthBearerLoginModule"}

// credentials reads sasl.jaas.config and what belongs to it. Errors show no value of it.
func (s *Security) credentials() (credentials, error) {
	text := strings.TrimSpace(s.JAAS.Reveal())
	module := modules[s.Mechanism]
	if text == "" {
		return credentials{}, fmt.Errorf("a line such as org.apache.kafka.common.security.….%s required …; is required", module)
	}
	m, err := jaas.One(text)
	if err != nil {
		return credentials{}, err
	}
	if m.Name() != module || !strings.Contains(m.Class, ".") {
		return credentials{}, fmt.Errorf("want the module org.apache.kafka.common.security.….%s for sasl.mechanism %s", module, s.Mechanism)
	}
	if s.Mechanism == OAuthBearer {
		return s.bearer(m.Options)
	}
	if m.Options["username"] == "" {
		return credentials{}, errors.New("username is missing")
	}
	if m.Options["tokenauth"] == "true" && s.Mechanism != Plain {
		return credentials{}, errors.New("delegation tokens (tokenauth) are not supported; log in by user name and password")
	}
	return credentials{user: m.Options["username"], password: m.Options["password"]}, nil
}

// bearer reads the options of OAuthBearerLoginModule.
func (s *Security) bearer(options map[string]string) (credentials, error) {
	out := credentials{extensions: make(map[string]string)}
	store := make(map[string]string)
	plain := newUnsecured()
	for name, value := range options {
		switch {
		case strings.HasPrefix(name, "extension_"):
			out.extensions[strings.TrimPrefix(name, "extension_")] = value
		case strings.HasPrefix(name, "unsecuredLoginExtension_"):
			out.extensions[strings.TrimPrefix(name, "unsecuredLoginExtension_")] = value
		case strings.HasPrefix(name, "unsecuredLogin"):
			if err := plain.set(strings.TrimPrefix(name, "unsecuredLogin"), value); err != nil {
				return out, fmt.Errorf("%s: %w", name, err)
			}
		case strings.HasPrefix(name, "ssl."):
			store[name] = value
		case !slices.Contains([]string{"clientId", "clientSecret", "scope"}, name):
			return out, fmt.Errorf("%s is no option of OAuthBearerLoginModule that is known here", name)
		}
	}
	if _, reserved := out.extensions[sarama.SASLExtKeyAuth]; reserved {
		return out, errors.New("an extension cannot be called auth")
	}
	switch {
	case s.OAuth.Endpoint != "":
		return out, s.endpoint(&out, options, store)
	case plain.claims[plain.principal] == nil:
		return out, errors.New("sasl.oauthbearer.token.endpoint.url is missing (or, for brokers that are tried out, unsecuredLoginStringClaim_sub=\"NAME\" in sasl.jaas.config)")
	}
	out.unsecured = plain
	return out, nil
}

// endpoint makes the source of tokens.
func (s *Security) endpoint(out *credentials, options, store map[string]string) error {
	c := oauth.Config{Endpoint: s.OAuth.Endpoint, ClientID: s.OAuth.ClientID, Secret: s.OAuth.Secret, Scope: s.OAuth.Scope, Escape: s.OAuth.Escape,
		ConnectTimeout: s.OAuth.ConnectTimeout, Timeout: s.OAuth.ConnectTimeout + s.OAuth.ReadTimeout}
	if c.ClientID == "" {
		c.ClientID = options["clientId"]
	}
	if c.Secret == "" {
		c.Secret = config.Secret(options["clientSecret"])
	}
	if c.Scope == "" {
		c.Scope = options["scope"]
	}
	if (c.ClientID == "" || c.Secret == "") && !strings.HasPrefix(strings.ToLower(c.Endpoint), "file:") {
		return errors.New("clientId and clientSecret are missing")
	}
	if len(store) > 0 {
		settings, report := tlsconf.Parse(store)
		if err := report.Err(); err != nil {
			return err
		}
		c.TLS = settings
	}
	out.source = oauth.New(c)
	return nil
}

// unsecured makes tokens that nobody signed, of the options unsecuredLogin….
type unsecured struct {
	principal string // the claim that names the user
	lifetime  time.Duration
	claims    map[string]any
}

func newUnsecured() *unsecured {
	return &unsecured{principal: "sub", lifetime: time.Hour, claims: make(map[string]any)}
}

func (u *unsecured) set(name, value string) error {
	kind, claim, isClaim := strings.Cut(name, "Claim_")
	switch {
	case isClaim && kind == "String":
		u.claims[claim] = value
	case isClaim && kind == "Number":
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return errors.New("want a number")
		}
		u.claims[claim] = n
	case isClaim && kind == "List": // the first character separates
		if value != "" {
			u.claims[claim] = strings.Split(value[1:], value[:1])
		}
	case name == "PrincipalClaimName":
		u.principal = value
	case name == "ScopeClaimName": // it only names where Java looks for the scope
	case name == "LifetimeSeconds":
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil || n < 1 {
			return errors.New("want a number of seconds")
		}
		u.lifetime = time.Duration(n) * time.Second
	default:
		return errors.New("it is not known")
	}
	return nil
}

// tokens is sarama's provider of tokens for the connections of a dialer.
type tokens struct {
	credentials
	dialer *dialer
}

// Token implements sarama.AccessTokenProvider.
func (t *tokens) Token() (*sarama.AccessToken, error) {
	out := &sarama.AccessToken{Extensions: t.extensions}
	var err error
	if t.unsecured != nil {
		out.Token, err = oauth.Unsecured(t.unsecured.claims, time.Now(), t.unsecured.lifetime)
		return out, err
	}
	if out.Token, err = t.source.Token(t.dialer.context()); err == nil {
		return out, nil
	}
	var refused *oauth.Error
	switch {
	case errors.As(err, &refused) && refused.Retriable():
		return nil, &kafka.UnavailableError{Op: "log in by OAUTHBEARER", Err: err}
	case errors.As(err, &refused):
		return nil, &kafka.AuthError{Op: "log in by OAUTHBEARER", Err: err}
	}
	return nil, err
}

// context is that of the calls at hand.
func (d *dialer) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ctx
}

// ParseTLS reads the options ssl.* of a Kafka client for another use of TLS; see tlsconf.Parse.
func ParseTLS(props map[string]string) (*tls.Config, config.Report) { return tlsconf.Parse(props) }
