package sqldb

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
)

func TestParse(t *testing.T) {
	const url = "jdbc:postgresql://db/shop"
	for _, c := range []struct {
		name     string
		props    map[string]string
		errors   []string // option: part of the message
		warnings []string
	}{
		{name: "least", props: map[string]string{"connection.url": url, "topics": "t", "name": "n", "errors.tolerance": "all", "value.converter.schemas.enable": "true"}},
		{name: "nothing", props: nil, errors: []string{"connection.url: Missing required"}},
		{name: "another database", props: map[string]string{"connection.url": "jdbc:db2://x/y"}, errors: []string{`connection.url: "db2" is not supported`}},
		{name: "upsert without key", props: map[string]string{"connection.url": url, "insert.mode": "UPSERT"}, errors: []string{"primary.key.mode: finds rows by their primary key"}},
		{name: "deletes without key", props: map[string]string{"connection.url": url, "delete.enabled": "true", "primary.key.mode": "kafka"}, errors: []string{"delete.enabled: record_key"}},
		{name: "headers without names", props: map[string]string{"connection.url": url, "primary.key.mode": "record_header"}, errors: []string{"primary.key.fields: names of the headers"}},
		{name: "both lists", props: map[string]string{"connection.url": url, "field.include.list": "a", "field.exclude.list": "b"}, errors: []string{"field.exclude.list: field.include.list is set too"}},
		{name: "format", props: map[string]string{"connection.url": url, "collection.name.format": "a.b.c"}, errors: []string{"collection.name.format: schema.table"}},
		{name: "unknown variable", props: map[string]string{"connection.url": url, "collection.name.format": "x_${tpoic}"}, errors: []string{"collection.name.format: ${tpoic} is not known"}},
		{name: "placeholder", props: map[string]string{"connection.url": url, "unavailable.value.placeholder": "hex:zz"}, errors: []string{"unavailable.value.placeholder: hexadecimal"}},
		{name: "a Java class", props: map[string]string{"connection.url": url, "column.naming.strategy": "x.Y"}, errors: []string{"column.naming.strategy: columns have the names of the fields"}},
		{name: "old names, JVM's and a slip", props: map[string]string{"connection.url": url + "?reWriteBatchedInserts=true", "table.name.format": "${topic}", "database.time_zone": "UTC", "connection.pool.max_size": "3",
			"hibernate.c3p0.x": "1", "use.reduction.buffer": "true", "insert.modes": "x"},
			warnings: []string{"connection.pool.max_size: JVM only", "connection.url: reWriteBatchedInserts", "database.time_zone: use.time.zone", "hibernate.c3p0.x: JVM only", "insert.modes: insert.mode", "table.name.format: collection.name.format", "use.reduction.buffer: JVM only"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, r := Debezium.Parse(c.props)
			var errs, warnings []string
			for _, p := range r.Errors {
				errs = append(errs, p.Name+": "+p.Message)
			}
			for _, p := range r.Warnings {
				warnings = append(warnings, p.Name+": "+p.Message)
			}
			match(t, "errors", errs, c.errors)
			match(t, "warnings", warnings, c.warnings)
		})
	}
}

// match wants each text to begin and end with the parts of one wanted, "option: part", in any order.
func match(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s = %q, want %d like %q", what, got, len(want), want)
		return
	}
	for _, w := range want {
		option, part, _ := strings.Cut(w, ": ")
		found := false
		for _, g := range got {
			found = found || strings.HasPrefix(g, option+": ") && strings.Contains(g, part)
		}
		if !found {
			t.Errorf("%s = %q, want one at %q with %q", what, got, option, part)
		}
	}
}

// The defaults are those of Debezium's JDBC sink.
func TestDefaults(t *testing.T) {
	got := map[string]string{}
	for _, k := range Debezium.Keys() {
		got[k.Name] = k.Default
	}
	for name, want := range map[string]string{"insert.mode": "insert", "delete.enabled": "false", "truncate.enabled": "false", "primary.key.mode": "none", "collection.name.format": "${topic}",
		"schema.evolution": "none", "quote.identifiers": "false", "use.time.zone": "UTC", "batch.size": "500", "flush.max.retries": "5", "flush.retry.delay.ms": "1000",
		"dialect.postgres.postgis.schema": "public", "unavailable.value.placeholder": "__debezium_unavailable_value"} {
		if got[name] != want {
			t.Errorf("default of %s = %q, want %q", name, got[name], want)
		}
	}
}

// A configuration can be logged: the password is hidden, in the URL too as far as it is ours to print.
func TestPasswordIsHidden(t *testing.T) {
	c, r := Debezium.Parse(map[string]string{"connection.url": "jdbc:postgresql://db/shop?sslmode=never&password=hush", "connection.password": "hush"})
	for _, p := range r.Errors {
		if strings.Contains(p.Message, "hush") {
			t.Errorf("error %q shows the password", p.Message)
		}
	}
	if got := c.Password.String(); got == "hush" {
		t.Errorf("Password prints as %q", got)
	}
	if task := New(c, "x", slog.New(slog.DiscardHandler)); task.store != nil {
		t.Error("New has connected")
	}
}

func TestNameFormat(t *testing.T) {
	source := &schema.StructValue{Schema: sourceSchema, Values: []schema.Value{str("db"), str("sales"), str("order.items")}}
	for format, want := range map[string]tableName{
		"${topic}":                              {"", "p_sales_order_items"},
		"x_${topic}_y":                          {"", "x_p_sales_order_items_y"},
		"dw.${topic}":                           {"dw", "p_sales_order_items"},
		"${source.schema}.${source.table}":      {"sales", "order.items"},
		"${source.db}_${source.schema}.t$1":     {"db_sales", "t$1"},
		"copy_${source.schema}.${source.table}": {"copy_sales", "order.items"},
	} {
		f, err := parseNameFormat(format, partFormat)
		if err != nil {
			t.Errorf("parseNameFormat(%q) = %v", format, err)
			continue
		}
		got, err := f.name("p.sales.order.items", source)
		if err != nil {
			t.Errorf("name of %q = %v", format, err)
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(tableName{})); d != "" {
			t.Errorf("name of %q: (-want +got)\n%s", format, d)
		}
	}
	for _, format := range []string{"", "a..b", "${", "${source.}", "${x}", "a.b.c"} {
		if err := checkCollection(format); err == nil {
			t.Errorf("checkCollection(%q) = nil, want an error", format)
		}
	}
}

// Clients of the REST API are told of the options that Debezium's connector 3.6 tells them of.
func TestDebeziumListing(t *testing.T) {
	var got strings.Builder
	for _, d := range Debezium.ListedKeys().Definitions() {
		def := "null"
		if d.Default != nil {
			def = *d.Default
		}
		fmt.Fprintf(&got, "%s %s %s %s %s/%d %s\n", d.Name, d.Type, def, d.Importance, d.Group, d.Order, d.Width)
		if d.Required {
			t.Errorf("%s is required, want it found out later", d.Name)
		}
	}
	want := `connection.url STRING null HIGH Connector/1 LONG
connection.username STRING null HIGH Connector/2 SHORT
connection.password PASSWORD null HIGH Connector/3 SHORT
connection.pool.min_size INT 5 LOW Connector/4 SHORT
connection.pool.max_size INT 32 LOW Connector/5 SHORT
connection.pool.timeout LONG 1800 LOW Connector/6 SHORT
insert.mode STRING insert LOW Connector/7 SHORT
delete.enabled BOOLEAN false LOW Connector/8 SHORT
truncate.enabled BOOLEAN false LOW Connector/9 SHORT
collection.name.format STRING ${topic} MEDIUM Connector/10 MEDIUM
table.name.format STRING ${topic} MEDIUM Connector/10 MEDIUM
primary.key.mode STRING none HIGH Connector/11 SHORT
primary.key.fields STRING null LOW Connector/12 MEDIUM
schema.evolution STRING none LOW Connector/13 SHORT
quote.identifiers BOOLEAN false LOW Connector/14 SHORT
collection.naming.strategy CLASS io.debezium.sink.naming.DefaultCollectionNamingStrategy LOW Connector/15 LONG
table.naming.strategy CLASS io.debezium.sink.naming.DefaultCollectionNamingStrategy LOW Connector/15 LONG
column.naming.strategy CLASS io.debezium.connector.jdbc.naming.DefaultColumnNamingStrategy LOW Connector/16 LONG
collection.table.format STRING ${table} MEDIUM Connector/17 LONG
use.time.zone STRING UTC MEDIUM Connector/18 SHORT
database.time_zone STRING UTC MEDIUM Connector/18 SHORT
dialect.postgres.postgis.schema STRING public LOW Connector/19 LONG
dialect.postgres.unnest.insert.enabled BOOLEAN false MEDIUM Connector/20 SHORT
dialect.sqlserver.identity.insert BOOLEAN false LOW Connector/21 SHORT
batch.size INT 500 MEDIUM Connector/22 SHORT
field.include.list LIST null MEDIUM Connector/23 LONG
field.exclude.list LIST null MEDIUM Connector/24 LONG
flush.max.retries INT 5 LOW Connector/25 SHORT
flush.retry.delay.ms LONG 1000 LOW Connector/26 SHORT
connection.restart.on.errors BOOLEAN false LOW Connector/27 SHORT
cloud.events.schema.name.pattern STRING .*CloudEvents\.Envelope$ LOW Connector/28 LONG
`
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Errorf("definitions: (-want +got)\n%s", d)
	}
}
