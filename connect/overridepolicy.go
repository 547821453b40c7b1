package connect

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

// policyPackage is where Kafka Connect's policies live; users write the class or its alias.
const policyPackage = "org.apache.kafka.connect.connector.policy."

var policies = []string{"All", "None", "Principal", "Allowlist"}

// principalOptions are those that the policy Principal lets pass.
var principalOptions = []string{"sasl.jaas.config", "sasl.mechanism", "security.protocol"}

// policyAlias shortens AllConnectorClientConfigOverridePolicy, with or without package, to All.
func policyAlias(text string) string {
	return strings.TrimSuffix(strings.TrimPrefix(text, policyPackage), "ConnectorClientConfigOverridePolicy")
}

func checkPolicy(text string) error {
	if !slices.Contains(policies, policyAlias(text)) {
		return complaint("Class %s could not be found; want one of %s", text, strings.Join(policies, ", "))
	}
	return nil
}

// usedClients tells for which kinds of clients Kafka Connect looks at the overrides of a connector.
func (w *Worker) usedClients(c *connector) (producers, consumers, admins bool) {
	creates := slices.ContainsFunc(slices.Collect(maps.Keys(c.props)), func(name string) bool { return strings.HasPrefix(name, creationPrefix) })
	source, letters := c.plugin.Kind == KindSource, strings.TrimSpace(c.props["errors.deadletterqueue.topic.name"]) != ""
	offsets := source && w.distributed != nil && (w.distributed.ExactlyOnce || strings.TrimSpace(c.props["offsets.storage.topic"]) != "")
	return source || letters, !source || offsets, source && creates || !source && letters || offsets
}

// checkPolicies reports the overrides that the worker's policy forbids, in Kafka Connect's order.
func (w *Worker) checkPolicies(c *connector, r *config.Report) {
	producers, consumers, admins := w.usedClients(c)
	if producers {
		w.cfg.checkOverrides("producer.override.", c.config.ProducerOverride, r)
	}
	if consumers {
		w.cfg.checkOverrides("consumer.override.", c.config.ConsumerOverride, r)
	}
	if admins {
		w.cfg.checkOverrides("admin.override.", c.config.AdminOverride, r)
	}
}

// checkTypes refuses a configuration with an override that is not of its option's type: Kafka Connect reads these before it looks at the policy, and
// ends the whole request with the first.
func (w *Worker) checkTypes(c *connector) error {
	producers, consumers, admins := w.usedClients(c)
	for _, client := range []struct {
		letter    byte
		used      bool
		overrides map[string]string
	}{{'p', producers, c.config.ProducerOverride}, {'a', admins, c.config.AdminOverride}, {'c', consumers, c.config.ConsumerOverride}} {
		if !client.used {
			continue
		}
		for _, name := range config.JavaOrder(slices.Sorted(maps.Keys(client.overrides))) {
			text := client.overrides[name]
			typ := clientOptionType(client.letter, name)
			if wrong := wrongType(typ, strings.TrimSpace(text)); wrong != "" {
				return &RefusedError{Internal, fmt.Sprintf("Invalid value %s for configuration %s: %s", text, name, wrong)}
			}
			if typ == config.TypeClass && !w.knowsClass(strings.TrimSpace(text)) {
				return &RefusedError{Internal, fmt.Sprintf("Invalid value %s for configuration %s: Class %s could not be found.", text, name, text)}
			}
		}
	}
	return nil
}

// knowsClass tells the classes that a Kafka Connect without further libraries has, as far as options of clients name such.
func (w *Worker) knowsClass(name string) bool {
	return isClientClass(name) || isJavaClass(name) || slices.ContainsFunc(w.plugins.all(), func(p PluginInfo) bool { return p.Class == name })
}

// wrongType is Kafka's complaint of a text that is not of a type.
func wrongType(t config.Type, text string) string {
	var err error
	switch t {
	case config.TypeShort:
		_, err = strconv.ParseInt(text, 10, 16)
	case config.TypeInt:
		_, err = strconv.ParseInt(text, 10, 32)
	case config.TypeLong:
		_, err = strconv.ParseInt(text, 10, 64)
	case config.TypeDouble:
		_, err = strconv.ParseFloat(text, 64)
	case config.TypeBoolean:
		if !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") {
			return "Expected value to be either true or false"
		}
	}
	if err != nil {
		return "Not a number of type " + string(t)
	}
	return ""
}

// checkOverrides reports the options that the worker's policy does not let a connector override.
func (c *WorkerConfig) checkOverrides(prefix string, overrides map[string]string, r *config.Report) {
	policy := policyAlias(c.OverridePolicy)
	for _, name := range config.JavaOrder(slices.Sorted(maps.Keys(overrides))) {
		allowed := policy == "All" ||
			policy == "Principal" && slices.Contains(principalOptions, name) ||
			policy == "Allowlist" && slices.Contains(c.OverrideAllowlist, name)
		if !allowed {
			r.Fail(prefix+name, "The '%s' policy does not allow '%s' to be overridden in the connector configuration.", policy, name)
		}
	}
}
