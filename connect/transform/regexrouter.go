package transform

import (
	"errors"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
	"github.com/tandem-cdc/tandem/schema"
)

// regexRouterConfig holds the options of RegexRouter.
type regexRouterConfig struct{ Regex, Replacement string }

func (c *regexRouterConfig) reset() { *c = regexRouterConfig{} }

func (c *regexRouterConfig) keys() config.Keys {
	return config.Keys{
		config.String(&c.Regex, "regex", "Java regular expression that the whole name of a topic must match to be replaced.", config.Required(), config.MayBeEmpty(), config.Rank(config.High), config.Check(checkRegex), config.RefusesNull(noPattern)),
		config.String(&c.Replacement, "replacement", "The topic's new name; $1 stands for what the first group matched.", config.Required(), config.MayBeEmpty(), config.Rank(config.High)),
	}
}

// regexRouter is org.apache.kafka.connect.transforms.RegexRouter.
type regexRouter struct {
	regexRouterConfig
	regex *javaregex.Regexp
	// The last topic and what became of it: records come in runs.
	topic, routed string
	known         bool
}

func newRegexRouter(props map[string]string) (Transform, config.Report) {
	t := new(regexRouter)
	r := read(&t.regexRouterConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.regex, _ = javaregex.Compile(t.Regex, false) // it was checked
	if err := t.regex.CheckReplacement(t.Replacement); err != nil {
		r.Warn("replacement", "Every record of a topic that matches will fail: %v.", err) // Kafka Connect finds out by the first one
	}
	return t, r
}

// Apply implements Transform. A topic that does not match stays as it is.
func (t *regexRouter) Apply(r *schema.Record) (bool, error) {
	if !t.known || r.Topic != t.topic {
		routed, _, err := t.regex.Replace(r.Topic, t.Replacement)
		var replacement *javaregex.ReplacementError
		switch {
		case errors.As(err, &replacement) && replacement.Index:
			return false, fail(indexOutOfBounds, "%s", replacement.Java)
		case errors.As(err, &replacement):
			return false, fail(illegalArgument, "%s", replacement.Java)
		case err != nil:
			return false, err
		}
		t.topic, t.routed, t.known = r.Topic, routed, true
	}
	r.Topic = t.routed
	return true, nil
}
