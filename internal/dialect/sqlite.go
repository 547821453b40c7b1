package dialect

import (
	"database/sql/driver"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"modernc.org/sqlite"
)

// SQLiteTarget is what a JDBC URL of SQLite says.
type SQLiteTarget struct {
	Path string // of the file
	// Pragmas are settings of a connection, name and value, in the order of the URL.
	Pragmas []Param
	// ReadOnly: the URL asks for a database that nobody writes to (open_mode=1, immutable).
	ReadOnly bool
	// Dates are the parameters that say how dates are stored (date_class, date_precision).
	Dates map[string]string
	// Warnings name parameters that have no effect.
	Warnings []string
}

// sqlitePragmas are the parameters of the JVM's driver that are PRAGMAs.
var sqlitePragmas = []string{"auto_vacuum", "busy_timeout", "cache_size", "case_sensitive_like", "foreign_keys", "fullfsync", "checkpoint_fullfsync", "incremental_vacuum", "journal_mode",
	"journal_size_limit", "legacy_alter_table", "locking_mode", "mmap_size", "page_size", "recursive_triggers", "reverse_unordered_selects", "secure_delete", "synchronous", "temp_store",
	"wal_autocheckpoint"}

// pragmaValue is what a PRAGMA's value may be: words and numbers.
var pragmaValue = regexp.MustCompile(`^-?[A-Za-z0-9_]+$`)

// SQLiteConfig reads a JDBC URL of SQLite. What it leaves open has the library's defaults.
func SQLiteConfig(u JDBC) (SQLiteTarget, error) {
	t := SQLiteTarget{Path: u.Database, Dates: make(map[string]string)}
	for _, p := range u.Params {
		switch {
		case slices.Contains(sqlitePragmas, p.Name):
			if !pragmaValue.MatchString(p.Value) {
				return SQLiteTarget{}, fmt.Errorf("parameter %s=%s: want a word or a number", p.Name, p.Value)
			}
			t.SetPragma(p.Name, p.Value)
		case p.Name == "date_class" || p.Name == "date_precision":
			t.Dates[p.Name] = p.Value
		case p.Name == "open_mode":
			t.ReadOnly = p.Value == "1"
		case p.Name == "immutable":
			t.ReadOnly = isTrue(p.Value)
		case p.Name == "mode" && p.Value == "ro":
			t.ReadOnly = true
		case slices.Contains([]string{"cache", "shared_cache", "read_uncommitted", "transaction_mode", "encoding", "enable_load_extension", "limit_attached", "jdbc.explicit_readonly", "date_string_format",
			"jdbc.get_generated_keys", "user", "password", "mode"}, p.Name):
			t.Warnings = append(t.Warnings, fmt.Sprintf("Parameter %q of the URL has no effect.", p.Name))
		default:
			t.Warnings = append(t.Warnings, fmt.Sprintf("Parameter %q of the URL is not known and has no effect.", p.Name))
		}
	}
	return t, nil
}

// SetDefault sets a PRAGMA that the URL does not.
func (t *SQLiteTarget) SetDefault(name, value string) {
	if t.Pragma(name) == "" {
		t.SetPragma(name, value)
	}
}

// Pragma is the value that a PRAGMA will be given, "" for none.
func (t *SQLiteTarget) Pragma(name string) string {
	for _, p := range t.Pragmas {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// SetPragma sets a PRAGMA of the connections to come. The value is a word or a number.
func (t *SQLiteTarget) SetPragma(name, value string) {
	t.Pragmas = slices.DeleteFunc(t.Pragmas, func(p Param) bool { return p.Name == name })
	t.Pragmas = append(t.Pragmas, Param{name, value})
}

// DSN is the driver's name for the database. Documentation of modernc.org/sqlite, Driver.Open.
func (t *SQLiteTarget) DSN(create bool) string {
	query := make(url.Values)
	for _, p := range t.Pragmas {
		query.Add("_pragma", p.Name+"("+p.Value+")")
	}
	switch {
	case t.ReadOnly:
		query.Set("mode", "ro")
	case create:
		query.Set("mode", "rwc")
	default:
		query.Set("mode", "rw")
	}
	path := (&url.URL{Path: t.Path}).EscapedPath()
	return "file:" + strings.TrimPrefix(path, "./") + "?" + query.Encode()
}

// Connector opens the database; create makes the file when it is missing.
func (t *SQLiteTarget) Connector(create bool) (driver.Connector, error) {
	return sqlite.NewConnector(t.DSN(create))
}

// QuoteSQLite quotes an identifier. SQLite documentation, "SQLite Keywords".
func QuoteSQLite(name string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(name, "\x00", ""), `"`, `""`) + `"`
}

// LiteralSQLite quotes a text as a string literal.
func LiteralSQLite(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
