package polling

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/dialect"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// frameworkNames belong to every source connector, and to the worker.
var frameworkNames = []string{
	"name", "connector.class", "connector.plugin.version", "tasks.max", "tasks.max.enforce", "task.class", "config.action.reload", "config.providers", "config.providers.",
	"key.converter", "key.converter.", "value.converter", "value.converter.", "header.converter", "header.converter.", "transforms", "transforms.", "predicates", "predicates.",
	"errors.", "topic.creation.", "exactly.once.support", "transaction.boundary", "transaction.boundary.interval.ms", "offsets.storage.topic", "offsets.storage.",
	"producer.override.", "consumer.override.", "admin.override.", "plugin.path", "retriable.restart.connector.wait.ms",
}

// Parse reads a configuration and reports every error and warning. It does not connect.
func Parse(props map[string]string) (Config, config.Report) {
	c := DefaultConfig()
	r := c.Keys().Parse(props, frameworkNames...)
	if c.Numeric == "" {
		c.Numeric = NumericNone
		if c.PrecisionMapping {
			c.Numeric = NumericPrecisionOnly
		}
	}
	c.TopicPrefix = strings.TrimSpace(c.TopicPrefix)
	c.Query = bare(c.Query)
	c.Masked = config.Secret(bare(c.Masked.Reveal()))
	if len(r.Errors) == 0 { // as the original: options are held against each other when each is right
		c.check(&r)
	}
	return c, r
}

// Validate checks a configuration; it does not connect.
func Validate(props map[string]string) config.Report {
	_, r := Parse(props)
	return r
}

// ExactlyOnce tells whether a configuration has offsets behind which no row comes again.
func ExactlyOnce(props map[string]string) bool {
	c, _ := Parse(props)
	return c.Mode != Bulk
}

// bare is a query without the semicolon at its end: something is put behind it.
func bare(query string) string { return strings.TrimRight(query, "; \t\r\n") }

// query is the query to read, "" for tables.
func (c *Config) query() (text string, masked bool) {
	if q := c.Masked.Reveal(); q != "" {
		return q, true
	}
	return c.Query, false
}

// check holds the options against each other. The sentences that name two options are the original's.
func (c *Config) check(r *config.Report) {
	query, _ := c.query()
	c.checkURL(r)
	for _, check := range []func(*config.Report, string){c.checkFilters, c.checkQuery, c.checkColumns} {
		if check(r, query); len(r.Errors) > 0 {
			return
		}
	}
	if c.Isolation == SQLServerSnapshot {
		r.Fail("transaction.isolation.mode", "Isolation mode of `SQL_SERVER_SNAPSHOT` can only be configured with a Sql Server Dialect")
	}
	if c.Mode == Timestamp && strings.Contains(strings.ToUpper(c.Suffix), "LIMIT") {
		r.Warn("query.suffix", "A LIMIT in query.suffix may cut rows of one timestamp in two, and the second part is never read; use mode=timestamp+incrementing.")
	}
}

func (c *Config) checkURL(r *config.Report) {
	u, err := dialect.ParseJDBC(c.URL)
	if err != nil {
		r.Fail("connection.url", "Invalid value for configuration connection.url: %v", err)
		return
	}
	d, err := c.open()
	if err != nil {
		r.Fail("connection.url", "Invalid value for configuration connection.url: %v", err)
		return
	}
	for _, w := range d.warnings {
		r.Warn("connection.url", "%s", w)
	}
	if name := strings.TrimSpace(c.Dialect); name != "" && name != dialectNames[u.Kind] {
		r.Fail("dialect.name", "Invalid value %s for configuration dialect.name: a URL of %s needs %s, or none", name, u.Kind, dialectNames[u.Kind])
	}
}

// dialectNames are the original's.
var dialectNames = map[dialect.Kind]string{dialect.PostgreSQL: "PostgreSqlDatabaseDialect", dialect.MySQL: "MySqlDatabaseDialect",
	dialect.MariaDB: "MySqlDatabaseDialect", dialect.SQLite: "SqliteDatabaseDialect"}

// filter is an option that chooses tables or columns.
type filter struct {
	name  string
	given bool
}

func (c *Config) checkFilters(r *config.Report, query string) {
	tables := []filter{{"table.whitelist", len(c.Include) > 0}, {"table.blacklist", len(c.Exclude) > 0},
		{"table.include.list", len(c.IncludeRE) > 0}, {"table.exclude.list", len(c.ExcludeRE) > 0}}
	old := append([]filter{{"timestamp.column.name", len(c.Times) > 0}, {"incrementing.column.name", c.ID != ""}}, tables[:2]...)
	now := append([]filter{{"timestamp.columns.mapping", len(c.TimeMapping) > 0}, {"incrementing.column.mapping", len(c.IDMapping) > 0}}, tables[2:]...)
	switch {
	case query != "" && len(given(tables)) > 0:
		fail(r, append([]string{"query"}, given(tables)...), "Do not specify table filtering configs with 'query'. Remove table.whitelist / table.blacklist / table.include.list / table.exclude.list when using query mode or 'query' when using table filtering mode.")
	case query != "":
	case len(given(tables[:2])) == 2:
		fail(r, given(tables[:2]), "Legacy table filtering configurations are mutually exclusive. Cannot use both table.whitelist and table.blacklist together.")
	case len(given(old)) > 0 && len(given(now)) > 0:
		fail(r, append(given(old), given(now)...), "Cannot mix legacy and new configuration approaches. Legacy configurations (table.whitelist, table.blacklist, timestamp.column.name, incrementing.column.name) cannot be used together with new configurations (table.include.list, table.exclude.list, timestamp.columns.mapping, incrementing.column.mapping). Please choose one approach: either use all legacy configurations or all new configurations.")
	case len(c.ExcludeRE) > 0 && len(c.IncludeRE) == 0:
		r.Fail("table.exclude.list", "table.exclude.list cannot be used without table.include.list. Exclude list only applies to tables that match the include list.")
	}
}

func given(filters []filter) (names []string) {
	for _, f := range filters {
		if f.given {
			names = append(names, f.name)
		}
	}
	return names
}

func fail(r *config.Report, names []string, message string) {
	for _, n := range names {
		r.Fail(n, "%s", message)
	}
}

var selects = regexp.MustCompile(`(?is)^\s*(\(|(SELECT|WITH|VALUES|TABLE)\b)`)

func (c *Config) checkQuery(r *config.Report, query string) {
	if c.Query != "" && c.Masked.Reveal() != "" {
		fail(r, []string{"query", "query.masked"}, "Both 'query' and 'query.masked' configs cannot be set at the same time. Please use only one of them.")
		return
	}
	if query != "" && !selects.MatchString(query) {
		name := "query"
		if c.Query == "" {
			name = "query.masked"
		}
		r.Fail(name, "Option %q must be a SELECT statement.", name)
	}
}

// checkColumns: the mode must know its columns, and mappings must be readable.
func (c *Config) checkColumns(r *config.Report, query string) {
	if _, err := parseMappings(c.IDMapping, false); err != nil {
		r.Fail("incrementing.column.mapping", "Invalid value for configuration incrementing.column.mapping: %v", err)
	}
	if _, err := parseMappings(c.TimeMapping, true); err != nil {
		r.Fail("timestamp.columns.mapping", "Invalid value for configuration timestamp.columns.mapping: %v", err)
	}
	usesNew := len(c.IncludeRE) > 0 || len(c.IDMapping) > 0 || len(c.TimeMapping) > 0
	switch {
	case query != "":
		if c.Mode.usesTime() && len(c.Times) == 0 {
			r.Fail("timestamp.column.name", "Option \"timestamp.column.name\" is needed with 'query' and mode=%s.", c.Mode)
		}
		if c.Mode.usesID() && c.ID == "" {
			r.Fail("incrementing.column.name", "Option \"incrementing.column.name\" is needed with 'query' and mode=%s: a query's auto-increment column cannot be looked up.", c.Mode)
		}
	case usesNew && c.Mode.usesTime() && len(c.TimeMapping) == 0:
		r.Fail("mode", "Timestamp column configuration must be provided when using mode 'timestamp' or 'timestamp+incrementing'. Provide 'timestamp.columns.mapping'.")
	case usesNew && !c.Mode.usesTime() && len(c.TimeMapping) > 0:
		r.Fail("mode", "Timestamp column configurations should not be provided if mode is not 'timestamp' or 'timestamp+incrementing'. Remove 'timestamp.columns.mapping'.")
	case usesNew && c.Mode.usesID() && len(c.IDMapping) == 0:
		r.Fail("mode", "Incrementing column configuration must be provided when using mode 'incrementing' or 'timestamp+incrementing'. Provide 'incrementing.column.mapping'.")
	case usesNew && !c.Mode.usesID() && len(c.IDMapping) > 0:
		r.Fail("mode", "Incrementing column configurations should not be provided if mode is not 'incrementing' or 'timestamp+incrementing'. Remove 'incrementing.column.mapping'.")
	case !usesNew && c.Mode.usesTime() && len(c.Times) == 0:
		r.Fail("timestamp.column.name", "Option \"timestamp.column.name\" is needed with mode=%s.", c.Mode)
	}
}

// mapping is one entry of a column mapping.
type mapping struct {
	expression string
	tables     *javaregex.Regexp
	columns    []string
}

// parseMappings reads regular expressions with columns: expression:column, or expression:[column|column].
func parseMappings(texts []string, several bool) ([]mapping, error) {
	var out []mapping
	for _, text := range texts {
		expression, columns, ok := strings.Cut(text, ":")
		expression, columns = strings.TrimSpace(expression), strings.TrimSpace(columns)
		if !ok || expression == "" || columns == "" {
			return nil, fmt.Errorf("%q: want a regular expression, a colon, and %s", text, wantColumns(several))
		}
		m := mapping{expression: expression, columns: []string{columns}}
		if several {
			inner, ok := strings.CutPrefix(columns, "[")
			if inner, ok = cutSuffix(inner, "]", ok); !ok || inner == "" {
				return nil, fmt.Errorf("%q: want %s behind the colon", text, wantColumns(several))
			}
			m.columns = strings.Split(inner, "|")
		}
		var err error
		if m.tables, err = javaregex.Compile(expression, false); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func cutSuffix(s, suffix string, ok bool) (string, bool) {
	rest, found := strings.CutSuffix(s, suffix)
	return rest, ok && found
}

func wantColumns(several bool) string {
	if several {
		return "columns as [first|second]"
	}
	return "a column"
}

// expressions checks a list of regular expressions.
func expressions(text string) error {
	for _, e := range config.SplitList(text) {
		if _, err := javaregex.Compile(e, false); err != nil {
			return err
		}
	}
	return nil
}

var notOfTopics = regexp.MustCompile(`[^a-zA-Z0-9._-]`)

// checkPrefix is the original's, in its words.
func checkPrefix(text string) error {
	text = strings.TrimSpace(text)
	switch {
	case len(text) > 249:
		return config.Complain("Topic prefix length must not exceed max topic name length, 249 chars")
	case notOfTopics.MatchString(text):
		return config.Complain("Topic prefix must not contain any character other than ASCII alphanumerics, '.', '_' and '-'.")
	}
	return nil
}
