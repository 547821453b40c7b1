package connect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Validate tells what a configuration means and what is wrong with it, as it is when a connector is created or changed; a source connects to its
// database for that. The error is a *RefusedError: no connector can be found by the configuration.
func (w *Worker) Validate(ctx context.Context, req Request) (ConfigInfos, error) {
	if _, given := req.Config["connector.class"]; !given { // said of what was written: of what a config provider holds nothing is shown
		return ConfigInfos{}, noClass(req.Config, req.Null)
	}
	props, err := w.resolve(req.Name, req.Config)
	if err != nil {
		return ConfigInfos{}, err
	}
	req.Config = props
	p, wanted, err := w.pluginOf(props)
	if err != nil {
		return ConfigInfos{}, err
	}
	class := req.Config["connector.class"]
	if !wanted.contains(p.Version) {
		return w.wrongVersion(req, p, wanted), nil
	}
	c := &connector{name: req.Name, plugin: p, props: req.Config, log: named(w.log, connectorLogger, "connector", req.Name)}
	e := w.examine(c, req.Null)
	defer c.conv.close()
	if err := w.checkTypes(c); err != nil {
		return ConfigInfos{}, err
	}
	w.refuseTwice(c, &e.report)
	if check := p.check(); check != nil && !req.Unasked {
		e.merge(check(ctx, maps.Clone(c.props)))
	}
	infos := assemble(class, e.report.Errors, e.common, e.own, e.clients, e.converters)
	infos.warnings = e.report.Warnings
	return infos, nil
}

// Check validates a configuration as it is when a connector is created or changed, and logs what it warns of. The error is a *RefusedError that
// names everything wrong.
func (w *Worker) Check(ctx context.Context, req Request) error {
	infos, err := w.Validate(ctx, req)
	if err != nil {
		return err
	}
	if infos.Errors > 0 {
		return refuse(config.Report{Errors: infos.Problems()})
	}
	for _, warning := range infos.warnings {
		w.log.Warn(warning.Message, "connector", req.Name)
	}
	return nil
}

// noClass refuses a configuration that no connector can be found by; null are the options that are null.
func noClass(props map[string]string, null []string) error {
	if len(null) > 0 {
		props = maps.Clone(props)
		for _, name := range null {
			if _, given := props[name]; !given { // the name was added
				props[name] = "null" // as Java shows it
			}
		}
	}
	return &RefusedError{Invalid, fmt.Sprintf("Connector config %s contains no connector type", javaMap(props))}
}

// pluginOf finds the plugin that a configuration asks for, and which versions of it will do.
func (w *Worker) pluginOf(props map[string]string) (plugin, versionRange, error) {
	class, given := props["connector.class"]
	if !given {
		return plugin{}, nil, noClass(props, nil)
	}
	text, given := props["connector.plugin.version"]
	wanted, err := parseVersionRange(text, given)
	if err != nil {
		return plugin{}, nil, &RefusedError{Invalid, err.Error()}
	}
	p, err := w.plugins.find(class)
	return p, wanted, err
}

// wrongVersion is what validation tells when there is no such version of the connector: only the options of every connector are looked at.
func (w *Worker) wrongVersion(req Request, p plugin, wanted versionRange) ConfigInfos {
	c := &connector{name: req.Name, plugin: p, props: req.Config, log: w.log}
	cfg := DefaultConnectorConfig()
	keys := cfg.Keys()
	report := keys.Parse(only(req.Config, workerNames), "transforms.", "predicates.")
	report.Fail("connector.class", "%s", wanted.mismatch(p.Class, p.Version))
	report.Fail("connector.plugin.version", "%s", wanted.mismatch(p.Class, p.Version))
	for _, option := range req.Null {
		report.Fail(option, NullOption)
	}
	s := c.section(keys, req.Null)
	for i := range s.definitions {
		switch d := &s.definitions[i]; d.Name {
		case "connector.plugin.version":
			d.Default, d.Recommended = &p.Version, []string{p.Version}
		case "key.converter.plugin.version", "value.converter.plugin.version", "header.converter.plugin.version":
			d.Invisible = true
		}
	}
	return assemble(req.Config["connector.class"], report.Errors, s)
}

// examination is what is found out about a configuration.
type examination struct {
	report                           config.Report
	common, own, clients, converters section
}

func (e *examination) merge(r config.Report) {
	e.report.Errors = append(e.report.Errors, r.Errors...)
	e.report.Warnings = append(e.report.Warnings, r.Warnings...)
}

// faults are what makes a start fail that validation lets pass, as Kafka Connect's does.
type faults struct{ connector, tasks config.Report }

// startFault is the error of a start that has faults, nil without.
func startFault(r config.Report) error {
	if len(r.Errors) == 0 {
		return nil
	}
	messages := make([]string, len(r.Errors))
	for i, p := range r.Errors {
		messages[i] = p.Message
	}
	return &configError{RefusedError{Internal, strings.Join(messages, "\n")}}
}

// validate fills in the configuration and the converters, and reports every problem that Kafka Connect's validation finds; what only a start
// finds is left in c.faults.
func (w *Worker) validate(c *connector) config.Report {
	e := w.examine(c, nil)
	infos := assemble(c.props["connector.class"], e.report.Errors, e.common, e.own, e.clients, e.converters)
	return config.Report{Errors: infos.Problems(), Warnings: e.report.Warnings}
}

// examine is validate with what there is to tell of the options. null are the options whose value is JSON's null.
func (w *Worker) examine(c *connector, null []string) *examination {
	e := &examination{}
	cfg, r := parseConnectorConfig(c.props, c.plugin.Kind)
	r = w.dropTopicRules(&cfg, r, c)
	cfg.chain = parseChain(c.props, &w.plugins, c.log, &r, &c.faults.tasks)
	c.config = cfg
	w.checkMode(c, &r)
	var keys config.Keys
	e.common, keys = w.commonSection(c, null, &r)
	e.own = c.section(c.plugin.keys(), null)
	// A plugin that has an option of this name of its own is the one to judge it.
	r.Errors = slices.DeleteFunc(r.Errors, func(p config.Problem) bool { return e.own.find(p.Name) >= 0 })
	r.Errors = slices.DeleteFunc(r.Errors, func(p config.Problem) bool { return slices.Contains(null, p.Name) && isMissing(p) })
	var nulls config.Report
	keys.Nulls(null, &nulls)
	r.Errors = append(nulls.Errors, r.Errors...)
	for _, option := range null {
		if e.own.find(option) < 0 {
			r.Fail(option, NullOption)
		}
	}
	e.report = r

	own := c.plugin.validate(maps.Clone(c.props))
	own.Errors = slices.DeleteFunc(own.Errors, func(p config.Problem) bool { // null is not missing
		return slices.Contains(null, p.Name) && isMissing(p)
	})
	own.Warnings = slices.DeleteFunc(own.Warnings, func(p config.Problem) bool { return c.isCommon(p.Name) })
	e.merge(own)
	if len(e.own.definitions) == 0 { // the plugin does not tell which options it has: those that are wrong stand where they would
		for _, p := range own.Errors {
			if text, given := c.props[p.Name]; e.own.find(p.Name) < 0 && given {
				e.own.add(config.Definition{Name: p.Name}, &text)
			} else if e.own.find(p.Name) < 0 {
				e.own.add(config.Definition{Name: p.Name}, nil)
			}
		}
	}

	w.checkPolicies(c, &e.report)
	e.clients = c.clientSection(w.usedClients(c))
	known := len(e.report.Errors)
	c.conv = w.newConverters(&w.cfg, &cfg, &e.report)
	added := slices.Clone(e.report.Errors[known:])
	e.report.Errors = append(e.report.Errors[:known], slices.DeleteFunc(added, func(p config.Problem) bool { // that a converter does not exist is known
		return isConverterOption(p.Name) && slices.ContainsFunc(e.report.Errors[:known], func(k config.Problem) bool { return k.Name == p.Name })
	})...)
	e.converters = c.converterSection(&e.report)
	if len(e.report.Errors) == 0 {
		_, clients := w.newClients(w.cfg.optionsFor(TaskID{c.name, 0}, &cfg), &cfg, c.plugin.Kind, c.log)
		c.faults.tasks.Errors = append(c.faults.tasks.Errors, clients.Errors...)
		e.report.Warnings = append(e.report.Warnings, clients.Warnings...)
	}
	return e
}

// refuseTwice reports the lists of transforms and predicates in which something stands twice, in place of what else is wrong with them. A connector
// that has them runs.
func (w *Worker) refuseTwice(c *connector, r *config.Report) {
	for _, of := range []struct {
		option string
		kind   Kind
	}{{transformsOption, KindTransformation}, {predicatesOption, KindPredicate}} {
		plugins := w.plugins.smts(of.kind)
		for _, alias := range config.SplitList(c.props[of.option]) {
			prefix := of.option + "." + alias + "."
			at := findSMT(plugins, of.kind, strings.TrimSpace(c.props[prefix+"type"]))
			if at < 0 || plugins[at].keys == nil {
				continue
			}
			for _, k := range plugins[at].keys() {
				list := config.SplitList(c.props[prefix+k.Name])
				if slices.Sort(list); k.Distinct && len(slices.Compact(list)) < len(list) {
					r.Errors = slices.DeleteFunc(r.Errors, func(p config.Problem) bool { return p.Name == prefix+k.Name })
					r.Fail(prefix+k.Name, "Configuration '%s' values must not be duplicated.", k.Name)
				}
			}
		}
	}
}

// isMissing tells that an option is complained of because it is not given.
func isMissing(p config.Problem) bool {
	return strings.HasPrefix(p.Message, "Missing required configuration")
}

// dropTopicRules takes what is wrong with topic.creation.* out of a report: validation does not look at it, the connector fails of it.
func (w *Worker) dropTopicRules(cfg *ConnectorConfig, r config.Report, c *connector) config.Report {
	late := func(p config.Problem) bool {
		return strings.HasPrefix(p.Name, creationPrefix) && p.Name != creationPrefix+"groups"
	}
	for _, p := range r.Errors {
		if late(p) && w.cfg.TopicCreation && len(c.faults.connector.Errors) == 0 { // the first is what it fails of
			c.faults.connector.Errors = append(c.faults.connector.Errors, p)
		}
	}
	r.Errors = slices.DeleteFunc(r.Errors, late)
	if cfg.Source.topics != nil && !w.cfg.TopicCreation {
		r.Warn("topic.creation.groups", "Options %q have no effect: the worker has topic.creation.enable=false.", creationPrefix+"*")
		cfg.Source.topics = nil
	}
	return r
}

// isCommon tells options that are the worker's business: a plugin that does not know them must not warn about them.
func (c *connector) isCommon(name string) bool {
	return isOf(name, workerNames) || c.plugin.Kind == KindSource && isOf(name, workerSourceNames) || c.plugin.Kind == KindSink && isOf(name, workerSinkNames)
}

// only are the properties that names name.
func only(props map[string]string, names []string) map[string]string {
	own := make(map[string]string)
	for name, text := range props {
		if isOf(name, names) {
			own[name] = text
		}
	}
	return own
}

// javaMap prints a configuration as a Java map does, with secrets hidden.
func javaMap(props map[string]string) string {
	parts := make([]string, 0, len(props))
	for _, name := range slices.Sorted(maps.Keys(props)) {
		text := props[name]
		if isSecret(name) {
			text = config.Hidden
		}
		parts = append(parts, name+"="+text)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// isSecret tells the names whose values no log or error may show.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"password", "secret", "jaas", "user.info", "bearer", "token", "credential"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return strings.HasSuffix(name, ".key")
}
