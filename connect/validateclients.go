package connect

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// javaClientOptions are the options of Kafka's Java clients, as validation tells of them when a connector overrides one: name, clients (p, c and a for
// producer, consumer and admin), type, importance and default ("<none>": it must be given, "<null>": null). What they do here stands in
// client.Keys.
//
//go:embed validateclients.tsv
var javaClientOptions string

var parsedJavaOptions = sync.OnceValue(func() map[string][]javaClientOption {
	all := make(map[string][]javaClientOption)
	for line := range strings.Lines(javaClientOptions) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		all[f[0]] = append(all[f[0]], javaClientOption{f[1], config.Type(f[2]), config.Importance(f[3]), f[4]})
	}
	return all
})

// javaClientClasses are the classes of Kafka's Java clients that their options may name: serializers, partitioners, callback handlers and the like.
//
//go:embed validateclasses.txt
var javaClientClasses string

var parsedJavaClasses = sync.OnceValue(func() []string { return strings.Fields(javaClientClasses) })

// isClientClass tells a class of Kafka's Java clients.
func isClientClass(name string) bool {
	_, found := slices.BinarySearch(parsedJavaClasses(), name)
	return found
}

type javaClientOption struct {
	clients    string
	typ        config.Type
	importance config.Importance
	def        string
}

// clientDefinition is the definition of a client's option, and the value that a text has. Without a Type nothing is known of it.
func clientDefinition(letter byte, name, text string) (config.Definition, *string) {
	options := parsedJavaOptions()[name]
	at := slices.IndexFunc(options, func(o javaClientOption) bool { return strings.IndexByte(o.clients, letter) >= 0 })
	if at < 0 {
		if isSecret(name) {
			text = config.Hidden
		}
		return config.Definition{Name: name}, &text
	}
	o := options[at]
	k := config.Key{Name: name, Type: o.typ, Importance: o.importance, Doc: clientDoc(letter, name), Default: o.def}
	switch o.def {
	case "<none>":
		k.Required = true
	case "<null>":
		k.NoDefault = true
	}
	d := k.Definition()
	d.Label = name
	return d, k.Value(map[string]string{name: text})
}

// clientOptionType is the type of an option of one of Kafka's Java clients; one that they do not know is a text.
func clientOptionType(letter byte, name string) config.Type {
	options := parsedJavaOptions()[name]
	if at := slices.IndexFunc(options, func(o javaClientOption) bool { return strings.IndexByte(o.clients, letter) >= 0 }); at >= 0 {
		return options[at].typ
	}
	return config.TypeString
}

// clientDoc is what our own client says of an option.
func clientDoc(letter byte, name string) string {
	role := map[byte]client.Role{'p': client.ForProducer, 'c': client.ForConsumer, 'a': client.ForAdmin}[letter]
	keys := client.Keys(role)
	if at := slices.IndexFunc(keys, func(k config.Key) bool { return k.Name == name }); at >= 0 {
		return keys[at].Doc
	}
	return "An option of Kafka's Java client that has no meaning here."
}
