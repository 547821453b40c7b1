package converter

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/jaas"
	"github.com/tandem-cdc/tandem/internal/oauth"
	"github.com/tandem-cdc/tandem/schema/registry"
)

// bearerConfig holds what else than a token bearer authentication takes.
type bearerConfig struct {
	endpoint string
	clientID string
	secret   config.Secret
	scope    string
	cluster  string // sent as target-sr-cluster
	pool     string // sent as Confluent-Identity-Pool-Id
}

// Values of basic.auth.credentials.source and bearer.auth.credentials.source.
const (
	credentialsInURL   = "URL"
	credentialsGiven   = "USER_INFO"
	credentialsOfKafka = "SASL_INHERIT"
	bearerStatic       = "STATIC_TOKEN"
	bearerOAuth        = "OAUTHBEARER"
)

// registryTLS is before the options of TLS for the registry.
const registryTLS = "schema.registry."

// securityKeys are the options of authentication and encryption.
func (c *avroConfig) securityKeys() config.Keys {
	alias := func(name string) config.Option { return config.Alias("schema.registry." + name) }
	b := &c.bearer
	keys := config.Keys{
		config.Enum(&c.credentialsSource, "basic.auth.credentials.source", "Where user and password for the registry stand: in schema.registry.url (URL), in basic.auth.user.info (USER_INFO), or in sasl.jaas.config (SASL_INHERIT).",
			[]string{credentialsInURL, credentialsGiven, credentialsOfKafka}, alias("basic.auth.credentials.source")),
		config.Password(&c.userInfo, "basic.auth.user.info", "User and password for the registry, as user:password; with basic.auth.credentials.source=USER_INFO.", alias("basic.auth.user.info")),
		config.Password(&c.jaas, "sasl.jaas.config", "Login module as Kafka's clients have it, whose username and password are those for the registry; with basic.auth.credentials.source=SASL_INHERIT."),
		config.Enum(&c.bearerSource, "bearer.auth.credentials.source", "How to authenticate by a token: STATIC_TOKEN sends bearer.auth.token, OAUTHBEARER one that it gets by client credentials from bearer.auth.issuer.endpoint.url; empty: not at all.",
			[]string{"", bearerStatic, bearerOAuth}, alias("bearer.auth.credentials.source")),
		config.Password(&c.bearerToken, "bearer.auth.token", "Token for the registry; with bearer.auth.credentials.source=STATIC_TOKEN.", alias("bearer.auth.token")),
		config.String(&b.endpoint, "bearer.auth.issuer.endpoint.url", "Token endpoint; with bearer.auth.credentials.source=OAUTHBEARER.", alias("bearer.auth.issuer.endpoint.url")),
		config.String(&b.clientID, "bearer.auth.client.id", "Our name at the token endpoint.", alias("bearer.auth.client.id")),
		config.Password(&b.secret, "bearer.auth.client.secret", "Our secret at the token endpoint.", alias("bearer.auth.client.secret")),
		config.String(&b.scope, "bearer.auth.scope", "Scope that is asked for.", alias("bearer.auth.scope")),
		config.String(&b.cluster, "bearer.auth.logical.cluster", "Sent with the token, as header target-sr-cluster.", alias("bearer.auth.logical.cluster")),
		config.String(&b.pool, "bearer.auth.identity.pool.id", "Sent with the token, as header Confluent-Identity-Pool-Id.", alias("bearer.auth.identity.pool.id")),
	}
	for _, k := range c.tls.Keys() {
		k.Name = registryTLS + k.Name
		keys = append(keys, k)
	}
	return keys
}

// checkSecurity reports what several options together tell.
func (c *avroConfig) checkSecurity(r *config.Report) {
	if c.credentialsSource == credentialsGiven && !strings.Contains(c.userInfo.Reveal(), ":") {
		r.Fail("basic.auth.user.info", "basic.auth.credentials.source=USER_INFO needs basic.auth.user.info as user:password.")
	}
	if c.credentialsSource != credentialsGiven && c.userInfo != "" {
		r.Warn("basic.auth.user.info", "Option %q has no effect without basic.auth.credentials.source=USER_INFO.", "basic.auth.user.info")
	}
	if c.credentialsSource == credentialsOfKafka {
		if _, _, err := c.inherited(); err != nil {
			r.Fail("sasl.jaas.config", "basic.auth.credentials.source=SASL_INHERIT needs sasl.jaas.config beside it, in the converter's options: %v", err)
		}
	}
	switch c.bearerSource {
	case bearerStatic:
		if c.bearerToken == "" {
			r.Fail("bearer.auth.token", "bearer.auth.credentials.source=STATIC_TOKEN needs bearer.auth.token.")
		}
	case bearerOAuth:
		for name, text := range map[string]string{"bearer.auth.issuer.endpoint.url": c.bearer.endpoint, "bearer.auth.client.id": c.bearer.clientID, "bearer.auth.client.secret": c.bearer.secret.Reveal()} {
			if text == "" {
				r.Fail(name, "bearer.auth.credentials.source=OAUTHBEARER needs %s.", name)
			}
		}
		if err := oauth.Check(c.bearer.endpoint); err != nil && c.bearer.endpoint != "" { // without its value, which may hold a password
			r.Fail("bearer.auth.issuer.endpoint.url", "Invalid value for configuration bearer.auth.issuer.endpoint.url: %v", err)
		}
	}
	var found config.Report
	c.tls.Check(&found)
	for _, p := range found.Errors {
		r.Fail(registryTLS+p.Name, "%s", strings.ReplaceAll(p.Message, p.Name, registryTLS+p.Name))
	}
	for _, p := range found.Warnings {
		r.Warn(registryTLS+p.Name, "%s", strings.ReplaceAll(p.Message, p.Name, registryTLS+p.Name))
	}
}

// inherited are user and password of the login module.
func (c *avroConfig) inherited() (user, password string, err error) {
	m, err := jaas.One(c.jaas.Reveal())
	if err == nil && m.Options["username"] == "" {
		err = errors.New("username is missing")
	}
	return m.Options["username"], m.Options["password"], err
}

// secure puts authentication and encryption into a client's configuration.
func (c *avroConfig) secure(rc *registry.Config) error {
	var err error
	switch c.credentialsSource {
	case credentialsGiven:
		user, password, _ := strings.Cut(c.userInfo.Reveal(), ":")
		rc.User, rc.Password = user, config.Secret(password)
	case credentialsOfKafka:
		var password string
		if rc.User, password, err = c.inherited(); err != nil {
			return fmt.Errorf("sasl.jaas.config: %w", err)
		}
		rc.Password = config.Secret(password)
	}
	if rc.TLS, err = c.tls.Client(); err != nil {
		return fmt.Errorf("read the certificates for the schema registry: %s%w", registryTLS, err)
	}
	switch c.bearerSource {
	case "":
		return nil
	case bearerStatic:
		rc.Token = c.bearerToken
	case bearerOAuth:
		rc.Tokens = oauth.New(oauth.Config{Endpoint: c.bearer.endpoint, ClientID: c.bearer.clientID, Secret: c.bearer.secret, Scope: c.bearer.scope,
			TLS: rc.TLS, ConnectTimeout: c.connectTimeout, Timeout: c.readTimeout})
	}
	headers := http.Header{"Target-Sr-Cluster": {c.bearer.cluster}, "Confluent-Identity-Pool-Id": {c.bearer.pool}}
	for name, values := range headers {
		if values[0] != "" && rc.Headers.Get(name) == "" {
			rc.Headers[name] = values
		}
	}
	return nil
}
