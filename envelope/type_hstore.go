package envelope

import (
	"bytes"
	"unicode/utf8"

	"github.com/tandem-cdc/tandem/internal/java"
	"github.com/tandem-cdc/tandem/schema"
)

// hstorePlan: hstore of the extension of that name.
func (e *Encoder) hstorePlan() *typePlan {
	if e.cfg.HStores == HStoresMap {
		key := schema.OfString(e.placeholder)
		return &typePlan{
			schema: schema.MapOf(stringSchema, optionalString), write: writeHStoreMap, nullable: true,
			fallback:  schema.OfMap([]schema.Entry{}),
			unchanged: schema.OfMap([]schema.Entry{{Key: key, Value: key}}),
		}
	}
	ph := append(java.AppendText([]byte{'{'}, []byte(e.placeholder), false), ':')
	ph = append(java.AppendText(ph, []byte(e.placeholder), false), '}')
	return &typePlan{
		schema: named(schema.String, jsonName, 1), write: writeHStoreJSON, nullable: true,
		fallback: schema.OfString("{}"), unchanged: schema.OfString(string(ph)),
	}
}

// pair is an entry of an hstore, or of a sparsevec, with its place in a Java HashMap.
type pair struct {
	key, value []byte
	null       bool
	index      int64
	number     float64
	hash       uint32
}

// hashOrder returns s.pairs in the order in which a java.util.HashMap that they were put into one by one hands them out: by
// bucket, and within a bucket as they came. The table begins with that many buckets, a power of two, and doubles when it is more than
// three quarters full.
func (s *scratch) hashOrder(buckets uint32) []pair {
	for uint32(len(s.pairs)) > buckets*3/4 {
		buckets *= 2
	}
	for i := range s.pairs {
		h := s.pairs[i].hash
		s.pairs[i].hash = (h ^ h>>16) & (buckets - 1)
	}
	return s.sortByHash(buckets)
}

// sortByHash is a stable counting sort into s.order.
func (s *scratch) sortByHash(buckets uint32) []pair {
	if cap(s.counts) < int(buckets)+1 {
		s.counts = make([]int, buckets+1)
	}
	counts := s.counts[:buckets+1]
	clear(counts)
	for i := range s.pairs {
		counts[s.pairs[i].hash+1]++
	}
	for i := 1; i < len(counts); i++ {
		counts[i] += counts[i-1]
	}
	if cap(s.order) < len(s.pairs) {
		s.order = make([]pair, len(s.pairs), 2*len(s.pairs))
	}
	order := s.order[:len(s.pairs)]
	for i := range s.pairs {
		at := &counts[s.pairs[i].hash]
		order[*at] = s.pairs[i]
		*at++
	}
	return order
}

// javaStringHash is java.lang.String.hashCode of UTF-8 text.
func javaStringHash(text []byte) uint32 {
	var h uint32
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		if r >= 0x10000 {
			r -= 0x10000
			h = h*31 + uint32(0xd800+r>>10)
			r = 0xdc00 + r&0x3ff
		}
		h = h*31 + uint32(r)
	}
	return h
}

// parseHStore fills s.pairs from the server's text, "key"=>"value", "key"=>NULL, and returns them in HashMap order. Manual,
// appendix "hstore".
func (s *scratch) parseHStore(text []byte) ([]pair, error) {
	s.pairs, s.flat = s.pairs[:0], s.flat[:0]
	if cap(s.flat) < len(text) {
		s.flat = make([]byte, 0, 2*len(text)) // the pairs point into it, so it must not move
	}
	for len(text) > 0 {
		var p pair
		var ok bool
		if p.key, text, ok = s.hstoreQuoted(text); !ok {
			return nil, errMalformed
		}
		if text, ok = bytes.CutPrefix(text, []byte("=>")); !ok {
			return nil, errMalformed
		}
		if rest, null := bytes.CutPrefix(text, []byte("NULL")); null {
			p.null, text = true, rest
		} else if p.value, text, ok = s.hstoreQuoted(text); !ok {
			return nil, errMalformed
		}
		p.hash = javaStringHash(p.key)
		s.pairs = append(s.pairs, p)
		if len(text) == 0 {
			break
		}
		if text, ok = bytes.CutPrefix(text, []byte(", ")); !ok || len(text) == 0 {
			return nil, errMalformed
		}
	}
	return s.hashOrder(16), nil
}

// hstoreQuoted reads a quoted text; a backslash quotes the next character.
func (s *scratch) hstoreQuoted(text []byte) (value, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		return nil, nil, false
	}
	from := len(s.flat)
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return s.flat[from:len(s.flat):len(s.flat)], text[i+1:], true
		case '\\':
			if i++; i == len(text) {
				return nil, nil, false
			}
		}
		s.flat = append(s.flat, text[i])
	}
	return nil, nil, false
}

func writeHStoreMap(s *scratch, text []byte, w schema.Writer) error {
	pairs, err := s.parseHStore(text)
	if err != nil {
		return err
	}
	w.BeginMap(len(pairs))
	for i := range pairs {
		w.Text(pairs[i].key)
		if pairs[i].null {
			w.Null()
		} else {
			w.Text(pairs[i].value)
		}
	}
	w.EndMap()
	return nil
}

func writeHStoreJSON(s *scratch, text []byte, w schema.Writer) error {
	pairs, err := s.parseHStore(text)
	if err != nil {
		return err
	}
	buf := append(s.buf[:0], '{')
	for i := range pairs {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(java.AppendText(buf, pairs[i].key, false), ':')
		if pairs[i].null {
			buf = append(buf, "null"...)
		} else {
			buf = java.AppendText(buf, pairs[i].value, false)
		}
	}
	s.buf = append(buf, '}')
	w.Text(s.buf)
	return nil
}
