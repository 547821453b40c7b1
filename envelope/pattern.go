package envelope

import (
	"cmp"
	"fmt"

	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// compilePattern compiles a regular expression that must match a whole name. Debezium's lists of tables and columns ignore case.
func compilePattern(text string, ignoreCase bool) (*javaregex.Regexp, error) {
	re, err := javaregex.Compile(text, ignoreCase)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", text, err)
	}
	return re, nil
}

// patterns is a list of regular expressions of which one must match.
type patterns struct{ list *javaregex.List }

func compilePatterns(option string, texts []string) (patterns, error) {
	list, err := javaregex.CompileList(texts)
	if err != nil {
		return patterns{}, fmt.Errorf("compile %s: %w", option, err)
	}
	return patterns{list}, nil
}

func (ps patterns) match(name string) bool { return ps.list.Index(name) >= 0 }

// filter is an include or an exclude list; without either it lets everything pass.
type filter struct{ include, exclude patterns }

func newFilter(what string, include, exclude []string) (filter, error) {
	in, err := compilePatterns(what+".include.list", include)
	if err != nil {
		return filter{}, err
	}
	ex, err := compilePatterns(what+".exclude.list", exclude)
	return filter{in, ex}, err
}

func (f filter) passes(name string) bool {
	if f.include.list != nil {
		return f.include.match(name)
	}
	return !f.exclude.match(name)
}

func (f filter) err() error { return cmp.Or(f.include.list.Err(), f.exclude.list.Err()) }

// patternErr tells that an expression of an option had to be given up on some name, so that what was decided by it does not count.
func (e *Encoder) patternErr() error {
	lists := []*javaregex.List{e.columns.include.list, e.columns.exclude.list, e.messages.include.list, e.messages.exclude.list}
	for i := range e.mappers {
		lists = append(lists, e.mappers[i].columns.list)
	}
	for i := range e.keyRules {
		lists = append(lists, e.keyRules[i].tables.list)
		for _, c := range e.keyRules[i].columns {
			lists = append(lists, c.list)
		}
	}
	for _, l := range lists {
		if err := l.Err(); err != nil {
			return err
		}
	}
	return cmp.Or(e.topics.merge.err, e.topics.identify.err)
}
