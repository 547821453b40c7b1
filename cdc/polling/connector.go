package polling

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
	"github.com/tandem-cdc/tandem/internal/pause"
)

// Names that select the plugin, as its Java class, and the release whose behaviour it has.
const (
	Class     = "io.confluent.connect.jdbc.JdbcSourceConnector"
	TaskClass = "io.confluent.connect.jdbc.source.JdbcSourceTask"
	Version   = "10.9.0"
)

// Connector divides the tables of connectors over tasks, and watches for new ones. It remembers what it divided last: safe for concurrent use.
type Connector struct {
	log func() *slog.Logger

	mu      sync.Mutex
	divided map[string]division // by name of the connector
}

// division is the list of tables that tasks were made of.
type division struct {
	tables  []tableID
	fetched bool // the database was asked
}

// NewConnector makes the connector's side of the plugin. log is asked at each use: the worker's logger is made later than its plugins.
func NewConnector(log func() *slog.Logger) *Connector {
	return &Connector{log: log, divided: make(map[string]division)}
}

// TaskConfigs divides the tables over at most max tasks; a query is always one. A database that cannot be reached gives one task that does
// nothing: Watch asks to divide anew when it can.
func (c *Connector) TaskConfigs(props map[string]string, max int) ([]map[string]string, error) {
	cfg, r := Parse(props)
	if err := r.Err(); err != nil {
		return nil, err
	}
	task := func(tables string, fetched bool) map[string]string {
		p := maps.Clone(props)
		p["tables"], p["tables.fetched"] = tables, fmt.Sprint(fetched)
		return p
	}
	if query, _ := cfg.query(); query != "" {
		return []map[string]string{task("", true)}, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), cfg.StartupLimit)
	defer cancel()
	db, tables, err := cfg.list(ctx)
	name := props["name"]
	c.mu.Lock()
	defer c.mu.Unlock()
	switch known := c.divided[name]; {
	case err == nil:
		c.divided[name] = division{tables, true}
	case !isRetriable(err):
		return nil, err
	case known.fetched: // what was there a moment ago
		tables = known.tables
	default:
		c.log().Warn("the list of tables cannot be read yet", "connector", name, "error", err)
		c.divided[name] = division{}
		return []map[string]string{task("", false)}, nil
	}
	if err := cfg.refuseTwins(tables); err != nil {
		return nil, err
	}
	if len(tables) == 0 {
		return []map[string]string{task("", true)}, nil
	}
	var out []map[string]string
	for _, run := range group(tables, max) {
		var names []string
		for _, id := range run {
			names = append(names, id.quoted(db.quote))
		}
		out = append(out, task(strings.Join(names, ","), true))
	}
	return out, nil
}

// Watch looks which tables there are, each table.poll.interval.ms, and asks to divide the tasks anew when they are others. Its error fails the
// connector.
func (c *Connector) Watch(ctx context.Context, props map[string]string, changed func()) error {
	cfg, r := Parse(props)
	if err := r.Err(); err != nil {
		return err
	}
	if query, _ := cfg.query(); query != "" {
		<-ctx.Done()
		return nil
	}
	name := props["name"]
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.divided, name)
	}()
	failures := 0
	for {
		wait := cfg.TablePoll
		if failures > 0 || !c.known(name) {
			wait = min(wait, max(cfg.Backoff, time.Second))
		}
		if !pause.For(ctx, wait) {
			return nil
		}
		look, cancel := context.WithTimeout(ctx, max(cfg.StartupLimit, time.Second))
		_, tables, err := cfg.list(look)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !isRetriable(err) && failures == 0:
			return err
		case err != nil:
			if failures++; failures&(failures-1) == 0 {
				c.log().Warn("cannot look for new tables, trying again", "connector", name, "error", err, "failures", failures)
			}
			continue
		}
		failures = 0
		if twins := cfg.refuseTwins(tables); twins != nil {
			return twins
		}
		if c.differs(name, tables) {
			c.log().Info("there are other tables than before: the tasks are divided anew", "connector", name, "tables", len(tables))
			changed()
		}
	}
}

func (c *Connector) known(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.divided[name].fetched
}

// differs tells that tasks were made of other tables, or of none that are known here.
func (c *Connector) differs(name string, tables []tableID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.divided[name]
	return !d.fetched || !slices.Equal(d.tables, tables)
}

// list asks the database which tables the configuration chooses.
func (c *Config) list(ctx context.Context) (*database, []tableID, error) {
	db, err := c.open()
	if err != nil {
		return nil, nil, err
	}
	s, err := db.connect(ctx)
	if err != nil {
		return db, nil, db.failed(err, "look for tables")
	}
	defer s.close()
	all, err := s.tables(ctx, &tableFilter{catalog: c.Catalog, schema: c.Schema, types: c.TableTypes})
	if err != nil {
		return db, nil, db.failed(err, "look for tables")
	}
	tables, err := c.choose(db, all)
	return db, tables, err
}

// choose filters tables by the lists of the configuration.
func (c *Config) choose(db *database, all []tableID) ([]tableID, error) {
	if len(c.IncludeRE) > 0 {
		return c.chooseByExpression(db, all)
	}
	listed := func(list []string, id tableID) bool {
		whole := id
		whole.catalog = db.catalog
		for _, one := range list {
			if one == id.String() || one == id.quoted(quoteWith(db.mark)) || one == id.table ||
				db.catalog != "" && (one == whole.String() || one == whole.quoted(quoteWith(db.mark))) {
				return true
			}
		}
		return false
	}
	var out []tableID
	for _, id := range all {
		if len(c.Include) > 0 && !listed(c.Include, id) || len(c.Exclude) > 0 && listed(c.Exclude, id) {
			continue
		}
		out = append(out, id)
	}
	return out, nil
}

func quoteWith(mark byte) func(string) string {
	return func(name string) string { return string(mark) + name + string(mark) }
}

func (c *Config) chooseByExpression(db *database, all []tableID) ([]tableID, error) {
	include, err := compileAll(c.IncludeRE)
	if err != nil {
		return nil, err
	}
	exclude, err := compileAll(c.ExcludeRE)
	if err != nil {
		return nil, err
	}
	var out []tableID
	for _, id := range all {
		in, err := matches(include, id, db.catalog)
		if err != nil {
			return nil, err
		}
		left, err := matches(exclude, id, db.catalog)
		if err != nil {
			return nil, err
		}
		if in && !left {
			out = append(out, id)
		}
	}
	return out, nil
}

func compileAll(expressions []string) ([]*javaregex.Regexp, error) {
	var out []*javaregex.Regexp
	for _, e := range expressions {
		re, err := javaregex.Compile(e, false)
		if err != nil {
			return nil, err
		}
		out = append(out, re)
	}
	return out, nil
}

// matches tells whether an expression matches the whole name of a table, with or without its catalog.
func matches(expressions []*javaregex.Regexp, id tableID, catalog string) (bool, error) {
	names := []string{id.String()}
	if catalog != "" && id.catalog == "" {
		id.catalog = catalog
		names = append(names, id.String())
	}
	for _, re := range expressions {
		for _, name := range names {
			if ok, err := re.MatchString(name); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, nil
}

// mapColumns gives a source the columns that the mappings have for its table. Each table must match exactly one.
func (c *Config) mapColumns(s *source, catalog string) error {
	for _, m := range []struct {
		what  string
		texts []string
		used  bool
		set   func(columns []string)
	}{
		{"timestamp", c.TimeMapping, c.Mode.usesTime(), func(columns []string) { s.times = columns }},
		{"incrementing", c.IDMapping, c.Mode.usesID(), func(columns []string) { s.idColumn = columns[0] }},
	} {
		if len(m.texts) == 0 || !m.used {
			continue
		}
		mappings, err := parseMappings(m.texts, m.what == "timestamp")
		if err != nil {
			return err
		}
		found := 0
		for _, one := range mappings {
			ok, err := matches([]*javaregex.Regexp{one.tables}, *s.id, catalog)
			if err != nil {
				return err
			}
			if ok {
				found++
				m.set(slices.Clone(one.columns))
			}
		}
		if found != 1 {
			says := "does not match any of the provided regexes"
			if found > 1 {
				says = "matches more than one of the provided regexes"
			}
			return say("Error while validating %s column mappings: Included table '%s' %s", m.what, s.name, says)
		}
	}
	return nil
}

// refuseTwins refuses tables of one name, which would go to one topic, in the original's words.
func (c *Config) refuseTwins(tables []tableID) error {
	byName := make(map[string][]string)
	for _, id := range tables {
		byName[id.table] = append(byName[id.table], id.String())
	}
	var twins []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if len(byName[name]) > 1 {
			twins = append(twins, "["+strings.Join(byName[name], ", ")+"]")
		}
	}
	if len(twins) == 0 {
		return nil
	}
	options := "'table.whitelist' or 'table.blacklist'"
	switch {
	case len(c.IncludeRE) > 0:
		options = "'table.include.list' or 'table.exclude.list'"
	case len(c.Include) > 0:
		options = "'table.whitelist'"
	case len(c.Exclude) > 0:
		options = "'table.blacklist'"
	}
	return say("The connector uses the unqualified table name as the topic name and has detected duplicate unqualified table names. This could lead to mixed data types in the topic and downstream processing errors. To prevent such processing errors, the JDBC Source connector fails to start when it detects duplicate table name configurations. Update the connector's %s config to include exactly one table in each of the tables listed below.\n\t[%s]", options, strings.Join(twins, ", "))
}

// Check connects to the database and tries the query, when a connector is created or changed.
func (c *Connector) Check(ctx context.Context, props map[string]string) (r config.Report) {
	cfg, parsed := Parse(props)
	if parsed.Err() != nil {
		return r // said already
	}
	db, err := cfg.open()
	if err != nil {
		return r
	}
	s, err := db.connect(ctx)
	if err != nil {
		if isRetriable(err) {
			r.Warn("connection.url", "The database cannot be reached yet: %v", err)
		} else {
			r.Fail("connection.url", "Could not connect to the database: %v", err)
		}
		return r
	}
	defer s.close()
	query, masked := cfg.query()
	if query == "" {
		return r
	}
	if err := tryQuery(ctx, s, &cfg, query); err != nil && !isRetriable(db.failed(err, "try the query")) {
		name, said := "query", ": "+err.Error()
		if masked {
			name, said = "query.masked", ""
		}
		r.Fail(name, "The configured query is not valid: the database refuses it%s", said)
	}
	return r
}

// tryQuery asks for no rows of the query.
func tryQuery(ctx context.Context, s session, cfg *Config, query string) error {
	if err := s.begin(ctx, IsolationDefault); err != nil {
		return err
	}
	rows, err := s.query(ctx, nil, &statement{text: "SELECT * FROM (" + query + "\n) q WHERE 1 = 0"}, nil)
	if err == nil {
		err = rows.close()
	}
	return errors.Join(err, s.end(ctx))
}
