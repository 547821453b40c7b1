package provider

import (
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Option is the option of a worker that names its providers; each has its class and parameters under Option.NAME.
const Option = "config.providers"

// Java classes that select a provider.
const (
	FileClass        = "org.apache.kafka.common.config.provider.FileConfigProvider"
	DirectoryClass   = "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
	EnvironmentClass = "org.apache.kafka.common.config.provider.EnvVarConfigProvider"
)

// provider knows values by path and key.
type provider interface {
	// get returns the values of the keys that it has.
	get(path string, keys []string, log *slog.Logger) (map[string]string, error)
}

// kind is one class of providers.
type kind struct {
	class string
	make  func(params map[string]string, lookup Lookup) (provider, config.Report)
	keys  func() config.Keys
}

var kinds = []kind{
	{FileClass, newFile, func() config.Keys { return new(pathConfig).keys() }},
	{DirectoryClass, newDirectory, func() config.Keys { return new(pathConfig).keys() }},
	{EnvironmentClass, newEnvironment, func() config.Keys { return new(environmentConfig).keys() }},
}

// Lookup finds a variable of the environment; os.LookupEnv is one.
type Lookup func(name string) (text string, found bool)

// Environ makes a Lookup of variables in the form of os.Environ.
func Environ(environ []string) Lookup {
	return func(name string) (string, bool) {
		for _, v := range slices.Backward(environ) {
			if n, text, ok := strings.Cut(v, "="); ok && n == name {
				return text, true
			}
		}
		return "", false
	}
}

// Set is the providers of a worker. Safe for concurrent use; a nil Set has none.
type Set struct{ providers map[string]provider }

// New makes the providers that the options of a worker name. A class may be given in full or by its simple name.
func New(props map[string]string, lookup Lookup) (*Set, config.Report) {
	var r config.Report
	s := &Set{providers: make(map[string]provider)}
	names := config.SplitList(props[Option])
	for _, name := range names {
		s.add(name, props, lookup, &r)
	}
	for _, option := range slices.Sorted(maps.Keys(props)) {
		rest, ok := strings.CutPrefix(option, Option+".")
		if ok && !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(rest, n+".") }) {
			r.Warn(option, "Option %q has no effect: the list %q names nothing that it could belong to.", option, Option)
		}
	}
	return s, r
}

func (s *Set) add(name string, props map[string]string, lookup Lookup, r *config.Report) {
	prefix := Option + "." + name + "."
	class := strings.TrimSpace(props[prefix+"class"])
	if class == "" {
		r.Warn(prefix+"class", "The config provider %q is not used: it has no class (option %q).", name, prefix+"class")
		return
	}
	i := slices.IndexFunc(kinds, func(k kind) bool {
		simple := k.class[strings.LastIndexByte(k.class, '.')+1:]
		return class == k.class || class == simple || class == strings.TrimSuffix(simple, "ConfigProvider")
	})
	if i < 0 {
		var classes []string
		for _, k := range kinds {
			classes = append(classes, k.class)
		}
		r.Fail(prefix+"class", "Invalid value %s for configuration %sclass: Could not load config provider class; there are %s", class, prefix, strings.Join(classes, ", "))
		return
	}
	params := make(map[string]string)
	for option, text := range props {
		if param, ok := strings.CutPrefix(option, prefix+"param."); ok {
			params[param] = text
		} else if rest, ok := strings.CutPrefix(option, prefix); ok && rest != "class" {
			r.Warn(option, "Option %q is not known and has no effect; parameters of a config provider stand under %q.", option, prefix+"param.")
		}
	}
	p, own := kinds[i].make(params, lookup)
	for _, problem := range own.Errors {
		r.Errors = append(r.Errors, config.Problem{Name: prefix + "param." + problem.Name, Message: problem.Message})
	}
	for _, problem := range own.Warnings {
		r.Warn(prefix+"param."+problem.Name, "%s", problem.Message)
	}
	if len(own.Errors) == 0 {
		s.providers[name] = p
	}
}

// Keys are the parameters of each class of providers, without prefix, for the documentation.
func Keys() map[string]config.Keys {
	all := make(map[string]config.Keys)
	for _, k := range kinds {
		all[k.class] = k.keys()
	}
	return all
}

// variable is Kafka's pattern: provider, an optional path, and key; the key may hold colons.
var variable = regexp.MustCompile(`\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}`)

// place is what a provider is asked for at once.
type place struct{ provider, path string }

// Resolve returns the configuration with the values of its variables. A variable whose provider does not exist, or does not have the key, stays as
// it is. Values are not looked at for variables again. An error is a provider's that cannot be read.
func (s *Set) Resolve(props map[string]string, log *slog.Logger) (map[string]string, error) {
	if s == nil || len(s.providers) == 0 {
		return maps.Clone(props), nil
	}
	wanted := make(map[place][]string)
	for _, text := range props {
		for _, m := range variable.FindAllStringSubmatch(text, -1) {
			at := place{m[1], m[2]}
			if s.providers[at.provider] != nil && !slices.Contains(wanted[at], m[3]) {
				wanted[at] = append(wanted[at], m[3])
			}
		}
	}
	known := make(map[place]map[string]string, len(wanted))
	for at, keys := range wanted {
		values, err := s.providers[at.provider].get(at.path, keys, log.With("provider", at.provider))
		if err != nil {
			return nil, err
		}
		known[at] = values
	}
	resolved := make(map[string]string, len(props))
	for name, text := range props {
		resolved[name] = replace(text, known)
	}
	return resolved, nil
}

// Unresolved names the options of a resolved configuration that hold a variable of a provider which does not have the key, sorted. What nobody
// knows under the name of a provider may be meant for somebody else.
func (s *Set) Unresolved(resolved map[string]string) (names []string) {
	if s == nil {
		return nil
	}
	for name, text := range resolved {
		if slices.ContainsFunc(variable.FindAllStringSubmatch(text, -1), func(m []string) bool { return s.providers[m[1]] != nil }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func replace(text string, known map[place]map[string]string) string {
	var b strings.Builder
	done := 0
	for _, m := range variable.FindAllStringSubmatchIndex(text, -1) {
		at := place{provider: text[m[2]:m[3]]}
		if m[4] >= 0 {
			at.path = text[m[4]:m[5]]
		}
		if value, ok := known[at][text[m[6]:m[7]]]; ok {
			b.WriteString(text[done:m[0]])
			b.WriteString(value)
			done = m[1]
		}
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// Reverse returns a task's configuration, made from the resolved configuration of its connector, with the variables of the raw one in place of
// their values: this is what is stored and shown.
func Reverse(raw, task map[string]string) map[string]string {
	out := maps.Clone(task)
	for name, text := range raw {
		if _, has := out[name]; has && variable.MatchString(text) {
			out[name] = text
		}
	}
	return out
}

// Error says that a provider cannot be read, in Kafka's words. Never retriable: what is there is wrong.
type Error struct {
	Message string
	Err     error // nil: the message says it all
}

func (e *Error) Error() string   { return e.Message }
func (e *Error) Unwrap() error   { return e.Err }
func (e *Error) Retriable() bool { return false }

// Exception is the class and the message of the exception in Java.
func (e *Error) Exception() (class, message string) {
	return "org.apache.kafka.common.config.ConfigException", e.Message
}
