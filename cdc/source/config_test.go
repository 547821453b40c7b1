package source

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/config"
)

// propertiesWith are the required options and those given by name and text in turn.
func propertiesWith(more ...string) map[string]string {
	props := map[string]string{"database.hostname": "h", "database.user": "u", "database.dbname": "d", "topic.prefix": "p"}
	for i := 0; i+1 < len(more); i += 2 {
		props[more[i]] = more[i+1]
	}
	return props
}

// TestParseErrors: what the connector's own options refuse, at the option it concerns.
func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ option, text, want string }{
		{"plugin.name", "decoderbufs", "only pgoutput is supported"},
		{"plugin.name", "wal2json", "Value must be one of decoderbufs, pgoutput"},
		{"slot.name", "Shop", "must contain only digits, lowercase characters and underscores"},
		{"slot.stream.params", "proto_version=2", "the protocol version is 1"},
		{"slot.stream.params", "origin", "not of the form name=value"},
		{"schema.include.list", "a.(b", "Unclosed group near index 4"},
		{"snapshot.mode", "sometimes", "Value must be one of always, initial_only, configuration_based, when_needed, initial, custom, no_data"},
		{"snapshot.mode", "custom", "snapshot.mode=configuration_based with its five options"},
		{"snapshot.query.mode", "custom", "snapshot.select.statement.overrides"},
		{"snapshot.locking.mode", "custom", "choose none or shared"},
		{"converters", "isbn", "convert downstream"},
		{"sourceinfo.struct.maker", "com.example.Mine", "take what you need out of it with a transform"},
		{"transaction.metadata.factory", "com.example.Mine", "change it with a transform"},
		{"database.connection.factory.class", "com.example.Mine", "connection factories are Java classes"},
		{"openlineage.integration.enabled", "true", "lineage events are not sent"},
		{"topic.naming.strategy", "com.example.Mine", "choose one of the"},
		{"replica.identity.autoset.values", "a.(b:FULL", "Unclosed group"},
		{"custom.sanitize.pattern", "(", "Unclosed group"},
		{"database.options", "work_mem=1", "want -c name=value"},
		{"driver.sslmode", "perhaps", "Value must be one of allow, prefer, disable"},
	} {
		_, report := Parse(propertiesWith(c.option, c.text))
		want := strings.Replace(c.option, "driver.", "database.", 1)
		if len(report.Errors) != 1 || report.Errors[0].Name != want || !strings.Contains(report.Errors[0].Message, c.want) {
			t.Errorf("Parse(%s=%q) errors = %v, want one at the option that says %q", c.option, c.text, report.Errors, c.want)
		}
	}
}

// TestOldNames: what tutorials of older versions use works, with a warning that names what to use today.
func TestOldNames(t *testing.T) {
	for _, c := range []struct {
		option, text, want string
		set                func(c *Config) bool
	}{
		{"database.server.name", "q", `use "topic.prefix"`, func(c *Config) bool { return c.Envelope.TopicPrefix == "q" }},
		{"table.whitelist", "a.b", `use "table.include.list"`, func(c *Config) bool { return slices.Equal(c.TableInclude, []string{"a.b"}) }},
		{"table.blacklist", "a.b", `use "table.exclude.list"`, func(c *Config) bool { return slices.Equal(c.TableExclude, []string{"a.b"}) }},
		{"schema.whitelist", "a", `use "schema.include.list"`, func(c *Config) bool { return slices.Equal(c.SchemaInclude, []string{"a"}) }},
		{"schema.blacklist", "a", `use "schema.exclude.list"`, func(c *Config) bool { return slices.Equal(c.SchemaExclude, []string{"a"}) }},
		{"column.whitelist", "a.b.c", `use "column.include.list"`, func(c *Config) bool { return slices.Equal(c.Envelope.ColumnInclude, []string{"a.b.c"}) }},
		{"column.blacklist", "a.b.c", `use "column.exclude.list"`, func(c *Config) bool { return slices.Equal(c.Envelope.ColumnExclude, []string{"a.b.c"}) }},
		{"slot.drop_on_stop", "true", `use "slot.drop.on.stop"`, func(c *Config) bool { return c.SlotDropOnStop }},
		{"toasted.value.placeholder", "x", `use "unavailable.value.placeholder"`, func(c *Config) bool { return c.Envelope.Placeholder == "x" }},
		{"sanitize.field.names", "true", "use field.name.adjustment.mode=avro", func(c *Config) bool { return c.Envelope.FieldNames == "avro" }},
		{"snapshot.mode", "never", `use "no_data"`, func(c *Config) bool { return c.SnapshotMode == SnapshotNoData }},
		{"snapshot.mode", "schema_only", `use "no_data"`, func(c *Config) bool { return c.SnapshotMode == SnapshotNoData }},
		{"snapshot.mode", "Exported", `use "initial"`, func(c *Config) bool { return c.SnapshotMode == SnapshotInitial }},
		{"flush.lsn.source", "false", "use lsn.flush.mode=manual", func(c *Config) bool { return c.Replication.flush == flushManual }},
		{"internal.slot.seek.to.known.offset.on.start", "true", "use offset.mismatch.strategy=trust_offset", func(c *Config) bool { return c.Replication.mismatch == mismatchOffset }},
		{"heartbeat.topics.prefix", "hb", "use topic.heartbeat.prefix=hb", func(c *Config) bool { return c.Envelope.HeartbeatPrefix == "__debezium-heartbeat" }},
	} {
		props := propertiesWith(c.option, c.text)
		if c.option == "database.server.name" {
			delete(props, "topic.prefix")
		}
		cfg, report := Parse(props)
		if report.Err() != nil || !c.set(&cfg) {
			t.Errorf("Parse(%s=%s) = %v, set %v, want it set", c.option, c.text, report.Errors, c.set(&cfg))
		}
		if !slices.ContainsFunc(report.Warnings, func(p config.Problem) bool { return p.Name == c.option && strings.Contains(p.Message, c.want) }) {
			t.Errorf("Parse(%s=%s) warns %v, want %q", c.option, c.text, report.Warnings, c.want)
		}
	}
}

// TestOldValueBesideFault: in a configuration that has to be corrected anyway, an old value is among the faults.
func TestOldValueBesideFault(t *testing.T) {
	_, report := Parse(propertiesWith("snapshot.mode", "never", "decimal.handling.mode", "exact"))
	var names []string
	for _, p := range report.Errors {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"decimal.handling.mode", "snapshot.mode"}, names); diff != "" {
		t.Errorf("errors stand at (-want +got)\n%s", diff)
	}
}

func TestImplied(t *testing.T) {
	cfg, _ := Parse(propertiesWith("lsn.flush.mode", "connector_and_driver"))
	if cfg.Heartbeat != 10*time.Minute {
		t.Errorf("connector_and_driver has heartbeats every %s, want 10m", cfg.Heartbeat)
	}
	cfg, _ = Parse(propertiesWith("lsn.flush.mode", "connector_and_driver", "provide.transaction.metadata", "true"))
	if cfg.Heartbeat != 0 {
		t.Errorf("connector_and_driver with transaction metadata has heartbeats every %s, want none", cfg.Heartbeat)
	}
	cfg, _ = Parse(propertiesWith("lsn.flush.mode", "manual", "flush.lsn.source", "true"))
	if cfg.Replication.flush != flushManual {
		t.Errorf("lsn.flush.mode=manual beside flush.lsn.source is %s, want the newer to win", cfg.Replication.flush)
	}
	cfg, report := Parse(propertiesWith("driver.connectTimeout", "7", "driver.socketTimeout", "3", "database.socketTimeout", "9", "driver.currentSchema", "shop"))
	if cfg.Database.ConnectSeconds != 7 || cfg.Database.SocketSeconds != 9 || cfg.Database.Schema != "shop" || len(report.Warnings) > 0 {
		t.Errorf("driver.* = %d, %d, %q, warnings %v, want 7, 9 (database.* wins), shop and none", cfg.Database.ConnectSeconds, cfg.Database.SocketSeconds, cfg.Database.Schema, report.Warnings)
	}
	if _, report = Parse(propertiesWith("driver.prepareThreshold", "1", "custom.metric.tags", "a=b")); report.Err() != nil || len(report.Warnings) != 2 {
		t.Errorf("options of the JVM: errors %v, warnings %v, want two warnings", report.Errors, report.Warnings)
	}
}

// ours are the options whose definition differs from Debezium's on purpose, with the reason.
var ours = map[string]string{
	"plugin.name":                          "pgoutput comes with every server",
	"internal.legacy.snapshot.max.threads": "an alias",
	"snapshot.fetch.size":                  "Debezium has no default and uses 10240",
}

// TestDefinitions: every option of Debezium's connector is defined, with its type, default, importance and group (testdata/config-def.tsv, recorded).
func TestDefinitions(t *testing.T) {
	text, err := os.ReadFile("testdata/config-def.tsv")
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	keys := cfg.Keys()
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		f := strings.Split(line, "\t")
		if i == 0 || ours[f[0]] != "" || strings.Contains(f[0], "(") { // families have names of another form
			continue
		}
		at := slices.IndexFunc(keys, func(k config.Key) bool { return k.Name == f[0] })
		if at < 0 {
			t.Errorf("option %s is not defined", f[0])
			continue
		}
		k := keys[at]
		def := k.Default
		if k.NoDefault || k.Required {
			def = ""
		}
		wantDefault := strings.TrimPrefix(f[2], "class ")
		if k.Type == config.TypeList {
			wantDefault = strings.Trim(wantDefault, "[]")
		}
		if got := []string{f[0], string(k.Type), strings.ToLower(def), string(k.Importance), k.Group}; !slices.Equal(got, []string{f[0], f[1], strings.ToLower(wantDefault), f[3], f[4]}) {
			t.Errorf("option is defined as %q, want %q", got, f)
		}
	}
}

func TestSanitized(t *testing.T) {
	props := propertiesWith("database.password", "pw1", "value.converter.basic.auth.user.info", "pw2", "my.pin", "pw3", "custom.sanitize.pattern", `.*\.pin`)
	cfg, _ := Parse(props)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "options", cfg.Sanitized(props))
	if text := log.String(); strings.Contains(text, "pw") || !strings.Contains(text, "options.database.hostname=h") || strings.Count(text, config.Hidden) != 3 {
		t.Errorf("the log shows %s, want three values hidden and the host", text)
	}
}

// FuzzParse: no configuration panics, and one that is valid is valid again.
func FuzzParse(f *testing.F) {
	f.Add("database.hostname=h\ndatabase.user=u\ndatabase.dbname=d\ntopic.prefix=p\nsnapshot.mode=never")
	f.Add("table.include.list=a\\\\.(?!b).*,c\nmessage.key.columns=a.b:c,d;e:f\nreplica.identity.autoset.values=.*:INDEX i")
	f.Add("column.mask.hash.v2.SHA-256.with.salt.x=a.b.c\ncolumn.truncate.to.5.chars=(\nskipped.operations=c,none\nslot.stream.params=a=b;c")
	f.Add("driver.options=-c a=b\ndatabase.whitelist=x\nsanitize.field.names=true\nmax.batch.size=9\nmax.queue.size=8")
	f.Fuzz(func(t *testing.T, text string) {
		props, err := config.ParseProperties(text)
		if err != nil {
			return
		}
		_, first := Parse(props)
		if _, second := Parse(props); !cmp.Equal(first, second) {
			t.Errorf("Parse of the same properties gives %v, then %v", first, second)
		}
	})
}
