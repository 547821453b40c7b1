package transform

import (
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// filterConfig holds the options of what has none.
type filterConfig struct{}

func (c *filterConfig) reset() {}

func (c *filterConfig) keys() config.Keys { return config.Keys{} }

// filter is org.apache.kafka.connect.transforms.Filter: it drops every record that its predicate lets come to it.
type filter struct{}

func newFilter(props map[string]string) (Transform, config.Report) {
	return filter{}, read(new(filterConfig), props)
}

// Apply implements Transform.
func (filter) Apply(*schema.Record) (bool, error) { return false, nil }
