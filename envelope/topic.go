package envelope

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

// maxTopicLength is Kafka's limit on the length of a topic name.
const maxTopicLength = 249

// topics names topics by topic.naming.strategy.
type topics struct {
	cfg      *Config
	merge    rewrite // of the regex strategies
	identify rewrite // what the field of merged keys holds
}

// rewrite replaces whole names that match.
type rewrite struct {
	regex       *regexp.Regexp // nil: nothing is rewritten
	replacement string
}

func newRewrite(option, regex, replacement string) (rewrite, error) {
	if regex == "" {
		return rewrite{}, nil
	}
	re, err := compilePattern(regex, false)
	if err != nil {
		return rewrite{}, fmt.Errorf("compile %s: %w", option, err)
	}
	return rewrite{re, replacement}, nil
}

// apply returns the new name, or the old one when it does not match or nothing would be left.
func (r rewrite) apply(name string) string {
	if r.regex == nil {
		return name
	}
	m := r.regex.FindStringSubmatchIndex(name)
	if m == nil {
		return name
	}
	if out := expandJava(r.regex, r.replacement, name, m); out != "" {
		return out
	}
	return name
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

// physical is the topic of a table before any rewriting.
func (t *topics) physical(schemaName, table string) string {
	d := t.cfg.Delimiter
	if t.cfg.NamingStrategy == namingBySchema || t.cfg.NamingStrategy == namingBySchemaRegex {
		return sanitizeTopic(t.cfg.TopicPrefix + d + schemaName + d + table)
	}
	return sanitizeTopic(t.cfg.TopicPrefix + d + table)
}

// data is the topic of a table's records.
func (t *topics) data(schemaName, table string) string {
	return sanitizeTopic(t.merge.apply(t.physical(schemaName, table)))
}

// identifier is what tells a table's keys from those of others in its topic; false when keys need no such field.
func (t *topics) identifier(schemaName, table string) (string, bool) {
	return t.identify.apply(t.physical(schemaName, table)), t.cfg.byRegex() && t.cfg.KeyUnique
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

// sanitizeTopic replaces what a topic name cannot hold by underscores, one per UTF-16 unit, and cuts at Kafka's limit.
func sanitizeTopic(name string) string {
	units := utf16.Encode([]rune(name))
	out := make([]byte, 0, len(units))
	for _, u := range units {
		if isLetter(u) || isDigit(u) || u == '.' || u == '-' {
			out = append(out, byte(u))
		} else {
			out = append(out, '_')
		}
	}
	if len(out) > maxTopicLength {
		out = out[:maxTopicLength]
	}
	switch s := string(out); s {
	case ".":
		return "_"
	case "..":
		return "__"
	default:
		return s
	}
}

// expandJava applies a replacement written for java.util.regex: $n (as many digits as name a group), ${name} and a backslash
// that quotes the next character.
func expandJava(re *regexp.Regexp, repl, src string, m []int) string {
	var b strings.Builder
	group := func(n int) {
		if m[2*n] >= 0 {
			b.WriteString(src[m[2*n]:m[2*n+1]])
		}
	}
	for i := 0; i < len(repl); i++ {
		switch {
		case repl[i] == '\\' && i+1 < len(repl):
			i++
			b.WriteByte(repl[i])
		case repl[i] == '$' && i+1 < len(repl) && repl[i+1] == '{' && strings.IndexByte(repl[i:], '}') > 0:
			end := i + strings.IndexByte(repl[i:], '}')
			if n := re.SubexpIndex(repl[i+2 : end]); n >= 0 {
				group(n)
			}
			i = end
		case repl[i] == '$' && i+1 < len(repl) && repl[i+1] >= '0' && repl[i+1] <= '9':
			n, end := int(repl[i+1]-'0'), i+2
			for end < len(repl) && repl[end] >= '0' && repl[end] <= '9' && n*10+int(repl[end]-'0') <= re.NumSubexp() {
				n = n*10 + int(repl[end]-'0')
				end++
			}
			if n <= re.NumSubexp() {
				group(n)
			}
			i = end - 1
		default:
			b.WriteByte(repl[i])
		}
	}
	return b.String()
}

// checkReplacement rejects a replacement that names a group its expression does not have.
func checkReplacement(re *regexp.Regexp, option, repl string) error {
	for i := 0; i+1 < len(repl); i++ {
		if repl[i] == '\\' {
			i++
			continue
		}
		if repl[i] == '$' && repl[i+1] >= '0' && repl[i+1] <= '9' {
			if n, _ := strconv.Atoi(repl[i+1 : i+2]); n > re.NumSubexp() {
				return fmt.Errorf("no group %d in %s", n, option)
			}
		}
	}
	return nil
}
