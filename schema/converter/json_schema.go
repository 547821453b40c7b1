package converter

import (
	"fmt"
	"strconv"

	"github.com/tandem-cdc/tandem/schema"
)

// jsonTypes are JsonConverter's names of the types: not Connect's for the floats.
var jsonTypes = [...]string{schema.Int8: "int8", schema.Int16: "int16", schema.Int32: "int32", schema.Int64: "int64", schema.Float32: "float", schema.Float64: "double",
	schema.Boolean: "boolean", schema.String: "string", schema.Bytes: "bytes", schema.Array: "array", schema.Map: "map", schema.Struct: "struct"}

// appendJSONSchema appends a schema as JsonConverter.asJsonSchema prints it. field is the name of the field it stands in.
func appendJSONSchema(dst []byte, s *schema.Schema, o jsonOptions, field *string) ([]byte, error) {
	if s == nil {
		return append(dst, "null"...), nil
	}
	var err error
	dst = append(append(append(dst, `{"type":"`...), jsonTypes[s.Type]...), '"')
	switch s.Type {
	case schema.Array:
		if dst, err = appendJSONSchema(append(dst, `,"items":`...), s.Elem, o, nil); err != nil {
			return nil, err
		}
	case schema.Map:
		if dst, err = appendJSONSchema(append(dst, `,"keys":`...), s.Key, o, nil); err != nil {
			return nil, err
		}
		if dst, err = appendJSONSchema(append(dst, `,"values":`...), s.Elem, o, nil); err != nil {
			return nil, err
		}
	case schema.Struct:
		dst = append(dst, `,"fields":[`...)
		for i := range s.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendJSONSchema(dst, s.Fields[i].Schema, o, &s.Fields[i].Name); err != nil {
				return nil, err
			}
		}
		dst = append(dst, ']')
	}
	dst = strconv.AppendBool(append(dst, `,"optional":`...), s.Optional)
	if s.Name != "" {
		dst = appendJSONString(append(dst, `,"name":`...), s.Name, true)
	}
	if s.Version != 0 {
		dst = strconv.AppendInt(append(dst, `,"version":`...), int64(s.Version), 10)
	}
	if s.Doc != "" {
		dst = appendJSONString(append(dst, `,"doc":`...), s.Doc, true)
	}
	if len(s.Parameters) > 0 {
		dst = append(dst, `,"parameters":{`...)
		for i, p := range s.Parameters {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSONString(dst, p.Name, true)
			dst = appendJSONString(append(dst, ':'), p.Value, true)
		}
		dst = append(dst, '}')
	}
	if s.Default != nil {
		if dst, err = appendJSONValue(append(dst, `,"default":`...), s, *s.Default, o); err != nil {
			return nil, err
		}
	}
	if field != nil {
		dst = appendJSONString(append(dst, `,"field":`...), *field, true)
	}
	return append(dst, '}'), nil
}

// jsonSchemaTo reads a schema as JsonConverter.asConnectSchema does. Nil is no schema.
func jsonSchemaTo(t *tree, o jsonOptions) (*schema.Schema, error) {
	if t.kind == 'n' {
		return nil, nil
	}
	name, ok := t.str("type")
	if !ok {
		return nil, said("Schema must contain 'type' field")
	}
	s := &schema.Schema{}
	for typ, text := range jsonTypes {
		if text == name && text != "" {
			s.Type = schema.Type(typ)
		}
	}
	var err error
	switch s.Type {
	case schema.Invalid:
		return nil, said("Unknown schema type: %s", name)
	case schema.Array:
		elem := t.get("items")
		if elem == nil || elem.kind == 'n' {
			return nil, said("Array schema did not specify the element type")
		}
		s.Elem, err = jsonSchemaTo(elem, o)
	case schema.Map:
		err = jsonMapTo(s, t, o)
	case schema.Struct:
		err = jsonFieldsTo(s, t, o)
	}
	if err != nil {
		return nil, err
	}
	return s, jsonMetadataTo(s, t, o)
}

func jsonMapTo(s *schema.Schema, t *tree, o jsonOptions) (err error) {
	key, value := t.get("keys"), t.get("values")
	if key == nil {
		return said("Map schema did not specify the key type")
	}
	if value == nil {
		return said("Map schema did not specify the value type")
	}
	if s.Key, err = jsonSchemaTo(key, o); err != nil {
		return err
	}
	if s.Elem, err = jsonSchemaTo(value, o); err != nil {
		return err
	}
	if s.Key == nil || s.Elem == nil {
		return said("Map schema has a null key or value type")
	}
	return nil
}

func jsonFieldsTo(s *schema.Schema, t *tree, o jsonOptions) error {
	fields := t.get("fields")
	if fields == nil || fields.kind != '[' {
		return said(`Struct schema's "fields" argument is not an array.`)
	}
	for i := range fields.elems {
		name, ok := fields.elems[i].str("field")
		if !ok {
			return said("Struct schema's field name not specified properly")
		}
		if s.Field(name) >= 0 {
			return &saying{class: "org.apache.kafka.connect.errors.SchemaBuilderException", message: "Cannot create field because of field name duplication " + name}
		}
		fs, err := jsonSchemaTo(&fields.elems[i], o)
		if err != nil {
			return fmt.Errorf("field %q: %w", name, err)
		}
		s.Fields = append(s.Fields, schema.F(name, fs))
	}
	return nil
}

func jsonMetadataTo(s *schema.Schema, t *tree, o jsonOptions) error {
	if m := t.get("optional"); m != nil && m.kind == 'b' {
		s.Optional = m.text == "true"
	}
	s.Name, _ = t.str("name")
	if m := t.get("version"); m != nil && m.kind == '0' {
		n, _ := strconv.ParseInt(m.text, 10, 64)
		s.Version = int(int32(n))
	}
	s.Doc, _ = t.str("doc")
	if m := t.get("parameters"); m != nil && m.kind == '{' {
		for i, name := range m.members {
			if m.elems[i].kind != '"' {
				return said("Schema parameters must have string values.")
			}
			setParameter(s, name, m.elems[i].text)
		}
	}
	m := t.get("default")
	if m == nil || m.kind == 'n' {
		return nil
	}
	plan, err := newJSONPlan(s, o)
	if err != nil {
		return err
	}
	d := jsonDecoder{}
	v, err := d.decode(plan, m.appendTo(nil))
	if err != nil {
		return saidOf(err, "Invalid default value")
	}
	if !v.IsNull() {
		s.Default = &v
	}
	return nil
}
