package connect

import (
	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// asked is how many questions to the schema registry are under way at the same time.
const asked = 8

// Foresee is told of streams that are about to be opened, the i-th with topics[i], keys[i] and values[i]; of a nil schema there is none. What Stream
// would wait for one after the other is done for all of them together: missing topics in one request, subjects side by side, partitions in
// one request. It only fills the caches that Stream looks into: what fails here fails there again, in the order of the records, and is dealt with
// there.
func (e *emitter) Foresee(topics []string, keys, values []*schema.Schema) {
	if e.pause.closed() { // a paused task asks nobody
		return
	}
	ready := e.topics.foresee(e.ctx, topics)
	var names []string
	g, ctx := errgroup.WithContext(e.ctx)
	g.SetLimit(asked)
	ask := func(c converter.Converter, topic string, s *schema.Schema) {
		if s == nil {
			return
		}
		g.Go(func() error {
			if _, err := c.NewSerializer(ctx, topic, s); retriable(err) {
				return err // ends the others: the registry is away
			}
			return nil
		})
	}
	for i, topic := range topics {
		if ready[topic] {
			names = append(names, topic)
			ask(e.conv.key, topic, keys[i])
			ask(e.conv.value, topic, values[i])
		}
	}
	e.producer.Expect(names...)
	if err := g.Wait(); err != nil {
		e.log.Debug("streams that are about to begin could not all be prepared ahead", "error", err)
	}
}

// Foresee is for the task's own schemas, which transforms change: without them it is the emitter's.
func (t *transforming) Foresee(topics []string, keys, values []*schema.Schema) {
	if t.chain == nil {
		t.emitter.Foresee(topics, keys, values)
	}
}
