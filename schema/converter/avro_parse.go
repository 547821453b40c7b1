package converter

import (
	"fmt"
	"strconv"
	"strings"
)

// parseAvro reads an Avro schema: specification 1.11, "Schema Declaration". Properties keep their order. Names are not checked
// beyond being there, for a registry's schemas were accepted by somebody already.
func parseAvro(text string) (*avroType, error) {
	t, err := parseTree([]byte(text))
	if err != nil {
		if text == "" || text[0] == '{' || text[0] == '[' || text[0] == '"' {
			return nil, fmt.Errorf("parse Avro schema: %w", err)
		}
		t = &tree{kind: '"', text: text} // a bare word such as string, which registries may hand out
	}
	p := avroParser{known: make(map[string]*avroType)}
	a, err := p.parse(t, "")
	if err != nil {
		return nil, fmt.Errorf("parse Avro schema: %w", err)
	}
	return a, nil
}

type avroParser struct{ known map[string]*avroType }

func (p *avroParser) parse(t *tree, space string) (*avroType, error) {
	switch t.kind {
	case '"':
		if avroPrimitive(t.text) {
			return &avroType{kind: t.text}, nil
		}
		return p.lookup(t.text, space)
	case '[':
		u := &avroType{kind: "union"}
		for i := range t.elems {
			b, err := p.parse(&t.elems[i], space)
			if err != nil {
				return nil, err
			}
			if b.kind == "union" {
				return nil, fmt.Errorf("a union holds a union")
			}
			u.branches = append(u.branches, b)
		}
		return u, nil
	case '{':
		return p.object(t, space)
	}
	return nil, fmt.Errorf("want a name, an object or an array, found %s", t.appendTo(nil))
}

func (p *avroParser) lookup(name, space string) (*avroType, error) {
	if !strings.Contains(name, ".") && space != "" {
		if a, ok := p.known[space+"."+name]; ok {
			return a, nil
		}
	}
	if a, ok := p.known[name]; ok {
		return a, nil
	}
	return nil, fmt.Errorf("type %q is not defined before its use", name)
}

// avroReserved are the members that are no properties.
var avroReserved = map[string]bool{"type": true, "name": true, "namespace": true, "doc": true, "fields": true, "items": true, "values": true, "symbols": true, "size": true, "aliases": true}

func (p *avroParser) object(t *tree, space string) (a *avroType, err error) {
	kind := t.get("type")
	if kind == nil {
		return nil, fmt.Errorf("no type in %s", t.appendTo(nil))
	}
	if kind.kind != '"' { // {"type":{"type":"int"}}
		return p.parse(kind, space)
	}
	a = &avroType{kind: kind.text, aliases: t.get("aliases")}
	if kind.text == "error" {
		a.kind = "record"
	}
	if doc, ok := t.str("doc"); ok {
		a.doc = &doc
	}
	switch a.kind {
	case "record", "enum", "fixed":
		if err := p.define(a, t, space); err != nil {
			return nil, err
		}
	case "array":
		if a.elem, err = p.inner(t, "items", space); err != nil {
			return nil, err
		}
	case "map":
		if a.elem, err = p.inner(t, "values", space); err != nil {
			return nil, err
		}
	default:
		if !avroPrimitive(a.kind) {
			return p.lookup(a.kind, space)
		}
	}
	for i, name := range t.members {
		if !avroReserved[name] && (name != "default" || a.kind != "enum") {
			a.add(name, t.elems[i])
		}
	}
	return a, nil
}

func (p *avroParser) inner(t *tree, name, space string) (*avroType, error) {
	elem := t.get(name)
	if elem == nil {
		return nil, fmt.Errorf("no %s in %s", name, t.appendTo(nil))
	}
	return p.parse(elem, space)
}

// define reads a named type; its name is known to its own fields.
func (p *avroParser) define(a *avroType, t *tree, space string) (err error) {
	name, ok := t.str("name")
	if !ok || name == "" {
		return fmt.Errorf("no name in %s", t.appendTo(nil))
	}
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		a.namespace, a.name = name[:dot], name[dot+1:]
	} else {
		a.namespace, a.name = space, name
		if ns, ok := t.str("namespace"); ok {
			a.namespace = ns
		}
	}
	if _, twice := p.known[a.fullName()]; twice {
		return fmt.Errorf("type %q is defined twice", a.fullName())
	}
	p.known[a.fullName()] = a
	switch a.kind {
	case "record":
		return p.fields(a, t)
	case "enum":
		symbols := t.get("symbols")
		if symbols == nil || symbols.kind != '[' {
			return fmt.Errorf("enum %q has no symbols", a.fullName())
		}
		for _, s := range symbols.elems {
			a.symbols = append(a.symbols, s.text)
		}
		if d, ok := t.str("default"); ok {
			a.symbolElse = &d
		}
	case "fixed":
		size := t.get("size")
		if size == nil {
			return fmt.Errorf("fixed %q has no size", a.fullName())
		}
		if a.size, err = strconv.Atoi(size.text); err != nil || a.size < 0 || size.kind != '0' {
			return fmt.Errorf("fixed %q has size %s", a.fullName(), size.appendTo(nil))
		}
	}
	return nil
}

func (p *avroParser) fields(a *avroType, t *tree) error {
	fields := t.get("fields")
	if fields == nil || fields.kind != '[' {
		return said("record %q has no fields", a.fullName())
	}
	for i := range fields.elems {
		ft := &fields.elems[i]
		name, ok := ft.str("name")
		if !ok {
			return fmt.Errorf("a field of record %q has no name", a.fullName())
		}
		typ, err := p.inner(ft, "type", a.namespace)
		if err != nil {
			return fmt.Errorf("field %q of record %q: %w", name, a.fullName(), err)
		}
		f := avroField{name: name, typ: typ, fallback: ft.get("default")}
		if doc, ok := ft.str("doc"); ok {
			f.doc = &doc
		}
		for j, member := range ft.members {
			switch member {
			case "name", "type", "doc", "default", "order", "aliases":
			default:
				f.props = append(f.props, avroProp{member, ft.elems[j]})
			}
		}
		a.fields = append(a.fields, f)
	}
	return nil
}

// sameShape tells whether bytes written for a can be read by b's schema as the same fields: everything but names of types,
// documentation, defaults and properties is equal. Else it says where they part.
func sameShape(a, b *avroType) error { return shapes{}.compare(a, b) }

// shapes are the pairs under comparison, for schemas that contain themselves.
type shapes map[[2]*avroType]bool

func (s shapes) compare(a, b *avroType) error {
	if a.kind != b.kind || a.size != b.size || len(a.branches) != len(b.branches) || len(a.fields) != len(b.fields) || len(a.symbols) != len(b.symbols) {
		return fmt.Errorf("%s here, %s there", a.summary(), b.summary())
	}
	pair := [2]*avroType{a, b}
	if s[pair] {
		return nil
	}
	s[pair] = true
	for i, f := range a.fields {
		if f.name != b.fields[i].name {
			return fmt.Errorf("field %q here, field %q there", f.name, b.fields[i].name)
		}
		if err := s.compare(f.typ, b.fields[i].typ); err != nil {
			return fmt.Errorf("field %q: %w", f.name, err)
		}
	}
	for i := range a.branches {
		if err := s.compare(a.branches[i], b.branches[i]); err != nil {
			return err
		}
	}
	for i := range a.symbols {
		if a.symbols[i] != b.symbols[i] {
			return fmt.Errorf("symbol %q here, %q there", a.symbols[i], b.symbols[i])
		}
	}
	if a.elem != nil {
		return s.compare(a.elem, b.elem)
	}
	return nil
}

func (t *avroType) summary() string {
	switch t.kind {
	case "record":
		return fmt.Sprintf("record of %d fields", len(t.fields))
	case "union":
		return fmt.Sprintf("union of %d types", len(t.branches))
	case "fixed":
		return fmt.Sprintf("fixed of %d bytes", t.size)
	}
	return t.kind
}
