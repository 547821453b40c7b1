package envelope

import (
	"crypto"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tandem-cdc/tandem/schema"

	_ "crypto/md5"    // algorithm of column.mask.hash
	_ "crypto/sha1"   // algorithm of column.mask.hash
	_ "crypto/sha256" // algorithms of column.mask.hash
	_ "crypto/sha3"   // algorithms of column.mask.hash
	_ "crypto/sha512" // algorithms of column.mask.hash
)

// nullFunc writes what a mapper makes of a value that does not come from the tuple: a stand-in, or null.
type nullFunc func(s *scratch, v schema.Value, w schema.Writer) error

// mappers are the options that change columns' values or schemas. The first that matches a column is its only one.
type mappers []mapper

type mapper struct {
	columns patterns
	byType  bool // matches schema.table.type
	apply   func(c *columnPlan)
}

// newMappers compiles the options in the order in which Debezium tries them.
func newMappers(cfg *Config) (mappers, error) {
	var ms mappers
	add := func(option string, columns []string, byType bool, apply func(c *columnPlan)) error {
		ps, err := compilePatterns(option, columns)
		if err == nil && ps.list != nil {
			ms = append(ms, mapper{ps, byType, apply})
		}
		return err
	}
	for _, r := range cfg.Truncate {
		if err := add("column.truncate.to.N.chars", r.Columns, false, func(c *columnPlan) { truncateColumn(c, r.N) }); err != nil {
			return nil, err
		}
	}
	for _, r := range cfg.Mask {
		if err := add("column.mask.with.N.chars", r.Columns, false, func(c *columnPlan) { maskColumn(c, r.N) }); err != nil {
			return nil, err
		}
	}
	if err := add("column.propagate.source.type", cfg.PropagateType, false, propagateType); err != nil {
		return nil, err
	}
	if err := add("datatype.propagate.source.type", cfg.PropagateData, true, propagateType); err != nil {
		return nil, err
	}
	for _, v2 := range []bool{false, true} {
		for _, r := range cfg.Hash {
			if r.V2 != v2 {
				continue
			}
			digest, err := newDigest(r.Algorithm)
			if err != nil {
				return nil, fmt.Errorf("option column.mask.hash: %w", err)
			}
			if err := add("column.mask.hash", r.Columns, false, func(c *columnPlan) { hashColumn(c, digest, r) }); err != nil {
				return nil, err
			}
		}
	}
	return ms, nil
}

// apply lets the first matching mapper change the column.
func (ms mappers) apply(p *Plan, c *columnPlan) {
	for i := range ms {
		name := p.id + "." + c.name
		if ms[i].byType {
			name = p.id + "." + c.typeName
		}
		if ms[i].columns.match(name) {
			ms[i].apply(c)
			return
		}
	}
}

func (c *columnPlan) addParameter(name, value string) { c.field = c.field.WithParameter(name, value) }

// propagateType adds what the table says of the column to its schema.
func propagateType(c *columnPlan) {
	c.addParameter("__debezium.source.column.type", strings.ToUpper(c.typeName))
	if c.length != unset {
		c.addParameter("__debezium.source.column.length", strconv.Itoa(c.length))
	}
	if c.scale != unset {
		c.addParameter("__debezium.source.column.scale", strconv.Itoa(c.scale))
	}
	c.addParameter("__debezium.source.column.name", c.name)
}

// maskColumn replaces texts by n asterisks, null included.
func maskColumn(c *columnPlan, n int) {
	c.addParameter("masked", "true")
	if !c.textual {
		return
	}
	mask := []byte(strings.Repeat("*", n))
	c.write = func(_ *scratch, _ []byte, w schema.Writer) error {
		w.Text(mask)
		return nil
	}
	c.mapNull = func(_ *scratch, _ schema.Value, w schema.Writer) error {
		w.Text(mask)
		return nil
	}
}

// truncateColumn cuts texts to n UTF-16 units and bytes to n bytes, in columns that may be longer.
func truncateColumn(c *columnPlan, n int) {
	if c.length != unset && c.length <= n {
		return
	}
	c.addParameter("truncateLength", strconv.Itoa(n))
	switch c.field.Type {
	case schema.String:
		c.through(func(_ *scratch, text []byte, w schema.Writer) { w.Text(cutUnits(text, n)) })
	case schema.Bytes:
		if c.field.Name == "" { // not decimals, nor bit strings
			c.through(func(_ *scratch, b []byte, w schema.Writer) { w.Bytes(b[:min(n, len(b))]) })
			c.mapNull = nil // Debezium does not cut what stands for an unchanged value
		}
	}
}

// cutUnits is the longest beginning of text of at most n UTF-16 units.
func cutUnits(text []byte, n int) []byte {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if n--; r >= 0x10000 {
			n--
		}
		if n < 0 {
			return text[:i]
		}
		i += size
	}
	return text
}

// through lets every text or byte value of the column pass through change. Null stays null.
func (c *columnPlan) through(change func(s *scratch, b []byte, w schema.Writer)) {
	inner := c.write
	c.write = func(s *scratch, text []byte, w schema.Writer) error {
		if err := inner(s, text, &s.caught); err != nil {
			return err
		}
		change(s, s.caught.got, w)
		return nil
	}
	c.mapNull = func(s *scratch, v schema.Value, w schema.Writer) error {
		if v.IsNull() {
			if !c.field.Optional {
				return errNull
			}
			w.Null()
			return nil
		}
		v.WriteTo(&s.caught)
		change(s, s.caught.got, w)
		return nil
	}
}

// catcher is the Writer that keeps one text or byte value.
type catcher struct {
	discard
	got []byte
}

func (c *catcher) Text(v []byte)   { c.got = append(c.got[:0], v...) }
func (c *catcher) Bytes(v []byte)  { c.got = append(c.got[:0], v...) }
func (c *catcher) String(v string) { c.got = append(c.got[:0], v...) }

// hashColumn replaces texts by the digest of salt and text in lower case hexadecimal, cut to the column's length.
func hashColumn(c *columnPlan, digest crypto.Hash, r HashRule) {
	c.addParameter("masked", "true")
	if !c.textual {
		return
	}
	h, salt, length := digest.New(), []byte(r.Salt), c.length
	var sum []byte // owned by the column: one Encoder, one goroutine
	c.through(func(s *scratch, text []byte, w schema.Writer) {
		h.Reset()
		h.Write(salt)
		if r.V2 {
			h.Write(text)
		} else {
			writeJavaSerialized(s, h, text)
		}
		sum = h.Sum(sum[:0])
		s.buf = hex.AppendEncode(s.buf[:0], sum)
		w.Text(s.buf[:min(len(s.buf), length)])
	})
}

// writeJavaSerialized writes what java.io.ObjectOutputStream makes of a String: stream header, TC_STRING with two bytes of length or
// TC_LONGSTRING with eight, and modified UTF-8. Java Object Serialization Specification, section 6.4.
func writeJavaSerialized(s *scratch, h hash.Hash, text []byte) {
	s.flat = appendModifiedUTF8(s.flat[:0], text)
	s.buf = append(s.buf[:0], 0xac, 0xed, 0, 5)
	if len(s.flat) <= 0xffff {
		s.buf = binary.BigEndian.AppendUint16(append(s.buf, 't'), uint16(len(s.flat)))
	} else {
		s.buf = binary.BigEndian.AppendUint64(append(s.buf, '|'), uint64(len(s.flat)))
	}
	h.Write(s.buf)
	h.Write(s.flat)
}

// appendModifiedUTF8 appends UTF-8 with surrogate pairs as two characters of three bytes. (Its other peculiarity, a NUL of two bytes,
// does not occur: PostgreSQL's text holds none.)
func appendModifiedUTF8(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r < 0x10000 {
			dst, text = append(dst, text[:n]...), text[n:]
			continue
		}
		text = text[n:]
		r -= 0x10000
		for _, unit := range [2]rune{0xd800 + r>>10, 0xdc00 + r&0x3ff} {
			dst = append(dst, 0xe0|byte(unit>>12), 0x80|byte(unit>>6)&0xbf, 0x80|byte(unit)&0xbf)
		}
	}
	return dst
}

// digests are Java's names of message digests. Java Security Standard Algorithm Names, "MessageDigest Algorithms".
var digests = map[string]crypto.Hash{
	"MD5": crypto.MD5, "SHA-1": crypto.SHA1, "SHA": crypto.SHA1, "SHA1": crypto.SHA1,
	"SHA-224": crypto.SHA224, "SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512,
	"SHA-512/224": crypto.SHA512_224, "SHA-512/256": crypto.SHA512_256,
	"SHA3-224": crypto.SHA3_224, "SHA3-256": crypto.SHA3_256, "SHA3-384": crypto.SHA3_384, "SHA3-512": crypto.SHA3_512,
}

// newDigest finds an algorithm by its Java name, in any case.
func newDigest(name string) (crypto.Hash, error) {
	h, ok := digests[strings.ToUpper(name)]
	if !ok || !h.Available() {
		return 0, fmt.Errorf("hash algorithm %q is not known; SHA-256 is", name)
	}
	return h, nil
}
