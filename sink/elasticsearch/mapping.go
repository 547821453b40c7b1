package elasticsearch

import (
	"fmt"
	"strconv"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// appendMapping appends what stands between the braces of a mapping: "properties":{…}, or "type":… for a single value. Maps have the properties
// key and value even where documents hold them as objects: the original's do.
func appendMapping(dst []byte, s *schema.Schema) (_ []byte, err error) {
	if s == nil {
		return nil, &dataError{"Cannot infer mapping without schema.", "set schema.ignore=true, or use a converter with schemas"}
	}
	switch s.Name {
	case schema.DateName, schema.TimeName, schema.TimestampName:
		return appendType(dst, "date", s), nil
	case schema.DecimalName:
		return appendDecimalType(dst, s)
	}
	switch s.Type {
	case schema.Array:
		return appendMapping(dst, s.Elem)
	case schema.Map:
		return appendProperties(dst, []schema.Field{{Name: "key", Schema: s.Key}, {Name: "value", Schema: s.Elem}})
	case schema.Struct:
		return appendProperties(dst, s.Fields)
	}
	return appendType(dst, typeNames[s.Type], s), nil
}

// typeNames are the types of the server for those of Connect.
var typeNames = map[schema.Type]string{
	schema.Boolean: "boolean", schema.Int8: "byte", schema.Int16: "short", schema.Int32: "integer", schema.Int64: "long",
	schema.Float32: "float", schema.Float64: "double", schema.String: "text", schema.Bytes: "binary",
}

func appendProperties(dst []byte, fields []schema.Field) (_ []byte, err error) {
	dst = append(dst, `"properties":{`...)
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(converter.AppendJSONString(dst, f.Name), ":{"...)
		if dst, err = appendMapping(dst, f.Schema); err != nil {
			return nil, err
		}
		dst = append(dst, '}')
	}
	return append(dst, '}'), nil
}

// appendType names the type, and the default as what null counts as; texts and bytes have none, and texts are also words.
func appendType(dst []byte, name string, s *schema.Schema) []byte {
	dst = append(append(append(dst, `"type":"`...), name...), '"')
	if name == "text" {
		dst = append(dst, `,"fields":{"keyword":{"type":"keyword","ignore_above":256}}`...)
	}
	if s.Default == nil || name == "text" || name == "binary" {
		return dst
	}
	dst = append(dst, `,"null_value":`...)
	switch v := *s.Default; v.Type() {
	case schema.Boolean:
		return strconv.AppendBool(dst, v.Bool())
	case schema.Float32:
		return converter.AppendJSONFloat(dst, v.Float64(), 32)
	case schema.Float64:
		return converter.AppendJSONFloat(dst, v.Float64(), 64)
	default:
		n := v.Int()
		if s.Name == schema.DateName {
			n *= 86_400_000 // java.util.Date.getTime: milliseconds, though documents hold days
		}
		return strconv.AppendInt(dst, n, 10)
	}
}

func appendDecimalType(dst []byte, s *schema.Schema) ([]byte, error) {
	dst = append(dst, `"type":"double"`...)
	if s.Default == nil {
		return dst, nil
	}
	scale, err := strconv.Atoi(s.Parameter(schema.ScaleParameter))
	if err != nil {
		return nil, badData("Invalid Decimal schema: scale parameter not found.")
	}
	d, err := decimalAsDouble(s.Default.Bytes(), scale)
	if err != nil {
		return nil, fmt.Errorf("write the default of a decimal: %w", err)
	}
	return converter.AppendJSONFloat(append(dst, `,"null_value":`...), d, 64), nil
}
