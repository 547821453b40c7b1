package transform

import "github.com/tandem-cdc/tandem/schema"

// schemasKept bounds what a transform remembers, for sources that make a schema for each record.
const schemasKept = 1024

// memo remembers what make made for a schema, by its pointer.
type memo[V any] struct {
	make      func(*schema.Schema) (V, error)
	last      *schema.Schema // most records have the schema of the one before
	lastValue V
	// Two generations: when the young one is full the old one is let go.
	young, old map[*schema.Schema]V
}

// of is what was made for s.
func (m *memo[V]) of(s *schema.Schema) (V, error) {
	if m.last == s && s != nil {
		return m.lastValue, nil
	}
	v, ok := m.young[s]
	if !ok {
		if v, ok = m.old[s]; !ok {
			var err error
			if v, err = m.make(s); err != nil {
				return v, err
			}
		}
		m.put(s, v)
	}
	m.last, m.lastValue = s, v
	return v, nil
}

func (m *memo[V]) put(s *schema.Schema, v V) {
	if m.young == nil || len(m.young) >= schemasKept {
		m.young, m.old = make(map[*schema.Schema]V), m.young
	}
	m.young[s] = v
}
