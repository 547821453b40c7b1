package smt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/java"
	"github.com/tandem-cdc/tandem/schema"
)

// ErrUnknown is for Java values that have no counterpart here.
var ErrUnknown = errors.New("a value that cannot be said here")

func record(t testing.TB, text json.RawMessage) *schema.Record {
	t.Helper()
	r, err := decodeRecord(text)
	if err != nil {
		t.Fatalf("record %s: %v", text, err)
	}
	return r
}

// Representable tells whether all that is in the step can be said here.
func (s *Step) Representable() error {
	for _, text := range []json.RawMessage{s.record, s.output} {
		if len(text) > 0 && s.Held == nil && string(text) != "null" {
			if _, err := decodeRecord(text); errors.Is(err, ErrUnknown) {
				return err
			}
		}
	}
	return nil
}

func decodeRecord(text json.RawMessage) (*schema.Record, error) {
	n, err := parseNode(text)
	if err != nil {
		return nil, err
	}
	r := &schema.Record{Partition: -1, Offset: schema.NoOffset, Timestamp: schema.NoTimestamp}
	r.Topic = n.get("topic").text
	if p := n.get("partition"); p.kind == '0' {
		r.Partition = int32(p.int())
	}
	if ts := n.get("timestamp"); ts.kind == '0' {
		r.Timestamp = ts.int()
	}
	if n.get("kind").text == "sink" {
		r.Offset = n.get("offset").int()
	}
	if r.KeySchema, r.Key, err = decode(n.get("key")); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if r.ValueSchema, r.Value, err = decode(n.get("value")); err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	for _, h := range n.get("headers").elems {
		s, v, err := decode(&h)
		if err != nil {
			return nil, fmt.Errorf("header: %w", err)
		}
		r.AddHeader(schema.Header{Key: h.get("name").text, Schema: s, Value: v})
	}
	return r, nil
}

// decode reads {"schema", "payload"}.
func decode(n *node) (*schema.Schema, schema.Value, error) {
	s, err := decodeSchema(n.get("schema"))
	if err != nil {
		return nil, schema.NullValue, err
	}
	v, err := decodeValue(s, n.get("payload"))
	return s, v, err
}

var types = map[string]schema.Type{"int8": schema.Int8, "int16": schema.Int16, "int32": schema.Int32, "int64": schema.Int64, "float": schema.Float32,
	"double": schema.Float64, "boolean": schema.Boolean, "string": schema.String, "bytes": schema.Bytes, "array": schema.Array, "map": schema.Map, "struct": schema.Struct}

func decodeSchema(n *node) (*schema.Schema, error) {
	if n.kind == 'n' {
		return nil, nil
	}
	t, ok := types[n.get("type").text]
	if !ok {
		return nil, fmt.Errorf("schema type %q is not known", n.get("type").text)
	}
	s := &schema.Schema{Type: t, Optional: n.get("optional").text == "true", Name: n.get("name").text, Doc: n.get("doc").text, Version: int(n.get("version").int())}
	for i, p := range n.get("parameters").elems {
		s.Parameters = append(s.Parameters, schema.Parameter{Name: n.get("parameters").members[i], Value: p.text})
	}
	var err error
	if s.Key, err = decodeSchema(n.get("keys")); err != nil {
		return nil, err
	}
	elem := n.get("items")
	if t == schema.Map {
		elem = n.get("values")
	}
	if s.Elem, err = decodeSchema(elem); err != nil {
		return nil, err
	}
	for _, f := range n.get("fields").elems {
		fs, err := decodeSchema(&f)
		if err != nil {
			return nil, err
		}
		s.Fields = append(s.Fields, schema.F(f.get("field").text, fs))
	}
	if d := n.get("default"); d.kind != 'n' {
		v, err := decodeValue(s, d)
		if err != nil {
			return nil, fmt.Errorf("default: %w", err)
		}
		s.Default = &v
	}
	return s, nil
}

// noNumber are the texts of floating-point values that JSON has no number for.
var noNumber = map[string]bool{"NaN": true, "Infinity": true, "-Infinity": true}

func decodeValue(s *schema.Schema, n *node) (schema.Value, error) {
	switch {
	case n.kind == 'n':
		return schema.NullValue, nil
	case n.kind == '{' && len(n.members) == 1 && strings.HasPrefix(n.members[0], "$"):
		return decodeTagged(s, n.members[0], &n.elems[0])
	case s == nil:
		return decodePlain(n)
	}
	switch {
	case n.kind == '0' && s.Type >= schema.Int8 && s.Type <= schema.Int64:
		return schema.OfInt(s.Type, n.int()), nil
	case s.Type == schema.Float32 && (n.kind == '0' || n.kind == '.' || noNumber[n.text]):
		f, err := strconv.ParseFloat(n.text, 32)
		return schema.OfFloat32(float32(f)), err
	case s.Type == schema.Float64 && (n.kind == '0' || n.kind == '.' || noNumber[n.text]):
		f, err := strconv.ParseFloat(n.text, 64)
		return schema.OfFloat64(f), err
	case n.kind == '"' && s.Type == schema.Bytes:
		b, err := base64.StdEncoding.DecodeString(n.text)
		return schema.OfBytes(b), err
	case n.kind == '[' && s.Type == schema.Array:
		return decodeArray(s.Elem, n)
	case s.Type == schema.Map && (n.kind == '[' || n.kind == '{'):
		return decodeMap(s, n)
	case n.kind == '{' && s.Type == schema.Struct:
		v := &schema.StructValue{Schema: s, Values: make([]schema.Value, len(s.Fields))}
		for i, f := range s.Fields {
			var err error
			if v.Values[i], err = decodeValue(f.Schema, n.get(f.Name)); err != nil {
				return schema.NullValue, fmt.Errorf("field %q: %w", f.Name, err)
			}
		}
		return schema.OfStruct(v), nil
	}
	return decodePlain(n)
}

func decodePlain(n *node) (schema.Value, error) {
	switch n.kind {
	case 'b':
		return schema.OfBool(n.text == "true"), nil
	case '"':
		return schema.OfString(n.text), nil
	case '0':
		return schema.OfInt64(n.int()), nil
	case '.':
		f, err := strconv.ParseFloat(n.text, 64)
		return schema.OfFloat64(f), err
	case '[':
		return decodeArray(nil, n)
	}
	return decodeMap(new(schema.Schema), n)
}

func decodeArray(elem *schema.Schema, n *node) (schema.Value, error) {
	values := make([]schema.Value, len(n.elems))
	for i := range n.elems {
		var err error
		if values[i], err = decodeValue(elem, &n.elems[i]); err != nil {
			return schema.NullValue, err
		}
	}
	return schema.OfArray(values), nil
}

// decodeMap reads an object, or an array of pairs.
func decodeMap(s *schema.Schema, n *node) (schema.Value, error) {
	entries := make([]schema.Entry, len(n.elems))
	for i := range n.elems {
		var err error
		value := &n.elems[i]
		if n.kind == '{' {
			entries[i].Key = schema.OfString(n.members[i])
		} else {
			if entries[i].Key, err = decodeValue(s.Key, &value.elems[0]); err != nil {
				return schema.NullValue, err
			}
			value = &value.elems[1]
		}
		if entries[i].Value, err = decodeValue(s.Elem, value); err != nil {
			return schema.NullValue, err
		}
	}
	return schema.OfMap(entries), nil
}

func decodeTagged(s *schema.Schema, tag string, n *node) (schema.Value, error) {
	switch tag {
	case "$int8", "$int16", "$int32", "$int64":
		return schema.OfInt(types[tag[1:]], n.int()), nil
	case "$float32":
		f, err := strconv.ParseFloat(n.text, 32)
		return schema.OfFloat32(float32(f)), err
	case "$float64":
		f, err := strconv.ParseFloat(n.text, 64)
		return schema.OfFloat64(f), err
	case "$bytes", "$bytebuffer":
		b, err := base64.StdEncoding.DecodeString(n.text)
		return schema.OfBytes(b), err
	case "$string":
		return schema.OfString(n.text), nil
	case "$date":
		return schema.OfInstant(n.int()), nil
	case "$decimal":
		return decodeDecimal(s, n.text)
	case "$map":
		return decodeMap(new(schema.Schema), n)
	case "$struct":
		_, v, err := decode(n)
		return v, err
	}
	return schema.NullValue, fmt.Errorf("%s: %w", tag, ErrUnknown)
}

// decodeDecimal reads what BigDecimal.toString writes. Under a Decimal it has the schema's scale, as every Value has; Kafka Connect finds out
// that it has not when it converts the value.
func decodeDecimal(s *schema.Schema, text string) (schema.Value, error) {
	digits, exponent, _ := strings.Cut(strings.ToUpper(text), "E")
	whole, fraction, _ := strings.Cut(digits, ".")
	unscaled, ok := new(big.Int).SetString(whole+fraction, 10)
	exp, err := strconv.Atoi(strings.TrimPrefix("0"+exponent, "0+"))
	if exponent != "" && exponent[0] == '-' {
		exp, err = strconv.Atoi(exponent)
	}
	if !ok || err != nil {
		return schema.NullValue, fmt.Errorf("decimal %q", text)
	}
	scale := len(fraction) - exp
	if s != nil && s.Name == schema.DecimalName {
		want, _ := strconv.Atoi(s.Parameter(schema.ScaleParameter))
		if want < scale {
			return schema.NullValue, fmt.Errorf("decimal %q of a scale that is not the schema's: %w", text, ErrUnknown)
		}
		unscaled.Mul(unscaled, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(want-scale)), nil))
		return schema.OfBytes(java.AppendBigInteger(nil, unscaled)), nil
	}
	return schema.OfDecimal(java.AppendBigInteger(nil, unscaled), int32(scale)), nil
}

// node is JSON with the members of objects in their order.
type node struct {
	kind    byte // 'n' null, 'b' boolean, '0' integer, '.' other number, '"' string, '[' array, '{' object
	text    string
	members []string
	elems   []node
}

var noNode = &node{kind: 'n'}

// get is a member of an object; null when there is none.
func (n *node) get(name string) *node {
	for i, m := range n.members {
		if m == name {
			return &n.elems[i]
		}
	}
	return noNode
}

func (n *node) int() int64 {
	i, _ := strconv.ParseInt(n.text, 10, 64)
	return i
}

func parseNode(text []byte) (*node, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	n, err := readNode(d)
	return &n, err
}

func readNode(d *json.Decoder) (n node, err error) {
	token, err := d.Token()
	if err != nil {
		return n, err
	}
	switch v := token.(type) {
	case nil:
		return node{kind: 'n'}, nil
	case bool:
		return node{kind: 'b', text: strconv.FormatBool(v)}, nil
	case string:
		return node{kind: '"', text: v}, nil
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return node{kind: '.', text: v.String()}, nil
		}
		return node{kind: '0', text: v.String()}, nil
	case json.Delim:
		n.kind = byte(v)
	}
	for d.More() {
		if n.kind == '{' {
			name, err := d.Token()
			if err != nil {
				return n, err
			}
			n.members = append(n.members, name.(string))
		}
		elem, err := readNode(d)
		if err != nil {
			return n, err
		}
		n.elems = append(n.elems, elem)
	}
	_, err = d.Token()
	return n, err
}
