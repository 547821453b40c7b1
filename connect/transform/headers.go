package transform

import (
	"slices"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// dropHeadersConfig holds the options of DropHeaders.
type dropHeadersConfig struct{ Headers []string }

func (c *dropHeadersConfig) reset() { *c = dropHeadersConfig{} }

func (c *dropHeadersConfig) keys() config.Keys {
	return config.Keys{fieldList(&c.Headers, "headers", "Names of the headers that are taken away.", true, config.High)}
}

// dropHeaders is org.apache.kafka.connect.transforms.DropHeaders.
type dropHeaders struct{ dropHeadersConfig }

func newDropHeaders(props map[string]string) (Transform, config.Report) {
	t := new(dropHeaders)
	r := read(&t.dropHeadersConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	return t, r
}

// Apply implements Transform.
func (t *dropHeaders) Apply(r *schema.Record) (bool, error) {
	dropped := func(h schema.Header) bool { return slices.Contains(t.Headers, h.Key) }
	if slices.ContainsFunc(r.Headers, dropped) {
		r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), dropped)
	}
	return true, nil
}

// insertHeaderConfig holds the options of InsertHeader.
type insertHeaderConfig struct{ Header, Literal string }

func (c *insertHeaderConfig) reset() { *c = insertHeaderConfig{} }

func (c *insertHeaderConfig) keys() config.Keys {
	return config.Keys{
		config.String(&c.Header, "header", "Name of the header.", config.Required(), config.MayBeEmpty(), config.Rank(config.High), config.NoEntry()),
		config.String(&c.Literal, "value.literal", "Value of the header. Its type is guessed from the text, as SimpleHeaderConverter does: 12 is a number, true a boolean, [1,2] a list.",
			config.Required(), config.MayBeEmpty(), config.Rank(config.High), config.NoEntry()),
	}
}

// insertHeader is org.apache.kafka.connect.transforms.InsertHeader.
type insertHeader struct{ header schema.Header }

func newInsertHeader(props map[string]string) (Transform, config.Report) {
	var c insertHeaderConfig
	r := read(&c, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	t := &insertHeader{schema.Header{Key: c.Header}}
	t.header.Schema, t.header.Value = converter.ParseText(c.Literal)
	return t, r
}

// Apply implements Transform.
func (t *insertHeader) Apply(r *schema.Record) (bool, error) {
	r.AddHeader(t.header)
	return true, nil
}
