package source

import (
	"math"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// limitAction is guardrail.collections.limit.action.
type limitAction string

// guardConfig bounds how many tables are captured.
type guardConfig struct {
	most   int // 0: no bound
	action limitAction
}

func defaultGuardConfig() guardConfig { return guardConfig{action: "warn"} }

// filterKeys are the options that choose tables.
func (c *Config) filterKeys() config.Keys {
	filter, high, checked := config.Group(groupFilters), config.Rank(config.High), config.Check(checkExpressions)
	return config.Keys{
		config.List(&c.SchemaInclude, "schema.include.list", "Schemas to capture: regular expressions that match the whole name, in any case; all without.", filter, high, config.Null(), checked, config.Alias("schema.whitelist")),
		config.List(&c.SchemaExclude, "schema.exclude.list", "Schemas not to capture: regular expressions that match the whole name; not beside schema.include.list.", filter, config.Null(), checked, config.Alias("schema.blacklist")),
		config.List(&c.TableInclude, "table.include.list", "Tables to capture: regular expressions that match the whole of schema.table, in any case; all without. A snapshot reads them in this order.", filter, high, config.Null(),
			checked, checked, config.Alias("table.whitelist")),
		config.List(&c.TableExclude, "table.exclude.list", "Tables not to capture: regular expressions that match the whole of schema.table; not beside table.include.list.", filter, config.Null(), checked, config.Alias("table.blacklist")),
		config.List(&c.DatabaseInclude, "database.include.list", "Must stay empty: one database is captured, that of database.dbname. With anything in it no table is captured, as in Debezium.", filter, high, config.Null(), checked),
		config.List(new([]string), "database.exclude.list", "Without effect, as in Debezium: one database is captured, that of database.dbname.", filter, config.Null(), checked, config.WithoutEffect()),
		config.Bool(&c.IgnoreBuiltin, "table.ignore.builtin", "Never capture system tables: pg_catalog, information_schema, temporary tables, PostGIS's spatial_ref_sys.", filter, config.Rank(config.Low), config.Twice()),
		config.Int(&c.Guard.most, "guardrail.collections.max", "Most tables that may be captured; 0 for no bound.", 0, math.MaxInt32, config.Group(groupAdvanced)),
		config.Enum(&c.Guard.action, "guardrail.collections.limit.action", "What to do when there are more at the start: go on with a warning (warn), or stop (fail).", []limitAction{"warn", "fail"}, config.Group(groupAdvanced)),
	}
}

// checkExpressions checks a list of regular expressions, in Debezium's words.
func checkExpressions(text string) error {
	for _, expr := range config.SplitList(text) {
		if _, err := javaregex.Compile(expr, true); err != nil {
			return config.Complain("A comma-separated list of valid regular expressions is expected, but %v", err)
		}
	}
	return nil
}

// completeFilters checks what concerns several options.
func (c *Config) completeFilters(props map[string]string, r *config.Report) {
	r.Exclusive(props, "schema.include.list", "schema.exclude.list")
	r.Exclusive(props, "table.include.list", "table.exclude.list")
	r.Exclusive(props, "database.include.list", "database.exclude.list")
	if len(c.DatabaseInclude) > 0 {
		r.Warn("database.include.list", "Option \"database.include.list\" keeps every table from being captured, as in Debezium: one database is captured, that of database.dbname. Remove the option.")
	}
}
