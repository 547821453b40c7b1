package transform

import (
	"encoding/binary"
	"math/bits"

	"github.com/tandem-cdc/tandem/schema"
)

// murmur is Debezium's and Infinispan's MurmurHash3 of 64 bits, an early form of the algorithm, of which the upper half is taken.
type murmur struct{ h1, h2, c1, c2 uint64 }

const murmurSeed = 9001

func newMurmur(seed uint64) murmur {
	return murmur{h1: 0x9368E53C2F6AF274 ^ seed, h2: 0x586DCD208F7CD3FD ^ seed, c1: 0x87C37B91114253D5, c2: 0x4CF5AD432745937F}
}

// mix takes a block of sixteen bytes.
func (m *murmur) mix(k1, k2 uint64) {
	k1 *= m.c1
	k1 = bits.RotateLeft64(k1, 23)
	k1 *= m.c2
	m.h1 ^= k1
	m.h1 += m.h2
	m.h2 = bits.RotateLeft64(m.h2, 41)
	k2 *= m.c2
	k2 = bits.RotateLeft64(k2, 23)
	k2 *= m.c1
	m.h2 ^= k2
	m.h2 += m.h1
	m.h1 = m.h1*3 + 0x52DCE729
	m.h2 = m.h2*3 + 0x38495AB5
	m.c1 = m.c1*5 + 0x7B7D159C
	m.c2 = m.c2*5 + 0x6BCE6396
}

// sum ends the hash of n bytes.
func (m *murmur) sum(n int) int32 {
	m.h2 ^= uint64(n)
	m.h1 += m.h2
	m.h2 += m.h1
	m.h1 = fmix(m.h1)
	m.h2 = fmix(m.h2)
	m.h1 += m.h2
	return int32(m.h1 >> 32)
}

func fmix(k uint64) uint64 {
	k ^= k >> 33
	k *= 0xFF51AFD7ED558CCD
	k ^= k >> 33
	k *= 0xC4CEB9FE1A85EC53
	k ^= k >> 33
	return k
}

// murmurBytes hashes bytes, or the UTF-8 of a text. Those behind the last block of sixteen are widened with their sign, as in Debezium.
func murmurBytes(b []byte) int32 {
	m, n := newMurmur(murmurSeed), len(b)
	for ; len(b) >= 16; b = b[16:] {
		m.mix(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]))
	}
	if len(b) > 0 {
		var k [2]uint64
		for i, c := range b {
			k[i/8] ^= uint64(int64(int8(c))) << (8 * (i % 8))
		}
		m.mix(k[0], k[1])
	}
	return m.sum(n)
}

// murmurInt hashes a hash code, whose bytes are widened likewise.
func murmurInt(code int32) int32 {
	m := newMurmur(murmurSeed)
	var k1 uint64
	for shift := 0; shift < 32; shift += 8 {
		k1 ^= uint64(int64(int8(code>>shift))) << shift
	}
	m.mix(k1, 0)
	return m.sum(4)
}

// murmurHash hashes texts by themselves, all else by its hash code.
func murmurHash(v schema.Value, s *schema.Schema) int32 {
	if v.Type() == schema.String {
		return murmurBytes([]byte(v.Text()))
	}
	return murmurInt(javaHash(v, s))
}
