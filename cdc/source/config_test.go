package source

import (
	"strings"
	"testing"
)

// TestParseErrors: what the connector's own options refuse, at the option it concerns.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ option, text, want string }{
		{"plugin.name", "decoderbufs", "only pgoutput is supported"},
		{"slot.name", "Shop", "want 1 to 63 of the characters a-z, 0-9 and _"},
		{"slot.stream.params", "proto_version=2", "the protocol version is 1"},
		{"slot.stream.params", "origin", "not of the form name=value"},
		{"publication.name", "", "a value is required"},
		{"table.include.list", "a.(b", "missing closing )"},
		{"snapshot.mode", "sometimes", "Value must be one of always, initial, initial_only, no_data, when_needed"},
	} {
		props := map[string]string{"database.hostname": "h", "database.user": "u", "database.dbname": "d", "topic.prefix": "p", c.option: c.text}
		_, report := Parse(props)
		if len(report.Errors) != 1 || report.Errors[0].Name != c.option || !strings.Contains(report.Errors[0].Message, c.want) {
			t.Errorf("Parse(%s=%q) errors = %v, want one at the option that says %q", c.option, c.text, report.Errors, c.want)
		}
	}
}
