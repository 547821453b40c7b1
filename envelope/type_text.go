package envelope

import "github.com/tandem-cdc/tandem/schema"

// textPlan: text, varchar, char, name and "char".
func (e *Encoder) textPlan(oid uint32) *typePlan {
	tp := e.plainText(stringSchema)
	tp.textual, tp.nullable = true, true
	// Debezium prints the array it finds inside of a text array as Java does, identity and all; the identity is not copied.
	tp.inner = schema.OfString("[Ljava.lang.String;@0")
	switch oid {
	case oidName:
		tp.write, tp.total = writeName, false
	case oidText, oidVarchar, oidBpchar:
		tp.literal = textLiteral
	}
	return tp
}

// writeName is for name: Debezium reads it in snapshots only. In the stream it has no form, so it is null where it may be.
func writeName(s *scratch, text []byte, w schema.Writer) error {
	if !s.snapshot {
		return errUnsupported
	}
	w.Text(text)
	return nil
}

// plainText is the plan of a type whose values are their own text.
func (e *Encoder) plainText(s *schema.Schema) *typePlan {
	return &typePlan{schema: s, write: writeText, fallback: schema.OfString(""), unchanged: schema.OfString(e.placeholder), total: true}
}

func textLiteral(text string) (schema.Value, bool) { return schema.OfString(text), true }

// extensionTextPlan: citext and isbn.
func (e *Encoder) extensionTextPlan(name string) *typePlan {
	tp := e.plainText(stringSchema)
	tp.nullable = name == "citext"
	return tp
}
