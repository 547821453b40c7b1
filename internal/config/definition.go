package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Width is how wide ConfigDef thinks the text of an option is.
type Width string

// Widths.
const (
	WidthNone   Width = "NONE"
	WidthShort  Width = "SHORT"
	WidthMedium Width = "MEDIUM"
	WidthLong   Width = "LONG"
)

// Definition is an option as clients of the REST API are told of it: Kafka Connect's ConfigKeyInfo.
type Definition struct {
	Name        string
	Type        Type
	Required    bool
	Default     *string // nil: null
	Importance  Importance
	Doc         string
	Group       string // "": none
	Order       int    // in the group; -1 without one
	Width       Width
	Label       string // for people
	Dependents  []string
	Recommended []string // values to choose from
	Invisible   bool     // a form need not show it
}

// Sized sets the width, and the place in the group.
func Sized(w Width, order int) Option {
	return func(k *Key) { k.width, k.order = w, order }
}

// Label sets what a form calls the option; else its name is made readable.
func Label(text string) Option { return func(k *Key) { k.label = text } }

// Recommends names values to choose from; others are valid too.
func Recommends(values ...string) Option { return func(k *Key) { k.recommended = values } }

// Depends names options whose meaning this one changes.
func Depends(names ...string) Option { return func(k *Key) { k.dependents = names } }

// Unlisted is for options of our own: clients of the REST API that know the original are not told of them, people are.
func Unlisted() Option { return func(k *Key) { k.unlisted = true } }

// Lenient is for an option that is required here although the original only finds out later that it is missing.
func Lenient() Option { return func(k *Key) { k.lenient = true } }

// As16 makes an Int an option of type SHORT.
func As16() Option { return func(k *Key) { k.Type = TypeShort } }

// RefusesNull says what ConfigDef complains of besides where it has read no value: the option is missing, its text is wrong for the type, or it is
// JSON's null. Without, nothing.
func RefusesNull(err error) Option { return func(k *Key) { k.onNull = err } }

// NeverNull is RefusesNull in the words of ConfigDef's ranges of numbers.
func NeverNull() Option { return RefusesNull(Complain("Value must be non-null")) }

// NoEntry is RefusesNull in the words of ConfigDef's lists.
func NoEntry() Option { return RefusesNull(Complain("entry must be non null")) }

// Definition tells what the option is.
func (k *Key) Definition() Definition {
	d := Definition{
		Name: k.Name, Type: k.Type, Required: k.Required && !k.lenient, Importance: k.Importance, Doc: k.Doc, Group: k.Group, Order: k.order,
		Width: k.width, Label: k.label, Dependents: k.dependents, Recommended: k.recommended, Invisible: k.invisible,
	}
	if d.Group == "" && d.Order == 0 {
		d.Order = -1
	}
	if d.Width == "" {
		d.Width = WidthNone
	}
	if d.Label == "" {
		d.Label = readable(k.Name)
	}
	if !k.Required && !k.NoDefault && k.kind != family {
		d.Default = k.canonical(k.Default)
	}
	return d
}

// Definitions are those of all options with a name of their own: families have none, unless a Listing names them. Unlisted ones are left out.
func (ks Keys) Definitions() []Definition {
	var out []Definition
	for i := range ks {
		if (ks[i].kind != family || ks[i].listed) && !ks[i].unlisted {
			out = append(out, ks[i].Definition())
		}
	}
	return out
}

// Value is the text that validation shows for an option: the given one or the default in the form of its type, nil where there is none or it is
// wrong for the type. Passwords are hidden.
func (k *Key) Value(props map[string]string) *string {
	if k.silent || k.kind == family {
		return nil
	}
	for _, name := range append([]string{k.Name}, k.Aliases...) {
		if text, given := props[name]; given {
			return k.canonical(text)
		}
	}
	if k.Required || k.NoDefault {
		return nil
	}
	return k.canonical(k.Default)
}

// canonical is the form that ConfigDef prints a parsed text in, nil when it cannot be parsed.
func (k *Key) canonical(text string) *string {
	text = strings.TrimSpace(text)
	switch k.Type {
	case TypeBoolean:
		if text = strings.ToLower(text); text != "true" && text != "false" {
			return nil
		}
	case TypeInt, TypeShort, TypeLong:
		n, err := strconv.ParseInt(text, 10, map[Type]int{TypeInt: 32, TypeShort: 16, TypeLong: 64}[k.Type])
		if err != nil {
			return nil
		}
		text = strconv.FormatInt(n, 10)
	case TypeDouble:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil
		}
		if text = strconv.FormatFloat(f, 'f', -1, 64); !strings.Contains(text, ".") {
			text += ".0"
		}
	case TypeList:
		text = strings.Join(SplitList(text), ",")
	case TypePassword:
		text = Hidden
	}
	return &text
}

// readable makes words of a name: "slot.drop.on.stop" is "Slot drop on stop".
func readable(name string) string {
	words := strings.NewReplacer(".", " ", "_", " ").Replace(name)
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// Listing is how the original lists the options of a plugin: which ones, in which order, in which group and how wide.
type Listing []Listed

// NullDefault is the default null, in a Listed.
const NullDefault = "null"

// Listed is one option of a Listing.
type Listed struct {
	Name       string
	Width      Width
	Of         string   // the name of the Key where it is another: that of a family, or one that this is an older name of
	Type       Type     // where it is not that of the Key
	Default    string   // where it is not that of the Key; NullDefault is null
	Values     []string // to choose from, where the Key does not know them
	Dependents []string
	Invisible  bool

	group string
	order int
}

// InGroup numbers the options of a group. An older name has the number of the option before it.
func InGroup(group string, options ...Listed) Listing {
	n := 0
	for i := range options {
		if n++; options[i].Of != "" && !strings.ContainsAny(options[i].Of, "<(*") {
			n--
		}
		options[i].group, options[i].order = group, n
	}
	return options
}

// WithoutGroup gives all options the number 1, as Debezium does in its transforms.
func WithoutGroup(options ...Listed) Listing {
	for i := range options {
		options[i].order = 1
	}
	return options
}

// Debezium says of a listing what is particular about Debezium's connectors: no option is required as far as ConfigDef knows, validation shows no
// values, and those to choose from are recommended, in the order of a Java set.
func (ks Keys) Debezium() Keys {
	for i := range ks {
		k := &ks[i]
		k.silent = true
		if choices := k.choices(); len(choices) > 0 && k.Type != TypeClass {
			k.recommended = JavaOrder(choices)
		}
	}
	return ks
}

// Listed returns the options of a listing in its order. None is required as far as it tells: who leaves one out is told by the validation. Options
// that the listing does not name are our own.
func (ks Keys) Listed(l Listing) Keys {
	out := make(Keys, 0, len(l))
	for _, want := range l {
		name := want.Of
		if name == "" {
			name = want.Name
		}
		at := slices.IndexFunc(ks, func(k Key) bool { return k.Name == name })
		if at < 0 {
			continue // a test holds the listing against the keys
		}
		k := ks[at]
		if k.kind == family && k.label == "" {
			k.label = readable(k.Name)
		}
		k.Name, k.Aliases = want.Name, nil
		k.Group, k.order, k.width, k.dependents, k.invisible = want.group, want.order, want.Width, want.Dependents, want.Invisible
		k.listed, k.lenient = true, true
		if want.Type != "" {
			k.Type = want.Type
		}
		if want.Values != nil {
			k.Values = want.Values
		}
		switch want.Default {
		case "":
		case NullDefault:
			k.NoDefault = true
		default:
			k.Default = want.Default
		}
		out = append(out, k)
	}
	return out
}

// choices are all values of an option that has only certain ones, those included that are refused here.
func (k *Key) choices() []string {
	out := slices.Clone(k.Values)
	for _, v := range slices.Sorted(maps.Keys(k.denied)) {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// JavaOrder sorts texts as the java.util.HashSet (or the keys of a HashMap) that they were put into in this order gives them.
func JavaOrder(texts []string) []string {
	buckets := 16 // HashMap's default capacity, doubled when it is three quarters full
	for len(texts) > buckets*3/4 {
		buckets *= 2
	}
	bucket := func(s string) int {
		h := javaHash(s)
		return int((h ^ h>>16) & uint32(buckets-1))
	}
	out := slices.Clone(texts)
	slices.SortStableFunc(out, func(a, b string) int { return bucket(a) - bucket(b) })
	return out
}

// javaHash is String.hashCode.
func javaHash(s string) (h uint32) {
	for _, r := range s {
		if r >= 0x10000 { // two chars in Java
			r -= 0x10000
			h = 31*h + 0xD800 + uint32(r>>10)
			r = 0xDC00 + r&0x3FF
		}
		h = 31*h + uint32(r)
	}
	return h
}

// Has tells whether there is an option of this name.
func (ks Keys) Has(name string) bool {
	return slices.ContainsFunc(ks, func(k Key) bool { return k.Name == name })
}
