package connect

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// section tells of the options of keys; those in null have no value.
func (c *connector) section(keys config.Keys, null []string) section {
	var s section
	definitions := keys.Definitions()
	for i := range definitions {
		at := slices.IndexFunc(keys, func(k config.Key) bool { return k.Name == definitions[i].Name })
		value := keys[at].Value(c.props)
		if slices.Contains(null, definitions[i].Name) {
			value = nil
		}
		s.add(definitions[i], value)
	}
	return s
}

// commonSection are the options that the worker gives every connector, and those of its transforms and predicates. It also looks for converters and
// versions that do not exist.
func (w *Worker) commonSection(c *connector, null []string, r *config.Report) (section, config.Keys) {
	cfg := DefaultConnectorConfig()
	keys := cfg.Keys()
	switch c.plugin.Kind {
	case KindSource:
		keys = append(keys, cfg.Source.Keys()...)
	case KindSink:
		keys = append(keys, cfg.Sink.Keys()...)
	}
	s := c.section(keys, null)
	s.version("connector.plugin.version", c.props, c.plugin.Version)
	for option, workers := range map[string]ConverterConfig{"key.converter": w.cfg.KeyConverter, "value.converter": w.cfg.ValueConverter, "header.converter": w.cfg.HeaderConverter} {
		s.converter(option, w, workers, c, r)
		if slices.Contains(null, option) {
			s.values[s.find(option)] = nil
			s.definitions[s.find(option+".plugin.version")].Invisible = true
		}
	}
	all := w.plugins.all()
	s.addPlugins(smtOptions{transformsOption, "Transforms", "Transformation", KindTransformation, all, w.plugins.smts(KindTransformation), conditionKeys()}, c, r)
	s.addPlugins(smtOptions{predicatesOption, "Predicates", "Predicate", KindPredicate, all, w.plugins.smts(KindPredicate), nil}, c, r)
	return s, keys
}

// version completes an option that chooses the version of a plugin, of which there is one; "" when there is no plugin.
func (s *section) version(option string, props map[string]string, version string) {
	at := s.find(option)
	d := &s.definitions[at]
	if version == "" {
		return
	}
	d.Default, d.Recommended = &version, []string{version}
	if _, given := props[option]; !given {
		s.values[at] = &version
	}
}

// converter completes the two options that choose a converter.
func (s *section) converter(option string, w *Worker, workers ConverterConfig, c *connector, r *config.Report) {
	kind := KindConverter
	if option == "header.converter" {
		kind = KindHeaderConverter
	}
	all := converterPlugins(kind)
	at := s.find(option)
	d := &s.definitions[at]
	for _, p := range all {
		d.Recommended = append(d.Recommended, p.Class)
	}
	if workers.Class != "" {
		d.Default = &workers.Class
	}
	text, given := c.props[option]
	if !given {
		text = workers.Class
	}
	class, known := findConverter(all, strings.TrimSpace(text))
	version := option + ".plugin.version"
	s.values[at] = nil
	if !known {
		s.noConverter(kind, option, text, given, w, r)
		return
	}
	s.values[at] = &class
	info := all[slices.IndexFunc(all, func(p PluginInfo) bool { return p.Class == class })]
	s.version(version, c.props, info.Version)
	if !given { // of the worker's converter any version will do
		text, given := c.props[version]
		if _, err := parseVersionRange(text, given); err != nil {
			r.Fail(version, "%v", err)
		}
		return
	}
	if class != converter.SimpleHeaderClass && info.Version != "" { // Kafka Connect counts it as a header converter too
		info.Version += ", " + info.Version
	}
	checkVersion(c.props, option, version, info, r)
}

// noConverter completes the two options where what is named is no converter.
func (s *section) noConverter(kind Kind, option, text string, given bool, w *Worker, r *config.Report) {
	class, exists := existingClass(w.plugins.all(), text)
	switch {
	case exists:
		s.values[s.find(option)] = &class
		r.Fail(option, "Class class %s does not implement the %s interface", class, map[Kind]string{KindConverter: "Converter", KindHeaderConverter: "HeaderConverter"}[kind])
		return
	case given && strings.TrimSpace(text) == "":
		r.Fail(option, "Invalid value %s for configuration %s: Class %s could not be found.", text, option, text)
	}
	s.definitions[s.find(option+".plugin.version")].Invisible = true
}

// existingClass tells a class that is there and is another kind of thing than was asked for.
func existingClass(all []PluginInfo, name string) (class string, ok bool) {
	name = strings.TrimSpace(name)
	abstract := func(p PluginInfo) bool { return strings.HasPrefix(p.Class, name+"$") }
	if isJavaClass(name) || slices.ContainsFunc(all, abstract) {
		return name, true
	}
	p, err := findPlugin(all, name)
	return p.Class, err == nil
}

func isConverterOption(name string) bool {
	return name == "key.converter" || name == "value.converter" || name == "header.converter"
}

// checkVersion reports at both options that no plugin of the version is there.
func checkVersion(props map[string]string, classOption, versionOption string, p PluginInfo, r *config.Report) bool {
	text, given := props[versionOption]
	wanted, err := parseVersionRange(text, given)
	switch version, _, _ := strings.Cut(p.Version, ","); {
	case err != nil && isConverterOption(classOption):
		r.Fail(versionOption, "%v", err)
		return false
	case err != nil:
		r.Fail(classOption, "%v", err)
		r.Fail(versionOption, "%v", err)
		return false
	case !wanted.contains(version):
		r.Fail(classOption, "%s", wanted.mismatch(p.Class, p.Version))
		r.Fail(versionOption, "%s", wanted.mismatch(p.Class, p.Version))
		return false
	}
	return true
}

// smtPlugin is a transform or a predicate.
type smtPlugin struct {
	class, version string
	keys           func() config.Keys
	refused        bool
}

// smtOptions are the options of a list of transforms or predicates.
type smtOptions struct {
	option, group, label string // the list, and what clients are told of its members
	kind                 Kind
	all                  []PluginInfo // of every kind
	plugins              []smtPlugin
	workers              config.Keys // what the worker gives each of them
}

// conditionKeys are the options that the worker gives every transform.
func conditionKeys() config.Keys {
	var predicate string
	var negate bool
	return config.Keys{
		config.String(&predicate, "predicate", "Predicate, one of the list predicates, that says which records the transform is for.", config.Null(), config.Label("predicate")),
		config.Bool(&negate, "negate", "Whether the transform is for the records that the predicate does not hold for.", config.Label("negate")),
	}
}

// addPlugins adds the options of what a list of names names.
func (s *section) addPlugins(o smtOptions, c *connector, r *config.Report) {
	var seen []string
	for _, alias := range config.SplitList(c.props[o.option]) {
		if slices.Contains(seen, alias) {
			continue
		}
		seen = append(seen, alias)
		s.addPlugin(&o, alias, c, r)
	}
}

func (s *section) addPlugin(o *smtOptions, alias string, c *connector, r *config.Report) {
	prefix, group := o.option+"."+alias+".", o.group+": "+alias
	d := config.Definition{
		Name: prefix + "type", Type: config.TypeClass, Required: true, Importance: config.High, Doc: "Class of the " + strings.ToLower(o.label) + " " + alias + ".",
		Group: group, Order: 0, Width: config.WidthLong, Label: o.label + " type for " + alias, Recommended: listed(o.all, o.kind),
	}
	version := config.Definition{
		Name: prefix + "plugin.version", Type: config.TypeString, Importance: config.High, Doc: "Version of the " + strings.ToLower(o.label) + " " + alias + " that is wanted.",
		Group: group, Order: 1, Width: config.WidthLong, Label: o.label + " version for " + alias,
	}
	text := strings.TrimSpace(c.props[prefix+"type"])
	at := findSMT(o.plugins, o.kind, text)
	var value *string
	if at >= 0 {
		value = &o.plugins[at].class
	} else if class, exists := existingClass(o.all, text); exists { // a class, but none of these
		value = &class
	}
	s.add(d, value)
	s.add(version, nil)
	if text, given := c.props[version.Name]; given {
		text = strings.TrimSpace(text)
		s.values[len(s.values)-1] = &text
	}
	if at < 0 {
		return
	}
	p := o.plugins[at]
	s.version(version.Name, c.props, p.version)
	if p.keys == nil || !checkVersion(c.props, d.Name, version.Name, PluginInfo{Class: p.class, Version: p.version}, r) {
		return
	}
	props := make(map[string]string)
	for name, text := range c.props {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			props[rest] = text
		}
	}
	s.embed(prefix, group, append(slices.Clone(o.workers), p.keys()...), props)
}

// embed adds options of a plugin in the order of ConfigDef.embed: by group and place, then those without default, by importance and by name.
func (s *section) embed(prefix, group string, keys config.Keys, props map[string]string) {
	definitions := keys.Definitions()
	var groups []string
	for _, d := range definitions {
		if !slices.Contains(groups, d.Group) {
			groups = append(groups, d.Group)
		}
	}
	rank := func(d config.Definition) int {
		if d.Group == "" {
			return -1
		}
		return slices.Index(groups, d.Group)
	}
	importances := []config.Importance{config.High, config.Medium, config.Low}
	slices.SortStableFunc(definitions, func(a, b config.Definition) int {
		defaults := 0
		if a.Required != b.Required {
			if defaults = 1; a.Required {
				defaults = -1
			}
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Order, b.Order), defaults,
			slices.Index(importances, a.Importance)-slices.Index(importances, b.Importance), strings.Compare(a.Name, b.Name))
	})
	for i, d := range definitions {
		at := slices.IndexFunc(keys, func(k config.Key) bool { return k.Name == d.Name })
		value := keys[at].Value(props)
		d.Name, d.Order = prefix+d.Name, i+2
		if d.Group != "" {
			d.Group = group + ": " + d.Group
		} else {
			d.Group = group
		}
		d.Dependents = slices.Clone(d.Dependents)
		for j := range d.Dependents {
			d.Dependents[j] = prefix + d.Dependents[j]
		}
		s.add(d, value)
	}
}

// converterSection are the options of the converters that a connector names.
func (c *connector) converterSection(r *config.Report) section {
	s := section{asOne: true}
	for _, half := range []struct{ option, kind string }{{"header.converter", "header"}, {"key.converter", "key"}, {"value.converter", "value"}} {
		text, given := c.props[half.option]
		wrong := func(p config.Problem) bool {
			return p.Name == half.option || p.Name == half.option+".plugin.version"
		}
		if !given || slices.ContainsFunc(r.Errors, wrong) {
			continue
		}
		kind := KindConverter
		if half.kind == "header" {
			kind = KindHeaderConverter
		}
		class, known := findConverter(converterPlugins(kind), strings.TrimSpace(text))
		if !known {
			continue
		}
		props := map[string]string{converterType: half.kind}
		for name, text := range c.props {
			if rest, ok := strings.CutPrefix(name, half.option+"."); ok {
				props[rest] = text
			}
		}
		keys := converterKeys(class)
		definitions := keys.Definitions()
		names := make([]string, len(definitions))
		for i := range definitions {
			names[i] = definitions[i].Name
		}
		for _, name := range config.JavaOrder(names) {
			d := definitions[slices.Index(names, name)]
			at := slices.IndexFunc(keys, func(k config.Key) bool { return k.Name == name })
			value := keys[at].Value(props)
			d.Name = half.option + "." + d.Name
			s.add(d, value)
		}
		if kind := props[converterType]; kind != "key" && kind != "value" && kind != "header" && keys.Has(converterType) {
			r.Fail(half.option+"."+converterType, "Invalid value %s for configuration %s: String must be one of: key, value, header", kind, converterType)
		}
	}
	return s
}

// clientSection are the overrides of options of the Kafka clients that the connector uses.
func (c *connector) clientSection(producers, consumers, admins bool) section {
	s := section{asOne: true}
	for _, client := range []struct {
		letter    byte
		prefix    string
		overrides map[string]string
		used      bool
	}{
		{'p', "producer.override.", c.config.ProducerOverride, producers},
		{'c', "consumer.override.", c.config.ConsumerOverride, consumers},
		{'a', "admin.override.", c.config.AdminOverride, admins},
	} {
		if !client.used {
			continue
		}
		for _, name := range config.JavaOrder(c.namesWith(client.prefix)) {
			d, value := clientDefinition(client.letter, name, client.overrides[name])
			d.Name = client.prefix + name
			s.add(d, value)
		}
	}
	return s
}

// namesWith are the names of options without their prefix, in the order in which a HashMap of all options has them.
func (c *connector) namesWith(prefix string) (names []string) {
	for _, name := range config.JavaOrder(slices.Sorted(maps.Keys(c.props))) {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			names = append(names, rest)
		}
	}
	return names
}
