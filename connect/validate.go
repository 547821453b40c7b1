package connect

import (
	"maps"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// validate fills in the configuration and the converters, and reports every problem: the common options first, then the plugin's, the overrides
// and the converters, as Kafka Connect orders them. Options of the Kafka clients are read only when all else is well, as they are there.
func (w *Worker) validate(c *connector) config.Report {
	cfg, r := parseConnectorConfig(c.props, c.plugin.Kind)
	if cfg.Source.topics != nil && !w.cfg.TopicCreation {
		r.Warn("topic.creation.groups", "Options %q have no effect: the worker has topic.creation.enable=false.", creationPrefix+"*")
		cfg.Source.topics = nil
	}
	cfg.chain = parseChain(c.props, &w.plugins, c.log, &r)
	c.config = cfg
	if v := cfg.Version; v != "" && v != c.plugin.Version {
		for range 2 { // as Kafka Connect, which looks twice
			r.Fail("connector.plugin.version", "Plugin %s not found that matches the version range [%s,%s], available versions: [%s]",
				c.plugin.Class, v, v, c.plugin.Version)
		}
	}
	own := c.plugin.validate(maps.Clone(c.props))
	r.Errors = append(r.Errors, own.Errors...)
	r.Warnings = append(r.Warnings, slices.DeleteFunc(own.Warnings, func(p config.Problem) bool { return c.isCommon(p.Name) })...)

	w.cfg.checkOverrides("producer.override.", cfg.ProducerOverride, &r)
	w.cfg.checkOverrides("consumer.override.", cfg.ConsumerOverride, &r)
	w.cfg.checkOverrides("admin.override.", cfg.AdminOverride, &r)
	c.conv = w.newConverters(&w.cfg, &cfg, &r)
	if len(r.Errors) == 0 {
		_, clients := w.newClients(w.cfg.optionsFor(taskID{c.name, 0}, &cfg), &cfg, c.plugin.Kind, c.log)
		r.Errors = append(r.Errors, clients.Errors...)
		r.Warnings = append(r.Warnings, clients.Warnings...)
	}
	return r
}

// isCommon tells options that are the worker's business: a plugin that does not know them must not warn about them.
func (c *connector) isCommon(name string) bool {
	return isOf(name, workerNames) || c.plugin.Kind == KindSource && isOf(name, workerSourceNames) || c.plugin.Kind == KindSink && isOf(name, workerSinkNames)
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
