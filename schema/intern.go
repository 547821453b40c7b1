package schema

import "hash/maphash"

// Interner gives equal schemas one pointer, so that what was made for a schema is found by its pointer, wherever the schema came from: a
// transform may make one for each record. It remembers a bounded number; of one that it forgot, the next to come is the one to keep.
// The zero Interner is not ready; make one with NewInterner. Not safe for concurrent use.
type Interner struct {
	seed maphash.Seed
	size int
	// Two generations: what is asked for moves to the young one, and when that is full the old one is let go.
	known, knownOld map[*Schema]*Schema  // any schema → the one that stands for it
	kept, keptOld   map[uint64][]*Schema // by hash
}

// NewInterner makes an Interner that remembers between size and twice as many schemas.
func NewInterner(size int) *Interner {
	return &Interner{seed: maphash.MakeSeed(), size: size, known: make(map[*Schema]*Schema), kept: make(map[uint64][]*Schema)}
}

// Intern returns the schema that stands for all equal to s; nil for nil.
func (in *Interner) Intern(s *Schema) *Schema {
	if s == nil {
		return nil
	}
	if one, ok := in.known[s]; ok {
		return one
	}
	one, ok := in.knownOld[s]
	if !ok {
		one = in.find(s)
	}
	if len(in.known) >= in.size {
		in.known, in.knownOld = make(map[*Schema]*Schema), in.known
		in.kept, in.keptOld = make(map[uint64][]*Schema), in.kept
	}
	in.known[s] = one
	in.keep(one)
	return one
}

// InternFresh is Intern for a schema that was made just now and that nobody holds: its own pointer, which does not come again, is not remembered.
func (in *Interner) InternFresh(s *Schema) *Schema {
	if s == nil {
		return nil
	}
	return in.Intern(in.find(s))
}

// find looks for a schema equal to s; s itself when there is none.
func (in *Interner) find(s *Schema) *Schema {
	h := in.hash(s)
	for _, generation := range []map[uint64][]*Schema{in.kept, in.keptOld} {
		for _, one := range generation[h] {
			if one.Equal(s) {
				return one
			}
		}
	}
	return s
}

func (in *Interner) keep(one *Schema) {
	h := in.hash(one)
	for _, k := range in.kept[h] {
		if k == one {
			return
		}
	}
	in.kept[h] = append(in.kept[h], one)
}

// hash is the same for schemas that are Equal.
func (in *Interner) hash(s *Schema) uint64 {
	var h maphash.Hash
	h.SetSeed(in.seed)
	in.write(&h, s)
	return h.Sum64()
}

func (in *Interner) write(h *maphash.Hash, s *Schema) {
	if s == nil {
		_ = h.WriteByte(0xFF)
		return
	}
	optional := byte(0)
	if s.Optional {
		optional = 1
	}
	_, _ = h.Write([]byte{byte(s.Type), optional, byte(s.Version), byte(len(s.Parameters)), byte(len(s.Fields)), byte(len(s.Fields) >> 8)})
	_, _ = h.WriteString(s.Name)
	for i := range s.Fields {
		_, _ = h.WriteString(s.Fields[i].Name)
		in.write(h, s.Fields[i].Schema)
	}
	if s.Type == Array || s.Type == Map {
		in.write(h, s.Key)
		in.write(h, s.Elem)
	}
}
