package connect

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// Rehearsal is what the records of a connector pass through, made ready without the connector.
type Rehearsal struct {
	Kind   Kind
	Class  string // of the plugin, in full
	Props  map[string]string
	Config ConnectorConfig
	Chain  *Chain // nil without transforms

	Key, Value           converter.Converter // nil where one cannot be made
	KeyClass, ValueClass string

	// Faults are what validation lets pass, as Kafka Connect's does, and the connector or its tasks would fail of.
	Faults []config.Problem

	// AdminOptions are those of the client that creates topics, ConsumerOptions those of a sink's consumer, in Kafka's names.
	AdminOptions, ConsumerOptions map[string]string
}

// Rehearse makes ready what a valid configuration speaks of. Close lets go of it.
func (w *Worker) Rehearse(req Request) (*Rehearsal, error) {
	c, err := w.prepare(req)
	if err != nil {
		return nil, err
	}
	r := &Rehearsal{Kind: c.plugin.Kind, Class: c.plugin.Class, Props: c.props, Config: c.config, Key: c.conv.key, Value: c.conv.value,
		KeyClass: shortClass(chooseConverter(w.cfg.KeyConverter, c.config.KeyConverter).Class), ValueClass: shortClass(chooseConverter(w.cfg.ValueConverter, c.config.ValueConverter).Class)}
	r.Faults = slices.Concat(c.faults.connector.Errors, c.faults.tasks.Errors)
	options := w.cfg.optionsFor(TaskID{c.name, 0}, &c.config)
	r.AdminOptions, r.ConsumerOptions = options.admin, options.sink
	if r.Chain, err = c.config.chain.build(slog.New(slog.DiscardHandler)); err != nil {
		r.Close()
		return nil, fmt.Errorf("make the transforms of connector %s: %w", c.name, err)
	}
	return r, nil
}

// Close lets go of connections that are kept open.
func (r *Rehearsal) Close() { converters{key: r.Key, value: r.Value}.close() }

// NewTopic tells what a missing topic would be created with; ok is false where the broker creates it, or nobody does.
func (r *Rehearsal) NewTopic(topic string) (partitions int, replicas int, ok bool) {
	if r.Config.Source.topics == nil {
		return 0, 0, false
	}
	g, err := r.Config.Source.topics.forTopic(topic)
	return int(g.partitions), int(g.replication), err == nil
}

// Consumes tells whether a sink reads a topic.
func (r *Rehearsal) Consumes(topic string) bool {
	if r.Config.Sink.TopicsRegex == "" {
		return slices.Contains(r.Config.Sink.Topics, topic)
	}
	consumes, err := newTopicPattern(r.Config.Sink.TopicsRegex).matches(topic)
	return consumes && err == nil
}

func shortClass(class string) string { return class[strings.LastIndexByte(class, '.')+1:] }
