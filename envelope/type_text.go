package envelope

import "github.com/tandem-cdc/tandem/schema"

// textPlan: text, varchar, char, name and "char".
func (e *Encoder) textPlan(oid uint32) *typePlan {
	tp := e.plainText(stringSchema)
	tp.textual, tp.nullable = true, true
	tp.inner = javaString
	switch oid {
	case oidName:
		if !e.cfg.UnknownTypes {
			tp.write, tp.total = writeName, false
		}
	case oidText, oidVarchar, oidBpchar:
		tp.literal = textLiteral
	}
	return tp
}

// Classes of the arrays that Debezium finds inside of arrays and prints as Java does, identity and all; the identity is not copied.
const (
	javaString = "java.lang.String"
	javaUUID   = "java.util.UUID"
	javaObject = "java.lang.Object"
)

// writeName is for name: Debezium reads it in snapshots only. In the stream it has no form, so it is null where it may be, unless unknown
// types are wanted.
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
