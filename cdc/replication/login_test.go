package replication

import (
	"context"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/internal/pgserver/pgtest"
)

// hba lets each role in one way; the superuser of the tests comes in as everywhere.
const hba = `host      all         postgres  all scram-sha-256
host      replication postgres  all scram-sha-256
hostssl   all         encrypted all scram-sha-256
hostnossl all         plain     all scram-sha-256
host      all         digest    all md5
host      all         clear     all password
hostssl   all         certified all cert
hostssl   all         "both"    all scram-sha-256 clientcert=verify-full
`

// secureServer is a PostgreSQL with TLS and the roles of hba, whose password is "pässword".
func secureServer(t *testing.T) (s *pgserver.Server, a *authority, roots string) {
	t.Helper()
	a = newAuthority(t)
	cert, key := a.sign("localhost")
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
	s = pgtest.PrivateServer(t, pgserver.Options{
		Settings: map[string]string{"ssl": "on", "ssl_cert_file": "$DIR/server.crt", "ssl_key_file": "$DIR/server.key", "ssl_ca_file": "$DIR/ca.crt", "hba_file": "$DIR/hba.conf"},
		Files: map[string]string{"hba.conf": hba, "ca.crt": ca,
			"server.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})),
			"server.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))},
	})
	conn := open(t, configOf(t, s.URL("postgres")))
	for _, role := range []string{"encrypted", "plain", "clear", "certified", "both"} {
		exec(t, conn, fmt.Sprintf("CREATE ROLE %q LOGIN REPLICATION PASSWORD 'pässword'", role))
	}
	exec(t, conn, "SET password_encryption = md5")
	exec(t, conn, "CREATE ROLE digest LOGIN REPLICATION PASSWORD 'pässword'")
	return s, a, file(t, "roots.crt", []byte(ca))
}

// TestLogin goes in by every mode of encryption and every way to prove a password, on ordinary connections and on that of replication, whose
// socket is ours from then on.
func TestLogin(t *testing.T) {
	s, a, roots := secureServer(t)
	strange := file(t, "strange.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: newAuthority(t).cert.Raw}))
	identity := func(name string) func(*Config) {
		cert, key := a.sign(name)
		certFile, keyFile := file(t, name+".crt", cert), file(t, name+".key", key)
		return func(c *Config) { c.SSLCert, c.SSLKey = certFile, keyFile }
	}
	certified, both := identity("certified"), identity("both")
	set := func(fs ...func(*Config)) func(*Config) {
		return func(c *Config) {
			for _, f := range fs {
				f(c)
			}
		}
	}
	trust := func(file string) func(*Config) { return func(c *Config) { c.SSLRootCert = file } }
	binding := func(kind string) func(*Config) { return func(c *Config) { c.ChannelBinding = kind } }
	host := func(name string) func(*Config) { return func(c *Config) { c.Host = name } }
	password := func(c *Config) { c.Password = "wr0ng" }
	direct := func(c *Config) { c.Negotiation = "direct" }
	directly := "" // PostgreSQL 17 was the first that lets TLS begin with the first byte
	if s.Version() < 17 {
		directly = "database.sslNegotiation"
	}
	none := func(*Config) {}
	for _, tt := range []struct {
		name, role string
		mode       SSLMode
		with       func(*Config)
		encrypted  bool
		want       string // "" for a login; else what the error says, which is not retriable
	}{
		{"disable", "plain", SSLDisable, none, false, ""},
		{"disable, refused", "encrypted", SSLDisable, none, false, "pg_hba.conf"},
		{"allow stays plain", "plain", SSLAllow, none, false, ""},
		{"allow encrypts when it must", "encrypted", SSLAllow, none, true, ""},
		{"prefer", "encrypted", SSLPrefer, none, true, ""},
		{"prefer goes on in plain when it must", "plain", SSLPrefer, none, false, ""},
		{"require", "encrypted", SSLRequire, none, true, ""},
		{"require, refused", "plain", SSLRequire, none, true, "pg_hba.conf"},
		{"verify-ca", "encrypted", SSLVerifyCA, set(trust(roots), host("127.0.0.1")), true, ""},
		{"verify-ca, strange", "encrypted", SSLVerifyCA, trust(strange), true, "unknown authority"},
		{"verify-full", "encrypted", SSLVerifyFull, trust(roots), true, ""},
		{"verify-full, another name", "encrypted", SSLVerifyFull, set(trust(roots), host("127.0.0.1")), true, "127.0.0.1"},
		{"SCRAM bound to the channel", "encrypted", SSLVerifyFull, set(trust(roots), binding("require")), true, ""},
		{"SCRAM not bound", "encrypted", SSLVerifyFull, set(trust(roots), binding("disable")), true, ""},
		{"SCRAM cannot be bound without TLS", "plain", SSLDisable, binding("require"), false, "channel binding"},
		{"MD5 cannot be bound", "digest", SSLRequire, binding("require"), true, "channel binding"},
		{"MD5", "digest", SSLRequire, none, true, ""},
		{"MD5 in plain", "digest", SSLDisable, none, false, ""},
		{"clear text", "clear", SSLRequire, none, true, ""},
		{"client certificate", "certified", SSLVerifyFull, set(trust(roots), certified), true, ""},
		{"no client certificate", "certified", SSLVerifyFull, trust(roots), true, "database.user"},
		{"another's certificate", "certified", SSLVerifyFull, set(trust(roots), both), true, "database.user"},
		{"certificate and password", "both", SSLVerifyFull, set(trust(roots), both), true, ""},
		{"certificate and wrong password", "both", SSLVerifyFull, set(trust(roots), both, password), true, "database.password"},
		{"wrong password", "encrypted", SSLPrefer, password, true, "database.password"},
		{"wrong password, MD5", "digest", SSLAllow, password, false, "database.password"},
		{"no such role", "nobody", SSLRequire, none, true, "database.user"},
		{"direct, require", "encrypted", SSLRequire, direct, true, directly},
		{"direct, verify-ca", "encrypted", SSLVerifyCA, set(trust(roots), host("127.0.0.1"), direct), true, directly},
		{"direct, verify-full, bound", "encrypted", SSLVerifyFull, set(trust(roots), binding("require"), direct), true, directly},
		{"direct, client certificate", "certified", SSLVerifyFull, set(trust(roots), certified, direct), true, directly},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Name, cfg.SSLMode = "localhost", s.Port(), tt.role, "pässword", "postgres", tt.mode
			tt.with(&cfg)
			ctx := context.Background()
			again := strings.HasSuffix(tt.want, "sslNegotiation") // a server that dies hangs up as well
			if tt.want != "" {
				_, general := cfg.Connect(ctx, General)
				_, streaming := Connect(ctx, cfg)
				for kind, err := range map[string]error{"General": general, "Streaming": streaming} {
					if err == nil || !strings.Contains(err.Error(), tt.want) || retriable(err) != again || strings.Contains(err.Error(), "wr0ng") {
						t.Errorf("%s: %v, retriable %t, want an error with %q, %t", kind, err, retriable(err), tt.want, again)
					}
				}
				return
			}
			var encrypted bool
			if err := open(t, cfg).QueryRow(ctx, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&encrypted); err != nil || encrypted != tt.encrypted {
				t.Errorf("encrypted = %t, %v, want %t", encrypted, err, tt.encrypted)
			}
			if system, err := replication(t, cfg).Identify(ctx); err != nil || system.Database != "postgres" {
				t.Errorf("Identify = %+v, %v", system, err)
			}
		})
	}
}

// TestStreamOverTLS reads a transaction over an encrypted connection, whose login was bound to it.
func TestStreamOverTLS(t *testing.T) {
	s, _, roots := secureServer(t)
	cfg := configOf(t, s.URL("postgres"))
	cfg.Host, cfg.User, cfg.Password, cfg.SSLMode, cfg.SSLRootCert, cfg.ChannelBinding = "localhost", "encrypted", "pässword", SSLVerifyFull, roots, "require"
	if s.Version() >= 17 {
		cfg.Negotiation = "direct"
	}
	admin := open(t, configOf(t, s.URL("postgres")))
	exec(t, admin, "CREATE TABLE t (a int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t")
	conn := replication(t, cfg)
	_, err := conn.CreateSlot(context.Background(), "tls", false, 0)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, admin, "INSERT INTO t SELECT generate_series(1, 1000)")
	stream, err := conn.Stream(context.Background(), StreamOptions{Slot: "tls", Publication: "p"})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close(context.Background())
	rows, _ := receiveRows(t, stream, 1000)
	if len(rows) != 1000 || rows[0] != "1" || rows[999] != "1000" {
		t.Errorf("%d rows over TLS, want 1 … 1000", len(rows))
	}
}
