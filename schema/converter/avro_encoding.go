package converter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// AvroEncoding translates between the two encodings of Avro, binary and JSON, by one schema (specification 1.11, "Encodings"). It is for
// people and their consoles: no Connect data, no framing, logical types as what they are made of. Safe for concurrent use.
type AvroEncoding struct{ root *avroType }

// ParseAvroEncoding reads an Avro schema.
func ParseAvroEncoding(schema string) (*AvroEncoding, error) {
	t, err := parseAvro(schema)
	if err != nil {
		return nil, err
	}
	return &AvroEncoding{t}, nil
}

const (
	mostAvroDepth = 1000    // a schema that holds itself nests as deep as its data say
	mostAvroIdle  = 1 << 16 // values that take no bytes, of which data could claim any number, and schemas no small one
)

// AppendJSON appends the JSON encoding of what stands in binary, all of it. On one line.
func (e *AvroEncoding) AppendJSON(dst, data []byte) ([]byte, error) {
	d := avroToJSON{in: data, out: dst}
	if err := d.value(e.root, 0); err != nil {
		return nil, fmt.Errorf("read Avro: %w", err)
	}
	if len(d.in) > 0 {
		return nil, fmt.Errorf("read Avro: %d bytes behind the value", len(d.in))
	}
	return d.out, nil
}

// AppendBinary appends the binary encoding of what stands in JSON, all of it.
func (e *AvroEncoding) AppendBinary(dst, text []byte) ([]byte, error) {
	var s scanner
	s.reset(text)
	t, err := s.tree()
	if err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if s.peek(); s.pos < len(text) {
		return nil, fmt.Errorf("read JSON: %w", s.fail("more text behind the value"))
	}
	return appendAvro(dst, e.root, &t, 0)
}

// avroToJSON reads binary Avro.
type avroToJSON struct {
	in, out []byte
	idle    int
}

var errAvroShort = errors.New("the data end within a value")

func (d *avroToJSON) value(t *avroType, depth int) error {
	if depth > mostAvroDepth {
		return fmt.Errorf("values within values, more than %d", mostAvroDepth)
	}
	before := len(d.in)
	if err := d.content(t, depth); err != nil {
		return err
	}
	if len(d.in) == before {
		if d.idle++; d.idle > mostAvroIdle {
			return fmt.Errorf("more than %d values without bytes", mostAvroIdle)
		}
	}
	return nil
}

func (d *avroToJSON) content(t *avroType, depth int) error {
	switch t.kind {
	case "null":
		d.out = append(d.out, "null"...)
	case "record":
		return d.record(t, depth)
	case "union":
		return d.union(t, depth)
	case "array", "map":
		return d.blocks(t, depth)
	case "boolean", "float", "double", "fixed":
		return d.sized(t)
	default: // begin with a number
		n, err := d.number()
		if err != nil {
			return err
		}
		return d.numbered(t, n)
	}
	return nil
}

func (d *avroToJSON) record(t *avroType, depth int) error {
	d.out = append(d.out, '{')
	for i, f := range t.fields {
		d.member(i, f.name)
		if err := d.value(f.typ, depth+1); err != nil {
			return fmt.Errorf("field %q: %w", f.name, err)
		}
	}
	d.out = append(d.out, '}')
	return nil
}

// member appends what stands before a value within an object.
func (d *avroToJSON) member(i int, name string) {
	d.comma(i)
	d.out = append(appendJSONString(d.out, name, false), ':')
}

func (d *avroToJSON) comma(i int) {
	if i > 0 {
		d.out = append(d.out, ',')
	}
}

func (d *avroToJSON) union(t *avroType, depth int) error {
	n, err := d.number()
	if err != nil {
		return err
	}
	if n < 0 || n >= int64(len(t.branches)) {
		return fmt.Errorf("branch %d of a union of %d", n, len(t.branches))
	}
	b := t.branches[n]
	if b.kind == "null" {
		return d.value(b, depth+1)
	}
	d.out = append(d.out, '{')
	d.member(0, b.branchName())
	err = d.value(b, depth+1)
	d.out = append(d.out, '}')
	return err
}

// branchName is what the JSON encoding calls a branch of a union.
func (t *avroType) branchName() string {
	if t.named() {
		return t.fullName()
	}
	return t.kind
}

// blocks reads an array or a map: blocks of a count, then so many elements; a negative count is followed by the block's bytes.
func (d *avroToJSON) blocks(t *avroType, depth int) error {
	open, end := byte('['), byte(']')
	if t.kind == "map" {
		open, end = '{', '}'
	}
	d.out = append(d.out, open)
	for first := true; ; {
		n, err := d.number()
		if err != nil {
			return err
		}
		if n == 0 {
			d.out = append(d.out, end)
			return nil
		}
		if n < 0 {
			if _, err = d.number(); err != nil {
				return err
			}
			if n = -n; n < 0 {
				return errors.New("a block of 2^63 elements")
			}
		}
		for ; n > 0; n-- {
			if err := d.element(t, first, depth); err != nil {
				return err
			}
			first = false
		}
	}
}

func (d *avroToJSON) element(t *avroType, first bool, depth int) error {
	if !first {
		d.out = append(d.out, ',')
	}
	if t.kind == "map" {
		key, err := d.counted()
		if err != nil {
			return err
		}
		d.out = append(appendJSONString(d.out, key, false), ':')
	}
	return d.value(t.elem, depth+1)
}

// sized appends a value of a length that the schema tells.
func (d *avroToJSON) sized(t *avroType) error {
	size := map[string]int{"boolean": 1, "float": 4, "double": 8, "fixed": t.size}[t.kind]
	b, err := d.take(size)
	if err != nil {
		return err
	}
	switch t.kind {
	case "boolean":
		if b[0] > 1 {
			return fmt.Errorf("boolean %#x", b[0])
		}
		d.out = strconv.AppendBool(d.out, b[0] == 1)
	case "float":
		d.out = appendJSONFloat(d.out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 32)
	case "double":
		d.out = appendJSONFloat(d.out, math.Float64frombits(binary.LittleEndian.Uint64(b)), 64)
	default:
		d.out = appendLatin1(d.out, b)
	}
	return nil
}

// numbered appends a value that is or begins with the number n.
func (d *avroToJSON) numbered(t *avroType, n int64) error {
	switch t.kind {
	case "int":
		if n != int64(int32(n)) {
			return fmt.Errorf("int %d", n)
		}
		d.out = strconv.AppendInt(d.out, n, 10)
	case "long":
		d.out = strconv.AppendInt(d.out, n, 10)
	case "enum":
		if n < 0 || n >= int64(len(t.symbols)) {
			return fmt.Errorf("symbol %d of an enum of %d", n, len(t.symbols))
		}
		d.out = appendJSONString(d.out, t.symbols[n], false)
	case "string", "bytes":
		if n < 0 || n > int64(len(d.in)) {
			return errAvroShort
		}
		b, err := d.take(int(n))
		if err != nil {
			return err
		}
		if t.kind == "bytes" {
			d.out = appendLatin1(d.out, b)
		} else {
			d.out = appendJSONString(d.out, ValidUTF8(b), false)
		}
	default:
		return fmt.Errorf("type %q", t.kind)
	}
	return nil
}

// counted reads a length and so many bytes of text.
func (d *avroToJSON) counted() ([]byte, error) {
	n, err := d.number()
	if err != nil {
		return nil, err
	}
	if n < 0 || n > int64(len(d.in)) {
		return nil, errAvroShort
	}
	b, err := d.take(int(n))
	return ValidUTF8(b), err
}

func (d *avroToJSON) take(n int) ([]byte, error) {
	if n < 0 || n > len(d.in) {
		return nil, errAvroShort
	}
	b := d.in[:n]
	d.in = d.in[n:]
	return b, nil
}

// number reads a zig-zag number.
func (d *avroToJSON) number() (int64, error) {
	n, size := binary.Varint(d.in)
	if size <= 0 {
		return 0, errAvroShort
	}
	d.in = d.in[size:]
	return n, nil
}

// appendLatin1 appends bytes as the JSON encoding has them: a text whose characters are U+0000 to U+00FF.
func appendLatin1(dst, b []byte) []byte {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return appendJSONString(dst, string(runes), false)
}

// appendAvro appends the binary encoding of a JSON value.
func appendAvro(dst []byte, t *avroType, v *tree, depth int) (_ []byte, err error) {
	if depth > mostAvroDepth {
		return nil, fmt.Errorf("values within values, more than %d", mostAvroDepth)
	}
	switch {
	case t.kind == "null" && v.kind == 'n':
		return dst, nil
	case t.kind == "boolean" && v.kind == 'b':
		if v.text == "true" {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case (t.kind == "int" || t.kind == "long") && v.kind == '0':
		n, err := strconv.ParseInt(v.text, 10, map[string]int{"int": 32, "long": 64}[t.kind])
		if err != nil {
			return nil, fmt.Errorf("%s is no %s", v.text, t.kind)
		}
		return binary.AppendVarint(dst, n), nil
	case t.kind == "float" || t.kind == "double":
		return appendAvroFloat(dst, t, v)
	case t.kind == "record" && v.kind == '{':
		return appendAvroRecord(dst, t, v, depth)
	case t.kind == "union":
		return appendAvroUnion(dst, t, v, depth)
	case t.kind == "array" && v.kind == '[', t.kind == "map" && v.kind == '{':
		return appendAvroBlocks(dst, t, v, depth)
	case v.kind == '"':
		return appendAvroText(dst, t, v)
	}
	return nil, mismatch(t, v)
}

func mismatch(t *avroType, v *tree) error {
	text := v.appendTo(nil)
	const most = 80 // of a text that is quoted
	if len(text) > most {
		text = append(text[:most], "…"...)
	}
	return fmt.Errorf("%s is no %s", text, t.branchName())
}

func appendAvroFloat(dst []byte, t *avroType, v *tree) ([]byte, error) {
	bits := 64
	if t.kind == "float" {
		bits = 32
	}
	special := v.kind == '"' && slices.Contains([]string{"NaN", "Infinity", "-Infinity"}, v.text)
	if v.kind != '0' && v.kind != '.' && !special {
		return nil, mismatch(t, v)
	}
	f, err := strconv.ParseFloat(v.text, bits)
	if err != nil {
		return nil, fmt.Errorf("%s is no %s", v.text, t.kind)
	}
	if bits == 32 {
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), nil
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
}

// appendAvroText appends what stands as a text: string, bytes, fixed and enum.
func appendAvroText(dst []byte, t *avroType, v *tree) ([]byte, error) {
	switch t.kind {
	case "string":
		return append(binary.AppendVarint(dst, int64(len(v.text))), v.text...), nil
	case "enum":
		i := slices.Index(t.symbols, v.text)
		if i < 0 {
			return nil, fmt.Errorf("%q is none of the symbols of %s: %s", v.text, t.fullName(), strings.Join(t.symbols, ", "))
		}
		return binary.AppendVarint(dst, int64(i)), nil
	case "bytes", "fixed":
		b := make([]byte, 0, len(v.text))
		for _, r := range v.text {
			if r > 0xff {
				return nil, fmt.Errorf("%q has the character %q; each stands for one byte, U+0000 to U+00FF", v.text, r)
			}
			b = append(b, byte(r))
		}
		if t.kind == "bytes" {
			dst = binary.AppendVarint(dst, int64(len(b)))
		} else if len(b) != t.size {
			return nil, fmt.Errorf("%q has %d bytes, %s has %d", v.text, len(b), t.fullName(), t.size)
		}
		return append(dst, b...), nil
	}
	return nil, mismatch(t, v)
}

func appendAvroRecord(dst []byte, t *avroType, v *tree, depth int) (_ []byte, err error) {
	for _, f := range t.fields {
		m := v.get(f.name)
		if m == nil {
			return nil, fmt.Errorf("field %q of %s is missing", f.name, t.fullName())
		}
		if dst, err = appendAvro(dst, f.typ, m, depth+1); err != nil {
			return nil, fmt.Errorf("field %q: %w", f.name, err)
		}
	}
	for _, name := range v.members {
		if !slices.ContainsFunc(t.fields, func(f avroField) bool { return f.name == name }) {
			return nil, fmt.Errorf("%s has no field %q", t.fullName(), name)
		}
	}
	return dst, nil
}

func appendAvroUnion(dst []byte, t *avroType, v *tree, depth int) (_ []byte, err error) {
	var names []string
	for i, b := range t.branches {
		if b.kind == "null" {
			if v.kind == 'n' {
				return binary.AppendVarint(dst, int64(i)), nil
			}
			names = append(names, "null")
			continue
		}
		if v.kind == '{' && len(v.members) == 1 && v.members[0] == b.branchName() {
			return appendAvro(binary.AppendVarint(dst, int64(i)), b, &v.elems[0], depth+1)
		}
		names = append(names, fmt.Sprintf("{%q: …}", b.branchName()))
	}
	return nil, fmt.Errorf("%w: want %s", mismatch(t, v), strings.Join(names, " or "))
}

func appendAvroBlocks(dst []byte, t *avroType, v *tree, depth int) (_ []byte, err error) {
	if len(v.elems) > 0 {
		dst = binary.AppendVarint(dst, int64(len(v.elems)))
	}
	for i := range v.elems {
		if t.kind == "map" {
			dst = append(binary.AppendVarint(dst, int64(len(v.members[i]))), v.members[i]...)
		}
		if dst, err = appendAvro(dst, t.elem, &v.elems[i], depth+1); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return append(dst, 0), nil
}
