package envelope

import (
	"fmt"
	"regexp"
)

// compilePattern compiles a regular expression that must match a whole name. Debezium's lists of tables and columns ignore case.
func compilePattern(text string, ignoreCase bool) (*regexp.Regexp, error) {
	flags := ""
	if ignoreCase {
		flags = "(?i)"
	}
	re, err := regexp.Compile(flags + `\A(?:` + text + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", text, err)
	}
	return re, nil
}

// patterns is a list of regular expressions of which one must match.
type patterns []*regexp.Regexp

func compilePatterns(option string, texts []string) (patterns, error) {
	var ps patterns
	for _, text := range texts {
		re, err := compilePattern(text, true)
		if err != nil {
			return nil, fmt.Errorf("compile %s: %w", option, err)
		}
		ps = append(ps, re)
	}
	return ps, nil
}

func (ps patterns) match(name string) bool {
	for _, re := range ps {
		if re.MatchString(name) {
			return true
		}
	}
	return false
}

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
	if f.include != nil {
		return f.include.match(name)
	}
	return !f.exclude.match(name)
}
