package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Style is in whose sentences a report says what is wrong.
type Style uint8

// Styles.
const (
	ConnectStyle  Style = iota // those of Kafka Connect's ConfigDef: one error an option
	DebeziumStyle              // those of Debezium's connectors: every error of an option
)

// missing says that a required option is not given.
func (s Style) missing(name string) string {
	if s == DebeziumStyle {
		return s.invalid(name, "", "A value is required")
	}
	return fmt.Sprintf("Missing required configuration %q which has no default value.", name)
}

// userInfo is what a URL may have before its host, as far as a text that is not one yet tells: with a password, as often as not.
var userInfo = regexp.MustCompile(`(?s)://.*@`)

func withoutUserInfo(text string) string { return userInfo.ReplaceAllString(text, "://"+Hidden+"@") }

// invalid says what is wrong with an option's text, of which shown may be printed, but for the user and the password in a URL.
func (s Style) invalid(name, shown, problem string) string {
	shown, problem = withoutUserInfo(shown), withoutUserInfo(problem)
	if s == DebeziumStyle {
		return fmt.Sprintf("The '%s' value is invalid: %s", name, problem)
	}
	return fmt.Sprintf("Invalid value %s for configuration %s: %s", shown, name, problem)
}

// complaint says what is wrong with a text in the words of both styles. Sentences of ConfigDef begin with a capital.
type complaint struct {
	connect  string
	debezium []string // nil: as connect
}

func (c complaint) Error() string { return c.connect }

// Complain is a sentence about a text as an error; unlike other errors it may begin with a capital, as the sentences of ConfigDef and Debezium do.
func Complain(format string, args ...any) error {
	return complaint{connect: fmt.Sprintf(format, args...)}
}

// sentence is a complaint that names the option itself.
type sentence string

func (s sentence) Error() string { return string(s) }

// Sentence is what is wrong with a text as a whole sentence; unlike other errors of a Check nothing is put around it.
func Sentence(format string, args ...any) error { return sentence(fmt.Sprintf(format, args...)) }

// problems are the single complaints in err, which may join several.
func (s Style) problems(err error) []string {
	if c, ok := err.(complaint); ok && s == DebeziumStyle && c.debezium != nil {
		return c.debezium
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{err.Error()}
	}
	var out []string
	for _, e := range joined.Unwrap() {
		out = append(out, s.problems(e)...)
	}
	return out
}

func wordsOfBool(twice bool) []string {
	const want = "Either 'true' or 'false' is expected"
	if twice {
		return []string{want, want}
	}
	return []string{want}
}

// wordsOfNumber are Debezium's words for what is no number of the type, and for one below its bound.
func wordsOfNumber(t Type, low int64) (number, bounds string) {
	switch {
	case t == TypeLong && low == 0:
		return "A long value is expected", "A non-negative long value is expected"
	case t == TypeLong && low == 1:
		return "A long value is expected", "A positive, non-zero long value is expected"
	case t == TypeLong:
		return "A long value is expected", ""
	case low == 0:
		return "An integer is expected", "An non-negative integer is expected"
	case low == 1:
		return "An integer is expected", "A positive, non-zero integer value is expected"
	}
	return "An integer is expected", ""
}

// noneOf says which values there are: in capitals, in ConfigDef's words for those that may be written in any case.
func noneOf(choices []string) error {
	all := strings.Join(choices, ", ")
	debezium := []string{"Value must be one of " + strings.Join(JavaOrder(choices), ", ")}
	if all == strings.ToUpper(all) && all != strings.ToLower(all) {
		return complaint{"String must be one of (case insensitive): " + strings.Join(JavaOrder(choices), ", "), debezium}
	}
	return complaint{"Value must be one of " + all, debezium}
}
