package envelope

import (
	"regexp"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

var (
	literalDefault = regexp.MustCompile(`'([^']*(?:''[^']*)*)'`)
	callDefault    = regexp.MustCompile(`^[(]?[A-Za-z0-9_.]+\((?:.+(?:, ?.+)*)?\)`)
)

// clockDefaults are the functions that are called without parentheses.
var clockDefaults = map[string]bool{"current_timestamp": true, "current_time": true, "current_date": true, "localtime": true, "localtimestamp": true}

// defaultValue is the default in the schema for a default expression, as the server prints it. Debezium does not evaluate
// expressions: of literals it takes the first, function calls are the type's zero (serials thus have default 0), and what then
// is no value of the type is no default.
func (e *Encoder) defaultValue(p *Plan, c *columnPlan, expr string) (schema.Value, bool) {
	t, ok := e.types.Type(p.rel.Columns[c.index].TypeOID)
	if !ok || t.Kind == 'd' {
		return schema.NullValue, false
	}
	if t.Kind == 'e' {
		return enumDefault(t, expr)
	}
	if c.literal == nil {
		return schema.NullValue, false
	}
	if callDefault.MatchString(expr) || clockDefaults[strings.ToLower(expr)] {
		return c.literal(c.call)
	}
	if m := literalDefault.FindStringSubmatch(expr); m != nil {
		return c.literal(strings.ReplaceAll(m[1], "''", "'"))
	}
	if strings.HasPrefix(expr, "NULL::") || strings.EqualFold(expr, "NULL") {
		return schema.NullValue, false
	}
	return c.literal(strings.TrimSpace(expr))
}
