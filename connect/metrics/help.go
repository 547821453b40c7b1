package metrics

import (
	"strings"
	"sync"
)

// helps are the sentences of the definitions, by the type of the bean and the attribute, or by the name of a series of our own.
var helps = sync.OnceValue(func() map[[2]string]string {
	m := make(map[[2]string]string)
	for _, d := range Definitions() {
		m[[2]string{d.Bean, d.Name}] = d.Help
	}
	return m
})

// documented is the name under which a bean stands in the definitions.
func (b *Bean) documented() string {
	switch {
	case strings.HasPrefix(b.Domain, "debezium."):
		return "connector-metrics (debezium)"
	case strings.HasSuffix(b.Type, "-node-metrics"):
		return "node-metrics"
	}
	return b.Type
}

// help is the sentence of an attribute, "" for one that is not defined.
func (b *Bean) help(a *attr) string { return helps()[[2]string{b.documented(), a.name}] }
