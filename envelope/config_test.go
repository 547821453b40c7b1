package envelope_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/golden"
)

// TestKeys holds names, types, defaults, importances and groups of the options; they are those of Debezium's definition where that has them.
func TestKeys(t *testing.T) {
	cfg := envelope.DefaultConfig()
	var b strings.Builder
	for _, k := range cfg.Keys() {
		def := k.Default
		if k.NoDefault || k.Required {
			def = "-"
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%s\n", k.Name, k.Type, def, k.Importance, k.Group)
	}
	golden.Text(t, "testdata/keys.golden", []byte(b.String()))
}

func parse(props map[string]string) (envelope.Config, config.Report) {
	all := map[string]string{"topic.prefix": "p"}
	for k, v := range props {
		all[k] = v
	}
	cfg := envelope.DefaultConfig()
	r := cfg.Keys().Parse(all, "key.converter", "value.converter")
	cfg.Complete(all, &r)
	return cfg, r
}

func TestInvalidConfig(t *testing.T) {
	for _, c := range []struct {
		props map[string]string
		want  []string // option: part of the message
	}{
		{map[string]string{"topic.prefix": "a b"}, []string{"topic.prefix: only the underscore"}},
		{map[string]string{"decimal.handling.mode": "exact"}, []string{"decimal.handling.mode: Value must be one of precise, double, string"}},
		{map[string]string{"skipped.operations": "none,c"}, []string{"skipped.operations: 'none' cannot be specified with other skipped operation types"}},
		{map[string]string{"skipped.operations": "x"}, []string{"skipped.operations: Invalid operation"}},
		{map[string]string{"message.key.columns": "abc"}, []string{"message.key.columns: abc has an invalid format (expecting '^\\s*([^:]+):([^:,]+(,[^:,]+)*)\\s*$')"}},
		{map[string]string{"column.include.list": "a.b.c", "column.exclude.list": "d.e.f"}, []string{`column.exclude.list: "column.include.list" is already specified`}},
		{map[string]string{"message.prefix.include.list": "a", "message.prefix.exclude.list": "b"}, []string{`message.prefix.exclude.list: "message.prefix.include.list" is already specified`}},
		{map[string]string{"column.include.list": "a.(b"}, []string{"column.include.list: "}},
		{map[string]string{"column.mask.with.3.chars": "a.(b"}, []string{"column.mask.with.3.chars: "}},
		{map[string]string{"column.truncate.to.99999999999.chars": "a"}, []string{"column.truncate.to.99999999999.chars: the length in its name is too large"}},
		{map[string]string{"column.mask.hash.CRC.with.salt.x": "a.b.c"}, []string{`column.mask.hash.CRC.with.salt.x: hash algorithm "CRC" is not known`}},
		{map[string]string{"topic.naming.strategy": "com.example.Mine"}, []string{"topic.naming.strategy: Value must be one of"}},
		{map[string]string{"topic.naming.strategy": "io.debezium.schema.DefaultRegexTopicNamingStrategy"}, []string{"topic.regex: the naming strategy needs it"}},
		{map[string]string{"topic.naming.strategy": "io.debezium.schema.SchemaRegexTopicNamingStrategy", "topic.regex": "(a)"}, []string{"topic.replacement: topic.replacement must be non-empty"}},
		{map[string]string{"topic.naming.strategy": "io.debezium.schema.DefaultRegexTopicNamingStrategy", "topic.regex": "(a)", "topic.replacement": "$2"}, []string{"topic.replacement: replacement \"$2\": no group 2"}},
	} {
		_, r := parse(c.props)
		var got []string
		for i, p := range r.Errors {
			text := p.Name + ": " + p.Message
			if i < len(c.want) {
				name, part, _ := strings.Cut(c.want[i], ": ")
				if p.Name == name && strings.Contains(p.Message, part) {
					text = c.want[i]
				}
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("errors of %v differ (-want +got):\n%s", c.props, diff)
		}
	}
}

func TestInvalidNames(t *testing.T) {
	for name, change := range map[string]func(*envelope.Config){
		"topic.delimiter":               func(c *envelope.Config) { c.Delimiter = "#" },
		"unavailable.value.placeholder": func(c *envelope.Config) { c.Placeholder = "hex:zz" },
		"topic.transaction":             func(c *envelope.Config) { c.TransactionTopic = "" },
	} {
		cfg := envelope.DefaultConfig()
		cfg.TopicPrefix = "p"
		change(&cfg)
		if _, err := envelope.New(cfg, null{}, serverTypes); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("New with invalid %s = %v, want an error that names it", name, err)
		}
	}
}

func TestParsedConfig(t *testing.T) {
	cfg, r := parse(map[string]string{
		"message.key.columns": "a.t:x,y;b.u: z ", "column.mask.with.6.chars": "a.b.c,d.e.f", "column.mask.hash.v2.SHA-256.with.salt.a.b": "x.y.z",
		"column.mask.hash.MD5.with.salt.s": "x.y.z", "column.truncate.to.4.chars": "t.u.v", "value.converter": "io.confluent.connect.avro.AvroConverter", "skipped.operations": "c, d",
	})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	want := envelope.DefaultConfig()
	want.TopicPrefix = "p"
	want.KeyColumns = []envelope.KeyRule{{Tables: "a.t", Columns: []string{"x", "y"}}, {Tables: "b.u", Columns: []string{"z"}}}
	want.Mask = []envelope.ColumnRule{{Columns: []string{"a.b.c", "d.e.f"}, N: 6}}
	want.Truncate = []envelope.ColumnRule{{Columns: []string{"t.u.v"}, N: 4}}
	want.Hash = []envelope.HashRule{{Columns: []string{"x.y.z"}, Algorithm: "SHA-256", Salt: "a.b", V2: true}, {Columns: []string{"x.y.z"}, Algorithm: "MD5", Salt: "s"}}
	want.FieldNames = envelope.AdjustAvro // by the converter
	want.SkippedOps = []string{"c", "d"}
	cfg.Log, cfg.Now, want.Log, want.Now = nil, nil, nil, nil
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Errorf("configuration differs (-want +got):\n%s", diff)
	}
}
