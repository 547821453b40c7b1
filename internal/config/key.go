package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Type is an option's type as Kafka Connect's ConfigDef names it.
type Type string

// Types of options.
const (
	TypeBoolean  Type = "BOOLEAN"
	TypeString   Type = "STRING"
	TypeInt      Type = "INT"
	TypeShort    Type = "SHORT"
	TypeLong     Type = "LONG"
	TypeDouble   Type = "DOUBLE"
	TypeList     Type = "LIST"
	TypeClass    Type = "CLASS"
	TypePassword Type = "PASSWORD"
)

// Importance is ConfigDef's.
type Importance string

// Importances.
const (
	High   Importance = "HIGH"
	Medium Importance = "MEDIUM"
	Low    Importance = "LOW"
)

// Key defines one option. Make one with String, Int, Bool … over the field that holds it; the field's value at that moment is the
// default.
type Key struct {
	Name       string
	Type       Type
	Doc        string
	Importance Importance
	Group      string
	Default    string // text form; meaningless when Required
	NoDefault  bool   // the default is null: absent and empty differ
	Required   bool
	Values     []string // recommended or only values
	Aliases    []string // older names, accepted with a warning
	NoEffect   bool     // accepted for the files that have it; Doc says why it does nothing

	shown   string // documentation: the default, where it depends on the machine
	limits  string // documentation: which values, where Values does not list them
	kind    kind
	match   *regexp.Regexp                // families: which names
	assign  func(text string) error       // parses, checks, stores
	collect func(name, text string) error // families
	checks  []func(text string) error
	note    string // refused, ignored: what to say
}

type kind uint8

const (
	plain   kind = iota
	family       // any name that matches
	refused      // would change records and does not exist here
	ignored      // tunes or observes the JVM
)

// Keys is a set of definitions, in the order of the documentation.
type Keys []Key

// Option refines a Key.
type Option func(*Key)

// Required removes the default: the option must be given.
func Required() Option { return func(k *Key) { k.Required = true } }

// Null makes the default null, as Kafka Connect shows an absent text.
func Null() Option { return func(k *Key) { k.NoDefault = true } }

// Alias accepts an older name, with a warning that names the new one.
func Alias(names ...string) Option {
	return func(k *Key) { k.Aliases = append(k.Aliases, names...) }
}

// Rank sets the importance; Medium without.
func Rank(i Importance) Option { return func(k *Key) { k.Importance = i } }

// Group sets the group of the documentation.
func Group(name string) Option { return func(k *Key) { k.Group = name } }

// WithoutEffect marks an option that is accepted and does nothing; its documentation says why.
func WithoutEffect() Option { return func(k *Key) { k.NoEffect = true } }

// DefaultIs says in the documentation what a default is that differs between machines.
func DefaultIs(text string) Option { return func(k *Key) { k.shown = text } }

// Check adds a validity rule on the text; its error is what the user reads after "Invalid value … for configuration NAME: ".
func Check(f func(text string) error) Option {
	return func(k *Key) { k.checks = append(k.checks, f) }
}

// Match requires the whole text to match.
func Match(re *regexp.Regexp, want string) Option {
	check := Check(func(text string) error {
		if loc := re.FindStringIndex(text); loc == nil || loc[0] != 0 || loc[1] != len(text) {
			return fmt.Errorf("want %s", want)
		}
		return nil
	})
	return func(k *Key) {
		check(k)
		k.limits = want
	}
}

func newKey(name string, t Type, doc, def string, opts []Option, assign func(string) error) Key {
	k := Key{Name: name, Type: t, Doc: doc, Default: def, Importance: Medium, assign: assign}
	for _, o := range opts {
		o(&k)
	}
	return k
}

// String is a text option. Surrounding blanks are trimmed, as ConfigDef does.
func String(dst *string, name, doc string, opts ...Option) Key {
	return newKey(name, TypeString, doc, *dst, opts, func(s string) error { *dst = s; return nil })
}

// Class is the name of a plugin, a Java class name to the user.
func Class(dst *string, name, doc string, opts ...Option) Key {
	k := String(dst, name, doc, opts...)
	k.Type = TypeClass
	return k
}

// Password is a text option that is never printed.
func Password(dst *Secret, name, doc string, opts ...Option) Key {
	return newKey(name, TypePassword, doc, string(*dst), opts, func(s string) error { *dst = Secret(s); return nil })
}

// Bool takes true and false in any case.
func Bool(dst *bool, name, doc string, opts ...Option) Key {
	return newKey(name, TypeBoolean, doc, strconv.FormatBool(*dst), opts, func(s string) error {
		switch strings.ToLower(s) {
		case "true":
			*dst = true
		case "false":
			*dst = false
		default:
			return complain("Expected value to be either true or false")
		}
		return nil
	})
}

// Int is a 32-bit integer between low and high.
func Int(dst *int, name, doc string, low, high int, opts ...Option) Key {
	return integer(dst, name, TypeInt, doc, int64(low), int64(high), opts)
}

// Long is a 64-bit integer between low and high.
func Long(dst *int64, name, doc string, low, high int64, opts ...Option) Key {
	return integer(dst, name, TypeLong, doc, low, high, opts)
}

func integer[N int | int64](dst *N, name string, t Type, doc string, low, high int64, opts []Option) Key {
	k := newKey(name, t, doc, strconv.FormatInt(int64(*dst), 10), opts, func(s string) error {
		bits := 64
		if t == TypeInt {
			bits = 32
		}
		n, err := strconv.ParseInt(s, 10, bits)
		if err != nil {
			return complain("Not a number of type %s", t)
		}
		if n < low {
			return complain("Value must be at least %d", low)
		}
		if n > high {
			return complain("Value must be no more than %d", high)
		}
		*dst = N(n)
		return nil
	})
	if k.limits = within64(low, high); t == TypeInt {
		k.limits = within32(low, high)
	}
	return k
}

// Millis is a duration given in milliseconds, at least low.
func Millis(dst *time.Duration, name, doc string, low time.Duration, opts ...Option) Key {
	k := newKey(name, TypeLong, doc, strconv.FormatInt(dst.Milliseconds(), 10), opts, func(s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return complain("Not a number of type %s", TypeLong)
		}
		if n < low.Milliseconds() {
			return complain("Value must be at least %d", low.Milliseconds())
		}
		const most = int64(1<<63-1) / int64(time.Millisecond) // Java's "for ever" is Long.MAX_VALUE ms
		*dst = time.Duration(min(n, most)) * time.Millisecond
		return nil
	})
	if low > math.MinInt64 {
		k.limits = within64(low.Milliseconds(), math.MaxInt64)
	}
	return k
}

// complaint is a sentence of ConfigDef, which begins with a capital, as an error.
type complaint string

func (c complaint) Error() string { return string(c) }

func complain(format string, args ...any) error { return complaint(fmt.Sprintf(format, args...)) }

// Enum takes one of values in any case and stores it as written here.
func Enum[S ~string](dst *S, name, doc string, values []S, opts ...Option) Key {
	k := newKey(name, TypeString, doc, string(*dst), opts, nil)
	for _, v := range values {
		k.Values = append(k.Values, string(v))
	}
	k.assign = func(s string) error {
		for _, v := range values {
			if strings.EqualFold(s, string(v)) {
				*dst = v
				return nil
			}
		}
		return complain("Value must be one of %s", strings.Join(k.Values, ", "))
	}
	return k
}

// List is a comma separated list; a comma inside an element is written "\,". Blanks around elements are trimmed, an empty text is
// an empty list.
func List(dst *[]string, name, doc string, opts ...Option) Key {
	return newKey(name, TypeList, doc, strings.Join(*dst, ","), opts, func(s string) error { *dst = SplitList(s); return nil })
}

// SplitList splits the text of a List.
func SplitList(s string) []string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	var out []string
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == ',':
			b.WriteByte(',')
			i++
		case s[i] == ',':
			out = append(out, strings.TrimSpace(b.String()))
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(out, strings.TrimSpace(b.String()))
}

// Family defines all options whose whole name matches re; name is how the documentation writes it, such as
// "column.mask.with.<N>.chars". collect gets each in the order of the names.
func Family(re *regexp.Regexp, name string, t Type, doc string, collect func(name, text string) error, opts ...Option) Key {
	k := newKey(name, t, doc, "", opts, nil)
	k.kind, k.match, k.collect, k.NoDefault = family, regexp.MustCompile(`^(?:`+re.String()+`)$`), collect, true
	return k
}

// Prefix defines all options that begin with prefix; collect gets the name without it.
func Prefix(prefix, doc string, collect func(name, text string) error, opts ...Option) Key {
	return Family(regexp.MustCompile(regexp.QuoteMeta(prefix)+`.+`), prefix+"*", TypeString, doc,
		func(name, text string) error { return collect(strings.TrimPrefix(name, prefix), text) }, opts...)
}

// Refused defines an option that would change records and does not exist here; instead says what to do. Given with its default
// text def, it is let pass.
func Refused(name, def, instead string) Key {
	return Key{Name: name, Type: TypeString, Doc: "Not supported: " + instead, Default: def, Importance: Low, kind: refused, note: instead}
}

// Ignored defines options that only tune or observe the JVM: named in a warning and left.
func Ignored(names ...string) Keys {
	var out Keys
	for _, n := range names {
		out = append(out, Key{Name: n, Type: TypeString, Doc: "Accepted and without effect: it concerns the JVM only.", NoDefault: true, Importance: Low, kind: ignored})
	}
	return out
}
