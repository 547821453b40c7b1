package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"

	"github.com/tandem-cdc/tandem/internal/config"
)

// oldestMajor is the first version of Elasticsearch without types in indices.
const oldestMajor = 7

func tooOld(v serverVersion) string {
	return fmt.Sprintf("Connector version %s is not compatible with Elasticsearch version %s. Elasticsearch version must be at least %d.0.0.", Version, v.number, oldestMajor)
}

// Check connects to the server that a configuration names, and looks whether its external resources exist.
func Check(ctx context.Context, props map[string]string, parseTLS TLSParser) config.Report {
	c, r := Parse(props, parseTLS)
	if len(r.Errors) > 0 {
		return config.Report{} // they are told of already
	}
	r = config.Report{}
	client := newClient(&c, slog.New(slog.DiscardHandler))
	defer client.close()
	version, err := client.hello(ctx)
	var refused *ResponseError
	switch {
	case errors.As(err, &refused) && refused.Status == 403: // it is there
		return r
	case err != nil:
		c.blame(err, &r)
		return r
	case !version.openSearch && version.major < oldestMajor:
		r.Fail("connection.url", "%s", tooOld(version))
		return r
	}
	c.checkExternal(ctx, client, &r)
	return r
}

// blame reports that the server cannot be reached at every option that may be the reason, as the original does.
func (c *Config) blame(err error, r *config.Report) {
	r.Fail("connection.url", "Could not connect to Elasticsearch. Error message: %v", err)
	if c.Username != "" {
		fail(r, fmt.Sprintf("Could not authenticate the user. Check the 'connection.username' and 'connection.password'. Error message: %v", err),
			"connection.username", "connection.password")
	}
	if c.Protocol == protocolSSL {
		r.Fail("elastic.security.protocol", "Could not connect to Elasticsearch. Check your SSL settings. Error message: %v", err)
	}
	if c.ProxyHost != "" {
		names := []string{"proxy.host", "proxy.port"}
		if c.ProxyUsername != "" {
			names = append(names, "proxy.username", "proxy.password")
		}
		fail(r, fmt.Sprintf("Could not connect to Elasticsearch. Check your proxy settings. Error message: %v", err), names...)
	}
}

// checkExternal looks for the resources that topics are mapped to.
func (c *Config) checkExternal(ctx context.Context, client *client, r *config.Report) {
	const option = "topic.to.external.resource.mapping"
	var resources []string
	for _, name := range c.external {
		resources = append(resources, name)
	}
	slices.Sort(resources)
	for _, name := range resources {
		path := "/" + url.PathEscape(name)
		if c.Usage == usageAliasIndex || c.Usage == usageAliasDataStream {
			path = "/_alias" + path
		}
		exists, err := client.exists(ctx, path, fmt.Sprintf("look for %q", name))
		switch {
		case err != nil:
			r.Fail(option, "Failed to check if %s '%s' exists: %v", c.Usage, name, err)
			return
		case !exists:
			r.Fail(option, "%s '%s' does not exist in Elasticsearch", c.Usage, name)
			return
		}
	}
}
