package metrics

import (
	"cmp"
	"slices"
	"strings"
)

// Label is a property of a bean, or a label of a series.
type Label struct{ Name, Value string }

// Bean is a group of figures of one thing, as a JMX bean is: kafka.connect:type=source-task-metrics,connector=x,task=0.
type Bean struct {
	Domain string
	Type   string
	Props  []Label // without the type, in JMX's order
	attrs  []attr
}

// attr is one figure; a text has no value. The rows of a table have a key.
type attr struct {
	name, key string
	value     float64
	text      string
	isText    bool
}

// Put adds a figure.
func (b *Bean) Put(name string, value float64) {
	b.attrs = append(b.attrs, attr{name: name, value: value})
}

// Text adds a text.
func (b *Bean) Text(name, text string) {
	b.attrs = append(b.attrs, attr{name: name, text: text, isText: true})
}

// Row adds a row of a table.
func (b *Bean) Row(name, key string, value float64) {
	b.attrs = append(b.attrs, attr{name: name, key: key, value: value})
}

// prop is the value of a property, "" when the bean has none of the name.
func (b *Bean) prop(name string) string {
	for _, p := range b.Props {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

// has tells whether the bean has just these properties, in this order.
func (b *Bean) has(names ...string) bool {
	return slices.EqualFunc(b.Props, names, func(p Label, name string) bool { return p.Name == name })
}

// Out gathers what the meters give.
type Out struct {
	beans []*Bean
	own   []series
}

// series is one line of the output.
type series struct {
	name   string
	labels []Label
	value  float64
	kind   string // counter, gauge or untyped
	help   string
}

// Bean begins a bean; props are names and values in turn.
func (o *Out) Bean(domain, kind string, props ...string) *Bean {
	b := &Bean{Domain: domain, Type: kind}
	for i := 0; i+1 < len(props); i += 2 {
		b.Props = append(b.Props, Label{props[i], quoted(props[i+1])})
	}
	o.beans = append(o.beans, b)
	return b
}

// quoted is the value as Kafka's Sanitizer.jmxSanitize writes it: in quotes where it has other than letters, digits and a few signs.
func quoted(value string) string {
	plain := !strings.ContainsFunc(value, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-%. \t", r))
	})
	if plain {
		return value
	}
	return `"` + quotedSigns.Replace(value) + `"`
}

// quotedSigns are those that javax.management.ObjectName.quote escapes.
var quotedSigns = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `*`, `\*`, `?`, `\?`, "\n", `\n`)

// Own adds a series of our own, whose name is one of the Definitions; labels are names and values in turn.
func (o *Out) Own(name string, value float64, labels ...string) {
	s := series{name: name, value: value, kind: kindOf(name), help: helps()[[2]string{"", name}]}
	for i := 0; i+1 < len(labels); i += 2 {
		s.labels = append(s.labels, Label{labels[i], labels[i+1]})
	}
	o.own = append(o.own, s)
}

// kindOf is Prometheus' type of a series of our own: its convention is that counters, and they alone, end in _total.
func kindOf(name string) string {
	if strings.HasSuffix(name, "_total") {
		return "counter"
	}
	return "gauge"
}

// named gives the series by the rule sets, each once, sorted: of series of the same name and labels the first one counts, as in the exporter, which
// goes through the attributes by their names.
func (o *Out) named(sets []Set) []series {
	all := slices.Clone(o.own)
	for _, b := range o.beans {
		slices.SortStableFunc(b.attrs, func(a, b attr) int { return strings.Compare(a.name, b.name) })
	}
	for _, set := range sets {
		rule := rules[set]
		for _, b := range o.beans {
			for i := range b.attrs {
				a := &b.attrs[i]
				if s, ok := rule(b, a); ok {
					s.help = b.help(a)
					all = append(all, s)
				}
			}
		}
	}
	for i := range all {
		slices.SortFunc(all[i].labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	}
	slices.SortStableFunc(all, compareSeries)
	return slices.CompactFunc(all, func(a, b series) bool { return compareSeries(a, b) == 0 })
}

func compareSeries(a, b series) int {
	return cmp.Or(strings.Compare(a.name, b.name), slices.CompareFunc(a.labels, b.labels, func(a, b Label) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	}))
}
