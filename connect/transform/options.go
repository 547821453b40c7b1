package transform

import (
	"slices"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// fieldList defines a list of names, none of them empty and none twice: a running ConfigDef leaves out the second, its validation refuses it.
func fieldList(dst *[]string, name, doc string, required bool, rank config.Importance) config.Key {
	opts := []config.Option{config.Rank(rank), config.Distinct(), config.Check(func(text string) error {
		elems := config.SplitList(text)
		switch {
		case required && len(elems) == 0:
			return config.Sentence("Configuration '%s' must not be empty. Valid values include: any non-empty value", name)
		case slices.Contains(elems, ""):
			return config.Sentence("Configuration '%s' values must not be empty.", name)
		}
		return nil
	})}
	if required {
		opts = append(opts, config.Required(), config.RefusesNull(config.Sentence("Configuration '%s' values must not be null.", name)))
	}
	return config.List(dst, name, doc, opts...)
}

// replaceNull defines the option that most transforms of fields have.
func replaceNull(dst *bool) config.Key {
	return config.Bool(dst, "replace.null.with.default", "Whether a field that is null is read as its schema's default, where it has one.")
}

// oneOf defines a text that must be one of values, letter by letter.
func oneOf(text string, values ...string) error {
	if slices.Contains(values, text) {
		return nil
	}
	list := ""
	for i, v := range values {
		if i > 0 {
			list += ", "
		}
		list += v
	}
	return config.Complain("String must be one of: %s", list)
}

func checkNonEmpty(text string) error {
	if text == "" {
		return config.Complain("String must be non-empty")
	}
	return nil
}

// noPattern is what Kafka Connect says of a regular expression that it has not got.
var noPattern = config.Complain(`Invalid regex: Cannot invoke "String.isEmpty()" because "this.pattern" is null`)

func checkRegex(text string) error {
	if _, err := javaregex.Compile(text, false); err != nil {
		return config.Complain("Invalid regex: %v", err)
	}
	return nil
}
