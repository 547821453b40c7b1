package envelope

import "github.com/tandem-cdc/tandem/cdc"

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
	}
	return tp
}
