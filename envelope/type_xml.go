package envelope

import "github.com/tandem-cdc/tandem/schema"

// xmlPlan: xml, as the server prints it.
func (e *Encoder) xmlPlan() *typePlan {
	tp := e.plainText(named(schema.String, "io.debezium.data.Xml", 1))
	tp.literal = textLiteral
	return tp
}
