package sqldb

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/dialect"
	"github.com/tandem-cdc/tandem/schema"
)

// myAppend appends one value, not null, as a literal. It is chosen once per column.
type myAppend func(dst []byte, v schema.Value, c *myColumn) ([]byte, error)

// myFamily is what literals a column type takes.
type myFamily uint8

const (
	myOther myFamily = iota
	myInteger
	myDecimal
	myFloat
	myBit
	myDate
	myTime
	myDatetime
	myTimestamp
	myText
	myBinary
	myJSON
	myUUID
	myGeometry
	myVector
)

// myFamilies classes the types of information_schema.columns.
var myFamilies = map[string]myFamily{
	"tinyint": myInteger, "smallint": myInteger, "mediumint": myInteger, "int": myInteger, "bigint": myInteger, "year": myInteger,
	"decimal": myDecimal, "float": myFloat, "double": myFloat, "bit": myBit, "date": myDate, "time": myTime, "datetime": myDatetime, "timestamp": myTimestamp,
	"char": myText, "varchar": myText, "tinytext": myText, "text": myText, "mediumtext": myText, "longtext": myText, "enum": myText, "set": myText,
	"binary": myBinary, "varbinary": myBinary, "tinyblob": myBinary, "blob": myBinary, "mediumblob": myBinary, "longblob": myBinary,
	"json": myJSON, "uuid": myUUID, "vector": myVector,
	"geometry": myGeometry, "point": myGeometry, "linestring": myGeometry, "polygon": myGeometry, "multipoint": myGeometry, "multilinestring": myGeometry,
	"multipolygon": myGeometry, "geometrycollection": myGeometry, "geomcollection": myGeometry,
}

// text tells whether values are texts with a collation.
func (c *tableColumn) text() bool { return myFamilies[c.cast] == myText }

// choose decides how values of the column's kind are written. What has no way of its own goes as text, and the server converts it: of
// what it cuts it then warns, and the warning counts as an error.
func (c *myColumn) choose(zone *time.Location) {
	k, s := c.column.kind, c.column.schema
	c.append, c.lossy = quoted(appendMyText), true
	use := func(f myAppend) { c.append, c.lossy = f, false }
	family := myFamilies[c.target.cast]
	c.instant = family == myTimestamp && c.column.point != nil
	switch family {
	case myInteger, myDecimal, myFloat, myBit:
		c.chooseNumber(family, use)
	case myDate:
		if k == kindDate {
			use(appendMyDate)
		} else if stampMultiplier(k) != nil {
			c.append = appendMyStamp(k, nil, nil)
		}
	case myTime:
		c.chooseTime(use)
	case myDatetime, myTimestamp:
		c.chooseStamp(family, zone, use)
	case myText:
		if s.Type == schema.String {
			use(quoted(appendMyString))
		} else if k == kindBytes {
			use(appendMyBinary)
		}
	case myBinary:
		c.chooseBinary(use)
	case myJSON:
		if s.Type == schema.String {
			use(quoted(appendMyString))
		} else {
			use(quoted(appendMyJSON))
		}
	case myUUID:
		if k == kindUUID {
			use(quoted(appendMyString))
		}
	case myGeometry:
		if k == kindGeometry || k == kindGeography || k == kindPoint {
			use(appendMyGeometry)
		}
	case myVector:
		if k == kindFloatVector || k == kindDoubleVector {
			use(appendMyVector)
		}
	}
}

func (c *myColumn) chooseNumber(family myFamily, use func(myAppend)) {
	k, s := c.column.kind, c.column.schema
	switch {
	case family == myBit && k == kindBits:
		use(appendMyBits)
	case k == kindBool:
		use(appendMyBool)
	case integerKind(s):
		use(appendMyInteger)
	case k == kindFloat && family == myFloat:
		use(appendMyFloat)
	case k == kindFloat && family == myInteger:
		use(appendMyWhole)
	case k == kindFloat:
		c.append = appendMyFloat
	case k == kindDecimal || k == kindVarDecimal:
		use(appendMyDecimal)
		c.lossy = family == myFloat
	case k == kindBits && family == myInteger:
		use(appendMyBits)
	}
}

func (c *myColumn) chooseTime(use func(myAppend)) {
	switch c.column.kind {
	case kindTimeMillis:
		use(appendMyTime(1000, 1))
	case kindTimeMicros, kindMicroDuration:
		use(appendMyTime(1, 1))
	case kindTimeNanos, kindNanoDuration:
		use(appendMyTime(1, 1000))
	case kindZonedTime:
		use(appendMyZonedTime)
	}
}

// chooseStamp tells apart what a clock shows and points in time. A datetime holds the former, in the connector's zone where a point is to
// be shown; a timestamp the latter.
func (c *myColumn) chooseStamp(family myFamily, zone *time.Location, use func(myAppend)) {
	k := c.column.kind
	switch {
	case k == kindDate:
		use(appendMyDate)
	case k == kindZonedStamp || k == kindStructZonedStamp:
		if family == myDatetime {
			use(appendMyStamp(k, nil, zone))
		} else {
			use(appendMyStamp(k, nil, nil))
		}
	case stampMultiplier(k) != nil:
		if family == myTimestamp && !c.instant {
			use(appendMyStamp(k, zone, nil))
		} else {
			use(appendMyStamp(k, nil, nil))
		}
	}
}

func (c *myColumn) chooseBinary(use func(myAppend)) {
	switch k := c.column.kind; {
	case k == kindUUID && c.target.cast == "binary" && c.target.length == 16:
		use(func(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
			raw, err := appendUUID(nil, v, nil)
			return appendMyRaw(dst, raw), err
		})
	case k == kindBytes || k == kindBits:
		use(appendMyBinary)
	case k == kindGeometry || k == kindGeography || k == kindPoint:
		use(func(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
			raw, err := appendWKB(nil, v, nil)
			return appendMyRaw(dst, raw), err
		})
	case c.column.schema.Type == schema.String:
		use(func(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
			return dialect.AppendLiteralMySQL(append(dst, "_binary"...), v.Text()), nil
		})
	}
}

// quoted makes a literal of a text.
func quoted(f func(dst []byte, v schema.Value, c *myColumn) ([]byte, error)) myAppend {
	return func(dst []byte, v schema.Value, c *myColumn) ([]byte, error) {
		if v.Type() == schema.String && (c.column.schema.Type == schema.String) && !rewritten(c.column.kind) {
			return dialect.AppendLiteralMySQL(dst, v.Text()), nil
		}
		text, err := f(nil, v, c)
		return dialect.AppendLiteralMySQL(dst, text), err
	}
}

// rewritten tells whether a kind's text is not written as it came.
func rewritten(k kind) bool { return k == kindIsoDate || k == kindIsoTime || k == kindIsoStamp }

func appendMyString(dst []byte, v schema.Value, c *myColumn) ([]byte, error) {
	return appendText(dst, v, c.column.schema, c.column.kind, 0)
}

// appendMyText is the way of every kind into every type.
func appendMyText(dst []byte, v schema.Value, c *myColumn) ([]byte, error) {
	switch c.column.kind {
	case kindArray, kindDoubleVector, kindFloatVector, kindMap, kindStruct, kindSparseVector, kindLine, kindCircle:
		return appendMyJSON(dst, v, c)
	case kindBytes:
		return append(dst, v.Bytes()...), nil
	}
	return appendText(dst, v, c.column.schema, c.column.kind, 0)
}

// appendMyJSON writes what is a struct as one, whatever it means.
func appendMyJSON(dst []byte, v schema.Value, c *myColumn) ([]byte, error) {
	if s := v.Struct(); s != nil {
		return appendJSONStruct(dst, s, c.column.schema)
	}
	return appendJSON(dst, v, c.column.schema)
}

func appendMyInteger(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
	n, err := integerOf(v, math.MinInt64, math.MaxInt64)
	return strconv.AppendInt(dst, n, 10), err
}

func appendMyBool(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
	if v.Type() != schema.Boolean {
		return dst, wrongType(v, "a boolean")
	}
	if v.Bool() {
		return append(dst, '1'), nil
	}
	return append(dst, '0'), nil
}

var errNotFinite = errors.New("the database has no such number")

// appendMyFloat writes a number with an exponent: without, the server would take it for a decimal.
func appendMyFloat(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
	bits := 64
	switch v.Type() {
	case schema.Float32:
		bits = 32
	case schema.Float64:
	default:
		return dst, wrongType(v, "a floating-point number")
	}
	f := v.Float64()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, errNotFinite
	}
	return strconv.AppendFloat(dst, f, 'e', -1, bits), nil
}

// appendMyWhole writes a floating-point number that is a whole one: the server would round others without a word.
func appendMyWhole(dst []byte, v schema.Value, c *myColumn) ([]byte, error) {
	f := v.Float64()
	if f != math.Trunc(f) || math.IsInf(f, 0) || math.IsNaN(f) {
		return dst, errFraction
	}
	return strconv.AppendFloat(dst, f, 'f', 0, 64), nil
}

var errFraction = errors.New("the number has digits behind the point that the column does not take")

// appendMyDecimal writes a decimal; digits behind the point that the column does not have must be zeros.
func appendMyDecimal(dst []byte, v schema.Value, c *myColumn) ([]byte, error) {
	unscaled, scale := v.Bytes(), 0
	if c.column.kind == kindVarDecimal {
		d := v.Struct()
		unscaled, scale = d.Field("value").Bytes(), int(d.Field("scale").Int())
	} else {
		scale = scaleOf(c.column.schema)
	}
	at := len(dst)
	dst, err := appendDecimalText(dst, unscaled, scale)
	if err != nil {
		return dst, err
	}
	if family := myFamilies[c.target.cast]; family != myFloat && scale > c.target.scale {
		cut := len(dst) - (scale - c.target.scale)
		if strings.Trim(string(dst[cut:]), "0") != "" {
			return dst[:at], errFraction
		}
		dst = []byte(strings.TrimSuffix(string(dst[:cut]), "."))
	}
	if len(dst)-at > 60 { // more digits than a decimal literal takes
		return append(slices.Insert(dst, at, '\''), '\''), nil
	}
	return dst, nil
}

// appendMyBits writes a bit literal, b'0101'.
func appendMyBits(dst []byte, v schema.Value, c *myColumn) ([]byte, error) {
	n, _ := strconv.Atoi(c.column.schema.Parameter("length"))
	if c.target.cast == "bit" {
		n = int(c.target.precision)
	}
	dst, err := appendBits(append(dst, "b'"...), v.Bytes(), n)
	return append(dst, '\''), err
}

// appendMyRaw writes bytes. The introducer keeps the server from looking for characters in them.
func appendMyRaw(dst, raw []byte) []byte {
	return dialect.AppendLiteralMySQL(append(dst, "_binary"...), raw)
}

func appendMyBinary(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
	if v.Type() != schema.Bytes {
		return dst, wrongType(v, "bytes")
	}
	return appendMyRaw(dst, v.Bytes()), nil
}

// appendMyVector writes floats of four bytes, little-endian. MySQL manual, "The VECTOR Type"; MariaDB's is the same.
func appendMyVector(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
	var raw []byte
	for _, e := range v.Array() {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(e.Float64())))
	}
	return appendMyRaw(dst, raw), nil
}

// appendMyGeometry writes ST_GeomFromWKB(…, srid).
func appendMyGeometry(dst []byte, v schema.Value, c *myColumn) ([]byte, error) {
	g := v.Struct()
	wkb := g.Field("wkb").Bytes()
	srid := g.Field("srid").Int()
	if len(wkb) == 0 {
		x, y := g.Field("x"), g.Field("y")
		if x.IsNull() || y.IsNull() {
			return dst, errors.New("the geometry has no wkb")
		}
		wkb = binary.LittleEndian.AppendUint32([]byte{1}, 1)
		wkb = binary.LittleEndian.AppendUint64(wkb, math.Float64bits(x.Float64()))
		wkb = binary.LittleEndian.AppendUint64(wkb, math.Float64bits(y.Float64()))
	}
	plain, inner, err := plainWKB(wkb)
	if err != nil {
		return dst, err
	}
	if inner != 0 {
		srid = int64(inner)
	}
	if !c.target.geographic {
		dst = append(dst, "IFNULL("...)
	}
	dst = append(hex.AppendEncode(append(dst, "ST_GeomFromWKB(x'"...), plain), '\'')
	if srid != 0 {
		dst = strconv.AppendInt(append(dst, ','), srid, 10)
		if c.target.geographic { // of points on the earth the first number is the longitude, as PostGIS has it
			dst = append(dst, ",'axis-order=long-lat'"...)
		}
	}
	if !c.target.geographic { // MariaDB makes null of what is no geometry; what is no geometry either is refused
		return append(dst, "),_binary'')"...), nil
	}
	return append(dst, ')'), nil
}

// plainWKB takes the flags of PostGIS's EWKB off: its SRID, which comes back by itself. A third dimension cannot be stored.
// Layout: byte order | Int32 type with flags (0x20000000: an SRID follows, 0x40000000: M, 0x80000000: Z) | Int32 SRID | geometry.
func plainWKB(wkb []byte) (plain []byte, srid uint32, err error) {
	if len(wkb) < 5 || wkb[0] > 1 {
		return nil, 0, errors.New("the geometry's wkb cannot be read")
	}
	var order binary.ByteOrder = binary.BigEndian
	if wkb[0] == 1 {
		order = binary.LittleEndian
	}
	kind := order.Uint32(wkb[1:])
	if kind&0xc0000000 != 0 || kind&0xffff > 1000 {
		return nil, 0, errors.New("the geometry has more than two dimensions, which the database does not store")
	}
	if kind&0x20000000 == 0 {
		return wkb, 0, nil
	}
	if len(wkb) < 9 {
		return nil, 0, errors.New("the geometry's wkb cannot be read")
	}
	plain = append(plain, wkb[0], 0, 0, 0, 0)
	order.PutUint32(plain[1:], kind&^uint32(0x20000000))
	return append(plain, wkb[9:]...), order.Uint32(wkb[5:]), nil
}

// errMyDate: MySQL manual, "The DATE, DATETIME, and TIMESTAMP Types".
var errMyDate = errors.New("the database has dates from the year 0 to 9999 only")

func appendMyDate(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
	n, err := integerOf(v, math.MinInt32, math.MaxInt32)
	if err != nil {
		return dst, err
	}
	year, month, day := civilFromDays(n)
	if year < 0 || year > 9999 {
		return dst, errMyDate
	}
	return append(appendMyYMD(append(dst, '\''), year, month, day), '\''), nil
}

func appendMyYMD(dst []byte, year, month, day int64) []byte {
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), month, 2)
	return appendPadded(append(dst, '-'), day, 2)
}

// appendMyTime writes a time of day or a duration. The server's go from -838:59:59 to 838:59:59.
func appendMyTime(multiply, divide int64) myAppend {
	return func(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
		n, err := integerOf(v, math.MinInt64/1000, math.MaxInt64/1000)
		if err != nil {
			return dst, errors.New("it is no time")
		}
		dst = append(dst, '\'')
		if n = n * multiply / divide; n < 0 {
			dst, n = append(dst, '-'), -n
		}
		return append(appendTimeText(dst, n), '\''), nil
	}
}

// appendMyZonedTime writes what clocks in UTC show at a time with an offset: a time column has none.
func appendMyZonedTime(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
	micros, err := parseISOStamp("2000-01-01T" + v.Text())
	if err != nil || len(v.Text()) == 0 {
		return dst, errors.New("it is no time of day")
	}
	micros -= epochMicros
	return append(appendTimeText(append(dst, '\''), micros-floorDiv(micros, microsPerDay)*microsPerDay), '\''), nil
}

// stampMultiplier reads a kind of timestamp as microseconds since 1970; nil when it is none.
func stampMultiplier(k kind) func(v schema.Value) (int64, error) {
	number := func(multiply, divide int64) func(v schema.Value) (int64, error) {
		return func(v schema.Value) (int64, error) {
			n, err := integerOf(v, math.MinInt64/multiply, math.MaxInt64/multiply)
			return floorDiv(n, divide) * multiply, err
		}
	}
	switch k {
	case kindStampMillis:
		return number(1000, 1)
	case kindStampMicros:
		return number(1, 1)
	case kindStampNanos:
		return number(1, 1000)
	case kindIsoStamp, kindZonedStamp:
		return func(v schema.Value) (int64, error) { return parseISOStamp(v.Text()) }
	case kindStructStamp, kindStructZonedStamp:
		return structMicros
	}
	return nil
}

// structMicros reads Debezium's structured timestamps.
func structMicros(v schema.Value) (int64, error) {
	s := v.Struct()
	if s == nil || s.Field("specialValue").Text() != "" && !strings.EqualFold(s.Field("specialValue").Text(), "NONE") {
		return 0, errMyDate
	}
	n := func(field string) int64 { return s.Field(field).Int() }
	seconds := daysFromCivil(n("year"), n("month"), n("day"))*86400 + n("hour")*3600 + n("minute")*60 + n("second") - n("offsetSeconds")
	return seconds*1e6 + n("nanos")/1000, nil
}

// appendMyStamp writes a timestamp: from, when given, is the zone of the clock that was read; to that of the clock to show. nil is UTC.
func appendMyStamp(k kind, from, to *time.Location) myAppend {
	read := stampMultiplier(k)
	return func(dst []byte, v schema.Value, _ *myColumn) ([]byte, error) {
		micros, err := read(v)
		if err != nil {
			return dst, err
		}
		const first, last = -62167219200_000000, 253402300799_999999 // 0000-01-01, 9999-12-31
		if micros < first || micros > last {
			return dst, errMyDate
		}
		if from != nil && from != time.UTC {
			micros = sameClock(micros, from)
		}
		if to != nil && to != time.UTC {
			_, offset := time.UnixMicro(micros).In(to).Zone()
			micros += int64(offset) * 1e6
		}
		days := floorDiv(micros, microsPerDay)
		year, month, day := civilFromDays(days)
		if year < 0 || year > 9999 {
			return dst, errMyDate
		}
		dst = append(appendMyYMD(append(dst, '\''), year, month, day), ' ')
		return append(appendTimeText(dst, micros-days*microsPerDay), '\''), nil
	}
}

// sameClock is when clocks of a zone show what UTC's show at a time, both in microseconds since 1970.
func sameClock(micros int64, zone *time.Location) int64 {
	t := time.UnixMicro(micros).UTC()
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone).UnixMicro()
}
