package sqldb

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// entry is the last state of one key within a batch.
//
// write nil: the row ends deleted. deleted: the key was deleted first, so that what is written starts from nothing.
type entry struct {
	write   *mutation
	deleted *mutation
	before  before // the state when the last delete came, for a key change that needs the row as it was
	hash    uint64
	at, end int // of the key in reducer.keys
}

type before struct{ write, deleted *mutation }

// reducer brings the mutations of one table to the last state per key. Keys are compared by the bytes of their values. Its buffers
// are kept between batches.
type reducer struct {
	seed    maphash.Seed
	entries []entry
	keys    []byte
	slots   []int32 // open addressing; index+1 into entries, 0 is free; a power of two
}

func (r *reducer) reset() {
	clear(r.slots)
	clear(r.entries)
	r.entries, r.keys = r.entries[:0], r.keys[:0]
}

// find returns the entry of a mutation's key, making one when there is none. fresh tells that it was made.
func (r *reducer) find(m *mutation) (e *entry, fresh bool) {
	at := len(r.keys)
	p := m.target.plan
	for i := range p.columns[:p.keys] {
		r.keys = appendKey(r.keys, p.columns[i].value(m))
	}
	if i := r.lookup(r.keys[at:]); i >= 0 {
		r.keys = r.keys[:at]
		return &r.entries[i], false
	}
	if (len(r.entries)+1)*2 > len(r.slots) {
		r.grow()
	}
	hash := maphash.Bytes(r.seed, r.keys[at:])
	r.entries = append(r.entries, entry{hash: hash, at: at, end: len(r.keys)})
	r.place(hash, int32(len(r.entries)))
	return &r.entries[len(r.entries)-1], true
}

// writes tells whether the batch holds a row for a mutation's key.
func (r *reducer) writes(m *mutation) bool {
	at := len(r.keys)
	p := m.target.plan
	for i := range p.columns[:p.keys] {
		r.keys = appendKey(r.keys, p.columns[i].value(m))
	}
	i := r.lookup(r.keys[at:])
	r.keys = r.keys[:at]
	return i >= 0 && r.entries[i].write != nil
}

// undelete takes a pending delete of a key back; false when the key is not pending as deleted.
func (r *reducer) undelete(key []schema.Value) bool {
	at := len(r.keys)
	for _, v := range key {
		r.keys = appendKey(r.keys, v)
	}
	i := r.lookup(r.keys[at:])
	r.keys = r.keys[:at]
	if i < 0 || r.entries[i].write != nil {
		return false
	}
	e := &r.entries[i]
	e.write, e.deleted = e.before.write, e.before.deleted
	return true
}

// lookup returns the index of a key's entry, -1 when there is none.
func (r *reducer) lookup(key []byte) int {
	if len(r.slots) == 0 {
		return -1
	}
	hash := maphash.Bytes(r.seed, key)
	for s := int(hash) & (len(r.slots) - 1); r.slots[s] != 0; s = (s + 1) & (len(r.slots) - 1) {
		e := &r.entries[r.slots[s]-1]
		if e.hash == hash && string(r.keys[e.at:e.end]) == string(key) {
			return int(r.slots[s] - 1)
		}
	}
	return -1
}

func (r *reducer) place(hash uint64, index int32) {
	s := int(hash) & (len(r.slots) - 1)
	for r.slots[s] != 0 {
		s = (s + 1) & (len(r.slots) - 1)
	}
	r.slots[s] = index
}

func (r *reducer) grow() {
	r.slots = make([]int32, max(256, 2*len(r.slots)))
	for i := range r.entries {
		r.place(r.entries[i].hash, int32(i+1))
	}
}

// add takes one mutation in. sticky is update mode: what was deleted stays deleted.
func (r *reducer) add(m *mutation, sticky bool) {
	e, fresh := r.find(m)
	switch {
	case m.op == opDelete:
		if e.write != nil || e.deleted == nil {
			e.before = before{e.write, e.deleted}
		}
		e.write, e.deleted = nil, m
	case sticky && e.deleted != nil: // there is no row to update
	case fresh || e.write == nil || m.sub == nil:
		e.write = m
	default:
		e.write = merge(e.write, m)
	}
}

// merge takes what a later mutation does not know from the earlier one of the same key and plan.
func merge(earlier, later *mutation) *mutation {
	p := later.target.plan
	out := *later
	out.row = slices.Clone(later.row)
	missing := make([]bool, len(p.columns))
	for i, unknown := range later.sub.missing {
		switch {
		case !unknown:
		case earlier.sub != nil && earlier.sub.missing[i]:
			missing[i] = true
		default:
			out.row[p.columns[i].index] = earlier.row[p.columns[i].index] // only row fields can be unknown
		}
	}
	out.sub = p.subsets.of(missing)
	if out.sub != nil {
		out.moved = earlier.moved
	}
	return &out
}

// appendKey appends a value so that equal values, and only they, give equal bytes. Integers of different widths are equal.
func appendKey(b []byte, v schema.Value) []byte {
	t := v.Type()
	if t >= schema.Int8 && t <= schema.Int64 {
		return binary.BigEndian.AppendUint64(append(b, byte(schema.Int64)), uint64(v.Int()))
	}
	b = append(b, byte(t))
	switch t {
	case schema.Boolean:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case schema.Float32, schema.Float64:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v.Float64()))
	case schema.String:
		b = binary.AppendUvarint(b, uint64(len(v.Text())))
		return append(b, v.Text()...)
	case schema.Bytes:
		b = binary.AppendUvarint(b, uint64(len(v.Bytes())))
		return append(b, v.Bytes()...)
	case schema.Array:
		b = binary.AppendUvarint(b, uint64(len(v.Array())))
		for _, e := range v.Array() {
			b = appendKey(b, e)
		}
	case schema.Map:
		b = binary.AppendUvarint(b, uint64(len(v.Map())))
		for _, e := range v.Map() {
			b = appendKey(appendKey(b, e.Key), e.Value)
		}
	case schema.Struct:
		for _, e := range v.Struct().Values {
			b = appendKey(b, e)
		}
	}
	return b
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

// sameSet compares lists of names without their order.
func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, n := range a {
		if !slices.Contains(b, n) {
			return false
		}
	}
	return true
}
