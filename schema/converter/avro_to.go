package converter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// avroTo translates an Avro schema as AvroData.toConnectSchema does. Nil means schemaless data: AvroData's Anything.
func avroTo(t *avroType, o avroOptions) (*schema.Schema, error) {
	if isAnything(t) {
		return nil, nil
	}
	b := avroToBuilder{avroOptions: o}
	return b.schema(t, false, nil, nil)
}

type avroToBuilder struct {
	avroOptions
	inside []*avroType // records that are being translated
	unions int         // with generalized and no counter for all schemas
}

// schema translates t; fallback and doc are the default and the documentation of the field it stands in.
func (b *avroToBuilder) schema(t *avroType, optional bool, fallback *tree, doc *string) (*schema.Schema, error) {
	if t.kind == "union" {
		if inner := nullable(t); inner != nil {
			return b.schema(inner, true, nil, doc)
		}
		if b.flattenSingle && len(t.branches) == 1 {
			return b.schema(t.branches[0], false, nil, doc)
		}
	}
	s, err := b.base(t)
	if err != nil {
		return nil, err
	}
	if optional {
		s.Optional = true
	}
	return s, b.metadata(s, t, fallback, doc)
}

// nullable returns the other type of a union of null and one type.
func nullable(t *avroType) *avroType {
	if len(t.branches) != 2 {
		return nil
	}
	switch {
	case t.branches[0].kind == "null" && t.branches[1].kind != "null":
		return t.branches[1]
	case t.branches[1].kind == "null" && t.branches[0].kind != "null":
		return t.branches[0]
	}
	return nil
}

func (b *avroToBuilder) base(t *avroType) (*schema.Schema, error) {
	switch t.kind {
	case "boolean":
		return schema.Of(schema.Boolean), nil
	case "int":
		return intTo(t)
	case "long":
		if logical(t) == "timestamp-millis" {
			return schema.Timestamp(), nil
		}
		return schema.Of(schema.Int64), nil
	case "float":
		return schema.Of(schema.Float32), nil
	case "double":
		return schema.Of(schema.Float64), nil
	case "string":
		return schema.Of(schema.String), nil
	case "bytes", "fixed":
		return bytesTo(t)
	case "enum":
		return b.enumTo(t), nil
	case "array":
		return b.arrayTo(t)
	case "map":
		elem, err := b.schema(t.elem, false, nil, nil)
		return schema.MapOf(schema.Of(schema.String), elem), err
	case "record":
		return b.recordTo(t)
	case "union":
		return b.unionTo(t)
	case "null":
		return nil, said("Standalone null schemas are not supported by this converter")
	}
	return nil, said("Avro type %q is not known", t.kind)
}

func logical(t *avroType) string {
	if p := t.prop("logicalType"); p != nil && p.kind == '"' {
		return strings.ToLower(p.text)
	}
	return ""
}

func intTo(t *avroType) (*schema.Schema, error) {
	switch logical(t) {
	case "date":
		return schema.Date(), nil
	case "time-millis":
		return schema.Time(), nil
	case "":
	default:
		return schema.Of(schema.Int32), nil
	}
	p := t.prop(connectType)
	if p == nil {
		return schema.Of(schema.Int32), nil
	}
	switch p.text {
	case "int8":
		return schema.Of(schema.Int8), nil
	case "int16":
		return schema.Of(schema.Int16), nil
	}
	return nil, fmt.Errorf("%s %s of an Avro int is not known", connectType, p.appendTo(nil))
}

func bytesTo(t *avroType) (*schema.Schema, error) {
	s := schema.Of(schema.Bytes)
	if logical(t) == "decimal" {
		scale := 0
		if p := t.prop("scale"); p != nil && (p.kind == '0' || p.kind == '.') {
			n, err := strconv.ParseInt(p.text, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("scale %s of a decimal is not a number", p.appendTo(nil))
			}
			scale = int(n)
		}
		s = schema.Decimal(scale)
		if p := t.prop("precision"); p != nil {
			n, err := strconv.ParseInt(p.text, 10, 32)
			if err != nil || p.kind != '0' {
				return nil, fmt.Errorf("precision property must be a JSON Integer, found %s", p.appendTo(nil))
			}
			if n != defaultPrecision {
				setParameter(s, schema.PrecisionParameter, strconv.FormatInt(n, 10))
			}
		}
	}
	if t.kind == "fixed" {
		setParameter(s, avroFixedSize, strconv.Itoa(t.size))
	}
	return s, nil
}

func setParameter(s *schema.Schema, name, value string) {
	for i := range s.Parameters {
		if s.Parameters[i].Name == name {
			s.Parameters[i].Value = value
			return
		}
	}
	s.Parameters = append(s.Parameters, schema.Parameter{Name: name, Value: value})
}

func (b *avroToBuilder) enumTo(t *avroType) *schema.Schema {
	s := schema.Of(schema.String)
	if b.metaData {
		switch {
		case t.doc == nil:
		case b.discardDoc:
			setParameter(s, connectEnumDoc, *t.doc)
		default:
			setParameter(s, avroEnumDoc+t.name, *t.doc)
		}
		if !b.discardDoc && t.symbolElse != nil {
			setParameter(s, avroEnumDefault+t.name, *t.symbolElse)
		}
	}
	mark := b.enumParameter()
	setParameter(s, mark, t.fullName())
	for i, symbol := range t.symbols {
		text := symbol
		if b.generalized {
			text = strconv.Itoa(i)
		}
		setParameter(s, mark+"."+symbol, text)
	}
	return s
}

// isEntry tells the records that stand for the entries of a map.
func isEntry(t *avroType) bool {
	if t.kind != "record" {
		return false
	}
	internal := t.prop(connectInternal)
	return t.fullName() == avroNamespace+"."+avroMapEntry || internal != nil && internal.text == avroMapEntry
}

func (b *avroToBuilder) arrayTo(t *avroType) (*schema.Schema, error) {
	if !isEntry(t.elem) {
		elem, err := b.schema(t.elem, false, nil, nil)
		return schema.ArrayOf(elem), err
	}
	if len(t.elem.fields) != 2 || t.elem.fields[0].name != "key" || t.elem.fields[1].name != "value" {
		return nil, said("Found map encoded as array of key-value pairs, but array elements do not match the expected format.")
	}
	key, err := b.schema(t.elem.fields[0].typ, false, nil, nil)
	if err != nil {
		return nil, err
	}
	value, err := b.schema(t.elem.fields[1].typ, false, nil, nil)
	return schema.MapOf(key, value), err
}

func (b *avroToBuilder) recordTo(t *avroType) (*schema.Schema, error) {
	if slices.Contains(b.inside, t) {
		return nil, said("record %q contains itself, which a Connect schema cannot", t.fullName())
	}
	b.inside = append(b.inside, t)
	defer func() { b.inside = b.inside[:len(b.inside)-1] }()
	s := schema.StructOf("")
	if b.metaData && !b.discardDoc && t.doc != nil {
		setParameter(s, avroRecordDoc, *t.doc)
	}
	for i := range t.fields {
		f := &t.fields[i]
		if b.metaData && !b.discardDoc && f.doc != nil {
			setParameter(s, avroFieldDoc+f.name, *f.doc)
		}
		fs, err := b.schema(f.typ, false, f.fallback, f.doc)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.name, err)
		}
		s.Fields = append(s.Fields, schema.F(f.name, fs))
	}
	return s, nil
}

func (b *avroToBuilder) unionTo(t *avroType) (*schema.Schema, error) {
	s := schema.StructOf(avroUnionName)
	if b.generalized {
		s.Name = b.unionName()
		setParameter(s, sumUnion, s.Name)
	}
	for i, branch := range t.branches {
		if branch.kind == "null" {
			s.Optional = true
			continue
		}
		name := branch.kind
		switch {
		case b.generalized:
			name = sumUnionField + strconv.Itoa(i)
		case branch.named() && b.enhanced:
			name = branch.fullName()
		case branch.named():
			name = branch.name
		}
		if s.Field(name) >= 0 {
			return nil, saidOf(fmt.Errorf("%q", name), "Multiple union schemas map to the Connect union field name")
		}
		fs, err := b.schema(branch, true, nil, nil)
		if err != nil {
			return nil, err
		}
		s.Fields = append(s.Fields, schema.F(name, fs))
	}
	return s, nil
}

// unionName is the next name of a union with generalized.sum.type.support.
func (b *avroToBuilder) unionName() string {
	n := int64(b.unions)
	b.unions++
	if b.avroOptions.unions != nil {
		n = b.avroOptions.unions.Add(1) - 1
	}
	return sumUnionName + strconv.FormatInt(n, 10)
}

// documentation takes the text from where discard.type.doc.default has it: the field, the type, then connect.doc.
func (b *avroToBuilder) documentation(s *schema.Schema, t *avroType, doc *string) {
	p := t.prop(connectDoc)
	switch {
	case !b.discardDoc:
		if b.metaData && p != nil {
			s.Doc = p.text
		}
		return
	case doc != nil:
		s.Doc = *doc
	case t.doc != nil:
		s.Doc = *t.doc
	case p != nil:
		s.Doc = p.text
	}
	if b.metaData && t.doc != nil {
		setParameter(s, connectRecordDoc, *t.doc)
	}
}

// metadata takes the connect.* properties, the default and the name.
func (b *avroToBuilder) metadata(s *schema.Schema, t *avroType, fallback *tree, doc *string) error {
	b.documentation(s, t, doc)
	if p := t.prop(connectVersion); p != nil {
		version, err := strconv.Atoi(p.text)
		if err != nil || p.kind != '0' {
			return said("Invalid Connect version found: %s", p.appendTo(nil))
		}
		if s.Version != 0 && s.Version != version {
			return said("Mismatched versions: version already added to SchemaBuilder (%d) differs from version in source schema (%d)", s.Version, version)
		}
		s.Version = version
	}
	if p := t.prop(connectParameters); b.metaData && p != nil {
		if p.kind != '{' {
			return said("Expected JSON object for schema parameters but found: %s", p.appendTo(nil))
		}
		for i, name := range p.members {
			if p.elems[i].kind != '"' {
				return said("Expected schema parameter values to be strings but found: %s", p.elems[i].appendTo(nil))
			}
			setParameter(s, name, p.elems[i].text)
		}
	}
	for i := range t.props {
		if p := &t.props[i]; strings.HasPrefix(p.name, avroPropPrefix) {
			text := p.value.text
			if p.value.kind == '{' || p.value.kind == '[' {
				text = string(p.value.appendTo(nil))
			}
			setParameter(s, p.name, text)
		}
	}
	b.defaultOf(s, t, fallback)
	return nameTo(s, t)
}

// defaultOf sets the default. One that does not fit is left, as AvroData leaves it: it only matters to readers of older data.
func (b *avroToBuilder) defaultOf(s *schema.Schema, t *avroType, fallback *tree) {
	own := t.prop(connectDefault)
	switch {
	case fallback == nil:
		fallback = own
	case own == nil && b.metaData && !b.discardDoc:
		setParameter(s, avroFieldDefault, "true")
	}
	if fallback == nil {
		return
	}
	if v, err := defaultTo(s, t, fallback); err == nil && !v.IsNull() {
		s.Default = &v
	}
}

func nameTo(s *schema.Schema, t *avroType) error {
	name := ""
	if p := t.prop(connectName); p != nil {
		if p.kind != '"' {
			return said("Invalid schema name: %s", p.appendTo(nil))
		}
		name = p.text
	} else if t.named() {
		name = t.fullName()
		if s.Name == schema.DecimalName { // a decimal in a fixed: Connect knows it by the decimal's name
			return nil
		}
	}
	if name == "" || strings.HasPrefix(name, avroNamespace+"."+avroDefaultName) {
		return nil
	}
	if s.Name != "" && s.Name != name {
		return said("Mismatched names: name already added to SchemaBuilder (%s) differs from name in source schema (%s)", s.Name, name)
	}
	s.Name = name
	return nil
}

// defaultTo reads a default in Avro's JSON form.
func defaultTo(s *schema.Schema, t *avroType, d *tree) (schema.Value, error) {
	if d.kind == 'n' {
		return schema.NullValue, nil
	}
	if t.kind == "union" {
		if inner := nullable(t); inner != nil {
			return defaultTo(s, inner, d)
		}
		return schema.NullValue, fmt.Errorf("a default of a union of several types")
	}
	misfit := fmt.Errorf("default %s does not fit %s", d.appendTo(nil), schema.Describe(s))
	switch s.Type {
	case schema.Int8, schema.Int16, schema.Int32, schema.Int64:
		n, err := strconv.ParseInt(d.text, 10, 64)
		if err != nil || d.kind != '0' || !schema.FitsInt(s.Type, n) {
			return schema.NullValue, misfit
		}
		return schema.OfInt(s.Type, n), nil
	case schema.Float32, schema.Float64:
		f, err := strconv.ParseFloat(d.text, 64)
		if err != nil || d.kind == 'b' {
			return schema.NullValue, misfit
		}
		if s.Type == schema.Float32 {
			return schema.OfFloat32(float32(f)), nil
		}
		return schema.OfFloat64(f), nil
	case schema.Boolean:
		if d.kind != 'b' {
			return schema.NullValue, misfit
		}
		return schema.OfBool(d.text == "true"), nil
	case schema.String:
		if d.kind != '"' {
			return schema.NullValue, misfit
		}
		return schema.OfString(d.text), nil
	case schema.Bytes:
		if d.kind != '"' {
			return schema.NullValue, misfit
		}
		return schema.OfBytes(latin1(d.text)), nil
	case schema.Array:
		return defaultArrayTo(s, t, d, misfit)
	case schema.Map:
		return defaultMapTo(s, t, d, misfit)
	}
	return defaultStructTo(s, t, d, misfit)
}

// latin1 takes a text of characters 0 to 255 as bytes; others become ?, as in Java.
func latin1(text string) []byte {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xFF {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return b
}

func defaultArrayTo(s *schema.Schema, t *avroType, d *tree, misfit error) (schema.Value, error) {
	if d.kind != '[' {
		return schema.NullValue, misfit
	}
	elems := make([]schema.Value, len(d.elems))
	for i := range d.elems {
		var err error
		if elems[i], err = defaultTo(s.Elem, t.elem, &d.elems[i]); err != nil {
			return schema.NullValue, err
		}
	}
	return schema.OfArray(elems), nil
}

func defaultMapTo(s *schema.Schema, t *avroType, d *tree, misfit error) (schema.Value, error) {
	var entries []schema.Entry
	switch {
	case t.kind == "map" && d.kind == '{':
		for i, name := range d.members {
			v, err := defaultTo(s.Elem, t.elem, &d.elems[i])
			if err != nil {
				return schema.NullValue, err
			}
			entries = append(entries, schema.Entry{Key: schema.OfString(name), Value: v})
		}
	case t.kind == "array" && d.kind == '[':
		for i := range d.elems {
			pair := &d.elems[i]
			if pair.kind != '[' || len(pair.elems) != 2 {
				return schema.NullValue, misfit
			}
			key, err := defaultTo(s.Key, t.elem.fields[0].typ, &pair.elems[0])
			if err != nil {
				return schema.NullValue, err
			}
			value, err := defaultTo(s.Elem, t.elem.fields[1].typ, &pair.elems[1])
			if err != nil {
				return schema.NullValue, err
			}
			entries = append(entries, schema.Entry{Key: key, Value: value})
		}
	default:
		return schema.NullValue, misfit
	}
	return schema.OfMap(entries), nil
}

func defaultStructTo(s *schema.Schema, t *avroType, d *tree, misfit error) (schema.Value, error) {
	if d.kind != '{' || t.kind != "record" {
		return schema.NullValue, misfit
	}
	v := &schema.StructValue{Schema: s, Values: make([]schema.Value, len(s.Fields))}
	for i, f := range s.Fields {
		m := d.get(f.Name)
		switch {
		case m != nil:
			var err error
			if v.Values[i], err = defaultTo(f.Schema, t.fields[i].typ, m); err != nil {
				return schema.NullValue, err
			}
		case f.Schema.Default != nil:
			v.Values[i] = *f.Schema.Default
		case !f.Schema.Optional:
			return schema.NullValue, misfit
		}
	}
	return schema.OfStruct(v), nil
}
