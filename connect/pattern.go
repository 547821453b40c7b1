package connect

import (
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// topicPattern is Java regular expressions of whole topic names, of which one must match. The empty one matches nothing.
type topicPattern []*javaregex.Regexp

// newTopicPattern compiles expressions that were checked; others are left out.
func newTopicPattern(patterns ...string) (p topicPattern) {
	for _, text := range patterns {
		if re, err := javaregex.Compile(text, false); err == nil {
			p = append(p, re)
		}
	}
	return p
}

// matches tells whether a topic is one of these. The error says that an expression was given up on the name.
func (p topicPattern) matches(topic string) (bool, error) {
	for _, re := range p {
		if ok, err := re.MatchString(topic); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// checkPattern compiles a regular expression.
func checkPattern(text string) error {
	if _, err := javaregex.Compile(text, false); err != nil {
		return complaint("Invalid regex: %w", err)
	}
	return nil
}

// checkPatterns compiles the elements of a list.
func checkPatterns(name string) func(text string) error {
	return func(text string) error {
		list := config.SplitList(text)
		for _, p := range list {
			if _, err := javaregex.Compile(p, false); err != nil {
				return config.Sentence("Invalid value %s for configuration %s: Syntax error in regular expression: %v", "["+strings.Join(list, ", ")+"]", name, err)
			}
		}
		return nil
	}
}
