package source_test

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// TestCheck: what the database says when a connector is made, at database.hostname and in the words that Debezium's users know.
func TestCheck(t *testing.T) {
	u, err := url.Parse(pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	free := freePort(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	silent := strconv.Itoa(mute.Addr().(*net.TCPAddr).Port)
	for _, c := range []struct {
		name string
		set  map[string]string
		want []string // errors at database.hostname
	}{
		{"reachable", nil, nil},
		{"refused", map[string]string{"database.port": free}, []string{"Error while validating connector config: Connection to " + u.Hostname() + ":" + free + " refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections."}},
		{"no such database", map[string]string{"database.dbname": "nowhere"}, []string{`Error while validating connector config: FATAL: database "nowhere" does not exist`}},
		{"in time", map[string]string{"database.hostname": "127.0.0.1", "database.port": silent, "connection.validation.timeout.ms": "50"}, []string{"Connection validation timed out after 50 ms"}},
		{"wrong before", map[string]string{"database.port": free, "snapshot.mode": "sometimes"}, nil},
	} {
		props := map[string]string{"database.hostname": u.Hostname(), "database.port": u.Port(), "database.user": u.User.Username(), "database.password": password,
			"database.dbname": strings.TrimPrefix(u.Path, "/"), "topic.prefix": "p"}
		for k, v := range c.set {
			props[k] = v
		}
		var got []string
		for _, p := range source.Check(t.Context(), props).Errors {
			if p.Name != "database.hostname" {
				t.Errorf("%s: Check has an error at %s: %s", c.name, p.Name, p.Message)
			}
			got = append(got, p.Message)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: Check's errors differ (-want +got)\n%s", c.name, diff)
		}
	}
}

// freePort is a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
