package dialect

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Kind is a kind of database, as a JDBC URL names it.
type Kind string

// Kinds of databases that exist here.
const (
	PostgreSQL Kind = "postgresql"
	MySQL      Kind = "mysql"
	MariaDB    Kind = "mariadb"
	SQLite     Kind = "sqlite"
)

// kinds are all of them, for messages.
const kinds = "postgresql, mysql, mariadb, sqlite"

// JDBC is a JDBC URL taken apart. Its text may hold a password, so it has no String.
type JDBC struct {
	Kind     Kind
	Hosts    []string // "host", "host:port" or "[v6]:port"; none: the default of the driver
	Database string   // of SQLite: the path of the file
	Params   []Param  // in the order of the URL
}

// Param is one name and value of a URL's query.
type Param struct{ Name, Value string }

var errNoJDBC = errors.New("want a JDBC URL such as jdbc:postgresql://host:5432/database, jdbc:mysql://host:3306/database, jdbc:mariadb://host:3306/database or jdbc:sqlite:/path/to/file.db")

// ParseJDBC reads jdbc:KIND://HOST:PORT[,HOST:PORT…]/DATABASE?NAME=VALUE&…, of PostgreSQL also jdbc:postgresql:DATABASE and
// jdbc:postgresql:/, of SQLite jdbc:sqlite:PATH, as the drivers of the JVM do. Errors never show the query, which may hold a password.
func ParseJDBC(text string) (JDBC, error) {
	rest, ok := strings.CutPrefix(text, "jdbc:")
	if !ok {
		return JDBC{}, errNoJDBC
	}
	kind, rest, ok := strings.Cut(rest, ":")
	if !ok || kind == "" {
		return JDBC{}, errNoJDBC
	}
	u := JDBC{Kind: Kind(kind)}
	rest, query, _ := strings.Cut(rest, "?")
	var err error
	switch u.Kind {
	case PostgreSQL:
		err = u.server(rest)
	case MySQL, MariaDB:
		err = u.mysql(rest)
	case SQLite:
		err = u.sqlite(rest)
	default:
		err = fmt.Errorf("database kind %q is not supported; supported: %s", kind, kinds)
	}
	if err != nil {
		return JDBC{}, err
	}
	params, err := parseParams(query)
	if err != nil {
		return JDBC{}, err
	}
	u.Params = append(u.Params, params...)
	return u, nil
}

func parseParams(query string) ([]Param, error) {
	var out []Param
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, errors.New("a parameter's name has a malformed %-escape")
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, fmt.Errorf("the value of parameter %q has a malformed %%-escape", name)
		}
		out = append(out, Param{name, value})
	}
	return out, nil
}

// server reads //HOST:PORT,…/DATABASE, DATABASE or /.
func (u *JDBC) server(rest string) error {
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
		return fmt.Errorf("database name %q: malformed %%-escape", rest)
	}
	u.Database = database
	return nil
}

// mysql reads [MODE:]//[USER:PASSWORD@]HOST:PORT,…/DATABASE. Of the drivers' modes those are read in which the first server that
// answers is taken.
func (u *JDBC) mysql(rest string) error {
	mode, authority, ok := strings.Cut(rest, "//")
	if !ok {
		return fmt.Errorf("want jdbc:%s://host:3306/database", u.Kind)
	}
	if mode = strings.TrimSuffix(mode, ":"); !slices.Contains([]string{"", "failover", "sequential"}, mode) {
		return fmt.Errorf("mode %q of the URL is not supported: all is written to one server; write jdbc:%s://host:3306/database, with further hosts behind commas to try in their order", mode, u.Kind)
	}
	hosts, database, slash := strings.Cut(authority, "/")
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		user, password, given := strings.Cut(hosts[:at], ":")
		for _, p := range []*string{&user, &password} {
			text, err := url.PathUnescape(*p)
			if err != nil {
				return errors.New("user or password before the @ have a malformed %-escape")
			}
			*p = text
		}
		u.Params = append(u.Params, Param{"user", user})
		if given {
			u.Params = append(u.Params, Param{"password", password})
		}
		hosts = hosts[at+1:]
	}
	if strings.ContainsAny(hosts, "()") {
		return errors.New("hosts in parentheses are not supported; write host:port, parted by commas")
	}
	if slash {
		hosts += "/" + database
	}
	return u.server("//" + hosts)
}

// sqlite reads a path, absolute or not, or file:PATH.
func (u *JDBC) sqlite(rest string) error {
	path := strings.TrimPrefix(rest, "file:")
	switch {
	case path == "" || path == ":memory:" || strings.HasPrefix(path, "//") && strings.Trim(path, "/") == "":
		return errors.New("a database in memory ends with its connection, and nobody else can look at it; name a file: jdbc:sqlite:/path/to/file.db")
	case strings.HasPrefix(path, ":resource:"):
		return errors.New(":resource: names what is in a JVM's class path; name a file: jdbc:sqlite:/path/to/file.db")
	}
	for strings.HasPrefix(path, "//") { // file:///path
		path = path[1:]
	}
	u.Database = path
	return nil
}
