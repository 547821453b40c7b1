package generate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// options chooses what holds for all tables.
func (c *maker) options() {
	set := func(percent int, name string, values ...string) {
		if c.chance(percent) {
			c.props[name] = of(c.dice, values...)
		}
	}
	set(60, "decimal.handling.mode", "precise", "double", "string")
	set(75, "time.precision.mode", "adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds", "structured")
	set(40, "interval.handling.mode", "numeric", "string")
	set(40, "hstore.handling.mode", "json", "map")
	set(60, "binary.handling.mode", "bytes", "base64", "base64-url-safe", "hex")
	set(20, "money.fraction.digits", "0", "1", "2", "3", "5")
	set(20, "unavailable.value.placeholder", "gone", "hex:504c41", "__ünavailable__", "x")
	set(40, "include.unknown.datatypes", "true")
	set(30, "schema.name.adjustment.mode", "none", "avro", "avro_unicode")
	set(30, "field.name.adjustment.mode", "none", "avro", "avro_unicode")
	set(15, "event.converting.failure.handling.mode", "warn", "skip")
	set(15, "tombstones.on.delete", "false")
	set(15, "skipped.operations", "none", "c", "u", "d", "t", "c,d")
	set(10, "skip.messages.without.change", "true")
	set(20, "provide.transaction.metadata", "true")
	set(15, "extended.headers.enabled", "false")
	set(15, "include.schema.comments", "true")
	set(15, "topic.delimiter", "-", "_", "__", ".")
	set(15, "topic.prefix", "p1", "a.b", "x-y_z", "_u")
	set(10, "topic.transaction", "tx", "my.tx")
	set(10, "snapshot.mode", "no_data", "initial", "always")
	set(10, "topic.naming.strategy", "io.debezium.schema.DefaultTopicNamingStrategy", "io.debezium.schema.SchemaTopicNamingStrategy", "io.debezium.schema.DefaultUnicodeTopicNamingStrategy", "io.debezium.schema.SchemaUnicodeTopicNamingStrategy")
	set(15, "oracle.offsets", "true")
	set(15, "oracle.json.replace.null.with.default", "false")
	set(10, "oracle.json.decimal.format", "NUMERIC")
	if c.chance(6) {
		c.props["topic.naming.strategy"] = of(c.dice, "io.debezium.schema.DefaultRegexTopicNamingStrategy", "io.debezium.schema.SchemaRegexTopicNamingStrategy")
		c.props["topic.regex"], c.props["topic.replacement"] = "(.*)t[0-9](.*)", of(c.dice, "$1all$2", "$1one", "merged")
		set(40, "topic.key.enforce.uniqueness", "false", "true")
		set(40, "topic.key.field.name", "table_id")
		if c.chance(40) {
			c.props["topic.key.field.regex"], c.props["topic.key.field.replacement"] = "(.*)\\.([^.]*)", "$2"
		}
	}
	if c.props["oracle.offsets"] == "true" { // ours stand behind the changes that were dropped, too
		delete(c.props, "skip.messages.without.change")
		c.props["skipped.operations"] = "none"
	}
	// An array inside of an array has an identity of its own: the connector takes it for changed.
	c.types.flat = c.props["skip.messages.without.change"] == "true"
	c.adjusts = strings.Contains(c.props["field.name.adjustment.mode"], "avro")
	c.nanoseconds = c.props["time.precision.mode"] == "nanoseconds"
}

const propagate = "column.propagate.source.type"

// byLength matches the options that go by columns' lengths.
var byLength = regexp.MustCompile(`^column\.(propagate|truncate)`)

// tableOptions chooses what names tables and columns.
func (c *maker) tableOptions() {
	if c.chance(15) {
		c.props["message.key.columns"] = c.keyRules()
	}
	switch n := c.IntN(8); {
	case c.types.enumDomains:
	case n == 0:
		c.props["column.exclude.list"] = c.excluded()
	case n == 1:
		c.props["column.include.list"] = c.included()
	}
	for _, family := range []struct {
		percent int
		name    string
	}{
		{15, propagate},
		{10, "column.truncate.to.5.chars"}, {5, "column.truncate.to.0.chars"},
		{10, "column.mask.with.6.chars"}, {4, "column.mask.with.0.chars"},
		{8, "column.mask.hash.SHA-256.with.salt.abc"}, {8, "column.mask.hash.v2.MD5.with.salt.s"}, {4, "column.mask.hash.v2.SHA-512.with.salt.Zz"},
	} {
		// Of two options of one family that match a column, which counts is a matter of Java's hash order.
		taken := slices.ContainsFunc(slices.Collect(maps.Keys(c.props)), func(name string) bool { return len(name) > 16 && strings.HasPrefix(family.name, name[:16]) })
		if !taken && c.chance(family.percent) && !(c.types.enumDomains && byLength.MatchString(family.name)) { // lengths then depend on when it read the catalog last
			if c.props[family.name] = c.columnList(6); c.chance(20) {
				c.props[family.name] = ".*"
			}
		}
	}
	if c.chance(8) && !c.types.enumDomains {
		c.props["datatype.propagate.source.type"] = of(c.dice, ".*", ".*\\.(int4|numeric|varchar|text)", ".*timestamp.*", ".*\\._.*")
	}
}

// excluded names columns, none of a key: a snapshot that leaves one out stops the connector when it stands behind others.
func (c *maker) excluded() string {
	list := []string{"none"}
	for _, t := range c.tables {
		for _, col := range t.columns {
			if !col.indexed && c.chance(15) {
				list = append(list, pattern(t.id()+"."+col.name))
			}
		}
	}
	return strings.Join(list, ",")
}

// included names columns, among them all of keys.
func (c *maker) included() string {
	list := []string{"none"}
	for _, t := range c.tables {
		for _, col := range t.columns {
			if col.indexed || c.chance(60) {
				list = append(list, pattern(t.id()+"."+col.name))
			}
		}
	}
	return strings.Join(list, ",")
}

// pattern is a regular expression that matches a text alone. In lists a comma separates, so that none of the names has one.
func pattern(text string) string { return regexp.QuoteMeta(text) }

// columnList names up to n columns.
func (c *maker) columnList(n int) string {
	var list []string
	for range c.between(1, n) {
		t := of(c.dice, c.tables...)
		col := of(c.dice, t.columns...)
		list = append(list, pattern(t.id()+"."+col.name))
	}
	return strings.Join(list, ",")
}

// keyRules makes message.key.columns; names with its separators are left alone.
func (c *maker) keyRules() string {
	var rules []string
	for _, t := range c.tables {
		if c.chance(50) {
			continue
		}
		var names []string
		for _, i := range c.Perm(len(t.columns))[:min(len(t.columns), c.between(1, 3))] {
			if t.columns[i].kind.fails || c.nanoseconds && t.columns[i].stamp {
				continue
			}
			t.columns[i].indexed = true
			names = append(names, pattern(t.columns[i].name))
		}
		if len(names) == 0 {
			continue
		}
		rules = append(rules, fmt.Sprintf("%s:%s", pattern(t.id()), strings.Join(names, ",")))
	}
	if len(rules) == 0 {
		return "none.such:id"
	}
	return strings.Join(rules, ";")
}
