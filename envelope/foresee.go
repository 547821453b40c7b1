package envelope

import (
	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// foreseeing is an Emitter that wants to hear of streams that are about to be opened; the i-th has topics[i], keys[i] and values[i].
type foreseeing interface {
	Foresee(topics []string, keys, values []*schema.Schema)
}

// Foreseen is a table whose first records are about to be written, of such changes.
type Foreseen struct {
	Plan *Plan
	Kind cdc.Kind
}

// Foresee tells the Emitter, if it wants to hear of it, which streams Encode is about to open.
func (e *Encoder) Foresee(soon []Foreseen) {
	out, ok := e.out.(foreseeing)
	if !ok {
		return
	}
	var (
		topics       []string
		keys, values []*schema.Schema
	)
	for _, s := range soon {
		k, op := s.Plan.stream, byte('c')
		switch s.Kind {
		case cdc.Read:
			k, op = s.Plan.read, 'r'
		case cdc.Insert:
		case cdc.Update:
			op = 'u'
		case cdc.Delete:
			op = 'd'
		default:
			continue
		}
		if k.values != noHandle || e.skipped[op] && op != 'r' {
			continue
		}
		topics, keys, values = append(topics, s.Plan.topic), append(keys, k.schema), append(values, s.Plan.envelope)
	}
	if len(topics) > 0 {
		out.Foresee(topics, keys, values)
	}
}
