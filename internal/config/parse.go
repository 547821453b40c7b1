package config

import (
	"errors"
	"fmt"
	"maps"
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

// Exclusive reports that both lists of a pair are given, at the second and before what else is wrong with it, as Debezium does. An empty list is
// given too.
func (r *Report) Exclusive(props map[string]string, include, exclude string) {
	if _, ok := props[include]; !ok {
		return
	}
	if _, ok := props[exclude]; !ok {
		return
	}
	at := slices.IndexFunc(r.Errors, func(p Problem) bool { return p.Name == exclude })
	if at < 0 {
		at = len(r.Errors)
	}
	r.Errors = slices.Insert(r.Errors, at, Problem{exclude, DebeziumStyle.invalid(exclude, "", fmt.Sprintf("%q is already specified", include))})
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
	return ks.ParseAs(ConnectStyle, props, known...)
}

// ParseAs is Parse with a choice of the sentences.
func (ks Keys) ParseAs(style Style, props map[string]string, known ...string) Report {
	var r Report
	used := make(map[string]bool)
	for i := range ks {
		ks[i].parse(style, props, used, &r)
	}
	for _, name := range sortedNames(props) {
		if !used[name] && !belongs(name, known) {
			r.Warn(name, "Option %q is not known and has no effect%s.", name, ks.suggest(name))
		}
	}
	return r
}

// Canonical gives every property its newest name; where both are set the newer wins.
func (ks Keys) Canonical(props map[string]string) map[string]string {
	out := maps.Clone(props)
	for i := range ks {
		for _, old := range ks[i].Aliases {
			text, ok := out[old]
			if !ok {
				continue
			}
			delete(out, old)
			if _, given := out[ks[i].Name]; !given {
				out[ks[i].Name] = text
			}
		}
	}
	return out
}

func (k *Key) parse(style Style, props map[string]string, used map[string]bool, r *Report) {
	if k.kind == family {
		for _, name := range sortedNames(props) {
			if !used[name] && k.match.MatchString(name) {
				used[name] = true
				text := strings.TrimSpace(props[name])
				if err := k.collect(name, text); err != nil {
					r.invalid(style, name, shown(k.Type, text), err)
				}
			}
		}
		return
	}
	text, given := k.given(props, used, r)
	if !given {
		if k.Required {
			r.Fail(k.Name, "%s", style.missing(k.Name))
			if style == ConnectStyle {
				k.null(r)
			}
		}
		return
	}
	if style != DebeziumStyle || !k.raw {
		text = strings.TrimSpace(text)
	}
	switch k.kind {
	case refused:
		if text != "" && !strings.EqualFold(text, k.Default) {
			r.Fail(k.Name, "Option %q=%q is not supported: %s", k.Name, text, k.note)
		}
		return
	case ignored:
		if k.assign != nil {
			k.set(style, text, r)
		}
		r.Warn(k.Name, "Option %q concerns the JVM only and has no effect.", k.Name)
		return
	}
	if instead, ok := k.denied[strings.ToLower(text)]; ok {
		r.Fail(k.Name, "Option %q=%q is not supported: %s", k.Name, text, instead)
		return
	}
	k.set(style, text, r)
}

// given finds the option's text under its name or an older one.
func (k *Key) given(props map[string]string, used map[string]bool, r *Report) (text string, given bool) {
	text, given = props[k.Name]
	used[k.Name] = true
	for _, old := range k.Aliases {
		v, ok := props[old]
		if !ok {
			continue
		}
		used[old] = true
		if given {
			r.Warn(old, "Option %q is the old name of %q, which is set too and wins.", old, k.Name)
			continue
		}
		text, given = v, true
		r.Warn(old, "Option %q is an old name; use %q.", old, k.Name)
	}
	return text, given
}

// null adds what ConfigDef says of a value that it could not read.
func (k *Key) null(r *Report) {
	if k.onNull != nil {
		r.invalid(ConnectStyle, k.Name, "null", k.onNull)
	}
}

// Nulls adds what ConfigDef says of options that were given as JSON's null.
func (ks Keys) Nulls(names []string, r *Report) {
	for i := range ks {
		if slices.Contains(names, ks[i].Name) {
			ks[i].null(r)
		}
	}
}

// miss reports that a required option is empty. Debezium goes on and finds fault with the empty text.
func (k *Key) miss(style Style, r *Report) {
	r.Fail(k.Name, "%s", style.missing(k.Name))
	if style == DebeziumStyle {
		for _, check := range k.checks {
			if err := check(""); err != nil {
				r.invalid(style, k.Name, "", err)
			}
		}
	}
}

// set checks and assigns a text. ConfigDef stops at the first error; Debezium lists what is wrong with the type, then what else.
func (k *Key) set(style Style, text string, r *Report) {
	if style == DebeziumStyle {
		if k.Required && text == "" {
			k.miss(style, r)
			return
		}
		sound := true
		if err := k.assign(text); err != nil {
			r.invalid(style, k.Name, shown(k.Type, text), err)
			sound = false
		}
		for _, check := range k.checks {
			if err := check(text); err != nil && sound {
				r.invalid(style, k.Name, shown(k.Type, text), err)
			}
		}
		return
	}
	for _, check := range k.checks {
		if err := check(text); err != nil {
			r.invalid(style, k.Name, shown(k.Type, text), err)
			return
		}
	}
	if k.Required && text == "" && !k.empty {
		r.invalid(style, k.Name, shown(k.Type, text), errors.New("a value is required"))
		return
	}
	if err := k.assign(text); err != nil {
		r.invalid(style, k.Name, shown(k.Type, text), err)
		if k.canonical(text) == nil {
			k.null(r)
		}
	}
}

// invalid adds what err says of an option.
func (r *Report) invalid(style Style, name, shown string, err error) {
	if s, ok := err.(sentence); ok {
		r.Errors = append(r.Errors, Problem{name, string(s)})
		return
	}
	for _, problem := range style.problems(err) {
		r.Errors = append(r.Errors, Problem{name, style.invalid(name, shown, problem)})
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
		if ks[i].kind == family || max(len(name)-len(ks[i].Name), len(ks[i].Name)-len(name)) > distance { // that much has to be added or taken away
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
