package envelope

import "github.com/tandem-cdc/tandem/schema"

const jsonName = "io.debezium.data.Json"

// jsonPlan: json and jsonb, as the server prints them.
func (e *Encoder) jsonPlan() *typePlan {
	tp := e.plainText(named(schema.String, jsonName, 1))
	tp.nullable, tp.call, tp.literal = true, "{}", textLiteral
	tp.inner = javaString
	return tp
}
