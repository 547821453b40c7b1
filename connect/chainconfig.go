package connect

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// chainConfig is what a connector's configuration says of its transforms.
type chainConfig []linkConfig

// linkConfig is one transform and its predicate.
type linkConfig struct {
	alias     string
	plugin    *TransformPlugin
	props     map[string]string
	predicate *PredicatePlugin // nil: none
	tested    map[string]string
	negate    bool
}

const (
	transformsOption = "transforms"
	predicatesOption = "predicates"
)

// NewChain makes the transforms that the options transforms.* and predicates.* of a connector name; nil when there are none.
func NewChain(props map[string]string, plugins Plugins, log *slog.Logger) (*Chain, config.Report) {
	var r config.Report
	c := parseChain(props, &plugins, log, &r, &r)
	if len(r.Errors) > 0 || len(c) == 0 {
		return nil, r
	}
	chain, err := c.build(log)
	if err != nil {
		r.Fail(transformsOption, "%v", err)
	}
	return chain, r
}

// parseChain reads the transforms and reports everything that is wrong with them and with their options.
// What only a task fails of goes into late.
func parseChain(props map[string]string, plugins *Plugins, log *slog.Logger, r, late *config.Report) chainConfig {
	p := &chainParser{props: props, plugins: plugins, log: log, report: r, late: late, predicates: make(map[string]predicateConfig)}
	for _, alias := range p.aliases(predicatesOption) {
		p.predicate(alias)
	}
	var c chainConfig
	for _, alias := range p.aliases(transformsOption) {
		if l, ok := p.transform(alias); ok {
			c = append(c, l)
		}
	}
	return c
}

// build makes a chain of its own for a task.
func (c chainConfig) build(log *slog.Logger) (*Chain, error) {
	if len(c) == 0 {
		return nil, nil
	}
	chain := new(Chain)
	for i := range c {
		l := link{alias: c[i].alias, class: c[i].plugin.Class, negate: c[i].negate}
		var r config.Report
		if l.transform, r = c[i].plugin.New(maps.Clone(c[i].props), named(log, l.class, "transform", l.alias)); len(r.Errors) > 0 {
			return nil, fmt.Errorf("make the transform %q: %w", l.alias, r.Err())
		}
		if c[i].predicate != nil {
			if l.predicate, r = c[i].predicate.New(maps.Clone(c[i].tested), named(log, c[i].predicate.Class, "transform", l.alias)); len(r.Errors) > 0 {
				return nil, fmt.Errorf("make the predicate of the transform %q: %w", l.alias, r.Err())
			}
		}
		chain.links = append(chain.links, l)
	}
	return chain, nil
}

// chainParser reads a chainConfig.
type chainParser struct {
	props      map[string]string
	plugins    *Plugins
	log        *slog.Logger
	report     *config.Report
	late       *config.Report // what validation lets pass
	predicates map[string]predicateConfig
}

type predicateConfig struct {
	plugin *PredicatePlugin // nil: it is wrong, and that was said
	props  map[string]string
}

// aliases splits the list of an option, and warns of options whose alias is not in it.
func (p *chainParser) aliases(option string) []string {
	aliases := config.SplitList(p.props[option])
	all := strings.Join(aliases, ", ")
	var unique []string
	for _, alias := range aliases {
		if !slices.Contains(unique, alias) {
			unique = append(unique, alias)
		}
	}
	if len(unique) < len(aliases) {
		p.report.Fail(option, "Invalid value [%s] for configuration %s: Duplicate alias provided.", all, option)
	}
	aliases = unique
	for _, name := range slices.Sorted(maps.Keys(p.props)) {
		rest, ok := strings.CutPrefix(name, option+".")
		if ok && !slices.ContainsFunc(aliases, func(a string) bool { return strings.HasPrefix(rest, a+".") }) {
			p.report.Warn(name, "Option %q has no effect: the list %q names nothing that it could belong to.", name, option)
		}
	}
	return aliases
}

// own gives the options under a prefix, without it, and without those of the worker.
func (p *chainParser) own(prefix string, workers ...string) map[string]string {
	own := make(map[string]string)
	for name, text := range p.props {
		if rest, ok := strings.CutPrefix(name, prefix); ok && !slices.Contains(workers, rest) {
			own[rest] = text
		}
	}
	return own
}

func (p *chainParser) predicate(alias string) {
	prefix := predicatesOption + "." + alias + "."
	p.predicates[alias] = predicateConfig{}
	i := p.class(prefix, KindPredicate)
	if i < 0 {
		return
	}
	plugin := &p.plugins.Predicates[i]
	if plugin.Refused != "" {
		p.refuse(prefix, plugin.Class, plugin.Refused)
		return
	}
	props := p.own(prefix, "type", "plugin.version")
	_, r := plugin.New(maps.Clone(props), p.log)
	p.embed(prefix, plugin.Keys, props, r)
	p.predicates[alias] = predicateConfig{plugin, props}
}

func (p *chainParser) transform(alias string) (l linkConfig, ok bool) {
	prefix := transformsOption + "." + alias + "."
	l.alias = alias
	i := p.class(prefix, KindTransformation)
	if i < 0 {
		return l, false
	}
	l.plugin = &p.plugins.Transforms[i]
	if l.plugin.Refused != "" {
		p.refuse(prefix, l.plugin.Class, l.plugin.Refused)
		return l, false
	}
	l.props = p.own(prefix, "type", "plugin.version", "predicate", "negate")
	_, r := l.plugin.New(maps.Clone(l.props), p.log)
	p.embed(prefix, l.plugin.Keys, l.props, r)
	return l, p.condition(prefix, &l)
}

// condition reads which records a transform is for.
func (p *chainParser) condition(prefix string, l *linkConfig) bool {
	alias, given := p.props[prefix+"predicate"]
	negate, negated := p.props[prefix+"negate"]
	if negated {
		switch strings.ToLower(strings.TrimSpace(negate)) {
		case "true":
			l.negate = true
		case "false":
		default:
			p.report.Fail(prefix+"negate", "Invalid value %s for configuration %snegate: Expected value to be either true or false", negate, prefix)
		}
	}
	if !given {
		if negated {
			p.report.Fail(prefix+"type", "Config '%snegate' was provided but there is no config '%spredicate' defining a predicate to be negated.", prefix, prefix)
			return false
		}
		return true
	}
	alias = strings.TrimSpace(alias)
	test, known := p.predicates[alias]
	if !known {
		p.late.Fail(prefix+"predicate", "Invalid value %s for configuration %spredicate: the list \"predicates\" has no predicate %q", alias, prefix, alias)
		return false
	}
	l.predicate, l.tested = test.plugin, test.props
	return test.plugin != nil
}

// class finds a plugin by one of its names; -1 when there is none or several have it.
func (p *chainParser) class(prefix string, kind Kind) int {
	option := prefix + "type"
	class, given := p.props[option]
	if class = strings.TrimSpace(class); !given {
		p.report.Fail(option, "Missing required configuration %q which has no default value.", option)
		return -1
	}
	plugins := p.plugins.smts(kind)
	found := findSMT(plugins, kind, class)
	if found >= 0 {
		return found
	}
	if both := variants(plugins, class); len(both) > 0 {
		p.report.Fail(option, "This class is abstract and cannot be created. Did you mean %s?", strings.Join(both, ", "))
	} else if existing, exists := existingClass(p.plugins.all(), class); exists {
		p.report.Fail(option, "Class class %s does not implement the %s interface", existing, map[Kind]string{KindTransformation: "Transformation", KindPredicate: "Predicate"}[kind])
	} else { // or several have the name
		p.report.Fail(option, "Invalid value %s for configuration %s: Class %s could not be found.", class, option, class)
	}
	return -1
}

// embed adds what is wrong with the options of a plugin. As in Kafka Connect, a text that is wrong for its type is complained of under the whole name.
func (p *chainParser) embed(prefix string, keys func() config.Keys, props map[string]string, r config.Report) {
	if keys != nil {
		for _, k := range keys() {
			text, given := props[k.Name]
			if !given || k.Value(map[string]string{k.Name: text}) != nil {
				continue
			}
			for i := range r.Errors {
				if e := &r.Errors[i]; e.Name == k.Name {
					e.Message = strings.Replace(e.Message, " for configuration "+k.Name+":", " for configuration "+prefix+k.Name+":", 1)
				}
			}
		}
	}
	addConverterReport(p.report, prefix, r)
}

func (p *chainParser) refuse(prefix, class, instead string) {
	p.report.Fail(prefix+"type", "Option %q=%q is not supported: %s", prefix+"type", class, instead)
}
