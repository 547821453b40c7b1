package transform

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// headerConfig holds the options of HeaderToValue.
type headerConfig struct {
	Headers, Fields []string
	Operation       string
}

// What HeaderToValue does with the headers.
const (
	moveHeaders = "move"
	copyHeaders = "copy"
)

func defaultHeaderConfig() headerConfig { return headerConfig{} }

func (c *headerConfig) keys() config.Keys {
	return config.Keys{
		config.List(&c.Headers, "headers", "Headers to put into the value.", config.Required(), config.Rank(config.High), config.Check(checkNames), config.Sized(config.WidthNone, 1), config.Lenient()),
		config.List(&c.Fields, "fields", "Fields of the value for them, as many and in the same order; dots lead into structs.", config.Required(), config.Rank(config.High), config.Check(checkNames), config.Sized(config.WidthNone, 1), config.Lenient()),
		config.Enum(&c.Operation, "operation", "Whether the headers are taken away (move) or stay (copy).", []string{moveHeaders, copyHeaders}, config.Required(), config.Rank(config.High), config.Sized(config.WidthNone, 1), config.Lenient()),
	}
}

func checkNames(text string) error {
	for _, name := range config.SplitList(text) {
		switch {
		case name == "":
			return errors.New("an element is empty")
		case strings.Contains(name, " "):
			return errors.New("an element contains a space")
		}
	}
	return nil
}

// headerToValue is io.debezium.transforms.HeaderToValue.
type headerToValue struct {
	headerConfig
	made  memo[*schema.Schema, *schema.Schema]
	known *schema.Interner
	arena schema.Arena
}

// entry is one header on its way into the value.
type entry struct {
	name   string
	path   []string
	schema *schema.Schema
	value  schema.Value
}

func newHeaderToValue(props map[string]string, _ *slog.Logger) (Transform, config.Report) {
	t := &headerToValue{headerConfig: defaultHeaderConfig()}
	r := t.keys().Parse(props)
	if len(r.Errors) == 0 && len(t.Headers) != len(t.Fields) {
		r.Fail("headers", "Options \"headers\" and \"fields\" name %d headers and %d fields; want as many of both.", len(t.Headers), len(t.Fields))
	}
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.made.size, t.known = schemasKept, schema.NewInterner(schemasKept)
	return t, r
}

// Apply implements Transform. Tombstones, and records without these headers, pass as they are.
func (t *headerToValue) Apply(r *schema.Record) (bool, error) {
	if r.Value.IsNull() {
		return true, nil
	}
	value, err := structOf(r.Value, "put headers into the value")
	if err != nil {
		return false, err
	}
	var entries []entry
	for _, h := range r.Headers {
		if i := slices.Index(t.Headers, h.Key); i >= 0 {
			entries = append(entries, entry{t.Fields[i], strings.Split(t.Fields[i], "."), h.Schema, h.Value})
		}
	}
	if len(entries) == 0 {
		return true, nil
	}
	s, err := t.schemaOf(value.Schema, entries)
	if err != nil {
		return false, fmt.Errorf("put headers into the value: %w", err)
	}
	n := nesting{entries: entries, arena: &t.arena}
	made, err := n.value(value, s, rootField, 0)
	if err != nil {
		return false, fmt.Errorf("put headers into the value: %w", err)
	}
	r.ValueSchema, r.Value = s, schema.OfStruct(made)
	if t.Operation == moveHeaders {
		r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h schema.Header) bool { return slices.Contains(t.Headers, h.Key) })
	}
	return true, nil
}

// schemaOf is the value's schema with the new fields. Debezium keeps the one made for the first record of a schema, and fails when a later
// record has a header more; so does this, but makes another then.
func (t *headerToValue) schemaOf(s *schema.Schema, entries []entry) (*schema.Schema, error) {
	n := nesting{entries: entries}
	if made, ok := t.made.entries[s]; ok && n.fitsInto(made) {
		return made, nil
	}
	made, err := n.schema(s, rootField, 0)
	if err != nil {
		return nil, err
	}
	made = t.known.InternFresh(made) // records that have headers by turns come back to it
	t.made.put(s, made)
	return made, nil
}
