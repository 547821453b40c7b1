package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/cdc/source"
	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/filestream"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
	"github.com/tandem-cdc/tandem/sink/sqldb"
)

// plan is what a connector would find and do outside of Kafka.
type plan struct {
	Source *source.Survey  `json:"source,omitempty"`
	Target *sqldb.Survey   `json:"target,omitempty"`
	Fit    []sqldb.Fitting `json:"fit,omitempty"` // of the last record of each topic into its table
	File   string          `json:"file,omitempty"`
	Group  string          `json:"group,omitempty"` // consumer group of a sink
}

// topicUse is a topic that a connector would write or read.
type topicUse struct {
	Topic      string     `json:"topic"`
	From       []string   `json:"from,omitempty"` // tables, or what else makes its records
	Exists     *bool      `json:"exists,omitempty"`
	Partitions int        `json:"partitions,omitempty"`
	Creation   string     `json:"creation,omitempty"` // of a topic that does not exist
	Key        *schemaUse `json:"key,omitempty"`
	Value      *schemaUse `json:"value,omitempty"`
}

// schemaUse is what becomes of a schema.
type schemaUse struct {
	Converter string `json:"converter"`
	Subject   string `json:"subject,omitempty"`
	ID        int    `json:"id,omitempty"`  // it is registered
	New       bool   `json:"new,omitempty"` // it would be
	Schema    string `json:"schema,omitempty"`
	Problem   string `json:"problem,omitempty"`
}

// rehearsal asks around for one connector.
type rehearsal struct {
	*validator
	*connect.Rehearsal
	out *verdict

	topics map[string]client.Topic // nil: the broker was not asked, or did not answer
	silent map[string]bool         // registries' failures that were told
}

func (r *rehearsal) run(ctx context.Context) {
	r.out.Plan, r.silent = new(plan), make(map[string]bool)
	if !r.clients {
		r.out.notice("the worker is not known (--worker): its converters are taken for JsonConverter, and no broker is asked")
	}
	r.listTopics(ctx)
	switch r.Class {
	case source.Class:
		r.database(ctx)
	case filestream.SourceClass:
		r.fileSource(ctx)
	default:
		if r.Kind == connect.KindSink {
			r.sink(ctx)
		}
	}
}

// listTopics asks the broker which topics there are.
func (r *rehearsal) listTopics(ctx context.Context) {
	if !r.clients {
		return
	}
	c, report := client.FromProperties(r.AdminOptions, client.ForAdmin)
	if err := report.Err(); err != nil {
		r.out.problem("the options of the Kafka client: %v", err)
		return
	}
	admin := client.NewAdmin(c)
	defer admin.Close()
	listed, err := admin.Topics(ctx)
	if err != nil {
		r.out.problem("the brokers %s cannot be asked: %v", strings.Join(r.cfg.BootstrapServers, ","), err)
		return
	}
	r.topics = make(map[string]client.Topic)
	for _, t := range listed {
		r.topics[t.Name] = t
	}
}

// database surveys what the PostgreSQL connector captures.
func (r *rehearsal) database(ctx context.Context) {
	survey, err := source.Inspect(ctx, r.Props, r.Chain != nil)
	if err != nil {
		r.out.problem("%v", err)
		return
	}
	r.out.Plan.Source = survey
	r.out.Problems = append(r.out.Problems, survey.Problems...)
	r.out.Notices = append(r.out.Notices, survey.Warnings...)
	for _, t := range survey.Tables {
		r.record(ctx, t.Name, t.Record, t.Sampled)
	}
	for _, t := range survey.Others {
		r.record(ctx, t.What, t.Record, true)
	}
}

// fileSource looks at a file and the topic that its lines go to.
func (r *rehearsal) fileSource(ctx context.Context) {
	r.out.Plan.File = r.Props["file"]
	if name := r.Props["file"]; name != "" {
		if f, err := os.Open(name); err != nil {
			r.out.notice("the file is waited for: %v", err)
		} else {
			f.Close()
		}
	}
	r.record(ctx, "the lines of the file", schema.Record{Topic: r.Props["topic"], Offset: schema.NoOffset, Timestamp: schema.NoTimestamp,
		ValueSchema: schema.Of(schema.String), Value: schema.OfString("")}, true)
}

// record follows a record of a source through the transforms to its topic. One without values is made up of its schemas for that.
func (r *rehearsal) record(ctx context.Context, from string, record schema.Record, real bool) {
	if r.Chain != nil {
		if !real {
			record = madeUp(record)
		}
		keep, err := r.Chain.Apply(&record)
		switch {
		case err != nil && real:
			r.out.problem("%s: %v", from, err)
			return
		case err != nil:
			r.out.notice("what the transforms make of %s cannot be told without a row: %v", from, err)
			return
		case !keep:
			r.out.notice("the transforms drop the record of %s that was tried", from)
			return
		}
	}
	at := slices.IndexFunc(r.out.Topics, func(t topicUse) bool { return t.Topic == record.Topic })
	if at < 0 {
		at = len(r.out.Topics)
		r.out.Topics = append(r.out.Topics, r.topic(record.Topic))
	}
	t := &r.out.Topics[at]
	t.From = append(t.From, from)
	if record.KeySchema != nil && t.Key == nil {
		t.Key = r.schema(ctx, "key", r.Key, r.KeyClass, record.Topic, record.KeySchema)
	}
	if record.ValueSchema != nil && (t.Value == nil || t.Value.Problem == "") {
		t.Value = r.schema(ctx, "value", r.Value, r.ValueClass, record.Topic, record.ValueSchema)
	}
}

// topic tells whether a topic exists, and else who makes it.
func (r *rehearsal) topic(name string) topicUse {
	t := topicUse{Topic: name}
	if r.topics != nil {
		found, exists := r.topics[name]
		t.Exists, t.Partitions = &exists, found.Partitions
		if exists {
			return t
		}
	}
	t.Creation = "by the broker, if it has auto.create.topics.enable"
	if partitions, replicas, ok := r.NewTopic(name); ok {
		t.Creation = "by the connector, with " + orDefault(partitions, "partition") + " and " + orDefault(replicas, "replica")
	}
	return t
}

func orDefault(n int, what string) string {
	if n < 0 {
		return "the broker's number of " + what + "s"
	}
	return count(n, what)
}

// schema asks the converter, and its registry, about a schema.
func (r *rehearsal) schema(ctx context.Context, half string, conv converter.Converter, class, topic string, s *schema.Schema) *schemaUse {
	use := &schemaUse{Converter: class}
	previewer, registered := conv.(converter.Previewer)
	if !registered {
		if _, err := conv.NewSerializer(ctx, topic, s); err != nil {
			use.Problem = err.Error()
			r.out.problem("topic %s, %s: %v", topic, half, err)
		}
		return use
	}
	p, err := previewer.Preview(ctx, topic, s)
	use.Subject, use.ID, use.New, use.Schema = p.Subject, p.ID, p.New, p.Text
	switch {
	case err != nil:
		use.Problem = err.Error()
		if !r.silent[half] { // once is enough
			r.silent[half] = true
			r.out.problem("the schema registry cannot be asked: %v", err)
		}
	case p.Err != nil:
		use.Problem = p.Err.Error()
		r.out.problem("topic %s, %s: %v", topic, half, p.Err)
	}
	return use
}

// sink looks at the topics of a sink, and at where their records go.
func (r *rehearsal) sink(ctx context.Context) {
	names := slices.Clone(r.Config.Sink.Topics)
	for name := range r.topics {
		if !slices.Contains(names, name) && r.Consumes(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		r.out.notice("no topic matches topics.regex=%s yet", r.Config.Sink.TopicsRegex)
	}
	for _, name := range names {
		t := topicUse{Topic: name}
		if r.topics != nil {
			found, exists := r.topics[name]
			t.Exists, t.Partitions = &exists, found.Partitions
			if !exists {
				r.out.notice("topic %s does not exist; it is waited for", name)
			}
		}
		r.out.Topics = append(r.out.Topics, t)
	}
	r.out.Plan.Group = r.ConsumerOptions["group.id"]
	switch r.Class {
	case filestream.SinkClass:
		r.out.Plan.File = r.Props["file"]
		if name := r.Props["file"]; name != "" {
			if _, err := os.Stat(filepath.Dir(name)); err != nil {
				r.out.problem("the file cannot be made: %v", err)
			}
		}
	default:
		r.target(ctx, names)
	}
}

// target surveys the database that the relational sink writes to.
func (r *rehearsal) target(ctx context.Context, topics []string) {
	family := sqldb.FamilyOf(r.Class)
	if family == nil {
		return // another plugin's
	}
	c, report := family.Parse(r.Props)
	if report.Err() != nil {
		return // it was said
	}
	survey, err := sqldb.Inspect(ctx, c, r.out.Name, topics)
	if err != nil {
		r.out.problem("%v", err)
		return
	}
	r.out.Plan.Target = survey
	r.out.Problems = append(r.out.Problems, survey.Problems...)
	r.out.Notices = append(r.out.Notices, survey.Warnings...)
	r.fit(ctx, c)
}

// madeUp gives a record values that fit its schemas: those of a row that was read, empty in all its columns.
func madeUp(r schema.Record) schema.Record {
	if r.KeySchema != nil {
		r.Key = emptyValue(r.KeySchema)
	}
	if r.ValueSchema != nil {
		r.Value = emptyValue(r.ValueSchema)
	}
	return r
}

func emptyValue(s *schema.Schema) schema.Value {
	b := schema.NewBuilder(s)
	writeEmpty(b, s, "")
	if b.Err() != nil {
		return schema.NullValue
	}
	return b.Value()
}

// writeEmpty writes an envelope of a row that was read where the names are those of one.
func writeEmpty(w schema.Writer, s *schema.Schema, name string) {
	switch {
	case name == "before" || name == "transaction":
		w.Null()
	case s.Optional && name != "after" && name != "":
		w.Null()
	case s.Type == schema.Struct:
		w.BeginStruct()
		for _, f := range s.Fields {
			writeEmpty(w, f.Schema, f.Name)
		}
		w.EndStruct()
	case s.Type == schema.Array:
		w.BeginArray(0)
		w.EndArray()
	case s.Type == schema.Map:
		w.BeginMap(0)
		w.EndMap()
	case s.Type == schema.String && name == "op":
		w.String("r")
	case s.Type == schema.String:
		w.String("")
	case s.Type == schema.Bytes:
		w.Bytes([]byte{0})
	case s.Type == schema.Boolean:
		w.Bool(false)
	case s.Type == schema.Float32:
		w.Float32(0)
	case s.Type == schema.Float64:
		w.Float64(0)
	default:
		w.Int(0)
	}
}
