package dialect

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/tlsconf/tlstest"
)

func TestParseMySQLAndSQLite(t *testing.T) {
	for _, c := range []struct {
		url  string
		want JDBC
		err  string
	}{
		{url: "jdbc:mysql://db:3307/shop?user=u&password=p%26q&useSSL=false", want: JDBC{Kind: MySQL, Hosts: []string{"db:3307"}, Database: "shop", Params: []Param{{"user", "u"}, {"password", "p&q"}, {"useSSL", "false"}}}},
		{url: "jdbc:mariadb://a,[::1]:3307/shop", want: JDBC{Kind: MariaDB, Hosts: []string{"a", "[::1]:3307"}, Database: "shop"}},
		{url: "jdbc:mysql://u:p%40q@db/shop", want: JDBC{Kind: MySQL, Hosts: []string{"db"}, Database: "shop", Params: []Param{{"user", "u"}, {"password", "p@q"}}}},
		{url: "jdbc:mysql://u@db", want: JDBC{Kind: MySQL, Hosts: []string{"db"}, Params: []Param{{"user", "u"}}}},
		{url: "jdbc:mysql:///shop", want: JDBC{Kind: MySQL, Database: "shop"}},
		{url: "jdbc:mariadb:sequential://a,b/shop", want: JDBC{Kind: MariaDB, Hosts: []string{"a", "b"}, Database: "shop"}},
		{url: "jdbc:mysql:loadbalance://a,b/shop?password=hush", err: `mode "loadbalance" of the URL is not supported`},
		{url: "jdbc:mysql://address=(host=a)(port=1)(password=hush)/shop", err: "hosts in parentheses"},
		{url: "jdbc:mysql:shop", err: "want jdbc:mysql://host:3306/database"},
		{url: "jdbc:mysql://u:%zz@h/d", err: "malformed %-escape"},
		{url: "jdbc:sqlite:/var/lib/shop.db?journal_mode=WAL", want: JDBC{Kind: SQLite, Database: "/var/lib/shop.db", Params: []Param{{"journal_mode", "WAL"}}}},
		{url: "jdbc:sqlite:shop.db", want: JDBC{Kind: SQLite, Database: "shop.db"}},
		{url: "jdbc:sqlite:file:///var/lib/shop.db", want: JDBC{Kind: SQLite, Database: "/var/lib/shop.db"}},
		{url: "jdbc:sqlite::memory:", err: "a database in memory"},
		{url: "jdbc:sqlite:", err: "a database in memory"},
		{url: "jdbc:sqlite::resource:x.db", err: "JVM's class path"},
		{url: "jdbc:db2://h/d", err: `database kind "db2" is not supported; supported: postgresql, mysql, mariadb, sqlite`},
	} {
		got, err := ParseJDBC(c.url)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "hush") {
				t.Errorf("ParseJDBC(%q) = %v, want an error with %q", c.url, err, c.err)
			}
		case err != nil:
			t.Errorf("ParseJDBC(%q) = %v", c.url, err)
		default:
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("ParseJDBC(%q): (-want +got)\n%s", c.url, d)
			}
		}
	}
}

func FuzzParseJDBC(f *testing.F) {
	for _, seed := range []string{"jdbc:mysql://u:p@h:1/d?a=b", "jdbc:sqlite:file:x", "jdbc:postgresql://h/d", "jdbc:mariadb:failover://[::1]/", "jdbc:mysql://@/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseJDBC(text)
		if err != nil {
			return
		}
		if c, err := Connect(u, "", ""); err == nil && c.Connector == nil {
			t.Errorf("Connect(%q) gives no connector and no error", text)
		}
	})
}

func mysqlConfig(t *testing.T, url, user, password string) MySQLTarget {
	t.Helper()
	u, err := ParseJDBC(url)
	if err != nil {
		t.Fatal(err)
	}
	got, err := MySQLConfig(u, user, password)
	if err != nil {
		t.Fatalf("MySQLConfig(%q) = %v", url, err)
	}
	return got
}

func TestMySQLConfig(t *testing.T) {
	got := mysqlConfig(t, "jdbc:mysql://db,[::1]:3307/shop?user=u&password=p&connectTimeout=2000&socketTimeout=7000&sessionVariables=wait_timeout=9,sql_mode='A,B'&serverTimezone=UTC&rewriteBatchedStatements=true&tinyInt1isBit=false&colour=red", "", "")
	a, b := got.Configs[0], got.Configs[1]
	if a.Addr != "db:3306" || b.Addr != "[::1]:3307" || a.User != "u" || a.Passwd != "p" || a.DBName != "shop" || a.Timeout != 2*time.Second || a.ReadTimeout != 7*time.Second {
		t.Errorf("configs = %s and %s, user %s, database %s, timeouts %s and %s", a.Addr, b.Addr, a.User, a.DBName, a.Timeout, a.ReadTimeout)
	}
	if d := cmp.Diff([]Param{{"wait_timeout", "9"}, {"sql_mode", "'A,B'"}}, got.Settings); d != "" {
		t.Errorf("settings: (-want +got)\n%s", d)
	}
	if got.TinyIntIsBit || !got.YearIsDate {
		t.Errorf("TinyIntIsBit, YearIsDate = %v, %v, want false, true", got.TinyIntIsBit, got.YearIsDate)
	}
	if w := strings.Join(got.Warnings, "\n"); len(got.Warnings) != 3 || !strings.Contains(w, "serverTimezone") || !strings.Contains(w, `"colour" of the URL is not known`) {
		t.Errorf("warnings = %s, want three", w)
	}
	if got := mysqlConfig(t, "jdbc:mysql://u:p@db/shop", "other", "secret"); got.Configs[0].User != "other" || got.Configs[0].Passwd != "secret" {
		t.Errorf("user %s, want the one given to win", got.Configs[0].User)
	}
}

func TestMySQLEncryption(t *testing.T) {
	cert, key := certificate(t)
	for _, c := range []struct {
		url                       string
		tls, fallback, verify, ca bool
	}{
		{"jdbc:mysql://db/x", true, true, false, false},
		{"jdbc:mysql://db/x?useSSL=false", false, false, false, false},
		{"jdbc:mysql://db/x?sslMode=DISABLED&requireSSL=true", false, false, false, false},
		{"jdbc:mysql://db/x?requireSSL=true", true, false, false, false},
		{"jdbc:mysql://db/x?sslMode=REQUIRED", true, false, false, false},
		{"jdbc:mysql://db/x?sslMode=VERIFY_IDENTITY", true, false, true, false},
		{"jdbc:mysql://db/x?useSSL=true&verifyServerCertificate=true&trustCertificateKeyStoreType=PEM&trustCertificateKeyStoreUrl=file:" + cert, true, false, false, true},
		{"jdbc:mysql://db/x?sslMode=VERIFY_CA&serverSslCert=" + cert, true, false, false, true},
		{"jdbc:mariadb://db/x", false, false, false, false},
		{"jdbc:mariadb://db/x?useSsl=true", true, false, true, false},
		{"jdbc:mariadb://db/x?sslMode=trust", true, false, false, false},
		{"jdbc:mariadb://db/x?sslMode=verify-full&serverSslCert=" + cert, true, false, true, false},
	} {
		config := mysqlConfig(t, c.url, "", "").Configs[0]
		if (config.TLS != nil) != c.tls || config.AllowFallbackToPlaintext != c.fallback {
			t.Errorf("%s: TLS %v, fallback %v, want %v, %v", c.url, config.TLS != nil, config.AllowFallbackToPlaintext, c.tls, c.fallback)
			continue
		}
		if config.TLS == nil {
			continue
		}
		if !config.TLS.InsecureSkipVerify != c.verify || (config.TLS.VerifyConnection != nil) != c.ca || config.TLS.ServerName != "db" {
			t.Errorf("%s: verifies the name %v, the chain alone %v, want %v, %v", c.url, !config.TLS.InsecureSkipVerify, config.TLS.VerifyConnection != nil, c.verify, c.ca)
		}
		if c.ca {
			checkChain(t, config.TLS, cert)
		}
	}
	if both := mysqlConfig(t, "jdbc:mysql://db/x?sslMode=REQUIRED&clientCertificateKeyStoreUrl=file:"+key, "", ""); len(both.Configs[0].TLS.Certificates) != 1 {
		t.Error("the client's certificate is not taken")
	}
	stores := filepath.Join("..", "keystore", "testdata")
	java := mysqlConfig(t, "jdbc:mysql://db/x?sslMode=VERIFY_CA&trustCertificateKeyStoreUrl=file:"+filepath.Join(stores, "trust.p12")+"&trustCertificateKeyStorePassword=store-pw&trustCertificateKeyStoreType=PKCS12"+
		"&clientCertificateKeyStoreUrl=file:"+filepath.Join(stores, "key.p12")+"&clientCertificateKeyStorePassword=store-pw", "", "")
	if got := java.Configs[0].TLS; len(got.Certificates) != 1 || got.RootCAs == nil {
		t.Errorf("Java's stores give %d certificates and roots %v, want both", len(got.Certificates), got.RootCAs)
	}
	for _, bad := range []string{"jdbc:mysql://db/x?sslMode=maybe", "jdbc:mysql://db/x?trustCertificateKeyStoreType=BCFKS", "jdbc:mysql://db/x?sslMode=VERIFY_CA&serverSslCert=/no/such/file",
		"jdbc:mysql://db/x?connectTimeout=soon", "jdbc:mysql://db/x?sessionVariables=x", "jdbc:mysql://h:1:2:3/x"} {
		u, err := ParseJDBC(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := MySQLConfig(u, "", ""); err == nil {
			t.Errorf("MySQLConfig(%q) succeeds, want an error", bad)
		}
	}
}

// checkChain wants the server's own certificate to be taken, and another one not.
func checkChain(t *testing.T, config *tls.Config, path string) {
	t.Helper()
	for name, want := range map[string]bool{path: true, "": false} {
		if name == "" {
			name, _ = certificate(t)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if err := config.VerifyConnection(tls.ConnectionState{PeerCertificates: []*x509.Certificate{parsed}}); (err == nil) != want {
			t.Errorf("a certificate that is trusted (%v) gives %v", want, err)
		}
	}
}

// certificate makes a self-signed certificate, and a file of it and its key.
func certificate(t *testing.T) (cert, both string) {
	t.Helper()
	c := tlstest.SelfSigned(t, "database")
	dir := t.TempDir()
	cert, both = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "both.pem")
	for path, content := range map[string][]byte{cert: c.PEM, both: slices.Concat(c.PEM, c.KeyPEM)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, both
}

func TestQuoteMySQL(t *testing.T) {
	if got, want := QuoteMySQL("a`b\x00"), "`a``b`"; got != want {
		t.Errorf("QuoteMySQL = %s, want %s", got, want)
	}
	if got, want := LiteralMySQL("it's\\\x00\n\r\x1a\""), `'it\'s\\\0\n\r\Z"'`; got != want {
		t.Errorf("LiteralMySQL = %s, want %s", got, want)
	}
}

// A literal reads as the text it was made of, by the rules of the manual, and ends where it ends.
func FuzzLiteralMySQL(f *testing.F) {
	f.Add("it's")
	f.Add(`\`)
	f.Add("\x00\x1a\xff'")
	f.Fuzz(func(t *testing.T, text string) {
		lit := LiteralMySQL(text)
		var read strings.Builder
		i := 1
		for ; i < len(lit) && lit[i] != '\''; i++ {
			c := lit[i]
			if c == '\\' {
				i++
				c = lit[i]
				if real, ok := map[byte]byte{'0': 0, 'n': '\n', 'r': '\r', 'Z': 0x1a}[c]; ok {
					c = real
				}
			}
			read.WriteByte(c)
		}
		if read.String() != text || i != len(lit)-1 || lit[0] != '\'' {
			t.Errorf("LiteralMySQL(%q) = %s, which reads as %q and ends at %d", text, lit, read.String(), i)
		}
	})
}

func TestSQLiteConfig(t *testing.T) {
	u, err := ParseJDBC("jdbc:sqlite:/tmp/a b?.db")
	if err != nil {
		t.Fatal(err)
	}
	u.Params = []Param{{"journal_mode", "WAL"}, {"busy_timeout", "7"}, {"date_class", "TEXT"}, {"cache", "shared"}, {"colour", "red"}}
	got, err := SQLiteConfig(u)
	if err != nil {
		t.Fatal(err)
	}
	got.SetDefault("busy_timeout", "1")
	got.SetDefault("synchronous", "NORMAL")
	if got.Pragma("busy_timeout") != "7" || got.Pragma("synchronous") != "NORMAL" || got.Dates["date_class"] != "TEXT" || len(got.Warnings) != 2 {
		t.Errorf("pragmas %v, dates %v, warnings %q", got.Pragmas, got.Dates, got.Warnings)
	}
	if dsn, want := got.DSN(true), "file:/tmp/a%20b?_pragma=journal_mode%28WAL%29&_pragma=busy_timeout%287%29&_pragma=synchronous%28NORMAL%29&mode=rwc"; dsn != want {
		t.Errorf("DSN = %s, want %s", dsn, want)
	}
	if _, err := SQLiteConfig(JDBC{Kind: SQLite, Database: "x", Params: []Param{{"journal_mode", "WAL; DROP TABLE x"}}}); err == nil {
		t.Error("a PRAGMA with a statement behind it is taken")
	}
	if got, want := LiteralSQLite("it's"), "'it''s'"; got != want {
		t.Errorf("LiteralSQLite = %s, want %s", got, want)
	}
}
