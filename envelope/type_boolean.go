package envelope

import "github.com/tandem-cdc/tandem/schema"

// boolPlan: boolean.
func boolPlan() *typePlan {
	return &typePlan{
		schema: schema.Of(schema.Boolean), write: writeBool, fallback: schema.OfBool(false), nullable: true, call: "false",
		literal: func(text string) (schema.Value, bool) { return schema.OfBool(equalFold(text, "true")), true },
	}
}

func writeBool(_ *scratch, text []byte, w schema.Writer) error {
	if len(text) != 1 || text[0] != 't' && text[0] != 'f' {
		return errMalformed
	}
	w.Bool(text[0] == 't')
	return nil
}

// equalFold compares ASCII texts regardless of case.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}
