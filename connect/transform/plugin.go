package transform

import (
	"log/slog"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// Version is the release of Kafka Connect whose behaviour this is.
const Version = "4.3.1"

// Transform changes records. The same interface literal as connect.Transform, so that neither imports the other.
type Transform = interface {
	// Apply changes r; false drops it.
	Apply(r *schema.Record) (keep bool, err error)
}

// Predicate tells which records a transform is for. The same interface literal as connect.Predicate.
type Predicate = interface {
	Test(r *schema.Record) (bool, error)
}

// Plugin is one transform, chosen by its Java class name.
type Plugin struct {
	Class string
	// Keys are the options with their defaults, for the documentation.
	Keys func() config.Keys
	// New reads the options, without the prefix they have in a connector's configuration. The Transform is nil when the report has errors.
	New func(props map[string]string, log *slog.Logger) (Transform, config.Report)
}

// PredicatePlugin is one predicate; its fields are those of Plugin.
type PredicatePlugin struct {
	Class string
	Keys  func() config.Keys
	New   func(props map[string]string, log *slog.Logger) (Predicate, config.Report)
}

// classPrefix is the package of the transforms in Java.
const classPrefix = "org.apache.kafka.connect.transforms."

// Plugins lists the transforms, sorted by class.
func Plugins() (all []Plugin) {
	two := func(name string, keys func() config.Keys, make func(on side, props map[string]string) (Transform, config.Report)) {
		for _, on := range []side{ofKey, ofValue} {
			all = append(all, Plugin{Class: classPrefix + name + "$" + on.class(), Keys: keys, New: func(props map[string]string, _ *slog.Logger) (Transform, config.Report) {
				return make(on, props)
			}})
		}
	}
	one := func(name string, keys func() config.Keys, make func(props map[string]string) (Transform, config.Report)) {
		all = append(all, Plugin{Class: classPrefix + name, Keys: keys, New: func(props map[string]string, _ *slog.Logger) (Transform, config.Report) {
			return make(props)
		}})
	}
	two("Cast", keysOf[castConfig], newCast)
	one("DropHeaders", keysOf[dropHeadersConfig], newDropHeaders)
	two("ExtractField", keysOf[extractFieldConfig], newExtractField)
	one("Filter", keysOf[filterConfig], newFilter)
	two("Flatten", keysOf[flattenConfig], newFlatten)
	two("HeaderFrom", keysOf[headerFromConfig], newHeaderFrom)
	two("HoistField", keysOf[hoistFieldConfig], newHoistField)
	two("InsertField", keysOf[insertFieldConfig], newInsertField)
	one("InsertHeader", keysOf[insertHeaderConfig], newInsertHeader)
	two("MaskField", keysOf[maskFieldConfig], newMaskField)
	one("RegexRouter", keysOf[regexRouterConfig], newRegexRouter)
	two("ReplaceField", keysOf[replaceFieldConfig], newReplaceField)
	two("SetSchemaMetadata", keysOf[setSchemaConfig], newSetSchema)
	two("TimestampConverter", keysOf[timestampConverterConfig], newTimestampConverter)
	one("TimestampRouter", keysOf[timestampRouterConfig], newTimestampRouter)
	one("ValueToKey", keysOf[valueToKeyConfig], newValueToKey)
	return all
}

// Predicates lists the predicates, sorted by class.
func Predicates() []PredicatePlugin {
	one := func(name string, keys func() config.Keys, make func(props map[string]string) (Predicate, config.Report)) PredicatePlugin {
		return PredicatePlugin{Class: classPrefix + "predicates." + name, Keys: keys, New: func(props map[string]string, _ *slog.Logger) (Predicate, config.Report) {
			return make(props)
		}}
	}
	return []PredicatePlugin{
		one("HasHeaderKey", keysOf[hasHeaderKeyConfig], newHasHeaderKey),
		one("RecordIsTombstone", keysOf[filterConfig], newRecordIsTombstone),
		one("TopicNameMatches", keysOf[topicNameMatchesConfig], newTopicNameMatches),
	}
}

// options is a set of options: reset gives them their defaults, keys defines them.
type options[C any] interface {
	*C
	reset()
	keys() config.Keys
}

// keysOf makes Plugin.Keys.
func keysOf[C any, P options[C]]() config.Keys {
	p := P(new(C))
	p.reset()
	return p.keys()
}

// read reads the options.
func read[C any, P options[C]](c P, props map[string]string) config.Report {
	c.reset()
	return c.keys().Parse(props)
}
