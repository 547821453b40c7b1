package converter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/tandem-cdc/tandem/schema"
)

// Names that AvroData gives to what Avro has no word for.
const (
	avroNamespace     = "io.confluent.connect.avro"
	avroDefaultName   = "ConnectDefault" // a struct without a name; the next ones in a schema ConnectDefault2, 3 …
	avroMapEntry      = "MapEntry"       // of a map whose keys are not plain strings
	avroUnionName     = "io.confluent.connect.avro.Union"
	avroRecordDoc     = "io.confluent.connect.avro.record.doc"
	avroFieldDoc      = "io.confluent.connect.avro.field.doc."
	avroFieldDefault  = "io.confluent.connect.avro.field.default"
	avroEnum          = "io.confluent.connect.avro.Enum"
	avroEnumDoc       = "io.confluent.connect.avro.enum.doc."
	avroEnumDefault   = "io.confluent.connect.avro.enum.default."
	avroFixedSize     = "connect.fixed.size"
	sumUnion          = "org.apache.kafka.connect.data.Union" // parameter of a union with generalized.sum.type.support
	sumEnum           = "org.apache.kafka.connect.data.Enum"
	sumUnionName      = "connect_union_"
	sumUnionField     = "connect_union_field_"
	connectRecordDoc  = "connect.record.doc" // parameters with discard.type.doc.default
	connectEnumDoc    = "connect.enum.doc"
	connectDoc        = "connect.doc"
	connectVersion    = "connect.version"
	connectParameters = "connect.parameters"
	connectDefault    = "connect.default"
	connectName       = "connect.name"
	connectType       = "connect.type"
	connectInternal   = "connect.internal.type"
	avroPropPrefix    = "avro."
	defaultPrecision  = 64 // of a Decimal that does not say
)

// avroOptions are the options that shape Avro schemas and values.
type avroOptions struct {
	metaData             bool // connect.meta.data
	optionalMapKeys      bool // allow.optional.map.keys
	ignoreDefaultForNull bool // ignore.default.for.nullables
	enhanced             bool // enhanced.avro.schema.support
	generalized          bool // generalized.sum.type.support
	scrub                bool // scrub.invalid.names
	discardDoc           bool // discard.type.doc.default
	flattenSingle        bool // flatten.singleton.unions

	unions *atomic.Int64 // with generalized: counts the unions that were read, which AvroData puts into their names; nil: from 0 in each schema
}

// isUnion tells structs that stand for a union of several types: of their fields one has a value.
func isUnion(s *schema.Schema) bool {
	return s.Type == schema.Struct && (s.Name == avroUnionName || parameter(s, sumUnion) != nil)
}

// enumParameter is the parameter that marks a String as an enum and holds the enum's name; its symbols follow it behind a dot.
func (o avroOptions) enumParameter() string {
	if o.generalized {
		return sumEnum
	}
	return avroEnum
}

// isEnum tells Strings that are written as enums.
func (o avroOptions) isEnum(s *schema.Schema) bool {
	return s.Type == schema.String && (o.enhanced || o.generalized) && parameter(s, o.enumParameter()) != nil
}

// plainMap tells whether a Map is an Avro map; otherwise it is an array of key and value.
func (o avroOptions) plainMap(s *schema.Schema) bool {
	return s.Key != nil && s.Key.Type == schema.String && (!s.Key.Optional || o.optionalMapKeys)
}

// avroFrom translates a Connect schema as AvroData.fromConnectSchema does.
func avroFrom(s *schema.Schema, o avroOptions) (*avroType, error) {
	b := avroFromBuilder{avroOptions: o}
	return b.schema(s)
}

type avroFromBuilder struct {
	avroOptions
	unnamed []unnamedStruct // those met so far
	path    []string
}

type unnamedStruct struct {
	connect *schema.Schema
	avro    *avroType
}

func (b *avroFromBuilder) errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if len(b.path) == 0 {
		return err
	}
	return fmt.Errorf("field %q: %w", strings.Join(b.path, "."), err)
}

// schema translates s, a union with null when it is optional.
func (b *avroFromBuilder) schema(s *schema.Schema) (*avroType, error) {
	if s == nil {
		return nil, b.errorf("a value without a schema inside of one with a schema cannot be written as Avro")
	}
	t, err := b.required(s)
	if err != nil {
		return nil, err
	}
	if !s.Optional || t.kind == "union" {
		return t, nil
	}
	null := &avroType{kind: "null"}
	if s.Default != nil && s.Type != schema.Struct { // the first branch is the default's
		return &avroType{kind: "union", branches: []*avroType{t, null}}, nil
	}
	return &avroType{kind: "union", branches: []*avroType{null, t}}, nil
}

// required translates s as if it were not optional.
func (b *avroFromBuilder) required(s *schema.Schema) (*avroType, error) {
	t := &avroType{}
	switch s.Type {
	case schema.Int8, schema.Int16, schema.Int32:
		t.kind = "int"
	case schema.Int64:
		t.kind = "long"
	case schema.Float32:
		t.kind = "float"
	case schema.Float64:
		t.kind = "double"
	case schema.Boolean:
		t.kind = "boolean"
	case schema.String:
		t.kind = "string"
		if b.isEnum(s) {
			if err := b.enum(s, t); err != nil {
				return nil, err
			}
		}
	case schema.Bytes:
		if err := b.bytes(s, t); err != nil {
			return nil, err
		}
	case schema.Array:
		t.kind = "array"
		elem, err := b.schema(s.Elem)
		if err != nil {
			return nil, err
		}
		t.elem = elem
	case schema.Map:
		if err := b.mapOf(s, t); err != nil {
			return nil, err
		}
	case schema.Struct:
		if isUnion(s) {
			return b.union(s)
		}
		return b.record(s)
	default:
		return nil, b.errorf("schema type %v is not known", s.Type)
	}
	return t, b.metadata(s, t)
}

// enum makes the enum that a String was, or stands for.
func (b *avroFromBuilder) enum(s *schema.Schema, t *avroType) error {
	mark := b.enumParameter()
	t.kind = "enum"
	t.namespace, t.name = splitAvroName(s.Parameter(mark))
	if err := checkAvroName(t.name); err != nil {
		return b.errorf("enum name %q (parameter %s): %w", s.Parameter(mark), mark, err)
	}
	for _, p := range s.Parameters {
		if symbol, ok := strings.CutPrefix(p.Name, mark+"."); ok {
			if err := checkAvroName(symbol); err != nil {
				return b.errorf("symbol %q of the enum %s: %w", symbol, t.fullName(), err)
			}
			t.symbols = append(t.symbols, symbol)
		}
	}
	if b.discardDoc {
		t.doc = parameter(s, connectEnumDoc)
		return nil
	}
	_, name := splitAvroName(s.Name)
	t.doc, t.symbolElse = parameter(s, avroEnumDoc+name), parameter(s, avroEnumDefault+name)
	return nil
}

// splitAvroName splits a full name at its last dot.
func splitAvroName(full string) (namespace, name string) {
	if dot := strings.LastIndexByte(full, '.'); dot >= 0 {
		return full[:dot], full[dot+1:]
	}
	return "", full
}

func (b *avroFromBuilder) bytes(s *schema.Schema, t *avroType) error {
	t.kind = "bytes"
	size := s.Parameter(avroFixedSize)
	if size == "" {
		return nil
	}
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 {
		return b.errorf("parameter %s=%q is not a size", avroFixedSize, size)
	}
	t.kind, t.size = "fixed", n
	t.namespace, t.name, err = b.nameOf(s)
	return err
}

func (b *avroFromBuilder) mapOf(s *schema.Schema, t *avroType) (err error) {
	if b.plainMap(s) {
		t.kind = "map"
		t.elem, err = b.schema(s.Elem)
		return err
	}
	entry := &avroType{kind: "record", name: avroMapEntry, namespace: avroNamespace}
	if s.Name != "" {
		if entry.namespace, entry.name, err = b.nameOf(s); err != nil {
			return err
		}
		entry.add(connectInternal, textTree(avroMapEntry))
	}
	for _, f := range []schema.Field{{Name: "key", Schema: s.Key}, {Name: "value", Schema: s.Elem}} {
		if err := b.field(entry, f, nil); err != nil {
			return err
		}
	}
	t.kind, t.elem = "array", entry
	return nil
}

func (b *avroFromBuilder) union(s *schema.Schema) (*avroType, error) {
	t := &avroType{kind: "union"}
	if s.Optional {
		t.branches = append(t.branches, &avroType{kind: "null"})
	}
	for _, f := range s.Fields {
		branch, err := b.schema(f.Schema.AsRequired())
		if err != nil {
			return nil, err
		}
		t.branches = append(t.branches, branch)
	}
	return t, nil
}

func (b *avroFromBuilder) record(s *schema.Schema) (*avroType, error) {
	s = s.AsRequired()
	if s.Name == "" {
		for _, u := range b.unnamed {
			if u.connect.Equal(s) {
				return u.avro, nil
			}
		}
	}
	t := &avroType{kind: "record"}
	var err error
	if t.namespace, t.name, err = b.nameOf(s); err != nil {
		return nil, err
	}
	if s.Name == "" {
		b.unnamed = append(b.unnamed, unnamedStruct{s, t})
	}
	t.doc = parameter(s, avroRecordDoc)
	if b.discardDoc {
		t.doc = parameter(s, connectRecordDoc)
	}
	for _, f := range s.Fields {
		if err := b.field(t, f, b.fieldDoc(s, f)); err != nil {
			return nil, err
		}
	}
	return t, b.metadata(s, t)
}

func (b *avroFromBuilder) fieldDoc(s *schema.Schema, f schema.Field) *string {
	switch {
	case !b.discardDoc:
		return parameter(s, avroFieldDoc+f.Name)
	case f.Schema != nil && f.Schema.Doc != "":
		return &f.Schema.Doc
	}
	return nil
}

func (b *avroFromBuilder) field(t *avroType, f schema.Field, doc *string) error {
	if f.Schema == nil {
		return b.errorf("a value without a schema inside of one with a schema cannot be written as Avro")
	}
	b.path = append(b.path, f.Name)
	name := b.scrubbed(f.Name)
	if err := checkAvroName(name); err != nil {
		return b.errorf("%w; Avro takes letters, digits and _ only: set scrub.invalid.names=true, or field.name.adjustment.mode=avro at the source", err)
	}
	if b.scrub && slices.ContainsFunc(t.fields, func(other avroField) bool { return other.name == name }) {
		return b.errorf("scrub.invalid.names makes %q of it, as of another field", name)
	}
	typ, err := b.schema(f.Schema)
	if err != nil {
		return err
	}
	af := avroField{name: name, typ: typ, doc: doc}
	switch {
	case f.Schema.Default != nil:
		d := b.avroDefault(f.Schema, *f.Schema.Default)
		if f.Schema.Type == schema.Float32 { // Avro's JacksonUtils makes a double of it
			d = floatTree(f.Schema.Default.Float64(), 64)
		}
		af.fallback = &d
	case f.Schema.Optional:
		af.fallback = &tree{kind: 'n'}
	}
	t.fields = append(t.fields, af)
	b.path = b.path[:len(b.path)-1]
	return nil
}

// nameOf splits the schema's name at its last dot; a schema without a name gets the next default name.
func (b *avroFromBuilder) nameOf(s *schema.Schema) (namespace, name string, err error) {
	if s.Name == "" {
		name = avroDefaultName
		if n := len(b.unnamed) + 1; n > 1 {
			name += strconv.Itoa(n)
		}
		return avroNamespace, name, nil
	}
	namespace, name = splitAvroName(s.Name)
	if b.scrub {
		parts := strings.Split(namespace, ".")
		for i := range parts {
			parts[i] = b.scrubbed(parts[i])
		}
		namespace, name = strings.Join(parts, "."), b.scrubbed(name)
	}
	if err := checkAvroName(name); err != nil {
		return "", "", b.errorf("schema name %q: %w; Avro takes letters, digits and _ only: set scrub.invalid.names=true, or schema.name.adjustment.mode=avro at the source", s.Name, err)
	}
	return namespace, name, nil
}

// metadata adds the properties, in AvroData's order: connect.doc, version, parameters, default, name, type, then the logical type.
func (b *avroFromBuilder) metadata(s *schema.Schema, t *avroType) error {
	if b.metaData {
		if s.Doc != "" {
			t.add(connectDoc, textTree(s.Doc))
		}
		if s.Version != 0 {
			t.add(connectVersion, numberTree(strconv.Itoa(s.Version)))
		}
		if p := b.parametersTree(s); len(p.elems) > 0 {
			t.add(connectParameters, p)
		}
		if s.Default != nil && (b.discardDoc || parameter(s, avroFieldDefault) == nil) {
			t.add(connectDefault, b.avroDefault(s, *s.Default))
		}
		if s.Name != "" {
			t.add(connectName, textTree(s.Name))
		}
		if s.Type == schema.Int8 || s.Type == schema.Int16 {
			t.add(connectType, textTree(s.Type.String()))
		}
	}
	switch s.Name {
	case schema.DecimalName:
		if err := b.decimal(s, t); err != nil {
			return err
		}
	case schema.DateName:
		t.add("logicalType", textTree("date"))
	case schema.TimeName:
		t.add("logicalType", textTree("time-millis"))
	case schema.TimestampName:
		t.add("logicalType", textTree("timestamp-millis"))
	}
	for _, p := range s.Parameters {
		if strings.HasPrefix(p.Name, avroPropPrefix) {
			t.add(p.Name, textTree(p.Value))
		}
	}
	return nil
}

// decimal adds Avro's decimal, unless its rules forbid it: 0 ≤ scale ≤ precision.
func (b *avroFromBuilder) decimal(s *schema.Schema, t *avroType) error {
	scale, err := decimalScale(s)
	if err != nil {
		return b.errorf("%w", err)
	}
	precision := defaultPrecision
	if text := s.Parameter(schema.PrecisionParameter); text != "" {
		if precision, err = strconv.Atoi(text); err != nil {
			return b.errorf("parameter %s=%q of %s is not a number", schema.PrecisionParameter, text, s.Name)
		}
	}
	if scale < 0 || scale > precision {
		return nil
	}
	t.add("logicalType", textTree("decimal"))
	t.add("precision", numberTree(strconv.Itoa(precision)))
	t.add("scale", numberTree(strconv.Itoa(scale)))
	return nil
}

// decimalScale is the scale of a Decimal schema, which must say one.
func decimalScale(s *schema.Schema) (int, error) {
	text := s.Parameter(schema.ScaleParameter)
	scale, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("schema %s needs a parameter %q that is a number, it has %q", s.Name, schema.ScaleParameter, text)
	}
	return int(scale), nil
}

func parameter(s *schema.Schema, name string) *string {
	for i := range s.Parameters {
		if s.Parameters[i].Name == name {
			return &s.Parameters[i].Value
		}
	}
	return nil
}

func (o avroOptions) parametersTree(s *schema.Schema) tree {
	t := tree{kind: '{'}
	for _, p := range s.Parameters {
		if o.discardDoc || p.Name != avroFieldDefault {
			t.members = append(t.members, p.Name)
			t.elems = append(t.elems, textTree(p.Value))
		}
	}
	return t
}

func floatTree(v float64, bits int) tree {
	text := string(appendJavaFloat(nil, v, bits))
	if v-v != 0 { // NaN and infinities are quoted
		return textTree(text)
	}
	return tree{kind: '.', text: text}
}

// avroDefault is a default in Avro's JSON form: bytes are a text of characters 0 to 255.
func (o avroOptions) avroDefault(s *schema.Schema, v schema.Value) tree {
	switch v.Type() {
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		return numberTree(strconv.FormatInt(v.Int(), 10))
	case schema.Float32:
		return floatTree(v.Float64(), 32)
	case schema.Float64:
		return floatTree(v.Float64(), 64)
	case schema.Boolean:
		return tree{kind: 'b', text: strconv.FormatBool(v.Bool())}
	case schema.String:
		return textTree(v.Text())
	case schema.Bytes:
		runes := make([]rune, len(v.Bytes()))
		for i, c := range v.Bytes() {
			runes[i] = rune(c)
		}
		return textTree(string(runes))
	case schema.Array:
		t := tree{kind: '['}
		for _, e := range v.Array() {
			t.elems = append(t.elems, o.avroDefault(s.Elem, e))
		}
		return t
	case schema.Map:
		return o.avroDefaultMap(s, v.Map())
	case schema.Struct:
		t := tree{kind: '{'}
		for i, f := range s.Fields {
			fv := v.Struct().Values[i]
			if fv.IsNull() && f.Schema.Default != nil {
				fv = *f.Schema.Default
			}
			d := o.avroDefault(f.Schema, fv)
			if isUnion(s) { // a default is of the first type
				return d
			}
			t.members = append(t.members, o.scrubbed(f.Name))
			t.elems = append(t.elems, d)
		}
		return t
	}
	return tree{kind: 'n'}
}

func (o avroOptions) avroDefaultMap(s *schema.Schema, entries []schema.Entry) tree {
	if o.plainMap(s) {
		t := tree{kind: '{'}
		for _, e := range entries {
			t.members = append(t.members, e.Key.Text())
			t.elems = append(t.elems, o.avroDefault(s.Elem, e.Value))
		}
		return t
	}
	t := tree{kind: '['}
	for _, e := range entries {
		t.elems = append(t.elems, tree{kind: '[', elems: []tree{o.avroDefault(s.Key, e.Key), o.avroDefault(s.Elem, e.Value)}})
	}
	return t
}
