package converter

import (
	"fmt"
	"slices"
	"unicode"
)

// avroType is an Avro schema: specification 1.11, "Schema Declaration". Inner types of the same name are the same pointer.
type avroType struct {
	kind       string // "null" … "string", "record", "enum", "fixed", "array", "map", "union"
	name       string // of record, enum, fixed: without the namespace
	namespace  string
	doc        *string
	fields     []avroField
	elem       *avroType   // of array and map
	branches   []*avroType // of union
	symbols    []string
	symbolElse *string // the enum's default
	size       int     // of fixed
	props      []avroProp
	aliases    *tree
}

// avroField is a field of a record.
type avroField struct {
	name     string
	typ      *avroType
	doc      *string
	fallback *tree // the default; nil when there is none
	props    []avroProp
}

// avroProp is a further property, kept in order.
type avroProp struct {
	name  string
	value tree
}

func (t *avroType) fullName() string {
	if t.namespace == "" {
		return t.name
	}
	return t.namespace + "." + t.name
}

func (t *avroType) named() bool { return t.kind == "record" || t.kind == "enum" || t.kind == "fixed" }

// prop returns a property, nil when it is not set.
func (t *avroType) prop(name string) *tree {
	for i := range t.props {
		if t.props[i].name == name {
			return &t.props[i].value
		}
	}
	return nil
}

func (t *avroType) add(name string, value tree) {
	t.props = append(t.props, avroProp{name, value})
}

func textTree(s string) tree   { return tree{kind: '"', text: s} }
func numberTree(s string) tree { return tree{kind: '0', text: s} }

// equal compares as Avro's Schema.equals does: documentation and aliases do not count.
func (t *avroType) equal(o *avroType) bool {
	if t == o {
		return true
	}
	if t == nil || o == nil || t.kind != o.kind || t.fullName() != o.fullName() || t.size != o.size || !slices.Equal(t.symbols, o.symbols) ||
		len(t.fields) != len(o.fields) || len(t.branches) != len(o.branches) || !equalProps(t.props, o.props) || !t.elem.equal(o.elem) {
		return false
	}
	for i, f := range t.fields {
		if f.name != o.fields[i].name || !f.fallback.equal(o.fields[i].fallback) || !equalProps(f.props, o.fields[i].props) || !f.typ.equal(o.fields[i].typ) {
			return false
		}
	}
	for i, b := range t.branches {
		if !b.equal(o.branches[i]) {
			return false
		}
	}
	return true
}

func equalProps(a, b []avroProp) bool {
	if len(a) != len(b) {
		return false
	}
	for _, p := range a {
		i := slices.IndexFunc(b, func(q avroProp) bool { return q.name == p.name })
		if i < 0 || !p.value.equal(&b[i].value) {
			return false
		}
	}
	return true
}

// avroText is the schema as Schema.toString of Avro's Java library prints it.
func avroText(t *avroType) (string, error) {
	p := avroPrinter{known: make(map[string]*avroType)}
	if err := p.print(t, nil); err != nil {
		return "", err
	}
	return string(p.out), nil
}

type avroPrinter struct {
	out   []byte
	known map[string]*avroType
}

// print appends t inside of a namespace; nil is outside of any.
func (p *avroPrinter) print(t *avroType, space *string) error {
	if t.named() {
		if done, err := p.reference(t, space); done || err != nil {
			return err
		}
	}
	switch t.kind {
	case "record":
		return p.record(t, space)
	case "union":
		p.out = append(p.out, '[')
		for i, b := range t.branches {
			if i > 0 {
				p.out = append(p.out, ',')
			}
			if err := p.print(b, space); err != nil {
				return err
			}
		}
		p.out = append(p.out, ']')
		return nil
	}
	if len(t.props) == 0 && !t.named() && t.elem == nil {
		p.out = appendJSONString(p.out, t.kind, false)
		return nil
	}
	p.open(t, space)
	switch t.kind {
	case "array", "map":
		p.member(map[string]string{"array": "items", "map": "values"}[t.kind])
		if err := p.print(t.elem, space); err != nil {
			return err
		}
	case "enum":
		p.text("doc", t.doc)
		p.member("symbols")
		p.out = append(p.out, '[')
		for i, s := range t.symbols {
			if i > 0 {
				p.out = append(p.out, ',')
			}
			p.out = appendJSONString(p.out, s, false)
		}
		p.out = append(p.out, ']')
		p.text("default", t.symbolElse)
	case "fixed":
		p.text("doc", t.doc)
		p.member("size")
		p.out = fmt.Appendf(p.out, "%d", t.size)
	}
	p.close(t)
	return nil
}

// reference prints the name of a type that was printed before; another type of that name is an error.
func (p *avroPrinter) reference(t *avroType, space *string) (bool, error) {
	full := t.fullName()
	before, ok := p.known[full]
	if !ok {
		p.known[full] = t
		return false, nil
	}
	if !before.equal(t) {
		return false, fmt.Errorf("two different structs have the same schema name %q, which Avro cannot express; give one of them another name", full)
	}
	if t.namespace != "" && space != nil && *space == t.namespace && !avroKind(t.name) {
		full = t.name
	}
	p.out = appendJSONString(p.out, full, false)
	return true, nil
}

// open prints the type, name and namespace.
func (p *avroPrinter) open(t *avroType, space *string) {
	p.out = append(p.out, `{"type":"`...)
	p.out = append(p.out, t.kind...)
	p.out = append(p.out, '"')
	if !t.named() {
		return
	}
	p.text("name", &t.name)
	if t.namespace != "" && (space == nil || *space != t.namespace) || t.namespace == "" && space != nil && *space != "" {
		p.text("namespace", &t.namespace)
	}
}

// close prints the further properties.
func (p *avroPrinter) close(t *avroType) {
	p.props(t.props)
	if t.aliases != nil {
		p.member("aliases")
		p.out = t.aliases.appendTo(p.out)
	}
	p.out = append(p.out, '}')
}

func (p *avroPrinter) record(t *avroType, space *string) error {
	p.open(t, space)
	p.text("doc", t.doc)
	p.member("fields")
	p.out = append(p.out, '[')
	for i, f := range t.fields {
		if i > 0 {
			p.out = append(p.out, ',')
		}
		p.out = append(p.out, `{"name":`...)
		p.out = appendJSONString(p.out, f.name, false)
		p.member("type")
		if err := p.print(f.typ, &t.namespace); err != nil {
			return err
		}
		p.text("doc", f.doc)
		if f.fallback != nil {
			p.member("default")
			p.out = f.fallback.appendTo(p.out)
		}
		p.props(f.props)
		p.out = append(p.out, '}')
	}
	p.out = append(p.out, ']')
	p.close(t)
	return nil
}

func (p *avroPrinter) props(props []avroProp) {
	for i := range props {
		p.out = append(p.out, ',')
		p.out = appendJSONString(p.out, props[i].name, false)
		p.out = append(p.out, ':')
		p.out = props[i].value.appendTo(p.out)
	}
}

func (p *avroPrinter) member(name string) {
	p.out = append(p.out, ',', '"')
	p.out = append(p.out, name...)
	p.out = append(p.out, '"', ':')
}

func (p *avroPrinter) text(name string, value *string) {
	if value != nil {
		p.member(name)
		p.out = appendJSONString(p.out, *value, false)
	}
}

// avroKind tells the names of Avro's own types.
func avroKind(name string) bool {
	switch name {
	case "record", "enum", "fixed", "array", "map", "union":
		return true
	}
	return avroPrimitive(name)
}

func avroPrimitive(name string) bool {
	switch name {
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
		return true
	}
	return false
}

// checkAvroName refuses what Avro's Schema.validateName refuses: a name begins with a letter or _ and goes on with letters, digits and _.
func checkAvroName(name string) error {
	if name == "" {
		return &saying{class: schemaParseException, message: "Empty name"}
	}
	for i, r := range name {
		if r == '_' || unicode.IsLetter(r) || i > 0 && unicode.IsDigit(r) {
			continue
		}
		if i == 0 {
			return &saying{class: schemaParseException, message: "Illegal initial character: " + name}
		}
		return &saying{class: schemaParseException, message: "Illegal character in: " + name}
	}
	return nil
}
