package envelope

import (
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

const uuidName = "io.debezium.data.Uuid"

// uuidPlan: uuid.
func (e *Encoder) uuidPlan() *typePlan {
	tp := e.plainText(named(schema.String, uuidName, 1))
	tp.nullable, tp.inner = true, javaUUID
	tp.call = "00000000-0000-0000-0000-000000000000"
	tp.literal = func(text string) (schema.Value, bool) {
		return schema.OfString(strings.ToLower(text)), len(text) == len(tp.call)
	}
	return tp
}
