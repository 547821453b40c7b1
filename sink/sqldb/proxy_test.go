package sqldb

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/faultproxy"
)

// newProxy puts a proxy between d and its server: d.jdbc leads through it from then on.
func newProxy(t testing.TB, d *database) *faultproxy.Proxy {
	t.Helper()
	p, jdbc := proxyTo(t, d.jdbc)
	d.jdbc = jdbc
	return p
}

// proxyTo puts a proxy before the server of a URL, and returns the URL that leads through it.
func proxyTo(t testing.TB, jdbc string) (*faultproxy.Proxy, string) {
	t.Helper()
	u, err := url.Parse(strings.TrimPrefix(jdbc, "jdbc:"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := faultproxy.New(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	u.Host = p.Addr()
	return p, "jdbc:" + u.String()
}
