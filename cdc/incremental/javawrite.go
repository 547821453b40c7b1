package incremental

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"unicode/utf8"
)

// Bytes of the protocol. Java Object Serialization Specification, section 6.4.2, "Terminal Symbols and Constants".
const (
	tcNull          = 0x70
	tcReference     = 0x71
	tcClassDesc     = 0x72
	tcObject        = 0x73
	tcString        = 0x74
	tcArray         = 0x75
	tcBlockData     = 0x77
	tcEndBlockData  = 0x78
	tcBlockDataLong = 0x7a
	tcLongString    = 0x7c
	tcEnum          = 0x7e

	firstHandle = 0x7e0000

	scWriteMethod    = 0x01
	scSerializable   = 0x02
	scExternalizable = 0x04
	scBlockData      = 0x08
)

// streamHeader is magic and version.
const streamHeader = "\xac\xed\x00\x05"

// javaClass is a class descriptor as it is written.
type javaClass struct {
	name   string
	uid    uint64
	flags  byte
	fields []javaField
	super  *javaClass
}

// javaField is a field of a class; signature only of objects and arrays.
type javaField struct {
	code      byte
	name      string
	signature string
}

// The classes of keys, with the serialVersionUIDs of the JDK and of pgjdbc.
var (
	classNumber     = &javaClass{name: "java.lang.Number", uid: 0x86ac951d0b94e08b, flags: scSerializable}
	classInteger    = number("java.lang.Integer", 0x12e2a0a4f7818738, 'I')
	classLong       = number("java.lang.Long", 0x3b8be490cc8f23df, 'J')
	classShort      = number("java.lang.Short", 0x684d37133460da52, 'S')
	classByte       = number("java.lang.Byte", 0x9c4e6084ee50f51c, 'B')
	classFloat      = number("java.lang.Float", 0xdaedc9a2db3cf0ec, 'F')
	classDouble     = number("java.lang.Double", 0x80b3c24a296bfb04, 'D')
	classBoolean    = &javaClass{name: "java.lang.Boolean", uid: 0xcd207280d59cfaee, flags: scSerializable, fields: []javaField{{code: 'Z', name: "value"}}}
	classObjects    = &javaClass{name: "[Ljava.lang.Object;", uid: 0x90ce589f1073296c, flags: scSerializable}
	classBytes      = &javaClass{name: "[B", uid: 0xacf317f8060854e0, flags: scSerializable}
	classBigInteger = &javaClass{name: "java.math.BigInteger", uid: 0x8cfc9f1fa93bfb1d, flags: scSerializable | scWriteMethod, super: classNumber, fields: []javaField{
		{code: 'I', name: "bitCount"}, {code: 'I', name: "bitLength"}, {code: 'I', name: "firstNonzeroByteNum"}, {code: 'I', name: "lowestSetBit"}, {code: 'I', name: "signum"},
		{code: '[', name: "magnitude", signature: "[B"}}}
	classBigDecimal = &javaClass{name: "java.math.BigDecimal", uid: 0x54c71557f981284f, flags: scSerializable | scWriteMethod, super: classNumber, fields: []javaField{
		{code: 'I', name: "scale"}, {code: 'L', name: "intVal", signature: "Ljava/math/BigInteger;"}}}
	classUUID = &javaClass{name: "java.util.UUID", uid: 0xbc9903f7986d852f, flags: scSerializable, fields: []javaField{
		{code: 'J', name: "leastSigBits"}, {code: 'J', name: "mostSigBits"}}}
	classDate     = &javaClass{name: "java.sql.Date", uid: 0x14fa46683f356697, flags: scSerializable, super: &javaClass{name: "java.util.Date", uid: 0x686a81014b597419, flags: scSerializable | scWriteMethod}}
	classPGObject = &javaClass{name: "org.postgresql.util.PGobject", uid: 0x4bf895caac6f6444, flags: scSerializable, fields: []javaField{
		{code: 'L', name: "type", signature: "Ljava/lang/String;"}, {code: 'L', name: "value", signature: "Ljava/lang/String;"}}}
	classPGInterval = &javaClass{name: "org.postgresql.util.PGInterval", uid: 0x882be40e2cbd59bb, flags: scSerializable, super: classPGObject, fields: []javaField{
		{code: 'I', name: "days"}, {code: 'I', name: "hours"}, {code: 'Z', name: "isNull"}, {code: 'I', name: "microSeconds"}, {code: 'I', name: "minutes"},
		{code: 'I', name: "months"}, {code: 'I', name: "wholeSeconds"}, {code: 'I', name: "years"}}}
)

func number(name string, uid uint64, code byte) *javaClass {
	return &javaClass{name: name, uid: uid, flags: scSerializable, super: classNumber, fields: []javaField{{code: code, name: "value"}}}
}

// javaWriter writes one stream. What was written gets a handle, by which it is referred to later, as by Java: class descriptors, strings of
// signatures and type names, and the small numbers that Java shares.
type javaWriter struct {
	buf     []byte
	next    uint32
	handles map[any]uint32
}

// shared are keys of javaWriter.handles.
type (
	sharedString string
	sharedNumber struct {
		kind javaKind
		n    int64
	}
)

// serialize is the hexadecimal text of a key as an offset has it: an Object[], or null when there is none.
func serialize(key []javaValue) string {
	w := &javaWriter{buf: append(make([]byte, 0, 256), streamHeader...), next: firstHandle, handles: make(map[any]uint32)}
	if key == nil {
		w.byte(tcNull)
		return hex.EncodeToString(w.buf)
	}
	w.byte(tcArray)
	w.class(classObjects)
	w.next++
	w.uint32(uint32(len(key)))
	for i := range key {
		w.value(&key[i])
	}
	return hex.EncodeToString(w.buf)
}

func (w *javaWriter) byte(b byte)     { w.buf = append(w.buf, b) }
func (w *javaWriter) uint16(v uint16) { w.buf = binary.BigEndian.AppendUint16(w.buf, v) }
func (w *javaWriter) uint32(v uint32) { w.buf = binary.BigEndian.AppendUint32(w.buf, v) }
func (w *javaWriter) uint64(v uint64) { w.buf = binary.BigEndian.AppendUint64(w.buf, v) }

// refer writes a reference if key was written before; else key gets the next handle.
func (w *javaWriter) refer(key any) bool {
	if at, ok := w.handles[key]; ok {
		w.byte(tcReference)
		w.uint32(at)
		return true
	}
	return false
}

func (w *javaWriter) keep(key any) {
	w.handles[key] = w.next
	w.next++
}

func (w *javaWriter) class(c *javaClass) {
	if c == nil {
		w.byte(tcNull)
		return
	}
	if w.refer(c) {
		return
	}
	w.byte(tcClassDesc)
	w.utf(c.name)
	w.uint64(c.uid)
	w.keep(c)
	w.byte(c.flags)
	w.uint16(uint16(len(c.fields)))
	for _, f := range c.fields {
		w.byte(f.code)
		w.utf(f.name)
		if f.signature != "" {
			w.shared(f.signature)
		}
	}
	w.byte(tcEndBlockData)
	w.class(c.super)
}

func (w *javaWriter) object(c *javaClass) {
	w.byte(tcObject)
	w.class(c)
	w.next++
}

// utf writes a name: two bytes of length, modified UTF-8.
func (w *javaWriter) utf(s string) {
	w.uint16(uint16(len(s))) // names are ours and short
	w.buf = append(w.buf, s...)
}

// shared writes a string that Java keeps once.
func (w *javaWriter) shared(s string) {
	if !w.refer(sharedString(s)) {
		w.string(s)
		w.handles[sharedString(s)] = w.next - 1
	}
}

func (w *javaWriter) string(s string) {
	text := appendModifiedUTF8(nil, s)
	if len(text) <= math.MaxUint16 {
		w.byte(tcString)
		w.uint16(uint16(len(text)))
	} else {
		w.byte(tcLongString)
		w.uint64(uint64(len(text)))
	}
	w.buf = append(w.buf, text...)
	w.next++
}

// appendModifiedUTF8 writes zero as two bytes and what lies beyond the basic plane as two surrogates of three bytes each.
func appendModifiedUTF8(dst []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == 0:
			dst = append(dst, 0xc0, 0x80)
		case r > 0xffff:
			r -= 0x10000
			dst = appendSurrogate(appendSurrogate(dst, 0xd800+r>>10), 0xdc00+r&0x3ff)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

func appendSurrogate(dst []byte, r rune) []byte {
	return append(dst, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f|0x80, 0x80|byte(r)&0x3f)
}

func (w *javaWriter) value(v *javaValue) {
	switch v.kind {
	case javaNull:
		w.byte(tcNull)
	case javaInteger, javaLong, javaShort, javaByte, javaBoolean:
		w.integer(v)
	case javaFloat:
		w.object(classFloat)
		w.uint32(float32Bits(v.f))
	case javaDouble:
		w.object(classDouble)
		w.uint64(float64Bits(v.f))
	case javaDecimal:
		w.object(classBigDecimal)
		w.uint32(uint32(v.scale))
		w.bigInteger(v.big)
		w.byte(tcEndBlockData)
	case javaInt:
		w.bigInteger(v.big)
	case javaUUID:
		w.uuid(v.text)
	case javaDate:
		w.object(classDate)
		w.byte(tcBlockData)
		w.byte(8)
		w.uint64(uint64(v.n))
		w.byte(tcEndBlockData)
	case javaBytes:
		w.bytes(v.bytes)
	case javaPGObject:
		w.object(classPGObject)
		w.shared(v.typ)
		w.string(v.text)
	case javaInterval:
		w.interval(v)
	default:
		w.string(v.text)
	}
}

// float64Bits has one NaN, as Java.
func float64Bits(f float64) uint64 {
	if f != f {
		return 0x7ff8000000000000
	}
	return math.Float64bits(f)
}

func float32Bits(f float64) uint32 {
	if f != f {
		return 0x7fc00000
	}
	return math.Float32bits(float32(f))
}

// integer writes a boxed integer; Java shares those of one byte, and both Booleans.
func (w *javaWriter) integer(v *javaValue) {
	small := v.n >= -128 && v.n <= 127
	key := sharedNumber{v.kind, v.n}
	if small && w.refer(key) {
		return
	}
	switch v.kind {
	case javaLong:
		w.object(classLong)
		w.uint64(uint64(v.n))
	case javaShort:
		w.object(classShort)
		w.uint16(uint16(v.n))
	case javaByte:
		w.object(classByte)
		w.byte(byte(v.n))
	case javaBoolean:
		w.object(classBoolean)
		w.byte(byte(v.n))
	default:
		w.object(classInteger)
		w.uint32(uint32(v.n))
	}
	if small {
		w.handles[key] = w.next - 1
	}
}

// bigInteger writes a BigInteger in the form that is compatible with old Javas: four cached numbers that say nothing, sign, magnitude.
func (w *javaWriter) bigInteger(v *big.Int) {
	small := v.IsInt64() && v.Int64() >= -16 && v.Int64() <= 16 // BigInteger.valueOf shares these
	key := sharedNumber{kind: javaInt}
	if small {
		key.n = v.Int64()
		if w.refer(key) {
			return
		}
	}
	w.object(classBigInteger)
	if small {
		w.handles[key] = w.next - 1
	}
	for _, n := range []int32{-1, -1, -2, -2, int32(v.Sign())} {
		w.uint32(uint32(n))
	}
	w.bytes(v.Bytes())
	w.byte(tcEndBlockData)
}

func (w *javaWriter) bytes(b []byte) {
	w.byte(tcArray)
	w.class(classBytes)
	w.next++
	w.uint32(uint32(len(b)))
	w.buf = append(w.buf, b...)
}

func (w *javaWriter) uuid(text string) {
	b, ok := parseUUID(text)
	if !ok { // the server prints nothing else
		w.string(text)
		return
	}
	w.object(classUUID)
	w.buf = append(append(w.buf, b[8:]...), b[:8]...)
}

func (w *javaWriter) interval(v *javaValue) {
	p := &v.parts
	w.object(classPGInterval)
	w.shared("interval")
	w.byte(tcNull) // the value is made of the parts
	w.uint32(uint32(p[2]))
	w.uint32(uint32(p[3]))
	w.byte(0)
	w.uint32(uint32(p[6]))
	w.uint32(uint32(p[4]))
	w.uint32(uint32(p[1]))
	w.uint32(uint32(p[5]))
	w.uint32(uint32(p[0]))
}

// parseUUID reads the canonical text.
func parseUUID(text string) (b [16]byte, ok bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return b, false
	}
	n, err := hex.Decode(b[:], []byte(text[:8]+text[9:13]+text[14:18]+text[19:23]+text[24:]))
	return b, err == nil && n == 16
}
