package connect

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
)

const creationPrefix = "topic.creation."

const groupTopics = "Topic Creation"

// topicRules says how missing topics of a source connector are created; nil rules leave it to the broker.
type topicRules struct {
	groups []topicGroup // in the order of topic.creation.groups, "default" last
}

// topicGroup is one group of topics and their settings.
type topicGroup struct {
	name             string
	include, exclude *regexp.Regexp // nil: all, none
	partitions       int32          // -1: the broker's default
	replication      int16          // -1: the broker's default
	settings         map[string]string
}

// forTopic is the first group that a topic belongs to.
func (t *topicRules) forTopic(topic string) topicGroup {
	for _, g := range t.groups {
		if (g.include == nil || g.include.MatchString(topic)) && (g.exclude == nil || !g.exclude.MatchString(topic)) {
			return g
		}
	}
	return t.groups[len(t.groups)-1]
}

// parseTopicRules reads topic.creation.*; nil without any.
func parseTopicRules(props map[string]string, r *config.Report) *topicRules {
	used := slices.ContainsFunc(slices.Collect(maps.Keys(props)), func(name string) bool { return strings.HasPrefix(name, creationPrefix) })
	if !used {
		return nil
	}
	aliases := config.SplitList(props[creationPrefix+"groups"])
	standard := topicGroup{name: "default", partitions: -1, replication: -1}
	standard.parse(props, nil, r)
	rules := &topicRules{}
	for i, alias := range aliases {
		if slices.Contains(aliases[:i], alias) {
			r.Fail(creationPrefix+"groups", "Invalid value [%s] for configuration topic.creation.groups: Duplicate alias provided.", strings.Join(aliases, ", "))
			continue
		}
		if alias == "default" {
			continue // Kafka Connect adds it itself
		}
		g := topicGroup{name: alias}
		g.parse(props, &standard, r)
		rules.groups = append(rules.groups, g)
	}
	rules.groups = append(rules.groups, standard)
	for _, name := range slices.Sorted(maps.Keys(props)) {
		alias, _, nested := strings.Cut(strings.TrimPrefix(name, creationPrefix), ".")
		if strings.HasPrefix(name, creationPrefix) && name != creationPrefix+"groups" && alias != "default" && (!nested || !slices.Contains(aliases, alias)) {
			r.Warn(name, "Option %q has no effect: topic.creation.groups has no group %q.", name, alias)
		}
	}
	return rules
}

// parse reads topic.creation.<name>.*; standard is nil for the group default, which has no patterns and must give all numbers.
func (g *topicGroup) parse(props map[string]string, standard *topicGroup, r *config.Report) {
	prefix := creationPrefix + g.name + "."
	var t topicGroupTexts
	if standard != nil {
		t.replication, t.partitions = int(standard.replication), int(standard.partitions)
	}
	keys := t.keys(prefix, standard == nil)
	own := make(map[string]string)
	for name, text := range props {
		if strings.HasPrefix(name, prefix) {
			own[name] = text
		}
	}
	report := keys.Parse(own)
	r.Errors = append(r.Errors, report.Errors...)
	r.Warnings = append(r.Warnings, report.Warnings...)
	g.replication, g.partitions, g.settings = int16(min(t.replication, math.MaxInt16)), int32(t.partitions), t.settings
	if standard != nil {
		g.include, g.exclude = joinPatterns(t.include), joinPatterns(t.exclude)
	}
}

// topicGroupTexts holds the options of a group as they are given.
type topicGroupTexts struct {
	replication, partitions int
	include, exclude        []string
	settings                map[string]string
}

// keys is the only place of the option names; standard is for the group default, which has no patterns and must give all numbers.
func (t *topicGroupTexts) keys(prefix string, standard bool) config.Keys {
	number := func(dst *int, name, doc string) config.Key {
		opts := []config.Option{config.Check(notZero), config.Group(groupTopics)}
		if standard {
			opts = append(opts, config.Required())
		}
		return config.Int(dst, prefix+name, doc, -1, math.MaxInt32, opts...)
	}
	keys := config.Keys{
		number(&t.replication, "replication.factor", "Replicas of each partition; -1 is the broker's default."),
		number(&t.partitions, "partitions", "Partitions of a new topic; -1 is the broker's default."),
	}
	if !standard {
		keys = append(keys,
			config.List(&t.include, prefix+"include", "Topics of this group: regular expressions of whole names. A topic belongs to the first group that it matches.", config.Check(checkPatterns), config.Group(groupTopics)),
			config.List(&t.exclude, prefix+"exclude", "Topics not of this group: regular expressions of whole names; wins over include.", config.Check(checkPatterns), config.Group(groupTopics)))
	}
	t.settings = make(map[string]string)
	return append(keys, config.Prefix(prefix, "Settings of the topic, such as cleanup.policy.", func(name, text string) error {
		t.settings[name] = text
		return nil
	}, config.Group(groupTopics)))
}

// TopicGroupKeys are the options of the group default and, under the name topic.creation.<group>.*, those of any other, for the documentation.
func TopicGroupKeys() config.Keys {
	var standard, other topicGroupTexts
	inherited := config.DefaultIs("that of the group default")
	keys := other.keys(creationPrefix+"<group>.", false)
	inherited(&keys[0])
	inherited(&keys[1])
	return append(standard.keys(creationPrefix+"default.", true), keys...)
}

func notZero(text string) error {
	if n, err := strconv.Atoi(text); err == nil && n == 0 {
		return complaint("Value must be -1 or at least 1")
	}
	return nil
}

func checkPatterns(text string) error {
	for _, p := range config.SplitList(text) {
		if err := checkPattern(p); err != nil {
			return err
		}
	}
	return nil
}

// checkPattern compiles a regular expression. Java's look-around, back-references and possessive quantifiers are not available.
func checkPattern(text string) error {
	_, err := regexp.Compile(text)
	switch {
	case err == nil:
		return nil
	case javaOnly.MatchString(text):
		return complaint("Invalid regex: %w (look-around, back-references and possessive quantifiers of Java are not available)", err)
	}
	return complaint("Invalid regex: %w", err)
}

// javaOnly finds what Java's regular expressions have and Go's have not.
var javaOnly = regexp.MustCompile(`\(\?[=!<>]|\\[1-9]|[*+?}]\+`)

// joinPatterns matches whole names that one of the checked patterns matches; without any, it matches none.
func joinPatterns(patterns []string) *regexp.Regexp {
	parts := make([]string, 0, len(patterns))
	for _, p := range patterns {
		if _, err := regexp.Compile(p); err == nil {
			parts = append(parts, "(?:"+p+")")
		}
	}
	if len(parts) == 0 {
		return regexp.MustCompile(`^\b\B`) // matches nothing
	}
	return regexp.MustCompile("^(?:" + strings.Join(parts, "|") + ")$")
}
