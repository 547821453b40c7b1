package transform

import (
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
	"github.com/tandem-cdc/tandem/schema"
)

// hasHeaderKeyConfig holds the options of HasHeaderKey.
type hasHeaderKeyConfig struct{ Name string }

func (c *hasHeaderKeyConfig) reset() { *c = hasHeaderKeyConfig{} }

func (c *hasHeaderKeyConfig) keys() config.Keys {
	return config.Keys{config.String(&c.Name, "name", "Name of the header that a record must have.", config.Required(), config.Check(checkNonEmpty))}
}

// hasHeaderKey is org.apache.kafka.connect.transforms.predicates.HasHeaderKey.
type hasHeaderKey struct{ hasHeaderKeyConfig }

func newHasHeaderKey(props map[string]string) (Predicate, config.Report) {
	p := new(hasHeaderKey)
	r := read(&p.hasHeaderKeyConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	return p, r
}

// Test implements Predicate.
func (p *hasHeaderKey) Test(r *schema.Record) (bool, error) {
	for i := range r.Headers {
		if r.Headers[i].Key == p.Name {
			return true, nil
		}
	}
	return false, nil
}

// recordIsTombstone is org.apache.kafka.connect.transforms.predicates.RecordIsTombstone: the value is null.
type recordIsTombstone struct{}

func newRecordIsTombstone(props map[string]string) (Predicate, config.Report) {
	return recordIsTombstone{}, read(new(filterConfig), props)
}

// Test implements Predicate.
func (recordIsTombstone) Test(r *schema.Record) (bool, error) { return r.Value.IsNull(), nil }

// topicNameMatchesConfig holds the options of TopicNameMatches.
type topicNameMatchesConfig struct{ Pattern string }

func (c *topicNameMatchesConfig) reset() { *c = topicNameMatchesConfig{} }

func (c *topicNameMatchesConfig) keys() config.Keys {
	return config.Keys{config.String(&c.Pattern, "pattern", "Java regular expression that the whole name of a record's topic must match.", config.Required(),
		config.Check(checkNonEmpty), config.Check(checkRegex), config.RefusesNull(noPattern))}
}

// topicNameMatches is org.apache.kafka.connect.transforms.predicates.TopicNameMatches.
type topicNameMatches struct {
	pattern *javaregex.Regexp
	topic   string // that was asked for last
	matches bool
}

func newTopicNameMatches(props map[string]string) (Predicate, config.Report) {
	var c topicNameMatchesConfig
	r := read(&c, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	p := new(topicNameMatches)
	p.pattern, _ = javaregex.Compile(c.Pattern, false) // it was checked
	p.matches, _ = p.pattern.MatchString("")
	return p, r
}

// Test implements Predicate.
func (p *topicNameMatches) Test(r *schema.Record) (bool, error) {
	if r.Topic != p.topic {
		matches, err := p.pattern.MatchString(r.Topic)
		if err != nil {
			return false, err
		}
		p.topic, p.matches = r.Topic, matches
	}
	return p.matches, nil
}
