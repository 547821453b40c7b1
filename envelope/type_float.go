package envelope

import (
	"errors"
	"math"
	"strconv"

	"github.com/tandem-cdc/tandem/schema"
)

// floatPlan: float4 and float8. NaN and the infinities pass through.
func floatPlan(oid uint32) *typePlan {
	if oid == oidFloat4 {
		return &typePlan{
			schema: schema.Of(schema.Float32), write: writeFloat32, fallback: schema.OfFloat32(0), nullable: true, call: "0.0",
			literal: func(text string) (schema.Value, bool) {
				f, ok := parseFloat([]byte(text), 32)
				return schema.OfFloat32(float32(f)), ok
			},
		}
	}
	return &typePlan{
		schema: float64Schema, write: writeFloat64, fallback: schema.OfFloat64(0), nullable: true, call: "0.0",
		literal: func(text string) (schema.Value, bool) {
			f, ok := parseFloat([]byte(text), 64)
			return schema.OfFloat64(f), ok
		},
	}
}

func writeFloat32(_ *scratch, text []byte, w schema.Writer) error {
	f, ok := parseFloat(text, 32)
	if !ok {
		return errMalformed
	}
	w.Float32(float32(f))
	return nil
}

func writeFloat64(_ *scratch, text []byte, w schema.Writer) error {
	f, ok := parseFloat(text, 64)
	if !ok {
		return errMalformed
	}
	w.Float64(f)
	return nil
}

// javaNaN is the one NaN that Java makes of text; Go's has other bits.
var javaNaN = math.Float64frombits(0x7ff8000000000000)

// parseFloat reads the server's text of a float; what is too large for bits becomes infinite, as in Java. Short texts, and all
// that the server prints for floats, cost no allocation.
func parseFloat(text []byte, bits int) (float64, bool) {
	f, err := strconv.ParseFloat(string(text), bits)
	if f != f {
		f = javaNaN
	}
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}
