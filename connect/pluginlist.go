package connect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Kind says which way a connector's records go.
type Kind string

// Kinds, as Kafka Connect spells them.
const (
	KindSource  Kind = "source"
	KindSink    Kind = "sink"
	KindUnknown Kind = "unknown"
)

// PluginInfo describes one plugin.
type PluginInfo struct {
	Class   string
	Kind    Kind
	Version string
}

// plugin is a Source or a Sink.
type plugin struct {
	PluginInfo
	source *Source
	sink   *Sink
}

func (p *plugin) taskClass() string {
	class := ""
	if p.source != nil {
		class = p.source.TaskClass
	} else {
		class = p.sink.TaskClass
	}
	if class == "" {
		class = p.Class + "Task"
	}
	return class
}

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

// list returns all plugins, the sinks first, each kind by class name: as Kafka Connect lists them.
func (p Plugins) list() []plugin {
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

// find selects a plugin by its full class name, its simple one, or that without "Connector".
func (p Plugins) find(class string) (plugin, error) {
	all := p.list()
	var found []plugin
	for _, candidate := range all {
		simple := candidate.Class[strings.LastIndexByte(candidate.Class, '.')+1:]
		if class == candidate.Class || class == simple || class == strings.TrimSuffix(simple, "Connector") {
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
