package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/filestream"
	"github.com/tandem-cdc/tandem/connect/provider"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema/converter"
	"github.com/tandem-cdc/tandem/sink/elasticsearch"
	"github.com/tandem-cdc/tandem/sink/sqldb"
)

// docsFolder holds a page per set of options, and README.md, their list.
const docsFolder = "../../docs/config"

type docsPage struct {
	file string
	config.Page
}

func docsPages() []docsPage {
	return []docsPage{
		{"postgres-source.md", postgresSourcePage()},
		{"jdbc-sink.md", jdbcSinkPage()},
		{"jdbc-source.md", jdbcSourcePage()},
		{"elasticsearch-sink.md", elasticsearchSinkPage()},
		{"s3-sink.md", s3SinkPage()},
		{"file.md", filePage()},
		{"connectors.md", connectorsPage()},
		{"worker.md", workerPage()},
		{"converters.md", convertersPage()},
		{"transforms.md", transformsPage()},
		{"kafka-clients.md", kafkaClientsPage()},
	}
}

func postgresSourcePage() config.Page {
	c := source.DefaultConfig()
	return config.Page{
		Title: "The PostgreSQL source connector",
		Intro: "`connector.class=" + source.Class + "`. The options of every connector, [connectors.md](connectors.md), hold beside these. " +
			"Regular expressions match a whole name, in any case.",
		Sections: []config.Section{{Keys: c.Keys()}},
	}
}

func jdbcSinkPage() config.Page {
	return config.Page{
		Title: "The relational sink connector",
		Intro: "One sink under the names, and with the options, of two connectors. What it does stands in [jdbc-sink.md](../connectors/jdbc-sink.md). The options of every connector, [connectors.md](connectors.md), hold beside these.",
		Sections: []config.Section{
			{Title: "Confluent's options", Keys: sqldb.Confluent.Keys(), Intro: "`connector.class=" + sqldb.Confluent.Class + "`."},
			{Title: "Debezium's options", Keys: sqldb.Debezium.Keys(), Intro: "`connector.class=" + sqldb.Debezium.Class + "`."},
		},
	}
}

func elasticsearchSinkPage() config.Page {
	c := elasticsearch.DefaultConfig()
	return config.Page{
		Title: "The Elasticsearch sink connector",
		Intro: "`connector.class=" + elasticsearch.Class + "`, into Elasticsearch and OpenSearch. What it does stands in [elasticsearch-sink.md](../connectors/elasticsearch-sink.md). " +
			"The options of every connector, [connectors.md](connectors.md), hold beside these.",
		Sections: []config.Section{{Keys: c.Keys()}},
	}
}

func filePage() config.Page {
	in, out := filestream.DefaultSourceConfig(), filestream.SinkConfig{}
	return config.Page{
		Title: "The file connectors",
		Intro: "Everybody's first connectors: lines of a file to a topic, and a topic to lines of a file. The options of every connector, [connectors.md](connectors.md), hold beside these.",
		Sections: []config.Section{
			{Title: "Source", Keys: in.Keys(), Intro: "`connector.class=" + filestream.SourceClass + "`. A record is made of each line, as text; a last line counts when it has an end. The task goes on as the file grows. " +
				"A file that is truncated, or replaced by another of its name, is read from its beginning. A line of more than 64 MiB fails the task. The offset, `{\"position\": …}`, counts bytes."},
			{Title: "Sink", Keys: out.Keys(), Intro: "`connector.class=" + filestream.SinkClass + "`. A line is appended for each record: its value as Java prints it, mostly with `value.converter` a StringConverter."},
		},
	}
}

func connectorsPage() config.Page {
	c := connect.DefaultConnectorConfig()
	return config.Page{
		Title: "Connectors in general",
		Intro: "What every connector may set, whatever its class.",
		Sections: []config.Section{
			{Title: "Every connector", Keys: c.Keys()},
			{Title: "Source connectors", Keys: slices.Concat(c.Source.Keys(), connect.TopicGroupKeys()),
				Intro: "Topics are created by `topic.creation.*` when the worker has `topic.creation.enable=true` and at least one of these options is set; the group default must then give its two numbers. Else the broker creates them, or not."},
			{Title: "Sink connectors", Keys: c.Sink.Keys()},
		},
	}
}

func workerPage() config.Page {
	c, d := connect.DefaultWorkerConfig(), connect.DefaultDistributedConfig()
	return config.Page{
		Title: "The worker",
		Intro: "`worker.properties` of `tandem standalone` and `tandem distributed`. A variable `CONNECT_A_B` of the environment sets the option `a.b` and wins over the file. " +
			"`rest.host.name` and `rest.port`, the older names of `listeners`, are taken with a warning, interceptors are left out with one.",
		Sections: append([]config.Section{
			{Keys: c.Keys()},
			{Title: "A worker of a group", Keys: d.Keys(), Intro: "`tandem distributed`, see [distributed.md](../distributed.md). It keeps offsets in a topic and has no `offset.storage.file.filename`."},
		}, providerSections()...),
	}
}

// providerSections are the parameters of the config providers.
func providerSections() (sections []config.Section) {
	keys := provider.Keys()
	for _, class := range slices.Sorted(maps.Keys(keys)) {
		sections = append(sections, config.Section{Title: class[strings.LastIndex(class, ".")+1:], Keys: keys[class], Intro: "`config.providers.NAME.class=" + class + "`; parameters stand under `config.providers.NAME.param.`."})
	}
	return sections
}

func convertersPage() config.Page {
	p := config.Page{
		Title: "Converters",
		Intro: "A converter is chosen by `key.converter`, `value.converter` and `header.converter`, of the worker or of a connector. Its options carry that name as a prefix: " +
			"`value.converter.schemas.enable=false`.",
	}
	var without []string
	for _, class := range append(converter.Classes(), converter.SimpleHeaderClass) {
		keys, _ := converter.Keys(class)
		if len(keys) == 0 {
			without = append(without, "`"+class+"`")
			continue
		}
		p.Sections = append(p.Sections, config.Section{Title: class[strings.LastIndex(class, ".")+1:], Intro: "`" + class + "`", Keys: keys})
	}
	for i, s := range p.Sections { // the two of this name
		if s.Title == "ByteArrayConverter" && strings.Contains(s.Intro, "debezium") {
			p.Sections[i].Title += " of Debezium"
		}
	}
	p.Sections = append(p.Sections, config.Section{Title: "Without options", Intro: strings.Join(without, ", ")})
	return p
}

func transformsPage() config.Page {
	p := config.Page{
		Title: "Transforms",
		Intro: "Single message transforms stand between a connector and the converters: behind a source, in front of a sink. `transforms` names them in their order, and each has its class and its options under " +
			"its name: `transforms=unwrap`, `transforms.unwrap.type=io.debezium.transforms.ExtractNewRecordState`, `transforms.unwrap.add.fields=op`. The class may be given without its package. " +
			"A record that a transform drops counts as done with; one that it fails for ends the task, or with `errors.tolerance=all` is left out.\n\n" +
			"`predicates` names conditions: `predicates=p`, `predicates.p.type=org.apache.kafka.connect.transforms.predicates.RecordIsTombstone`. `transforms.unwrap.predicate=p` lets a transform " +
			"have only the records that the predicate holds for, `transforms.unwrap.negate=true` the others.",
	}
	var refused []string
	for _, t := range plugins().Transforms {
		if t.Refused != "" {
			refused = append(refused, "- `"+t.Class+"`: "+t.Refused)
			continue
		}
		class, variant, _ := strings.Cut(t.Class, "$")
		intro := "`" + t.Class + "`"
		if variant == "Value" {
			continue // it stands beside the one for keys
		} else if variant == "Key" {
			intro += " and `" + class + "$Value`"
		}
		p.Sections = append(p.Sections, config.Section{Title: class[strings.LastIndex(class, ".")+1:], Intro: intro, Keys: t.Keys()})
	}
	for _, t := range plugins().Predicates {
		p.Sections = append(p.Sections, config.Section{Title: "Predicate " + t.Class[strings.LastIndex(t.Class, ".")+1:], Intro: "`" + t.Class + "`", Keys: t.Keys()})
	}
	p.Sections = append(p.Sections, config.Section{Title: "Not supported", Intro: strings.Join(refused, "\n")})
	return p
}

// kafkaClientsPage tells what the three clients have in common once.
func kafkaClientsPage() config.Page {
	admin := client.Keys(client.ForAdmin)
	ofAll := func(k config.Key) bool {
		for _, role := range []client.Role{client.ForProducer, client.ForConsumer} {
			if !slices.ContainsFunc(client.Keys(role), func(o config.Key) bool { return o.Name == k.Name && o.Doc == k.Doc }) {
				return false
			}
		}
		return true
	}
	isSecurity := func(k config.Key) bool {
		family, _, _ := strings.Cut(k.Name, ".")
		return slices.Contains([]string{"security", "sasl", "ssl"}, family)
	}
	var common, security config.Keys
	for _, k := range admin {
		switch {
		case isSecurity(k):
			security = append(security, k)
		case ofAll(k):
			common = append(common, k)
		}
	}
	own := func(role client.Role) config.Keys {
		return slices.DeleteFunc(client.Keys(role), func(k config.Key) bool { return isSecurity(k) || ofAll(k) })
	}
	return config.Page{
		Title: "Kafka clients",
		Intro: "The options of Kafka's Java clients. The worker takes them with the prefixes `producer.`, `consumer.` and `admin.`, a connector with `producer.override.`, `consumer.override.` and " +
			"`admin.override.`, which win. Security options that stand in worker.properties without a prefix hold for all clients that have none of their own.\n\n" +
			"For its tasks the worker has defaults of its own, as Kafka Connect has: `delivery.timeout.ms` and `max.block.ms` without end, `group.id=connect-NAME` and `client.id=connector-…` " +
			"after the connector's name, `auto.offset.reset=earliest`, and `max.poll.records=5000`.",
		Sections: []config.Section{
			{Title: "Every client", Keys: common},
			{Title: "Security", Keys: security},
			{Title: "Producers", Keys: own(client.ForProducer)},
			{Title: "Consumers", Keys: own(client.ForConsumer)},
			{Title: "Admin clients", Keys: own(client.ForAdmin)},
		},
	}
}

func docsIndex() []byte {
	var b bytes.Buffer
	b.WriteString(`<!-- Generated: go test ./cmd/tandem -run Docs -update -->

# Options

Every option tandem knows, from the definitions that the program itself parses and validates with. The names are those of Debezium,
Kafka Connect and Kafka's Java clients; ` + "`tandem standalone`" + ` reports everything that is wrong with a file at once, and warns of options it
does not know.

| page | what |
|---|---|
`)
	for _, p := range docsPages() {
		fmt.Fprintf(&b, "| [%s](%s) | %s |\n", p.file, p.file, p.Title)
	}
	b.WriteString(`
A default "none" is null: the option is not set. "empty" is an empty text. Options whose names end in .ms are milliseconds, those in
.bytes are bytes. An element of a list that holds a comma writes it as ` + "`\\,`" + `. Older names are taken with a warning.
`)
	return b.Bytes()
}

// TestDocs holds docs/config to the definitions of the options; -update rewrites it.
func TestDocs(t *testing.T) {
	want := map[string][]byte{"README.md": docsIndex()}
	for _, p := range docsPages() {
		want[p.file] = p.Markdown()
	}
	if golden.Updating() {
		if err := os.MkdirAll(docsFolder, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(docsFolder, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, text := range want {
		got, err := os.ReadFile(filepath.Join(docsFolder, name))
		if err != nil {
			t.Errorf("%v; go test ./cmd/tandem -run Docs -update writes it", err)
		} else if diff := cmp.Diff(strings.Split(string(got), "\n"), strings.Split(string(text), "\n")); diff != "" {
			t.Errorf("docs/config/%s is stale (-there +defined); go test ./cmd/tandem -run Docs -update rewrites it\n%s", name, diff)
		}
	}
	files, err := os.ReadDir(docsFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if want[f.Name()] == nil {
			t.Errorf("docs/config/%s is of no page: remove it", f.Name())
		}
	}
}

// TestDocsSentences: every option says what it does, in sentences, once a section.
func TestDocsSentences(t *testing.T) {
	for _, p := range docsPages() {
		for _, s := range p.Sections {
			seen := make(map[string]bool)
			for _, k := range s.Keys {
				if seen[k.Name] {
					t.Errorf("%s: option %q is defined twice", p.file, k.Name)
				}
				seen[k.Name] = true
				if len(k.Doc) < len("Topics.") || !strings.HasSuffix(k.Doc, ".") {
					t.Errorf("%s: the documentation of option %q = %q, want a sentence", p.file, k.Name, k.Doc)
				}
			}
		}
	}
}
