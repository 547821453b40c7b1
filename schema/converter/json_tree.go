package converter

// tree is a JSON value with the members of objects in order, for the schemas we read: once per schema, never per row.
type tree struct {
	kind    byte // 'n' null, 'b' boolean, '0' integral number, '.' other number, '"' string, '[' array, '{' object
	text    string
	elems   []tree // of an array; values of an object
	members []string
}

// parseTree reads the first value of a JSON text.
func parseTree(data []byte) (*tree, error) {
	var s scanner
	s.reset(data)
	t, err := s.tree()
	if err != nil {
		return nil, err
	}
	return &t, nil
}

func (s *scanner) tree() (t tree, err error) {
	switch s.peek() {
	case '{':
		t, err = s.treeOf('{', '}')
	case '[':
		t, err = s.treeOf('[', ']')
	case '"':
		var b []byte
		b, err = s.str()
		t = tree{kind: '"', text: string(b)}
	case 't':
		t, err = tree{kind: 'b', text: "true"}, s.literal("true")
	case 'f':
		t, err = tree{kind: 'b', text: "false"}, s.literal("false")
	case 'n':
		t, err = tree{kind: 'n'}, s.literal("null")
	case 0:
		err = s.fail("unexpected end")
	default:
		var b []byte
		var integral bool
		b, integral, err = s.number()
		t = tree{kind: '.', text: string(b)}
		if integral {
			t.kind = '0'
		}
	}
	if err != nil {
		return tree{}, err
	}
	return t, nil
}

func (s *scanner) treeOf(open, end byte) (tree, error) {
	t := tree{kind: open}
	empty, err := s.begin(end)
	if empty || err != nil {
		return t, err
	}
	for more := true; more; {
		if open == '{' {
			name, err := s.key()
			if err != nil {
				return t, err
			}
			t.members = append(t.members, string(name))
		}
		elem, err := s.tree()
		if err != nil {
			return t, err
		}
		t.elems = append(t.elems, elem)
		if more, err = s.more(end); err != nil {
			return t, err
		}
	}
	return t, nil
}

// get returns the member of an object, nil when there is none; the last of equal names, as in Java.
func (t *tree) get(name string) *tree {
	if t.kind != '{' {
		return nil
	}
	for i := len(t.members) - 1; i >= 0; i-- {
		if t.members[i] == name {
			return &t.elems[i]
		}
	}
	return nil
}

// str returns the text of a string member.
func (t *tree) str(name string) (string, bool) {
	if m := t.get(name); m != nil && m.kind == '"' {
		return m.text, true
	}
	return "", false
}

// appendTo appends the value as compact JSON, as Jackson writes characters.
func (t *tree) appendTo(dst []byte) []byte {
	switch t.kind {
	case 'n':
		return append(dst, "null"...)
	case '"':
		return appendJSONString(dst, t.text, false)
	case '[', '{':
		dst = append(dst, t.kind)
		for i := range t.elems {
			if i > 0 {
				dst = append(dst, ',')
			}
			if t.kind == '{' {
				dst = appendJSONString(dst, t.members[i], false)
				dst = append(dst, ':')
			}
			dst = t.elems[i].appendTo(dst)
		}
		return append(dst, t.kind+2) // '[' + 2 is ']', '{' + 2 is '}'
	}
	return append(dst, t.text...)
}

// equal compares as Jackson's JsonNode does: the order of members does not count.
func (t *tree) equal(o *tree) bool {
	if t == nil || o == nil {
		return t == o
	}
	if t.kind != o.kind || t.text != o.text || len(t.elems) != len(o.elems) {
		return false
	}
	for i := range t.elems {
		other := &o.elems[i]
		if t.kind == '{' {
			other = o.get(t.members[i])
		}
		if !t.elems[i].equal(other) {
			return false
		}
	}
	return true
}
