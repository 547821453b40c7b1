package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one error or warning and the option it belongs to.
type Problem struct {
	Name    string // of the option
	Message string // whole sentence, ready for the user
}

// Report is all that Parse found.
type Report struct {
	Errors   []Problem
	Warnings []Problem
}

// Err is nil without errors, else one error that lists them all.
func (r Report) Err() error {
	if len(r.Errors) == 0 {
		return nil
	}
	errs := make([]error, len(r.Errors))
	for i, p := range r.Errors {
		errs[i] = errors.New(p.Message)
	}
	return &InvalidError{Problems: r.Errors, err: errors.Join(errs...)}
}

// Fail adds an error at an option.
func (r *Report) Fail(name, format string, args ...any) {
	r.Errors = append(r.Errors, Problem{name, fmt.Sprintf(format, args...)})
}

// Warn adds a warning at an option.
func (r *Report) Warn(name, format string, args ...any) {
	r.Warnings = append(r.Warnings, Problem{name, fmt.Sprintf(format, args...)})
}

// InvalidError says that a configuration is not valid. Never retriable.
type InvalidError struct {
	Problems []Problem
	err      error
}

func (e *InvalidError) Error() string   { return e.err.Error() }
func (e *InvalidError) Unwrap() error   { return e.err }
func (e *InvalidError) Retriable() bool { return false }

// Parse sets the fields behind the keys from props and reports every error and warning. Unknown names are warned about, with
// the nearest known name; names in known (exact, or a prefix when it ends in a dot) belong to somebody else and are left alone.
func (ks Keys) Parse(props map[string]string, known ...string) Report {
	var r Report
	used := make(map[string]bool)
	for i := range ks {
		ks[i].parse(props, used, &r)
	}
	for _, name := range sortedNames(props) {
		if !used[name] && !belongs(name, known) {
			r.Warn(name, "Option %q is not known and has no effect%s.", name, ks.suggest(name))
		}
	}
	return r
}

func (k *Key) parse(props map[string]string, used map[string]bool, r *Report) {
	if k.kind == family {
		for _, name := range sortedNames(props) {
			if !used[name] && k.match.MatchString(name) {
				used[name] = true
				if err := k.collect(name, strings.TrimSpace(props[name])); err != nil {
					r.Fail(name, "Invalid value %s for configuration %s: %v", shown(k.Type, props[name]), name, err)
				}
			}
		}
		return
	}
	text, given := props[k.Name]
	used[k.Name] = true
	for _, old := range k.Aliases {
		if v, ok := props[old]; ok {
			used[old] = true
			if given {
				r.Warn(old, "Option %q is the old name of %q, which is set too and wins.", old, k.Name)
				continue
			}
			text, given = v, true
			r.Warn(old, "Option %q is an old name; use %q.", old, k.Name)
		}
	}
	if !given {
		if k.Required {
			r.Fail(k.Name, "Missing required configuration %q which has no default value.", k.Name)
		}
		return
	}
	text = strings.TrimSpace(text)
	switch k.kind {
	case refused:
		if text != "" && !strings.EqualFold(text, k.Default) {
			r.Fail(k.Name, "Option %q=%q is not supported: %s", k.Name, text, k.note)
		}
		return
	case ignored:
		r.Warn(k.Name, "Option %q concerns the JVM only and has no effect.", k.Name)
		return
	}
	for _, check := range k.checks {
		if err := check(text); err != nil {
			r.Fail(k.Name, "Invalid value %s for configuration %s: %v", shown(k.Type, text), k.Name, err)
			return
		}
	}
	if k.Required && text == "" {
		r.Fail(k.Name, "Invalid value %s for configuration %s: a value is required", shown(k.Type, text), k.Name)
		return
	}
	if err := k.assign(text); err != nil {
		r.Fail(k.Name, "Invalid value %s for configuration %s: %v", shown(k.Type, text), k.Name, err)
	}
}

func shown(t Type, text string) string {
	if t == TypePassword {
		return Hidden
	}
	return text
}

func sortedNames(props map[string]string) []string {
	names := make([]string, 0, len(props))
	for n := range props {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func belongs(name string, known []string) bool {
	return slices.ContainsFunc(known, func(k string) bool {
		return name == k || strings.HasSuffix(k, ".") && strings.HasPrefix(name, k)
	})
}

// suggest is ", did you mean …" when a known name is near.
func (ks Keys) suggest(name string) string {
	best, distance := "", 1+len(name)/4 // further away it is no slip of the pen
	for i := range ks {
		if ks[i].kind == family {
			continue
		}
		if d := editDistance(name, ks[i].Name); d <= distance {
			best, distance = ks[i].Name, d-1
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; the nearest known one is %q", best)
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left, diagonal := i+1, i
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			here := min(row[j+1]+1, left+1, diagonal+cost)
			diagonal, row[j], left = row[j+1], left, here
		}
		row[len(b)] = left
	}
	return row[len(b)]
}
