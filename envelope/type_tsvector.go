package envelope

import "github.com/tandem-cdc/tandem/schema"

// tsvectorPlan: tsvector. The semantic name is Debezium's.
func (e *Encoder) tsvectorPlan() *typePlan {
	tp := e.plainText(named(schema.String, "io.debezium.data.Tsvector", 1))
	tp.inner = javaObject
	return tp
}
