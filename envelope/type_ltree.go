package envelope

import "github.com/tandem-cdc/tandem/schema"

// ltreePlan: ltree of the extension of that name.
func (e *Encoder) ltreePlan() *typePlan {
	tp := e.plainText(named(schema.String, "io.debezium.data.Ltree", 1))
	tp.nullable, tp.noNulls, tp.inner = true, true, javaObject
	return tp
}
