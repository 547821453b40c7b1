package envelope

import (
	"math"
	"strconv"

	"github.com/tandem-cdc/tandem/schema"
)

// integerPlan: int2, int4, int8 (the serials are these with a default) and oid, an unsigned number that needs int64.
func integerPlan(oid uint32) *typePlan {
	tp := &typePlan{nullable: true, call: "0"}
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	t := schema.Int64
	switch oid {
	case oidInt2:
		t, low, high = schema.Int16, math.MinInt16, math.MaxInt16
	case oidInt4:
		t, low, high = schema.Int32, math.MinInt32, math.MaxInt32
	case oidOID:
		low, high = 0, math.MaxUint32
	}
	tp.schema, tp.fallback = schema.Of(t), schema.OfInt(t, 0)
	tp.write = func(_ *scratch, text []byte, w schema.Writer) error {
		n, ok := parseInt(text)
		if !ok {
			return errMalformed
		}
		if n < low || n > high {
			return errOutOfRange
		}
		w.Int(n)
		return nil
	}
	if oid != oidOID {
		tp.literal = func(text string) (schema.Value, bool) {
			n, err := strconv.ParseInt(text, 10, 64)
			return schema.OfInt(t, n), err == nil && n >= low && n <= high
		}
	}
	return tp
}

// parseInt reads a decimal integer; false for anything else and beyond int64.
func parseInt(text []byte) (int64, bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	if len(text) == 0 || len(text) > 19 {
		return 0, false
	}
	var n uint64 // 19 digits fit
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if negative {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n < 1<<63
}
