package connect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// Kind says what a plugin is; of a connector, which way its records go.
type Kind string

// Kinds, as Kafka Connect spells them.
const (
	KindSource          Kind = "source"
	KindSink            Kind = "sink"
	KindTransformation  Kind = "transformation"
	KindPredicate       Kind = "predicate"
	KindConverter       Kind = "converter"
	KindHeaderConverter Kind = "header_converter"
	KindUnknown         Kind = "unknown"
)

// IsConnector tells sources and sinks from the rest.
func (k Kind) IsConnector() bool { return k == KindSource || k == KindSink }

// PluginInfo describes one plugin.
type PluginInfo struct {
	Class   string
	Kind    Kind
	Version string // "": it has none
}

// plugin is a Source or a Sink.
type plugin struct {
	PluginInfo
	source *Source
	sink   *Sink
}

// check is how the plugin looks at what a configuration speaks of; nil: it does not.
func (p *plugin) check() func(context.Context, map[string]string) config.Report {
	if p.source != nil {
		return p.source.Check
	}
	return p.sink.Check
}

func (p *plugin) taskClass() string {
	if p.source != nil {
		return p.source.taskClass()
	}
	return p.sink.taskClass()
}

func (s *Source) taskClass() string { return cmp.Or(s.TaskClass, s.Class+"Task") }

func (s *Sink) taskClass() string { return cmp.Or(s.TaskClass, s.Class+"Task") }

func (p *plugin) validate(props map[string]string) config.Report {
	validate := (func(map[string]string) config.Report)(nil)
	if p.source != nil {
		validate = p.source.Validate
	} else {
		validate = p.sink.Validate
	}
	if validate == nil {
		return config.Report{}
	}
	return validate(props)
}

// keys are the options of the plugin itself.
func (p *plugin) keys() config.Keys {
	keys := (func() config.Keys)(nil)
	if p.source != nil {
		keys = p.source.Keys
	} else {
		keys = p.sink.Keys
	}
	if keys == nil {
		return nil
	}
	return keys()
}

// list returns the connectors, the sinks first, each kind by class name: as Kafka Connect lists them.
func (p *Plugins) list() []plugin {
	var sinks, sources []plugin
	for i := range p.Sinks {
		sinks = append(sinks, plugin{PluginInfo: PluginInfo{p.Sinks[i].Class, KindSink, p.Sinks[i].Version}, sink: &p.Sinks[i]})
	}
	for i := range p.Sources {
		sources = append(sources, plugin{PluginInfo: PluginInfo{p.Sources[i].Class, KindSource, p.Sources[i].Version}, source: &p.Sources[i]})
	}
	for _, l := range [][]plugin{sinks, sources} {
		slices.SortFunc(l, func(a, b plugin) int { return strings.Compare(a.Class, b.Class) })
	}
	return append(sinks, sources...)
}

// all returns every plugin that there is: connectors, transforms, predicates, converters and header converters, in the order of Kafka Connect.
func (p *Plugins) all() []PluginInfo {
	var all []PluginInfo
	for _, c := range p.list() {
		all = append(all, c.PluginInfo)
	}
	var transforms, predicates []PluginInfo
	for _, t := range p.Transforms {
		if t.Refused == "" {
			transforms = append(transforms, PluginInfo{t.Class, KindTransformation, t.Version})
		}
	}
	for _, t := range p.Predicates {
		if t.Refused == "" {
			predicates = append(predicates, PluginInfo{t.Class, KindPredicate, t.Version})
		}
	}
	for _, l := range [][]PluginInfo{transforms, predicates} {
		slices.SortFunc(l, func(a, b PluginInfo) int { return strings.Compare(a.Class, b.Class) })
		all = append(all, l...)
	}
	return slices.Concat(all, converterPlugins(KindConverter), converterPlugins(KindHeaderConverter))
}

// listed are the classes of one kind.
func listed(all []PluginInfo, kind Kind) []string {
	var classes []string
	for _, p := range all {
		if p.Kind == kind {
			classes = append(classes, p.Class)
		}
	}
	return classes
}

// debeziumVersion is the release that Debezium's converters are as.
const debeziumVersion = "3.7.0.Final"

// converterPlugins are the converters, or the header converters: all converters are those too.
func converterPlugins(kind Kind) []PluginInfo {
	classes := slices.Clone(converter.Classes())
	if kind == KindHeaderConverter {
		classes = append(classes, converter.SimpleHeaderClass)
	}
	slices.Sort(classes)
	out := make([]PluginInfo, len(classes))
	for i, class := range slices.Compact(classes) {
		out[i] = PluginInfo{Class: class, Kind: kind}
		switch {
		case strings.HasPrefix(class, "org.apache.kafka."):
			out[i].Version = Version
		case strings.HasPrefix(class, "io.debezium."):
			out[i].Version = debeziumVersion
		}
	}
	return out
}

// converterType is the option by which Kafka Connect tells a converter what it converts.
const converterType = "converter.type"

// converterKeys are the options of a converter.
func converterKeys(class string) config.Keys {
	keys, _ := converter.Keys(class)
	if class == converter.SimpleHeaderClass {
		return keys
	}
	var kind string
	return append(config.Keys{config.String(&kind, converterType, "Whether keys, values or headers are converted: key, value or header. The worker sets it.", config.Required(), config.Rank(config.Low),
		config.Label(converterType))}, keys...)
}

// names are what a class may be called by: its full name, the simple one, and that without what all of its kind end with.
func (p PluginInfo) names() []string {
	simple := p.Class[strings.LastIndexAny(p.Class, ".$")+1:]
	suffix := map[Kind]string{KindSource: "Connector", KindSink: "Connector", KindConverter: "Converter", KindHeaderConverter: "HeaderConverter",
		KindTransformation: "Transformation", KindPredicate: "Predicate"}[p.Kind]
	pruned := simple
	if at := strings.LastIndex(simple, suffix); at > 0 {
		pruned = simple[:at]
	}
	return []string{p.Class, simple, pruned}
}

// findConverter finds a converter by one of its names, unless several have it.
func findConverter(all []PluginInfo, name string) (class string, ok bool) {
	p, err := findPlugin(all, name)
	return p.Class, err == nil
}

// findPlugin finds a plugin by one of its names, unless plugins of several classes have it.
func findPlugin(all []PluginInfo, name string) (PluginInfo, error) {
	unknown := &RefusedError{NotFound, fmt.Sprintf("Unknown plugin %s.", name)}
	var found []PluginInfo
	for _, p := range all {
		switch {
		case p.Class == name:
			return p, nil
		case slices.Contains(p.names(), name) && !slices.ContainsFunc(found, func(f PluginInfo) bool { return f.Class == p.Class }):
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return PluginInfo{}, unknown
	}
	return found[0], nil
}

// smts are the transforms or the predicates.
func (p *Plugins) smts(kind Kind) []smtPlugin {
	var all []smtPlugin
	if kind == KindTransformation {
		for i := range p.Transforms {
			t := &p.Transforms[i]
			all = append(all, smtPlugin{t.Class, t.Version, t.Keys, t.Refused != ""})
		}
		return all
	}
	for i := range p.Predicates {
		t := &p.Predicates[i]
		all = append(all, smtPlugin{t.Class, t.Version, t.Keys, t.Refused != ""})
	}
	return all
}

// findSMT finds a transform or predicate by one of its names, -1 when there is none or several have it. One that is refused stands back for another.
func findSMT(plugins []smtPlugin, kind Kind, name string) int {
	found, several := -1, false
	for i, p := range plugins {
		switch {
		case p.class == name:
			return i
		case !slices.Contains(PluginInfo{Class: p.class, Kind: kind}.names(), name):
		case found < 0 || plugins[found].refused && !p.refused:
			found, several = i, false
		case p.refused == plugins[found].refused:
			several = true
		}
	}
	if several {
		return -1
	}
	return found
}

// variants are the classes for keys and for values of an abstract transform.
func variants(plugins []smtPlugin, class string) []string {
	var out []string
	for _, p := range plugins {
		if base, _, ok := strings.Cut(p.class, "$"); ok && base == class {
			out = append(out, p.class)
		}
	}
	return out
}

// isJavaClass tells a name of Java's own classes, which are there in every Kafka Connect and are no plugins.
func isJavaClass(class string) bool { return strings.HasPrefix(class, "java.") }

// find selects a connector by its full class name, its simple one, or that without "Connector".
func (p *Plugins) find(class string) (plugin, error) {
	all := p.list()
	var found []plugin
	for _, candidate := range all {
		if slices.Contains(candidate.names(), class) {
			found = append(found, candidate)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return plugin{}, &RefusedError{Invalid, fmt.Sprintf("Failed to find any class that implements Connector and which name matches %s, available connectors are: %s",
			class, describe(all))}
	}
	return plugin{}, &RefusedError{Invalid, fmt.Sprintf("More than one connector matches alias %s. Please use full package and class name instead. Classes found: %s",
		class, describe(found))}
}

func describe(plugins []plugin) string {
	parts := make([]string, len(plugins))
	for i, p := range plugins {
		parts[i] = fmt.Sprintf("PluginDesc{klass=class %s, name='%s', version='%s', encodedVersion=%s, type=%s, typeName='%s', location='classpath'}",
			p.Class, p.Class, p.Version, p.Version, p.Kind, p.Kind)
	}
	return strings.Join(parts, ", ")
}

// Plugins lists every plugin, in the order of Kafka Connect: connectors first, sinks before sources.
func (w *Worker) Plugins() []PluginInfo { return w.plugins.all() }

// PluginConfig tells which options a plugin has: of a connector those of every connector too. version is a range; "latest" is any.
func (w *Worker) PluginConfig(_ context.Context, name, version string) ([]config.Definition, error) {
	wanted, err := parseVersionRange(version, true)
	if err != nil {
		return nil, &RefusedError{Invalid, "Invalid version specification: " + version}
	}
	p, err := findPlugin(w.plugins.all(), name)
	if err != nil {
		return nil, err
	}
	if !wanted.contains(p.Version) {
		return nil, &RefusedError{Invalid, wanted.mismatch(p.Class, p.Version)}
	}
	switch p.Kind {
	case KindConverter, KindHeaderConverter:
		return converterKeys(p.Class).Definitions(), nil
	case KindTransformation:
		at := slices.IndexFunc(w.plugins.Transforms, func(t TransformPlugin) bool { return t.Class == p.Class })
		return w.plugins.Transforms[at].Keys().Definitions(), nil
	case KindPredicate:
		at := slices.IndexFunc(w.plugins.Predicates, func(t PredicatePlugin) bool { return t.Class == p.Class })
		return w.plugins.Predicates[at].Keys().Definitions(), nil
	}
	all := w.plugins.list()
	at := slices.IndexFunc(all, func(c plugin) bool { return c.Class == p.Class })
	c := DefaultConnectorConfig()
	keys := slices.Concat(all[at].keys(), c.Keys())
	if p.Kind == KindSource {
		keys = append(keys, c.Source.Keys()...)
	} else {
		keys = append(keys, c.Sink.Keys()...)
	}
	definitions := firstOfName(keys.Definitions())
	for i := range definitions {
		if definitions[i].Name == "connector.plugin.version" {
			definitions[i].Default = &p.Version
		}
	}
	return definitions, nil
}

// firstOfName drops definitions whose name an earlier one has.
func firstOfName(all []config.Definition) []config.Definition {
	seen := make(map[string]bool)
	return slices.DeleteFunc(all, func(d config.Definition) bool {
		defer func() { seen[d.Name] = true }()
		return seen[d.Name]
	})
}
