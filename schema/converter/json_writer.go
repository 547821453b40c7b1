package converter

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/tandem-cdc/tandem/schema"
)

// jsonOptions are the options that shape JSON.
type jsonOptions struct {
	schemas     bool // schemas.enable
	numeric     bool // decimal.format=NUMERIC
	replaceNull bool // replace.null.with.default
}

// leadKind is what stands before a value besides its node's head.
type leadKind uint8

const (
	leadNone      leadKind = iota
	leadElem               // a comma, unless first in its array
	leadKey                // a comma, unless first in its object; behind the key a colon
	leadPairKey            // an opening bracket
	leadPairValue          // a comma; behind the value a closing bracket
)

// jsonNode is one place of a schema; see avroNode.
type jsonNode struct {
	kind    nodeKind
	lead    leadKind
	decimal bool   // bytes are printed as a number
	head    []byte // ,"name":
	null    []byte // what null is written as; nil when it is not allowed
	low     int64
	high    int64
	scale   int
	next    *jsonNode
	first   *jsonNode
	owner   *jsonNode
	schema  *schema.Schema
	name    string
}

var (
	deadJSON = &jsonNode{kind: nodeDead}
	doneJSON = &jsonNode{kind: nodeDone}
)

// jsonPlan compiles a schema for writing.
func jsonPlan(s *schema.Schema, o jsonOptions) (*jsonNode, error) {
	root := &jsonNode{next: doneJSON}
	return root, root.compile(s, o)
}

// compile fills n for s; lead, head, next, owner and name are the caller's.
func (n *jsonNode) compile(s *schema.Schema, o jsonOptions) (err error) {
	if s == nil {
		return fmt.Errorf("a value without a schema inside of one with a schema cannot be written as JSON with a plan")
	}
	n.schema = s
	if s.Optional {
		n.null = []byte("null")
	}
	if s.Default != nil && o.replaceNull {
		inner := *s
		inner.Default = nil // a null inside of the default has no further default to fall to
		if n.null, err = appendJSONValue(nil, &inner, *s.Default, o); err != nil {
			return err
		}
	}
	switch s.Type {
	case schema.Float32:
		n.kind = nodeFloat32
	case schema.Float64:
		n.kind = nodeFloat64
	case schema.Boolean:
		n.kind = nodeBool
	case schema.String:
		n.kind = nodeString
	case schema.Bytes:
		n.kind = nodeBytes
		if s.Name == schema.DecimalName && o.numeric {
			n.decimal = true
			n.scale, err = decimalScale(s)
		}
	case schema.Array:
		n.kind, n.first = nodeArray, &jsonNode{lead: leadElem, owner: n}
		n.first.next = n.first
		return n.first.compile(s.Elem, o)
	case schema.Map:
		return n.compileMap(s, o)
	case schema.Struct:
		return n.compileFields(s, o)
	default:
		n.kind = nodeInt
		bits := map[schema.Type]int{schema.Int8: 8, schema.Int16: 16, schema.Int32: 32, schema.Int64: 64}[s.Type]
		n.low, n.high = -1<<(bits-1), 1<<(bits-1)-1
	}
	return err
}

func (n *jsonNode) compileMap(s *schema.Schema, o jsonOptions) error {
	key, value := &jsonNode{owner: n, lead: leadPairKey}, &jsonNode{owner: n, lead: leadPairValue}
	key.next, value.next, n.first = value, key, key
	n.kind = nodePairs
	if s.Key != nil && s.Key.Type == schema.String {
		n.kind, key.lead, value.lead = nodeMap, leadKey, leadNone
	}
	if err := key.compile(s.Key, o); err != nil {
		return err
	}
	if n.kind == nodeMap && key.null != nil {
		key.null = []byte(`"null"`) // NullNode.asText
	}
	return value.compile(s.Elem, o)
}

func (n *jsonNode) compileFields(s *schema.Schema, o jsonOptions) error {
	n.kind = nodeStruct
	nodes := make([]jsonNode, len(s.Fields)+1) // the last is the end
	n.first = &nodes[0]
	for i, f := range s.Fields {
		field := &nodes[i]
		field.owner, field.name, field.next = n, f.Name, &nodes[i+1]
		if i > 0 {
			field.head = append(field.head, ',')
		}
		field.head = append(appendJSONString(field.head, f.Name, true), ':')
		if err := field.compile(f.Schema, o); err != nil {
			return fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	nodes[len(s.Fields)] = jsonNode{kind: nodeEnd, owner: n}
	return nil
}

// jsonWriter is the schema.Writer that appends JSON as JsonConverter does. Steady state is no allocation when the buffer it is given
// is large enough.
type jsonWriter struct {
	buf  []byte
	cur  *jsonNode
	plan *jsonNode
	err  error
}

func (w *jsonWriter) begin(dst []byte) { w.buf, w.cur, w.err = dst, w.plan, nil }

func (w *jsonWriter) end() error {
	if w.err == nil && w.cur != doneJSON {
		w.err = schema.ErrIncomplete
	}
	return w.err
}

// Err implements schema.Writer.
func (w *jsonWriter) Err() error { return w.err }

// at writes what stands before the value of n.
func (w *jsonWriter) at(n *jsonNode) {
	if n.lead == leadNone {
		w.buf = append(w.buf, n.head...)
		return
	}
	last := w.buf[len(w.buf)-1]
	switch n.lead {
	case leadElem:
		if last != '[' {
			w.buf = append(w.buf, ',')
		}
	case leadKey:
		if last != '{' {
			w.buf = append(w.buf, ',')
		}
	case leadPairKey:
		if last != '[' {
			w.buf = append(w.buf, ',')
		}
		w.buf = append(w.buf, '[')
	case leadPairValue:
		w.buf = append(w.buf, ',')
	}
}

// done moves on behind a complete value.
func (w *jsonWriter) done(n *jsonNode) {
	w.cur = n.next
	switch n.lead {
	case leadKey:
		w.buf = append(w.buf, ':')
	case leadPairValue:
		w.buf = append(w.buf, ']')
	}
}

// Null implements schema.Writer.
func (w *jsonWriter) Null() {
	n := w.cur
	if n.null == nil {
		w.misuse("null")
		return
	}
	w.at(n)
	w.buf = append(w.buf, n.null...)
	w.done(n)
}

// Bool implements schema.Writer.
func (w *jsonWriter) Bool(v bool) {
	n := w.cur
	if n.kind != nodeBool {
		w.misuse("boolean")
		return
	}
	w.at(n)
	w.buf = strconv.AppendBool(w.buf, v)
	w.done(n)
}

// Int implements schema.Writer.
func (w *jsonWriter) Int(v int64) {
	n := w.cur
	if n.kind != nodeInt || v < n.low || v > n.high {
		w.misuse(strconv.FormatInt(v, 10))
		return
	}
	w.at(n)
	w.buf = strconv.AppendInt(w.buf, v, 10)
	w.done(n)
}

// Float32 implements schema.Writer.
func (w *jsonWriter) Float32(v float32) { w.float(nodeFloat32, float64(v), 32) }

// Float64 implements schema.Writer.
func (w *jsonWriter) Float64(v float64) { w.float(nodeFloat64, v, 64) }

func (w *jsonWriter) float(kind nodeKind, v float64, bits int) {
	n := w.cur
	if n.kind != kind {
		w.misuse("float" + strconv.Itoa(bits))
		return
	}
	w.at(n)
	w.buf = appendJSONFloat(w.buf, v, bits)
	w.done(n)
}

// appendJSONFloat quotes NaN and the infinities, as Jackson does.
func appendJSONFloat(dst []byte, v float64, bits int) []byte {
	if v-v == 0 {
		return appendJavaFloat(dst, v, bits)
	}
	return append(appendJavaFloat(append(dst, '"'), v, bits), '"')
}

// Text implements schema.Writer.
func (w *jsonWriter) Text(v []byte) {
	n := w.cur
	if n.kind != nodeString {
		w.misuse("string")
		return
	}
	w.at(n)
	w.buf = appendJSONString(w.buf, v, true)
	w.done(n)
}

// String implements schema.Writer.
func (w *jsonWriter) String(v string) {
	n := w.cur
	if n.kind != nodeString {
		w.misuse("string")
		return
	}
	w.at(n)
	w.buf = appendJSONString(w.buf, v, true)
	w.done(n)
}

// Bytes implements schema.Writer.
func (w *jsonWriter) Bytes(v []byte) {
	n := w.cur
	if n.kind != nodeBytes {
		w.misuse("bytes")
		return
	}
	w.at(n)
	if n.decimal {
		w.buf = appendDecimal(w.buf, v, n.scale)
	} else {
		w.buf = append(base64.StdEncoding.AppendEncode(append(w.buf, '"'), v), '"')
	}
	w.done(n)
}

// BeginStruct implements schema.Writer.
func (w *jsonWriter) BeginStruct() { w.opens(nodeStruct, nodeStruct, "struct", '{') }

// EndStruct implements schema.Writer.
func (w *jsonWriter) EndStruct() {
	if w.cur.kind != nodeEnd {
		w.misuse("end of struct")
		return
	}
	w.buf = append(w.buf, '}')
	w.done(w.cur.owner)
}

// BeginArray implements schema.Writer.
func (w *jsonWriter) BeginArray(int) { w.opens(nodeArray, nodeArray, "array", '[') }

// EndArray implements schema.Writer.
func (w *jsonWriter) EndArray() {
	n := w.cur.owner
	if n == nil || n.kind != nodeArray {
		w.misuse("end of array")
		return
	}
	w.buf = append(w.buf, ']')
	w.done(n)
}

// BeginMap implements schema.Writer.
func (w *jsonWriter) BeginMap(int) {
	if w.cur.kind == nodeMap {
		w.opens(nodeMap, nodeMap, "map", '{')
		return
	}
	w.opens(nodePairs, nodePairs, "map", '[')
}

// EndMap implements schema.Writer.
func (w *jsonWriter) EndMap() {
	n := w.cur.owner
	if n == nil || n.kind != nodeMap && n.kind != nodePairs || w.cur != n.first {
		w.misuse("end of map")
		return
	}
	if n.kind == nodeMap {
		w.buf = append(w.buf, '}')
	} else {
		w.buf = append(w.buf, ']')
	}
	w.done(n)
}

func (w *jsonWriter) opens(a, b nodeKind, given string, bracket byte) {
	n := w.cur
	if n.kind != a && n.kind != b {
		w.misuse(given)
		return
	}
	w.at(n)
	w.buf = append(w.buf, bracket)
	w.cur = n.first
}

func (w *jsonWriter) misuse(given string) {
	if w.err != nil {
		return
	}
	w.err = &schema.MisuseError{Path: w.cur.path(), Given: given, Want: wanted(w.cur.kind, w.cur.schema)}
	w.cur = deadJSON
}

// path names the place, from the top.
func (n *jsonNode) path() string {
	if n == nil {
		return ""
	}
	before := n.owner.path()
	switch {
	case n.name != "" && before != "":
		return before + "." + n.name
	case n.name != "":
		return n.name
	case n.owner != nil && n.kind != nodeEnd:
		return before + "[]"
	}
	return before
}

// appendJSONValue appends a Value of a schema; with nil, as JsonConverter writes data without a schema.
func appendJSONValue(dst []byte, s *schema.Schema, v schema.Value, o jsonOptions) ([]byte, error) {
	if s == nil {
		return appendJSONAny(dst, v)
	}
	plan, err := jsonPlan(s, o)
	if err != nil {
		return nil, err
	}
	w := jsonWriter{plan: plan}
	w.begin(dst)
	v.WriteTo(&w)
	return w.buf, w.end()
}

func appendJSONAny(dst []byte, v schema.Value) (_ []byte, err error) {
	if v.Class() != schema.NoClass {
		return nil, said("Java class %s does not have corresponding schema type.", javaClass(nil, v))
	}
	switch v.Type() {
	case schema.Invalid:
		return append(dst, "null"...), nil
	case schema.Boolean:
		return strconv.AppendBool(dst, v.Bool()), nil
	case schema.Float32:
		return appendJSONFloat(dst, v.Float64(), 32), nil
	case schema.Float64:
		return appendJSONFloat(dst, v.Float64(), 64), nil
	case schema.String:
		return appendJSONString(dst, v.Text(), true), nil
	case schema.Bytes:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.Bytes()), '"'), nil
	case schema.Array:
		dst = append(dst, '[')
		for i, e := range v.Array() {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendJSONAny(dst, e); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case schema.Map:
		return appendJSONAnyMap(dst, v.Map())
	case schema.Struct:
		return nil, saidOf(errors.New("a struct cannot be written without a schema"), "Mismatching schema.")
	}
	return strconv.AppendInt(dst, v.Int(), 10), nil
}

// appendJSONAnyMap writes an object when all keys are strings, else an array of pairs.
func appendJSONAnyMap(dst []byte, entries []schema.Entry) (_ []byte, err error) {
	object := true
	for _, e := range entries {
		object = object && e.Key.Type() == schema.String
	}
	open, between, end, last := "[", ",", "]", "]"
	if object {
		open, between, end, last = "", ":", "", "}"
		dst = append(dst, '{')
	} else {
		dst = append(dst, '[')
	}
	for i, e := range entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, open...)
		if dst, err = appendJSONAny(dst, e.Key); err != nil {
			return nil, err
		}
		dst = append(dst, between...)
		if dst, err = appendJSONAny(dst, e.Value); err != nil {
			return nil, err
		}
		dst = append(dst, end...)
	}
	return append(dst, last...), nil
}
