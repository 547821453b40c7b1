package dialect

import (
	"fmt"
	"net/url"
	"strings"
)

// Kind is a kind of database, as a JDBC URL names it.
type Kind string

// Kinds of databases that exist here.
const (
	PostgreSQL Kind = "postgresql"
)

// JDBC is a JDBC URL taken apart. Its text may hold a password, so it has no String.
type JDBC struct {
	Kind     Kind
	Hosts    []string // "host", "host:port" or "[v6]:port"; none: the default of the driver
	Database string
	Params   []Param // in the order of the URL
}

// Param is one name and value of a URL's query.
type Param struct{ Name, Value string }

// ParseJDBC reads jdbc:KIND://HOST:PORT[,HOST:PORT…]/DATABASE?NAME=VALUE&…, jdbc:KIND:DATABASE and jdbc:KIND:/, as pgjdbc does.
// Errors never show the query, which may hold a password.
func ParseJDBC(text string) (JDBC, error) {
	rest, ok := strings.CutPrefix(text, "jdbc:")
	if !ok {
		return JDBC{}, fmt.Errorf("want a JDBC URL such as jdbc:postgresql://host:5432/database")
	}
	kind, rest, ok := strings.Cut(rest, ":")
	if !ok || kind == "" {
		return JDBC{}, fmt.Errorf("want a JDBC URL such as jdbc:postgresql://host:5432/database")
	}
	if Kind(kind) != PostgreSQL {
		return JDBC{}, fmt.Errorf("database kind %q is not supported; supported: %s", kind, PostgreSQL)
	}
	u := JDBC{Kind: Kind(kind)}
	rest, query, _ := strings.Cut(rest, "?")
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		hosts, database, _ := strings.Cut(authority, "/")
		for h := range strings.SplitSeq(hosts, ",") {
			if h = strings.TrimSpace(h); h != "" {
				u.Hosts = append(u.Hosts, h)
			}
		}
		rest = database
	} else {
		rest = strings.TrimPrefix(rest, "/")
	}
	database, err := url.PathUnescape(rest)
	if err != nil {
		return JDBC{}, fmt.Errorf("database name %q: malformed %%-escape", rest)
	}
	u.Database = database
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if name, err = url.QueryUnescape(name); err != nil {
			return JDBC{}, fmt.Errorf("a parameter's name has a malformed %%-escape")
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return JDBC{}, fmt.Errorf("the value of parameter %q has a malformed %%-escape", name)
		}
		u.Params = append(u.Params, Param{name, value})
	}
	return u, nil
}
