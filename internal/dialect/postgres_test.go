package dialect

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
	"github.com/tandem-cdc/tandem/internal/tlsconf/tlstest"
)

// TestPostgresLogin logs in as a URL says, to a server whose certificate a login cannot be bound to: its signature, Ed25519, has no hash.
func TestPostgresLogin(t *testing.T) {
	kinds := tlstest.Kinds(t, "localhost")
	i := slices.IndexFunc(kinds, func(k tlstest.Kind) bool { return !k.Bindable })
	certificate := kinds[i]
	s := pgtest.PrivateServer(t, pgserver.Options{
		Settings: map[string]string{"ssl": "on", "ssl_cert_file": "$DIR/server.crt", "ssl_key_file": "$DIR/server.key"},
		Files:    map[string]string{"server.crt": string(certificate.PEM), "server.key": string(certificate.KeyPEM)},
	})
	roots := filepath.Join(t.TempDir(), "roots.crt")
	if err := os.WriteFile(roots, certificate.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	verified := "sslmode=verify-full&sslrootcert=" + url.QueryEscape(roots)
	for _, tt := range []struct {
		params    string
		encrypted string
		works     bool
	}{
		{"sslmode=disable", "f", true},
		{"", "t", true},
		{"sslmode=require", "t", true},
		{verified, "t", true},
		{verified + "&channelBinding=disable", "t", true},
		{verified + "&channelBinding=require", "", false},
		{verified + "&sslNegotiation=direct", "t", s.Version() >= 17},
		{"sslNegotiation=direct", "", false},               // it need not be encrypted, and there is no going on in plain
		{verified + "&sslNegotiation=indirect", "", false}, // no such way
	} {
		u, err := ParseJDBC("jdbc:postgresql://localhost:" + strconv.Itoa(s.Port()) + "/postgres?" + tt.params)
		if err != nil {
			t.Fatal(err)
		}
		got := func() string {
			target, err := PostgresConfig(u, pgserver.User, s.Password())
			if err != nil {
				return err.Error()
			}
			conn, err := pgconn.ConnectConfig(t.Context(), target.Config.Copy())
			if err != nil {
				return err.Error()
			}
			defer conn.Close(t.Context())
			results, err := conn.Exec(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			return string(results[0].Rows[0][0])
		}()
		if works := len(got) == 1; works != tt.works || works && got != tt.encrypted {
			t.Errorf("login with %q = %s, want encrypted %s, %t", tt.params, got, tt.encrypted, tt.works)
		}
	}
}
