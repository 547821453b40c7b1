package connect

import (
	"fmt"
	"maps"
	"math"
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
	include, exclude topicPattern
	everything       bool  // of the group default
	partitions       int32 // -1: the broker's default
	replication      int16 // -1: the broker's default
	settings         map[string]string
}

// forTopic is the first group that a topic belongs to.
func (t *topicRules) forTopic(topic string) (topicGroup, error) {
	for _, g := range t.groups {
		included, err := g.include.matches(topic)
		if err != nil {
			return g, fmt.Errorf("find the group of topic %q (topic.creation.%s.include): %w", topic, g.name, err)
		}
		excluded, err := g.exclude.matches(topic)
		if err != nil {
			return g, fmt.Errorf("find the group of topic %q (topic.creation.%s.exclude): %w", topic, g.name, err)
		}
		if g.everything || included && !excluded {
			return g, nil
		}
	}
	return t.groups[len(t.groups)-1], nil
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
	for i := range report.Errors { // Kafka Connect's own checks call these options by their last names
		for _, name := range []string{"replication.factor", "partitions", "include", "exclude"} {
			if p := &report.Errors[i]; p.Name == prefix+name && (strings.Contains(p.Message, "must be positive") || strings.Contains(p.Message, "regular expression")) {
				p.Message = strings.Replace(p.Message, p.Name, name, 1)
			}
		}
	}
	r.Errors = append(r.Errors, report.Errors...)
	r.Warnings = append(r.Warnings, report.Warnings...)
	g.replication, g.partitions, g.settings = int16(min(t.replication, math.MaxInt16)), int32(t.partitions), t.settings
	if standard != nil {
		g.include, g.exclude = newTopicPattern(t.include...), newTopicPattern(t.exclude...)
	}
	g.everything = standard == nil
}

// topicGroupTexts holds the options of a group as they are given.
type topicGroupTexts struct {
	replication, partitions int
	include, exclude        []string
	settings                map[string]string
}

// keys is the only place of the option names; standard is for the group default, which has no patterns and must give all numbers.
func (t *topicGroupTexts) keys(prefix string, standard bool) config.Keys {
	number := func(dst *int, name, doc, complaint string, opts ...config.Option) config.Key {
		opts = append(opts, config.Check(positive(complaint)), config.Group(groupTopics))
		if standard {
			opts = append(opts, config.Required())
		}
		return config.Int(dst, prefix+name, doc, math.MinInt32, math.MaxInt32, opts...)
	}
	keys := config.Keys{
		number(&t.replication, "replication.factor", "Replicas of each partition; -1 is the broker's default.",
			"Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default", config.As16()),
		number(&t.partitions, "partitions", "Partitions of a new topic; -1 is the broker's default.",
			"Number of partitions must be positive, or -1 to use the broker's default"),
	}
	if standard {
		keys = append(keys,
			config.List(new([]string), prefix+"include", "Without effect: the group default is for all topics that no other group has.", config.Group(groupTopics), config.WithoutEffect()),
			config.List(new([]string), prefix+"exclude", "Without effect: the group default is for all topics that no other group has.", config.Group(groupTopics), config.WithoutEffect()))
	} else {
		keys = append(keys,
			config.List(&t.include, prefix+"include", "Topics of this group: regular expressions of whole names. A topic belongs to the first group that it matches.", config.Check(checkPatterns(prefix+"include")), config.Group(groupTopics)),
			config.List(&t.exclude, prefix+"exclude", "Topics not of this group: regular expressions of whole names; wins over include.", config.Check(checkPatterns(prefix+"exclude")), config.Group(groupTopics)))
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

// positive refuses numbers less than 1 but for -1.
func positive(complain string) func(text string) error {
	return func(text string) error {
		if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && n < 1 && n != -1 {
			return complaint("%s", complain)
		}
		return nil
	}
}

func notZero(text string) error {
	if n, err := strconv.Atoi(text); err == nil && n == 0 {
		return complaint("Value must be -1 or at least 1")
	}
	return nil
}
