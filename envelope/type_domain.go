package envelope

import (
	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// domainPlan: a domain is its root type, with the modifiers of the outermost domain that has some. Debezium reads no defaults of
// columns of domains.
func (e *Encoder) domainPlan(t *cdc.Type, mod int32) *typePlan {
	for t.Kind == 'd' {
		if mod < 0 {
			mod = t.BaseMod
		}
		base, ok := e.types.Type(t.Base)
		if !ok || base == t {
			return e.unknownPlan()
		}
		t = base
	}
	tp := e.typePlan(t.OID, mod)
	if tp != nil {
		tp.literal = nil
		// Arrays and hstore have placeholders of their own by their names, which a domain hides.
		switch {
		case t.Category == 'A', tp.schema.Type == schema.Map:
			tp.unchanged = schema.NullValue
		case t.Name == "hstore":
			tp.unchanged = schema.OfString(e.placeholder)
		}
		if t.Category != 'A' {
			tp.length, tp.scale = columnSize(t.OID, mod) // the dimensions of a vector do not show through a domain
		}
	}
	return tp
}
