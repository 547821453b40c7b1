package dialect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseJDBC(t *testing.T) {
	for _, c := range []struct {
		url  string
		want JDBC
		err  string
	}{
		{url: "jdbc:postgresql://db:5433/shop", want: JDBC{Kind: PostgreSQL, Hosts: []string{"db:5433"}, Database: "shop"}},
		{url: "jdbc:postgresql://a,b:5433/shop%20one?user=u&password=p%26q&ssl", want: JDBC{Kind: PostgreSQL, Hosts: []string{"a", "b:5433"}, Database: "shop one",
			Params: []Param{{"user", "u"}, {"password", "p&q"}, {"ssl", ""}}}},
		{url: "jdbc:postgresql://[::1]:5432/", want: JDBC{Kind: PostgreSQL, Hosts: []string{"[::1]:5432"}}},
		{url: "jdbc:postgresql:shop", want: JDBC{Kind: PostgreSQL, Database: "shop"}},
		{url: "jdbc:postgresql:/", want: JDBC{Kind: PostgreSQL}},
		{url: "jdbc:oracle:thin:@x", err: `database kind "oracle" is not supported`},
		{url: "postgres://x/y", err: "want a JDBC URL"},
		{url: "jdbc:postgresql://h/d?password=%zz", err: `the value of parameter "password" has a malformed`},
	} {
		got, err := ParseJDBC(c.url)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("ParseJDBC(%q) = %v, want an error with %q", c.url, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("ParseJDBC(%q) = %v", c.url, err)
			continue
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("ParseJDBC(%q): (-want +got)\n%s", c.url, d)
		}
	}
}

func TestPostgresConfig(t *testing.T) {
	u, err := ParseJDBC("jdbc:postgresql://db,[::1]:5433/shop?user=u&password=p%2Fq&sslmode=disable&currentSchema=Sales&ApplicationName=app&prepareThreshold=0&binaryTransfer=true&colour=red&connectTimeout=3")
	if err != nil {
		t.Fatal(err)
	}
	got, err := PostgresConfig(u, "", "")
	if err != nil {
		t.Fatal(err)
	}
	c := got.Config
	if c.Host != "db" || c.Port != 5432 || c.User != "u" || c.Password != "p/q" || c.Database != "shop" || c.TLSConfig != nil || c.ConnectTimeout.Seconds() != 3 {
		t.Errorf("config = %s:%d user %s database %s timeout %v, want db:5432 u shop 3s", c.Host, c.Port, c.User, c.Database, c.ConnectTimeout)
	}
	if len(c.Fallbacks) != 1 || c.Fallbacks[0].Host != "::1" || c.Fallbacks[0].Port != 5433 {
		t.Errorf("fallbacks = %v, want ::1:5433", c.Fallbacks)
	}
	if c.RuntimeParams["application_name"] != "app" || !got.Unprepared {
		t.Errorf("application name %q, unprepared %v, want app, true", c.RuntimeParams["application_name"], got.Unprepared)
	}
	if d := cmp.Diff([]Param{{"search_path", "Sales"}}, got.Settings); d != "" {
		t.Errorf("settings: (-want +got)\n%s", d)
	}
	if len(got.Warnings) != 2 || !strings.Contains(got.Warnings[1], "colour") {
		t.Errorf("warnings = %q, want two", got.Warnings)
	}
	if got, err = PostgresConfig(u, "other", "secret"); err != nil || got.Config.User != "other" || got.Config.Password != "secret" {
		t.Errorf("PostgresConfig with a user = %v, %v, want it to win", got.Config.User, err)
	}
	bad, _ := ParseJDBC("jdbc:postgresql://db/x?password=hush&sslmode=maybe")
	if _, err = PostgresConfig(bad, "", ""); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("PostgresConfig(sslmode=maybe) = %v, want an error without the password", err)
	}
	ssl, _ := ParseJDBC("jdbc:postgresql://db/x?ssl=true")
	if got, err = PostgresConfig(ssl, "", ""); err != nil || got.Config.TLSConfig == nil || got.Config.TLSConfig.InsecureSkipVerify {
		t.Errorf("ssl=true gives %v, want certificates verified", err)
	}
}

// The blanks of options reach the server as such.
func TestPostgresOptions(t *testing.T) {
	u, err := ParseJDBC("jdbc:postgresql://db/shop?options=-c%20lock_timeout%3D1ms")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := PostgresConfig(u, "", ""); err != nil || got.Config.RuntimeParams["options"] != "-c lock_timeout=1ms" {
		t.Errorf("options = %q, %v, want -c lock_timeout=1ms", got.Config.RuntimeParams["options"], err)
	}
}

func TestQuotePostgres(t *testing.T) {
	if got, want := QuotePostgres(`a"b`), `"a""b"`; got != want {
		t.Errorf("QuotePostgres = %s, want %s", got, want)
	}
	if got, want := LiteralPostgres(`it's \n`), ` E'it''s \\n'`; got != want {
		t.Errorf("LiteralPostgres = %s, want %s", got, want)
	}
}
