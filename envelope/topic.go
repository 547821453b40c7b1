package envelope

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// maxTopicLength is Kafka's limit on the length of a topic name.
const maxTopicLength = 249

// topics names topics by topic.naming.strategy.
type topics struct {
	cfg      *Config
	merge    rewrite // of the regex strategies
	identify rewrite // what the field of merged keys holds
}

// rewrite replaces names that match as a whole.
type rewrite struct {
	regex       *javaregex.Regexp // nil: nothing is rewritten
	replacement string
	err         error // kept: the answers behind it do not count
}

func newRewrite(option, regex, replacement string) (rewrite, error) {
	if regex == "" {
		return rewrite{}, nil
	}
	re, err := compilePattern(regex, false)
	if err != nil {
		return rewrite{}, fmt.Errorf("compile %s: %w", option, err)
	}
	return rewrite{regex: re, replacement: replacement}, nil
}

// apply returns the new name, or the old one when it does not match or nothing would be left.
func (r *rewrite) apply(name string) string {
	if r.regex == nil {
		return name
	}
	out, _, err := r.regex.Replace(name, r.replacement)
	if err != nil && r.err == nil {
		r.err = err
	}
	if out == "" {
		return name
	}
	return out
}

func newTopics(cfg *Config) (*topics, error) {
	t := &topics{cfg: cfg}
	if !cfg.byRegex() {
		return t, nil
	}
	var err error
	if t.merge, err = newRewrite(keyTopicRegex, cfg.TopicRegex, cfg.TopicReplacement); err != nil {
		return nil, err
	}
	t.identify, err = newRewrite(keyFieldRegex, cfg.KeyFieldRegex, cfg.KeyFieldReplacement)
	return t, err
}

// origin is the name of a table's topic before any rewriting; it may hold characters that topics cannot.
func (t *topics) origin(schemaName, table string) string {
	d := t.cfg.Delimiter
	switch t.cfg.NamingStrategy {
	case namingBySchema, namingBySchemaRegex, namingBySchemaUnicode:
		return t.cfg.TopicPrefix + d + schemaName + d + table
	}
	return t.cfg.TopicPrefix + d + table
}

// data is the topic of a table's records. What a regex strategy makes of it is not looked at again.
func (t *topics) data(schemaName, table string) string {
	name := t.origin(schemaName, table)
	if t.cfg.NamingStrategy == namingByUnicode || t.cfg.NamingStrategy == namingBySchemaUnicode {
		return sanitize(name, true)
	}
	return t.merge.apply(sanitizeTopic(name))
}

// identifier is what tells a table's keys from those of others in its topic; false when keys need no such field.
func (t *topics) identifier(schemaName, table string) (string, bool) {
	return t.identify.apply(t.origin(schemaName, table)), t.cfg.byRegex() && t.cfg.KeyUnique
}

// heartbeat is the topic of heartbeats.
func (t *topics) heartbeat() string {
	if t.cfg.HeartbeatTopic != "" {
		return sanitizeTopic(t.cfg.HeartbeatTopic)
	}
	return sanitizeTopic(t.cfg.HeartbeatPrefix + t.cfg.Delimiter + t.cfg.TopicPrefix)
}

// transaction is the topic of BEGIN and END records.
func (t *topics) transaction() string {
	return sanitizeTopic(t.cfg.TopicPrefix + t.cfg.Delimiter + t.cfg.TransactionTopic)
}

// message is the topic of logical decoding messages; its delimiter is fixed.
func (t *topics) message() string { return sanitizeTopic(t.cfg.TopicPrefix + ".message") }

// SanitizeTopic is the topic that a source writes to for a name made of its prefix and a table (Debezium, class AbstractTopicNamingStrategy).
func SanitizeTopic(name string) string { return sanitizeTopic(name) }

// sanitizeTopic replaces what a topic name cannot hold by underscores, one per UTF-16 unit, and cuts at Kafka's limit.
func sanitizeTopic(name string) string { return sanitize(name, false) }

// sanitize is sanitizeTopic, or replaces by _uXXXX, and so the underscore itself.
func sanitize(name string, unicode bool) string {
	units := utf16.Encode([]rune(name))
	out := make([]byte, 0, len(units))
	for _, u := range units {
		switch {
		case u == '_' && unicode:
			out = appendUnicode(out, u)
		case isLetter(u) || isDigit(u) || u == '.' || u == '-':
			out = append(out, byte(u))
		case unicode:
			out = appendUnicode(out, u)
		default:
			out = append(out, '_')
		}
	}
	if len(out) > maxTopicLength {
		out = out[:maxTopicLength]
	}
	switch s := string(out); s {
	case ".", "..":
		if unicode {
			return strings.Repeat("_u002e", len(s))
		}
		return strings.Repeat("_", len(s))
	default:
		return s
	}
}
