package converter

import (
	"fmt"

	"github.com/tandem-cdc/tandem/schema"
)

// anythingText is the Avro schema in which AvroData writes data without a schema: a record of which one field is set.
const anythingText = `{"type":"record","name":"Anything","namespace":"io.confluent.connect.avro","fields":[` +
	`{"name":"boolean","type":["null","boolean"],"default":null},{"name":"bytes","type":["null","bytes"],"default":null},` +
	`{"name":"double","type":["null","double"],"default":null},{"name":"float","type":["null","float"],"default":null},` +
	`{"name":"int","type":["null","int"],"default":null},{"name":"long","type":["null","long"],"default":null},` +
	`{"name":"string","type":["null","string"],"default":null},` +
	`{"name":"array","type":["null",{"type":"array","items":"Anything"}],"default":null},` +
	`{"name":"map","type":["null",{"type":"array","items":{"type":"record","name":"MapEntry","fields":[` +
	`{"name":"key","type":"Anything"},{"name":"value","type":"Anything"}]}}],"default":null}]}`

// Fields of Anything, in order.
const (
	anyBoolean = iota
	anyBytes
	anyDouble
	anyFloat
	anyInt
	anyLong
	anyString
	anyArray
	anyMap
	anyFields
)

func isAnything(t *avroType) bool {
	if t.kind != "record" || t.namespace != avroNamespace || t.name != "Anything" || len(t.fields) != anyFields {
		return false
	}
	for i, name := range [anyFields]string{"boolean", "bytes", "double", "float", "int", "long", "string", "array", "map"} {
		if t.fields[i].name != name || nullable(t.fields[i].typ) == nil || t.fields[i].typ.branches[0].kind != "null" {
			return false
		}
	}
	return true
}

// appendAnything appends a value without a schema. Structs are refused, as AvroData refuses them.
func appendAnything(dst []byte, v schema.Value) ([]byte, error) {
	if t := v.Type(); v.Class() != schema.NoClass || t == schema.Struct || t == schema.Bytes {
		return nil, said("Unknown Java type for schemaless data: %s", javaClass(nil, v))
	}
	field, w := anyFields, avroWriter{buf: nil}
	switch v.Type() {
	case schema.Boolean:
		field, w.plan = anyBoolean, &avroNode{kind: nodeBool, next: doneNode}
	case schema.Float64:
		field, w.plan = anyDouble, &avroNode{kind: nodeFloat64, next: doneNode}
	case schema.Float32:
		field, w.plan = anyFloat, &avroNode{kind: nodeFloat32, next: doneNode}
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		field = anyInt
		if v.Type() == schema.Int64 {
			field = anyLong
		}
		w.plan = &avroNode{kind: nodeInt, low: -1 << 63, high: 1<<63 - 1, next: doneNode}
	case schema.String:
		field, w.plan = anyString, &avroNode{kind: nodeString, next: doneNode}
	case schema.Array:
		field = anyArray
	case schema.Map:
		field = anyMap
	}
	for i := range anyFields {
		if i != field {
			dst = append(dst, 0)
			continue
		}
		dst = append(dst, 2)
		var err error
		switch field {
		case anyArray, anyMap:
			dst, err = appendAnythings(dst, v)
		default:
			w.begin(dst)
			v.WriteTo(&w)
			dst, err = w.buf, w.end()
		}
		if err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// appendAnythings appends the elements or entries as a block.
func appendAnythings(dst []byte, v schema.Value) (_ []byte, err error) {
	elems := v.Array()
	if v.Type() == schema.Map {
		for _, e := range v.Map() {
			elems = append(elems, e.Key, e.Value)
		}
		if len(elems) > 0 {
			dst = appendAvroLen(dst, len(elems)/2)
		}
	} else if len(elems) > 0 {
		dst = appendAvroLen(dst, len(elems))
	}
	for _, e := range elems {
		if dst, err = appendAnything(dst, e); err != nil {
			return nil, err
		}
	}
	return append(dst, 0), nil
}

// readAnything reads what appendAnything wrote.
func readAnything(data []byte) (schema.Value, error) {
	c := avroCursor{data: data}
	v := c.anything(0)
	if c.err != nil {
		return schema.NullValue, fmt.Errorf("read Avro at byte %d of %d: %w", c.pos, len(data), c.err)
	}
	return v, nil
}

func (c *avroCursor) anything(depth int) (v schema.Value) {
	if depth > maxJSONDepth {
		c.fail(fmt.Errorf("nested too deep"))
		return v
	}
	for field := range anyFields {
		switch c.long() {
		case 0:
		case 1:
			if set := c.anythingField(field, depth); v.IsNull() { // the first one that is set, as in AvroData
				v = set
			}
		default:
			c.fail(fmt.Errorf("a union of two types has a third"))
		}
		if c.err != nil {
			return schema.NullValue
		}
	}
	return v
}

func (c *avroCursor) anythingField(field, depth int) schema.Value {
	n := readNode{}
	b := schema.NewBuilder(nil)
	switch field {
	case anyBoolean:
		n.kind = readBool
	case anyBytes:
		n.kind = readBytes
	case anyDouble:
		n.kind = readDouble
	case anyFloat:
		n.kind = readFloat
	case anyInt:
		return schema.OfInt32(int32(c.int()))
	case anyLong:
		n.kind = readLong
	case anyString:
		n.kind = readString
	case anyArray:
		var elems []schema.Value
		for left := c.block(anyFields); left > 0; left = c.block(anyFields) {
			for ; left > 0 && c.err == nil; left-- {
				elems = append(elems, c.anything(depth+1))
			}
		}
		return schema.OfArray(elems)
	case anyMap:
		var entries []schema.Entry
		for left := c.block(2 * anyFields); left > 0; left = c.block(2 * anyFields) {
			for ; left > 0 && c.err == nil; left-- {
				key := c.anything(depth + 1)
				entries = append(entries, schema.Entry{Key: key, Value: c.anything(depth + 1)})
			}
		}
		return schema.OfMap(entries)
	}
	n.read(c, b)
	return b.Value()
}
