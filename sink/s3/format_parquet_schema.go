package s3

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding"
	thrift "github.com/parquet-go/parquet-go/format"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// newParquetPlan compiles a schema: AvroSchemaConverter of parquet-avro, behind AvroData of Confluent's converter.
func newParquetPlan(s *schema.Schema, o converter.AvroFileOptions) (*parquetPlan, error) {
	if s == nil || s.Type != schema.Struct || isUnionSchema(s) {
		return nil, errors.New("files in Parquet hold structs: use a converter with schemas (AvroConverter, or JsonConverter with schemas.enable=true), and HoistField for what is no struct")
	}
	values, err := converter.NewAvroFileValues(s, o)
	if err != nil {
		return nil, err
	}
	c := parquetCompiler{options: o, lists: !hasOptionalItems(s)}
	root, node, err := c.required("", s, 0)
	if err != nil {
		return nil, err
	}
	name := s.Name
	if name == "" {
		name = "io.confluent.connect.avro.ConnectDefault"
	}
	return &parquetPlan{schema: parquet.NewSchema(name, node), avro: values.Schema(), root: root, columns: c.column}, nil
}

// hasOptionalItems tells whether there is an array of optional elements anywhere in the schema: then lists have the newer structure of three levels, in which
// elements can be null. Otherwise they have that of two levels, parquet-avro's default.
func hasOptionalItems(s *schema.Schema) bool {
	if s == nil {
		return false
	}
	if s.Type == schema.Array && s.Elem != nil && s.Elem.Optional {
		return true
	}
	for _, f := range s.Fields {
		if hasOptionalItems(f.Schema) {
			return true
		}
	}
	return hasOptionalItems(s.Key) || hasOptionalItems(s.Elem)
}

// isUnionSchema tells the structs that AvroData makes of unions of several types.
func isUnionSchema(s *schema.Schema) bool {
	return s.Type == schema.Struct && (s.Name == "io.confluent.connect.avro.Union" || s.Parameter("org.apache.kafka.connect.data.Union") != "")
}

// parquetCompiler numbers columns as it goes.
type parquetCompiler struct {
	options converter.AvroFileOptions
	lists   bool // of two levels
	column  int
}

// optional compiles a field: s, and null if s allows it. rep is the level of repetition.
func (c *parquetCompiler) optional(name string, s *schema.Schema, rep int) (*parquetNode, parquet.Node, error) {
	if s == nil {
		return nil, nil, fmt.Errorf("field %q has no schema, and Parquet needs one", name)
	}
	n, node, err := c.required(name, s, rep)
	if err != nil || !s.Optional {
		return n, node, err
	}
	n.optional = true
	return n, parquet.Optional(node), nil
}

// required compiles s as if it were not optional.
func (c *parquetCompiler) required(name string, s *schema.Schema, rep int) (*parquetNode, parquet.Node, error) {
	n := &parquetNode{name: name, typ: s.Type, first: c.column}
	var node parquet.Node
	var err error
	switch s.Type {
	case schema.Struct:
		node, err = c.group(n, s, rep)
	case schema.Array:
		n.kind, n.level = parquetList, rep+1
		node, err = c.list(n, func(name string) (*parquetNode, parquet.Node, error) { return c.optional(name, s.Elem, rep+1) })
	case schema.Map:
		node, err = c.mapOf(n, s, rep)
	default:
		node, err = c.leaf(n, s)
		c.column++
	}
	n.columns = c.column - n.first
	return n, node, err
}

func (c *parquetCompiler) group(n *parquetNode, s *schema.Schema, rep int) (parquet.Node, error) {
	n.kind = parquetGroup
	if len(s.Fields) == 0 {
		return nil, fmt.Errorf("field %q is a struct without fields, which Parquet cannot hold", n.name)
	}
	if isUnionSchema(s) {
		n.kind = parquetUnion
	}
	g := &orderedGroup{}
	for i, f := range s.Fields {
		name, of := f.Name, f.Schema
		if n.kind == parquetUnion {
			name, of = memberName(i), f.Schema.AsOptional()
		}
		child, node, err := c.optional(name, of, rep)
		if err != nil {
			return nil, err
		}
		if n.kind != parquetUnion {
			child.fallback = f.Schema.Default
		}
		n.children = append(n.children, child)
		g.add(name, node)
	}
	return g, nil
}

// list compiles a list of elements, in two levels or in three.
func (c *parquetCompiler) list(n *parquetNode, element func(name string) (*parquetNode, parquet.Node, error)) (parquet.Node, error) {
	g := &orderedGroup{typ: listType}
	name := "element"
	if c.lists {
		name = "array"
	}
	child, node, err := element(name)
	if err != nil {
		return nil, err
	}
	n.children = []*parquetNode{child}
	if c.lists {
		g.add("array", parquet.Repeated(node))
		return g, nil
	}
	inner := &orderedGroup{}
	inner.add("element", node)
	g.add("list", parquet.Repeated(inner))
	return g, nil
}

// mapOf compiles a map; one whose keys are no texts is a list of its entries, as in Avro.
func (c *parquetCompiler) mapOf(n *parquetNode, s *schema.Schema, rep int) (parquet.Node, error) {
	n.level = rep + 1
	entry := func() (*parquetNode, *orderedGroup, error) {
		e := &parquetNode{kind: parquetGroup, first: c.column}
		key, keyNode, err := c.optional("key", s.Key, rep+1)
		if err != nil {
			return nil, nil, err
		}
		value, valueNode, err := c.optional("value", s.Elem, rep+1)
		if err != nil {
			return nil, nil, err
		}
		e.children, e.columns = []*parquetNode{key, value}, c.column-e.first
		g := &orderedGroup{}
		g.add("key", keyNode)
		g.add("value", valueNode)
		return e, g, nil
	}
	if s.Key == nil || s.Key.Type != schema.String || s.Key.Optional && !c.options.OptionalMapKeys {
		n.kind = parquetList
		return c.list(n, func(string) (*parquetNode, parquet.Node, error) {
			e, g, err := entry()
			return e, g, err
		})
	}
	n.kind = parquetMap
	if s.Key.Optional {
		required := *s
		required.Key = s.Key.AsRequired()
		s = &required
	}
	e, inner, err := entry()
	if err != nil {
		return nil, err
	}
	n.children = e.children
	g := &orderedGroup{typ: mapType}
	g.add("key_value", parquet.Repeated(inner))
	return g, nil
}

// leaf compiles a column.
func (c *parquetCompiler) leaf(n *parquetNode, s *schema.Schema) (node parquet.Node, err error) {
	n.kind = parquetLeaf
	switch s.Type {
	case schema.Int8, schema.Int16:
		node = parquet.Leaf(bareType{parquet.Int32Type})
	case schema.Int32:
		switch node = parquet.Leaf(bareType{parquet.Int32Type}); s.Name {
		case schema.DateName:
			node = parquet.Date()
		case schema.TimeName:
			node = parquet.TimeAdjusted(parquet.Millisecond, true)
		}
	case schema.Int64:
		if node = parquet.Leaf(bareType{parquet.Int64Type}); s.Name == schema.TimestampName {
			node = parquet.TimestampAdjusted(parquet.Millisecond, true)
		}
	case schema.Float32:
		node = parquet.Leaf(parquet.FloatType)
	case schema.Float64:
		node = parquet.Leaf(parquet.DoubleType)
	case schema.Boolean:
		return parquet.Leaf(parquet.BooleanType), nil // a dictionary of two values would be larger
	case schema.String:
		if node = parquet.String(); c.options.Enhanced && s.Parameter("io.confluent.connect.avro.Enum") != "" {
			node = parquet.Enum()
		}
	case schema.Bytes:
		if node, err = c.bytes(n, s); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("field %q has type %s, which Parquet cannot hold", n.name, s.Type)
	}
	return parquet.Encoded(node, &parquet.RLEDictionary), nil
}

func (c *parquetCompiler) bytes(n *parquetNode, s *schema.Schema) (parquet.Node, error) {
	typ := parquet.ByteArrayType
	if text := s.Parameter("connect.fixed.size"); text != "" {
		size, err := strconv.Atoi(text)
		if err != nil || size <= 0 {
			return nil, fmt.Errorf("field %q: parameter connect.fixed.size=%q is not a size", n.name, text)
		}
		n.level, typ = size, parquet.FixedLenByteArrayType(size)
	}
	if s.Name != schema.DecimalName {
		return parquet.Leaf(typ), nil
	}
	precision := 64 // AvroData's, where the schema does not say
	if text := s.Parameter(schema.PrecisionParameter); text != "" {
		var err error
		if precision, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("field %q: parameter %s=%q is not a number", n.name, schema.PrecisionParameter, text)
		}
	}
	scale, err := strconv.Atoi(s.Parameter(schema.ScaleParameter))
	if err != nil {
		return nil, fmt.Errorf("field %q: parameter %s=%q is not a number", n.name, schema.ScaleParameter, s.Parameter(schema.ScaleParameter))
	}
	if scale < 0 || scale > precision { // what Avro has no word for
		return parquet.Leaf(typ), nil
	}
	return parquet.Decimal(scale, precision, typ), nil
}

// bareType is a type without a logical one: the library's integers say that they are integers, parquet-avro's do not.
type bareType struct{ parquet.Type }

func (bareType) LogicalType() *thrift.LogicalType         { return nil }
func (bareType) ConvertedType() *deprecated.ConvertedType { return nil }

// The logical types of groups.
var (
	groupType = parquet.Group{}.Type()
	listType  = parquet.List(parquet.String()).Type()
	mapType   = parquet.Map(parquet.String(), parquet.String()).Type()
)

// orderedGroup is a parquet.Node of fields in their own order: the library's is sorted by name.
type orderedGroup struct {
	fields []parquet.Field
	typ    parquet.Type // nil: without a logical type
}

type orderedField struct {
	parquet.Node
	name string
}

func (f *orderedField) Name() string                           { return f.name }
func (f *orderedField) Value(base reflect.Value) reflect.Value { return base } // Go structs are not written

func (g *orderedGroup) add(name string, node parquet.Node) {
	g.fields = append(g.fields, &orderedField{node, name})
}

func (g *orderedGroup) ID() int                     { return 0 }
func (g *orderedGroup) String() string              { return "group" }
func (g *orderedGroup) Optional() bool              { return false }
func (g *orderedGroup) Repeated() bool              { return false }
func (g *orderedGroup) Required() bool              { return true }
func (g *orderedGroup) Leaf() bool                  { return false }
func (g *orderedGroup) Fields() []parquet.Field     { return g.fields }
func (g *orderedGroup) Encoding() encoding.Encoding { return nil }
func (g *orderedGroup) Compression() compress.Codec { return nil }
func (g *orderedGroup) GoType() reflect.Type        { return reflect.TypeFor[struct{}]() }

func (g *orderedGroup) Type() parquet.Type {
	if g.typ == nil {
		return groupType
	}
	return g.typ
}
