package source

import (
	"fmt"
	"regexp"
	"strings"
)

// tableFilter decides which tables are captured, as Debezium does: include and exclude lists are regular expressions that match the whole
// name, in any case; schema lists see the schema's name, table lists schema.table.
type tableFilter struct {
	includeSchemas, excludeSchemas []*regexp.Regexp
	includeTables, excludeTables   []*regexp.Regexp
	ignoreBuiltin                  bool
}

func newTableFilter(c *Config) (*tableFilter, error) {
	f := &tableFilter{ignoreBuiltin: c.IgnoreBuiltin}
	for _, list := range []struct {
		option string
		dst    *[]*regexp.Regexp
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

// compileList compiles a list of anchored, case-insensitive expressions.
func compileList(exprs []string) ([]*regexp.Regexp, error) {
	var out []*regexp.Regexp
	for _, e := range exprs {
		re, err := regexp.Compile("(?is)^(?:" + e + ")$")
		if err != nil {
			return nil, fmt.Errorf("expression %q: %w", e, err)
		}
		out = append(out, re)
	}
	return out, nil
}

func (f *tableFilter) captures(schema, table string) bool {
	if f.ignoreBuiltin && builtin(schema, table) {
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

// rank orders the tables of a snapshot: by the include expression that matches first, then (the caller) by name.
func (f *tableFilter) rank(schema, table string) int {
	return matching(f.includeTables, schema+"."+table)
}

// matching is the index of the first expression that matches s, or -1.
func matching(list []*regexp.Regexp, s string) int {
	for i, re := range list {
		if re.MatchString(s) {
			return i
		}
	}
	return -1
}

// builtin tells what is never captured while table.ignore.builtin is true.
func builtin(schema, table string) bool {
	return schema == "pg_catalog" || schema == "information_schema" || strings.HasPrefix(schema, "pg_temp") || table == "spatial_ref_sys"
}
