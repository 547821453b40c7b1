package source

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// tableFilter decides which tables are captured, as Debezium does: include and exclude lists are regular expressions that match the whole
// name, in any case; schema lists see the schema's name, table lists schema.table.
type tableFilter struct {
	includeSchemas, excludeSchemas *javaregex.List
	includeTables, excludeTables   *javaregex.List
	ignoreBuiltin                  bool
	nothing                        bool // database.include.list is set: as in Debezium no table is captured
}

func newTableFilter(c *Config) (*tableFilter, error) {
	f := &tableFilter{ignoreBuiltin: c.IgnoreBuiltin, nothing: len(c.DatabaseInclude) > 0}
	for _, list := range []struct {
		option string
		dst    **javaregex.List
		exprs  []string
	}{
		{"schema.include.list", &f.includeSchemas, c.SchemaInclude}, {"schema.exclude.list", &f.excludeSchemas, c.SchemaExclude},
		{"table.include.list", &f.includeTables, c.TableInclude}, {"table.exclude.list", &f.excludeTables, c.TableExclude},
	} {
		var err error
		if *list.dst, err = compileList(list.exprs); err != nil {
			return nil, fmt.Errorf("option %s: %w", list.option, err)
		}
	}
	return f, nil
}

// compileList compiles a list of anchored, case-insensitive expressions; nil for none.
func compileList(exprs []string) (*javaregex.List, error) { return javaregex.CompileList(exprs) }

// captures tells whether a table is captured; whoever acts on it asks err before.
func (f *tableFilter) captures(schema, table string) bool {
	if f.nothing || f.ignoreBuiltin && builtin(schema, table) {
		return false
	}
	full := schema + "." + table
	switch {
	case f.includeSchemas != nil && matching(f.includeSchemas, schema) < 0:
		return false
	case matching(f.excludeSchemas, schema) >= 0:
		return false
	case f.includeTables != nil:
		return matching(f.includeTables, full) >= 0
	default:
		return matching(f.excludeTables, full) < 0
	}
}

// err tells that an expression had to be given up on some name, so that what captures said does not count.
func (f *tableFilter) err() error {
	return cmp.Or(f.includeSchemas.Err(), f.excludeSchemas.Err(), f.includeTables.Err(), f.excludeTables.Err())
}

// rank orders the tables of a snapshot: by the include expression that matches first, then (the caller) by name.
func (f *tableFilter) rank(schema, table string) int {
	return matching(f.includeTables, schema+"."+table)
}

// matching is the index of the first expression that matches s, or -1; an error is kept in the list.
func matching(list *javaregex.List, s string) int { return list.Index(s) }

// builtin tells what is never captured while table.ignore.builtin is true.
func builtin(schema, table string) bool {
	return schema == "pg_catalog" || schema == "information_schema" || strings.HasPrefix(schema, "pg_temp") || table == "spatial_ref_sys"
}
