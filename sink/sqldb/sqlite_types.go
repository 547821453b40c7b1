package sqldb

import (
	"database/sql/driver"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/internal/dialect"
	"github.com/tandem-cdc/tandem/schema"
)

// affinity is what a column makes of what is stored in it. SQLite documentation, "Datatypes In SQLite", 3.1.
type affinity uint8

const (
	affinityInteger affinity = iota
	affinityText
	affinityBlob
	affinityReal
	affinityNumeric
)

func affinityOf(declared string) affinity {
	t := strings.ToUpper(declared)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(t, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("INT"):
		return affinityInteger
	case has("CHAR", "CLOB", "TEXT"):
		return affinityText
	case t == "" || has("BLOB", "ANY"): // ANY: of STRICT tables, keeps what it is given
		return affinityBlob
	case has("REAL", "FLOA", "DOUB"):
		return affinityReal
	}
	return affinityNumeric
}

// sqConvert makes one value, not null, what the driver binds: int64, float64, string or []byte. It is chosen once per column.
type sqConvert func(v schema.Value, c *sqColumn) (driver.Value, error)

// choose decides how values of the column's kind are bound.
func (c *sqColumn) choose(st *sqStore) {
	k, s := c.column.kind, c.column.schema
	a := affinityOf(c.target.typ)
	declared := strings.ToUpper(c.target.typ)
	clock := strings.Contains(declared, "DATE") || strings.Contains(declared, "TIME")
	c.convert = sqAsText
	switch {
	case c.column.plain && (isInstant(s) || c.column.point != nil) && (a != affinityText || st.dates == dateText):
		c.instant = st.dates != dateText // a text shows what a clock does
		c.convert = sqDate(k, st.dates)
	case integerKind(s):
		if k != kindInt && (clock || a == affinityText) {
			return // as text
		}
		c.convert = sqInteger
	case k == kindBool:
		c.convert = sqBool
	case k == kindFloat:
		c.convert = sqFloat
	case k == kindDecimal || k == kindVarDecimal:
		c.convert = sqDecimal(a)
	case k == kindBytes:
		c.convert = sqBytes
	case k == kindGeometry || k == kindGeography || k == kindPoint:
		c.convert = func(v schema.Value, _ *sqColumn) (driver.Value, error) { return appendWKB(nil, v, nil) }
	case s.Type == schema.String && !rewritten(k):
		c.convert = sqString
	}
}

// sqAsText is the way of every kind into every type.
func sqAsText(v schema.Value, c *sqColumn) (driver.Value, error) {
	var text []byte
	var err error
	switch k := c.column.kind; k {
	case kindArray, kindDoubleVector, kindFloatVector, kindMap, kindStruct, kindSparseVector, kindLine, kindCircle:
		if st := v.Struct(); st != nil {
			text, err = appendJSONStruct(nil, st, c.column.schema)
		} else {
			text, err = appendJSON(nil, v, c.column.schema)
		}
	case kindMicroDuration, kindNanoDuration:
		return v.Int(), nil
	default:
		text, err = appendText(nil, v, c.column.schema, k, 0)
	}
	return string(text), err
}

func sqInteger(v schema.Value, _ *sqColumn) (driver.Value, error) {
	return integerOf(v, math.MinInt64, math.MaxInt64)
}

func sqBool(v schema.Value, _ *sqColumn) (driver.Value, error) {
	switch {
	case v.Type() != schema.Boolean:
		return nil, wrongType(v, "a boolean")
	case v.Bool():
		return int64(1), nil
	}
	return int64(0), nil
}

// sqFloat refuses NaN, which SQLite would store as null. A float32 is the number with the same digits.
func sqFloat(v schema.Value, _ *sqColumn) (driver.Value, error) {
	switch f := v.Float64(); {
	case math.IsNaN(f):
		return nil, errNotFinite
	case v.Type() == schema.Float32:
		return strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
	case v.Type() != schema.Float64:
		return nil, wrongType(v, "a floating-point number")
	default:
		return f, nil
	}
}

func sqString(v schema.Value, _ *sqColumn) (driver.Value, error) {
	if v.Type() != schema.String {
		return nil, wrongType(v, "a string")
	}
	return v.Text(), nil
}

// noBytes is a value that the driver does not take for null.
var noBytes = []byte{}

func sqBytes(v schema.Value, _ *sqColumn) (driver.Value, error) {
	switch b := v.Bytes(); {
	case v.Type() != schema.Bytes:
		return nil, wrongType(v, "bytes")
	case len(b) == 0:
		return noBytes, nil
	default:
		return b, nil
	}
}

// sqDigits is how many digits of a number with a point a floating-point number keeps. SQLite documentation, "Datatypes In SQLite", 3.
const sqDigits = 15

// errSQDigits: columns of numbers hold floating-point ones.
var errSQDigits = errors.New("the number has more than 15 digits, and SQLite keeps no more in a column of numbers; declare the column as TEXT")

// sqDecimal binds the text of a number: columns of numbers make of it what it is, if they can keep all its digits.
func sqDecimal(a affinity) sqConvert {
	return func(v schema.Value, c *sqColumn) (driver.Value, error) {
		text, err := appendText(nil, v, c.column.schema, c.column.kind, 0)
		if err != nil {
			return nil, err
		}
		if a == affinityText || a == affinityBlob {
			return string(text), nil
		}
		whole, fraction, point := strings.Cut(string(text), ".")
		if point {
			fraction = strings.TrimRight(fraction, "0")
		}
		if fraction == "" {
			if n, err := strconv.ParseInt(whole, 10, 64); err == nil {
				return n, nil
			}
		}
		digits := strings.TrimLeft(strings.TrimPrefix(whole, "-")+fraction, "0")
		if len(strings.TrimRight(digits, "0")) > sqDigits {
			return nil, errSQDigits
		}
		return strconv.ParseFloat(string(text), 64)
	}
}

// sqDate binds Connect's dates and times as the JVM's driver does.
func sqDate(k kind, class dateClass) sqConvert {
	const perDay = 86400_000
	return func(v schema.Value, c *sqColumn) (driver.Value, error) {
		n, err := integerOf(v, math.MinInt64, math.MaxInt64)
		if err != nil {
			return nil, err
		}
		switch k {
		case kindDate:
			n *= perDay
		case kindStampMicros:
			n = floorDiv(n, 1000)
		case kindStampNanos:
			n = floorDiv(n, 1_000_000)
		}
		switch class {
		case dateText:
			text := appendStampText(nil, n*1000)
			if n%1000 == 0 {
				text = append(text, ".000000"...)
			}
			return string(text[:len(text)-3]), nil
		case dateSeconds:
			return floorDiv(n, 1000), nil
		case dateJulian:
			return float64(n)/perDay + 2440587.5, nil
		}
		return n, nil
	}
}

// sqType is the type of a column to be created.
func sqType(c *column) string {
	s, k := c.createSchema(), c.createKind()
	if c.plain && (k == kindDate || k == kindTimeMillis || k == kindStampMillis || k == kindStampMicros || k == kindStampNanos || k == kindDecimal) {
		return "NUMERIC"
	}
	switch k {
	case kindInt, kindBool, kindMicroDuration, kindNanoDuration:
		return "INTEGER"
	case kindFloat:
		return "REAL"
	case kindBytes, kindGeometry, kindGeography, kindPoint:
		return "BLOB"
	case kindDecimal:
		if n, err := strconv.Atoi(s.Parameter(schema.PrecisionParameter)); err == nil && n > 0 && n <= sqDigits {
			return "NUMERIC"
		}
	case kindDate, kindIsoDate, kindStructDate:
		return "DATE"
	case kindTimeMillis, kindTimeMicros, kindTimeNanos, kindIsoTime, kindStructTime:
		return "TIME"
	case kindStampMillis, kindStampMicros, kindStampNanos, kindIsoStamp, kindStructStamp, kindZonedStamp, kindStructZonedStamp:
		return "DATETIME"
	}
	return "TEXT"
}

// sqDefault is the column's default when it is a plain value; see defaultClause.
func (st *sqStore) sqDefault(c *column, typ string) string {
	d := c.createSchema().Default
	if d == nil || d.IsNull() || isZero(*d) && !c.plain {
		return ""
	}
	switch c.createKind() {
	case kindBool, kindInt, kindFloat, kindDecimal, kindDate, kindTimeMillis, kindTimeMicros, kindTimeNanos, kindStampMillis, kindStampMicros, kindStampNanos,
		kindText, kindJSON, kindZonedStamp, kindInterval:
	default:
		return ""
	}
	of := *c
	of.schema, of.kind = c.createSchema(), c.createKind()
	to := sqColumn{column: &of, target: &tableColumn{typ: typ}}
	to.choose(st)
	value := *d
	if c.made != nil && !to.instant {
		value = c.made(value)
	}
	out, err := to.convert(value, &to)
	if err != nil {
		return ""
	}
	switch v := out.(type) {
	case int64:
		return " DEFAULT " + strconv.FormatInt(v, 10)
	case float64:
		return " DEFAULT " + strconv.FormatFloat(v, 'g', -1, 64)
	case string:
		return " DEFAULT " + dialect.LiteralSQLite(v)
	}
	return ""
}
