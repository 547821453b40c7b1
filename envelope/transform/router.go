package transform

import (
	"fmt"
	"log/slog"
	"math"

	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
	"github.com/tandem-cdc/tandem/schema"
)

// routerConfig holds the options of ByLogicalTableRouter and of ToLogicalTopicRouter, which is the same under a newer name.
type routerConfig struct {
	TopicRegex, TopicReplacement string
	Unique                       bool
	KeyField                     string
	KeyRegex, KeyReplacement     string
	Names                        envelope.Adjustment
	Cache                        int
}

func byTableConfig() routerConfig {
	c := toTopicConfig()
	c.KeyField = "__dbz__physicalTableIdentifier"
	return c
}

func toTopicConfig() routerConfig {
	return routerConfig{Unique: true, KeyField: "__dbz__sourceIdentifier", Names: envelope.AdjustNone, Cache: 16}
}

func (c *routerConfig) keys() config.Keys {
	return config.Keys{
		config.String(&c.TopicRegex, "topic.regex", "Regular expression of Java for topics as a whole; records of the topics that match are sent to another.", config.Required(), config.Rank(config.Low), config.Check(checkRegex), config.Sized(config.WidthLong, 1), config.Lenient()),
		config.String(&c.TopicReplacement, "topic.replacement", "The other topic, with $1 or ${NAME} for groups of the expression. Schemas get its name too.", config.Required(), config.Rank(config.Low), config.Sized(config.WidthLong, 1), config.Lenient()),
		config.Bool(&c.Unique, "key.enforce.uniqueness", "Whether keys get a field that tells where a record comes from, so that rows of several tables keep apart.", config.Rank(config.Low), config.Sized(config.WidthShort, 1)),
		config.String(&c.KeyField, "key.field.name", "Name of that field.", config.Rank(config.Low), config.Unlisted()),
		config.String(&c.KeyRegex, "key.field.regex", "Regular expression of Java for topics as a whole, of which the field's text is made; none: the text is the topic.", config.Null(), config.Rank(config.Low), config.Check(checkRegex), config.Sized(config.WidthLong, 1)),
		config.String(&c.KeyReplacement, "key.field.replacement", "The field's text, with $1 or ${NAME} for groups of key.field.regex.", config.Null(), config.Rank(config.Low), config.Sized(config.WidthLong, 1)),
		config.Enum(&c.Names, "schema.name.adjustment.mode", "How the names of schemas, which are made of the topic, are made fit for Avro.",
			[]envelope.Adjustment{envelope.AdjustNone, envelope.AdjustAvro, envelope.AdjustAvroUnicode}, config.Rank(config.Low), config.Unlisted()),
		config.Int(&c.Cache, "logical.destination.cache.size", "How many schemas and topics are kept; here at least 4096.", 1, math.MaxInt32, config.Rank(config.Low), config.Sized(config.WidthLong, 1), config.Alias("logical.table.cache.size")),
	}
}

// router is io.debezium.transforms.ByLogicalTableRouter: it sends the records of several topics, such as those of a table's shards, to one.
type router struct {
	routerConfig
	log        *slog.Logger
	topic, key *javaregex.Regexp
	topics     memo[string, string] // old → new, "" for those that stay
	sources    memo[string, string] // old topic → text of the key field
	keys       memo[routedKey, *schema.Schema]
	envelopes  memo[routedKey, *routed]
	arena      schema.Arena
}

type routedKey struct {
	schema *schema.Schema
	topic  string
}

// routed is an envelope's schema under its new name.
type routed struct {
	schema        *schema.Schema
	before, after int            // -1: there is none
	row           *schema.Schema // of both, made of rowWas
	rowWas        *schema.Schema
}

func newByLogicalTableRouter(props map[string]string, log *slog.Logger) (Transform, config.Report) {
	return newRouter(byTableConfig(), props, log)
}

func newToLogicalTopicRouter(props map[string]string, log *slog.Logger) (Transform, config.Report) {
	return newRouter(toTopicConfig(), props, log)
}

func newRouter(c routerConfig, props map[string]string, log *slog.Logger) (Transform, config.Report) {
	t := &router{routerConfig: c, log: log}
	r := t.routerConfig.keys().Parse(props)
	if t.KeyRegex != "" && t.KeyReplacement == "" {
		r.Fail("key.field.replacement", "The 'key.field.replacement' value is invalid: key.field.replacement must be non-empty if key.field.regex is set.")
	}
	if len(r.Errors) > 0 {
		return nil, r
	}
	var err error
	if t.topic, err = javaregex.Compile(t.TopicRegex, false); err != nil {
		r.Fail("topic.regex", "Invalid value %s for configuration topic.regex: %v", t.TopicRegex, err)
	} else if err := t.topic.CheckReplacement(t.TopicReplacement); err != nil {
		r.Fail("topic.replacement", "Option \"topic.replacement\" does not fit \"topic.regex\"=%q: %v", t.TopicRegex, err)
	}
	if t.KeyRegex != "" {
		if t.key, err = javaregex.Compile(t.KeyRegex, false); err != nil {
			r.Fail("key.field.regex", "Invalid value %s for configuration key.field.regex: %v", t.KeyRegex, err)
		} else if err := t.key.CheckReplacement(t.KeyReplacement); err != nil {
			r.Fail("key.field.replacement", "Option \"key.field.replacement\" does not fit \"key.field.regex\"=%q: %v", t.KeyRegex, err)
		}
	}
	size := max(t.Cache, schemasKept)
	t.topics.size, t.sources.size, t.keys.size, t.envelopes.size = size, size, size, size
	if len(r.Errors) > 0 {
		return nil, r
	}
	return t, r
}

// Apply implements Transform.
func (t *router) Apply(r *schema.Record) (bool, error) {
	topic, err := t.topics.of(r.Topic, func() (string, error) { return t.newTopic(r.Topic) })
	if err != nil {
		return false, fmt.Errorf("find the new topic of %q (options \"topic.regex\", \"topic.replacement\"): %w", r.Topic, err)
	}
	if topic == "" {
		return true, nil
	}
	key, err := t.newKey(r, topic)
	if err != nil {
		return false, err
	}
	if !r.Value.IsNull() && isEnvelope(r.ValueSchema) {
		if err := t.rename(r, topic); err != nil {
			return false, err
		}
	}
	r.KeySchema, r.Key = nil, schema.NullValue
	if key != nil {
		r.KeySchema, r.Key = key.Schema, schema.OfStruct(key)
	}
	r.Topic = topic
	return true, nil
}

// newTopic is "" for a topic that stays.
func (t *router) newTopic(old string) (string, error) {
	topic, matches, err := t.topic.Replace(old, t.TopicReplacement)
	if err != nil || !matches {
		return "", err
	}
	if topic == "" {
		t.log.Warn("topic.regex and topic.replacement make an empty name of a topic; its records stay", "topic", old)
	}
	return topic, nil
}

// newKey is the key under its new name, with the field that tells where it comes from; nil for none.
func (t *router) newKey(r *schema.Record, topic string) (*schema.StructValue, error) {
	if r.Key.IsNull() {
		return nil, nil
	}
	old, err := structOf(r.Key, "rename the key's schema")
	if err != nil {
		return nil, err
	}
	s, err := t.keys.of(routedKey{old.Schema, topic}, func() (*schema.Schema, error) {
		s := t.named(old.Schema, topic+".Key")
		s.Fields = append(s.Fields, old.Schema.Fields...)
		if !t.Unique {
			return s, nil
		}
		return s, addField(s, t.KeyField, text)
	})
	if err != nil {
		return nil, fmt.Errorf("add a field to the key of topic %q: %w (option \"key.field.name\")", r.Topic, err)
	}
	key := t.arena.Struct(s)
	n := copy(key.Values, old.Values)
	if t.Unique {
		from, err := t.sources.of(r.Topic, func() (string, error) {
			if t.key == nil {
				return r.Topic, nil
			}
			from, _, err := t.key.Replace(r.Topic, t.KeyReplacement)
			return from, err
		})
		if err != nil {
			return nil, fmt.Errorf("tell where records of topic %q come from (options \"key.field.regex\", \"key.field.replacement\"): %w", r.Topic, err)
		}
		key.Values[n] = schema.OfString(from)
	}
	return key, nil
}

// named copies a schema under another name, without fields.
func (t *router) named(s *schema.Schema, name string) *schema.Schema {
	return &schema.Schema{Type: schema.Struct, Optional: s.Optional, Name: envelope.AdjustName(t.Names, name, true), Version: s.Version, Doc: s.Doc, Parameters: s.Parameters}
}

// rename gives the envelope and its rows schemas with the new topic's name.
func (t *router) rename(r *schema.Record, topic string) error {
	old, err := structOf(r.Value, "rename the envelope's schema")
	if err != nil {
		return err
	}
	to, err := t.envelopes.of(routedKey{old.Schema, topic}, func() (*routed, error) { return t.envelope(old.Schema, topic) })
	if err != nil {
		return fmt.Errorf("rename the schema %q: %w", old.Schema.Name, err)
	}
	e := t.arena.Struct(to.schema)
	for i := range old.Values {
		v := get(old, i)
		if row := v.Struct(); row != nil && (i == to.before || i == to.after) {
			renamed, err := t.renameRow(to, row)
			if err != nil {
				return fmt.Errorf("rename the schema of field %q: %w", old.Schema.Fields[i].Name, err)
			}
			v = schema.OfStruct(renamed)
		}
		e.Values[i] = v
	}
	r.ValueSchema, r.Value = to.schema, schema.OfStruct(e)
	return nil
}

// renameRow gives a row the schema that before and after have in common.
func (t *router) renameRow(to *routed, row *schema.StructValue) (*schema.StructValue, error) {
	renamed := t.arena.Struct(to.row)
	if row.Schema == to.rowWas {
		copy(renamed.Values, row.Values)
		return renamed, nil
	}
	for i, f := range row.Schema.Fields {
		if row.Values[i].IsNull() {
			continue
		}
		if err := put(renamed, f.Name, row.Values[i]); err != nil {
			return nil, err
		}
	}
	return renamed, nil
}

func (t *router) envelope(old *schema.Schema, topic string) (*routed, error) {
	to := &routed{schema: t.named(old, topic+".Envelope"), before: old.Field(fieldBefore), after: old.Field(fieldAfter)}
	to.schema.Fields = append(to.schema.Fields, old.Fields...)
	row := to.before
	if row < 0 {
		row = to.after
	}
	if row < 0 {
		return to, nil
	}
	was := old.Fields[row].Schema
	if was.Type != schema.Struct {
		return nil, fmt.Errorf("its field %q is of type %s, want a struct", old.Fields[row].Name, was.Type)
	}
	to.row, to.rowWas = t.named(was, topic+".Value"), was
	to.row.Fields = append(to.row.Fields, was.Fields...)
	for _, i := range []int{to.before, to.after} {
		if i >= 0 {
			to.schema.Fields[i].Schema = to.row
		}
	}
	return to, nil
}
