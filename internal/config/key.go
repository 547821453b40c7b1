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
	Distinct   bool     // a List: who validates a configuration refuses an element that stands in it twice, who reads it takes it once

	denied  map[string]string // values that are refused, with what to do instead
	number  string            // Debezium's words for text that is no number
	bounds  string            // Debezium's words for a number out of range; "" when it does not look
	twice   bool              // Debezium says of a boolean twice what is wrong with it
	raw     bool              // blanks around the text belong to it
	empty   bool              // it is required, and the empty text will do
	shown   string            // documentation: the default, where it depends on the machine
	limits  string            // documentation: which values, where Values does not list them
	kind    kind
	match   *regexp.Regexp                // families: which names
	assign  func(text string) error       // parses, checks, stores
	collect func(name, text string) error // families
	checks  []func(text string) error
	note    string // refused, ignored: what to say

	// What a Definition tells besides; see there.
	order       int
	width       Width
	label       string
	dependents  []string
	recommended []string
	invisible   bool
	lenient     bool  // required here, but not as far as ConfigDef knows
	silent      bool  // validation shows no value
	listed      bool  // a Listing names it
	unlisted    bool  // clients are not told of it
	onNull      error // what ConfigDef says of a value that it could not read
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

// MayBeEmpty lets a required option be the empty text, as ConfigDef does.
func MayBeEmpty() Option { return func(k *Key) { k.empty = true } }

// Distinct is for a List in which an element may stand once; see Key.Distinct.
func Distinct() Option { return func(k *Key) { k.Distinct = true } }

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

// Deny names a value that the original takes and this does not; instead says what to do.
func Deny(value, instead string) Option {
	return func(k *Key) {
		if k.denied == nil {
			k.denied = make(map[string]string)
		}
		k.denied[value] = instead
	}
}

// Says sets Debezium's words for text that is no number, and for one out of range, where they are not those of the type and the bounds. Empty bounds
// mean that Debezium does not look at them.
func Says(number, bounds string) Option {
	return func(k *Key) { k.number, k.bounds = number, bounds }
}

// Twice is for a boolean of which Debezium says everything twice.
func Twice() Option { return func(k *Key) { k.twice = true } }

// ClassName makes an Enum an option of type CLASS, whose values are the Java classes there are; another class is refused, and instead says what to do.
func ClassName(instead string) Option {
	return func(k *Key) { k.Type, k.note = TypeClass, instead }
}

// OnlyJVM marks an option that tunes or observes the JVM: it is checked, named in a warning and left.
func OnlyJVM() Option { return func(k *Key) { k.kind = ignored } }

// Text makes a list an option of type STRING.
func Text() Option { return func(k *Key) { k.Type = TypeString } }

// As32 makes a duration an option of type INT.
func As32() Option { return func(k *Key) { k.Type = TypeInt } }

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
	k := newKey(name, TypeBoolean, doc, strconv.FormatBool(*dst), opts, nil)
	k.assign = func(s string) error {
		switch strings.ToLower(s) {
		case "true":
			*dst = true
		case "false":
			*dst = false
		default:
			return complaint{"Expected value to be either true or false", wordsOfBool(k.twice)}
		}
		return nil
	}
	return k
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
	k := newKey(name, t, doc, strconv.FormatInt(int64(*dst), 10), opts, nil)
	parse := k.bounded(low, high)
	k.assign = func(s string) error {
		n, err := parse(s)
		if err == nil {
			*dst = N(n)
		}
		return err
	}
	if k.limits = within64(low, high); t != TypeLong {
		k.limits = within32(low, high)
	}
	return k
}

// Millis is a duration given in milliseconds, at least low.
func Millis(dst *time.Duration, name, doc string, low time.Duration, opts ...Option) Key {
	k := newKey(name, TypeLong, doc, strconv.FormatInt(dst.Milliseconds(), 10), opts, nil)
	least := low.Milliseconds()
	parse := k.bounded(least, math.MaxInt64)
	k.assign = func(s string) error {
		n, err := parse(s)
		if err != nil {
			return err
		}
		const most = int64(1<<63-1) / int64(time.Millisecond) // Java's "for ever" is Long.MAX_VALUE ms
		*dst = time.Duration(max(min(n, most), -most)) * time.Millisecond
		return nil
	}
	if low > math.MinInt64 {
		k.limits = within64(least, math.MaxInt64)
	}
	return k
}

// bounded reads a number of the key's type between low and high.
func (k *Key) bounded(low, high int64) func(string) (int64, error) {
	t := k.Type
	bits := map[Type]int{TypeShort: 16, TypeInt: 32, TypeLong: 64}[t]
	k.raw = true
	if k.number == "" {
		k.number, k.bounds = wordsOfNumber(t, low)
	}
	number, bounds := k.number, k.bounds
	narrow := t == TypeLong && strings.Contains(bounds, "integer") // Debezium then reads an int, whatever the type
	outside := func(n int64, format string, args ...any) error {
		if bounds == "" || bounds == number || n >= 0 && strings.Contains(bounds, "non-negative") {
			return Complain(format, args...)
		}
		return complaint{fmt.Sprintf(format, args...), []string{bounds}}
	}
	return func(s string) (int64, error) {
		n, err := strconv.ParseInt(s, 10, bits)
		switch {
		case err != nil && bounds != "":
			return 0, complaint{fmt.Sprintf("Not a number of type %s", t), []string{number, bounds}}
		case err != nil:
			return 0, complaint{fmt.Sprintf("Not a number of type %s", t), []string{number}}
		case narrow && n > math.MaxInt32:
			return 0, complaint{fmt.Sprintf("Value must be no more than %d", math.MaxInt32), []string{bounds}}
		case n < low:
			return 0, outside(n, "Value must be at least %d", low)
		case n > high:
			return 0, Complain("Value must be no more than %d", high)
		}
		return n, nil
	}
}

// Enum takes one of values in any case and stores it as written here.
func Enum[S ~string](dst *S, name, doc string, values []S, opts ...Option) Key {
	k := newKey(name, TypeString, doc, string(*dst), opts, nil)
	for _, v := range values {
		k.Values = append(k.Values, string(v))
	}
	choices := k.choices()
	k.assign = func(s string) error {
		for _, v := range values {
			if strings.EqualFold(s, string(v)) {
				*dst = v
				return nil
			}
		}
		switch {
		case k.Type == TypeClass && strings.ContainsAny(s, " \t#(") || k.Type == TypeClass && s == "":
			return complaint{"Value must be one of " + strings.Join(choices, ", "), []string{"A Java class name is expected"}}
		case k.Type == TypeClass:
			return Complain("Value must be one of %s: %s", strings.Join(choices, ", "), k.note)
		}
		return noneOf(choices)
	}
	return k
}

// List is a comma separated list; a comma inside an element is written "\,", and what stands behind another backslash is left alone. Blanks around elements are trimmed, an empty text is
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
		case s[i] == '\\' && i+1 < len(s):
			i++
			if s[i] != ',' {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
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
