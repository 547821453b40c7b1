package connect

import (
	"maps"
	"slices"
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

// checkOverrides reports the options that the worker's policy does not let a connector override.
func (c *WorkerConfig) checkOverrides(prefix string, overrides map[string]string, r *config.Report) {
	policy := policyAlias(c.OverridePolicy)
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		allowed := policy == "All" ||
			policy == "Principal" && slices.Contains(principalOptions, name) ||
			policy == "Allowlist" && slices.Contains(c.OverrideAllowlist, name)
		if !allowed {
			r.Fail(prefix+name, "The '%s' policy does not allow '%s' to be overridden in the connector configuration.", policy, name)
		}
	}
}
