package converter

import (
	"math"

	"github.com/tandem-cdc/tandem/schema"
)

// nodeKind is what a place of a plan takes.
type nodeKind uint8

const (
	nodeDead nodeKind = iota // nothing: after a misuse
	nodeDone                 // nothing more: the value is complete
	nodeEnd                  // the end of its owner, a struct
	nodeInt                  // all four integer types
	nodeFloat32
	nodeFloat64
	nodeBool
	nodeString
	nodeBytes
	nodeFixed
	nodeStruct
	nodeArray
	nodeMap   // an Avro map
	nodePairs // a map as an array of key and value
	nodeEnum  // a string that is one of the symbols
	nodeUnion // a struct of which one field is set: a union of several types
)

// hookKind is what remains to be done when the value of a node is complete.
type hookKind uint8

const (
	hookNone   hookKind = iota
	hookElem            // count an element
	hookKey             // remember a map's key
	hookEntry           // remember a map's entry
	hookPair            // count an entry
	hookBranch          // note that a union has its value
)

// avroNode is one place of a schema. The plan of a schema is a tree of them; no node stands for two places, so that every node
// knows which one follows it. A writer moves from node to node in lockstep with its calls.
type avroNode struct {
	kind   nodeKind
	hook   hookKind
	union  bool // prefix is written before a value
	prefix byte // index of the value's branch, zigzag encoded
	low    int64
	high   int64
	null   []byte    // what null is written as; nil when it is not allowed
	next   *avroNode // follows when the value is complete
	first  *avroNode // the first field, the element, or the key
	owner  *avroNode // the struct, array or map this place is in
	size   int       // of fixed
	// symbols are those of an enum.
	symbols []string
	schema  *schema.Schema
	name    string // of the field
}

var (
	deadNode = &avroNode{kind: nodeDead}
	doneNode = &avroNode{kind: nodeDone}
)

// avroPlan compiles a Connect schema for writing. The schema must be one that avroFrom translates.
func avroPlan(s *schema.Schema, o avroOptions) (*avroNode, error) {
	c := avroCompiler{o}
	root := new(avroNode)
	if err := c.compile(root, s); err != nil {
		return nil, err
	}
	root.next = doneNode
	if s.Optional { // a null value as a whole is never the default
		root.null = c.nullBranch(s)
	} else {
		root.null = nil
	}
	return root, nil
}

type avroCompiler struct{ avroOptions }

// nullBranch is the encoding of null in the union that avroFrom makes of an optional schema.
func (c avroCompiler) nullBranch(s *schema.Schema) []byte {
	if s.Default != nil && s.Type != schema.Struct {
		return []byte{2} // branch 1
	}
	return []byte{0}
}

// compile fills n for s; next, hook, owner and name are the caller's.
func (c avroCompiler) compile(n *avroNode, s *schema.Schema) error {
	n.schema = s
	if s.Optional && !isUnion(s) {
		n.union, n.null = true, c.nullBranch(s)
		n.prefix = 2 - n.null[0]
	}
	switch s.Type {
	case schema.Int8:
		n.kind, n.low, n.high = nodeInt, math.MinInt8, math.MaxInt8
	case schema.Int16:
		n.kind, n.low, n.high = nodeInt, math.MinInt16, math.MaxInt16
	case schema.Int32:
		n.kind, n.low, n.high = nodeInt, math.MinInt32, math.MaxInt32
	case schema.Int64:
		n.kind, n.low, n.high = nodeInt, math.MinInt64, math.MaxInt64
	case schema.Float32:
		n.kind = nodeFloat32
	case schema.Float64:
		n.kind = nodeFloat64
	case schema.Boolean:
		n.kind = nodeBool
	case schema.String:
		n.kind = nodeString
		if c.isEnum(s) {
			t, err := avroFrom(s.AsRequired(), c.avroOptions)
			if err != nil {
				return err
			}
			n.kind, n.symbols = nodeEnum, t.symbols
		}
	case schema.Bytes:
		n.kind = nodeBytes
		if s.Parameter(avroFixedSize) != "" {
			n.kind = nodeFixed
			t, err := avroFrom(s.AsRequired(), c.avroOptions)
			if err != nil {
				return err
			}
			n.size = t.size
		}
	case schema.Array:
		n.kind, n.first = nodeArray, &avroNode{hook: hookElem, owner: n}
		n.first.next = n.first
		return c.compile(n.first, s.Elem)
	case schema.Map:
		return c.mapOf(n, s)
	case schema.Struct:
		if isUnion(s) {
			return c.unionOf(n, s)
		}
		n.kind = nodeStruct
		return c.fields(n, s)
	}
	return nil
}

func (c avroCompiler) mapOf(n *avroNode, s *schema.Schema) error {
	key, value := &avroNode{owner: n}, &avroNode{owner: n}
	key.next, value.next, n.first = value, key, key
	n.kind, value.hook = nodePairs, hookPair
	keySchema := s.Key
	if c.plainMap(s) {
		n.kind, key.hook, value.hook = nodeMap, hookKey, hookEntry
		keySchema = schema.Of(schema.String) // whatever else it says: an Avro map has texts
	}
	if err := c.compile(key, keySchema); err != nil {
		return err
	}
	return c.compile(value, s.Elem)
}

func (c avroCompiler) fields(n *avroNode, s *schema.Schema) error {
	nodes := make([]avroNode, len(s.Fields)+1) // the last is the end
	n.first = &nodes[0]
	for i, f := range s.Fields {
		field := &nodes[i]
		field.owner, field.name, field.next = n, f.Name, &nodes[i+1]
		if err := c.compile(field, f.Schema); err != nil {
			return err
		}
		if f.Schema.Default == nil || f.Schema.Optional && c.ignoreDefaultForNull {
			continue
		}
		value, err := c.encode(f.Schema.AsRequired(), *f.Schema.Default)
		if err != nil {
			return err
		}
		field.null = value
		if field.union {
			field.null = append([]byte{field.prefix}, value...)
		}
	}
	nodes[len(s.Fields)] = avroNode{kind: nodeEnd, owner: n}
	return nil
}

// unionOf compiles a struct that stands for a union: each field is a branch, null in all but one of them.
func (c avroCompiler) unionOf(n *avroNode, s *schema.Schema) error {
	n.kind = nodeUnion
	branch := 0
	if s.Optional {
		n.null = []byte{0}
		branch = 1
	}
	nodes := make([]avroNode, len(s.Fields)+1)
	n.first = &nodes[0]
	for i, f := range s.Fields {
		field := &nodes[i]
		field.owner, field.name, field.next, field.hook = n, f.Name, &nodes[i+1], hookBranch
		if err := c.compile(field, f.Schema.AsRequired()); err != nil {
			return err
		}
		if branch+i > 63 {
			return &schema.MisuseError{Path: f.Name, Given: "a union of more than 63 types", Want: "fewer"}
		}
		field.union, field.prefix, field.null = true, byte(branch+i)<<1, []byte{}
	}
	nodes[len(s.Fields)] = avroNode{kind: nodeEnd, owner: n}
	return nil
}

// encode writes a default.
func (c avroCompiler) encode(s *schema.Schema, v schema.Value) ([]byte, error) {
	plan, err := avroPlan(s, c.avroOptions)
	if err != nil {
		return nil, err
	}
	w := avroWriter{plan: plan}
	w.begin(nil)
	v.WriteTo(&w)
	if err := w.end(); err != nil {
		return nil, err
	}
	if w.buf == nil {
		return []byte{}, nil // an empty record
	}
	return w.buf, nil
}
