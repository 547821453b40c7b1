package transform

import (
	"math"
	"math/big"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

// TestDecimal holds BigDecimal's conversions.
func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		text string
		long int64
		flt  float64
	}{
		{"12.50", 12, 12.5}, {"-0.9", 0, -0.9}, {"1e3", 1000, 1000}, {"1E+5", 100000, 1e5}, {"9223372036854775808", math.MinInt64, 1 << 63}, {"1e64", 0, 1e64}, {"1e400", 0, math.Inf(1)},
		{"-1e2147483647", 0, math.Inf(-1)}, {"1e-2147483647", 0, 0}, {".5", 0, 0.5}, {"5.", 5, 5}, {"+7", 7, 7}, {"18446744073709551615.9", -1, 18446744073709551615.9},
	} {
		d, refused := parseDecimal(c.text)
		if refused != nil || d.int64() != c.long || d.float64() != c.flt {
			t.Errorf("parseDecimal(%q) = %d, %v, %v, want %d, %v", c.text, d.int64(), d.float64(), refused, c.long, c.flt)
		}
	}
	for _, text := range []string{"", "-", ".", "e5", "1e", "1e+", "1.2.3", "x", "1_0", " 1", "0x1", "1e99999999999", "é"} {
		if d, refused := parseDecimal(text); refused == nil {
			t.Errorf("parseDecimal(%q) = %v, want it refused", text, d)
		}
	}
}

// TestWithScale: digits are neither lost nor made up, and no number fills the memory.
func TestWithScale(t *testing.T) {
	for _, c := range []struct {
		text  string
		scale int
		want  string // "": it would lose digits, or have too many
	}{{"1.5", 2, "150"}, {"1.50", 1, "15"}, {"1.55", 1, ""}, {"0", 3, "0"}, {"0.000", 0, "0"}, {"1e2147483647", 2, ""}, {"1e-2147483647", 2, ""}, {"-7", 0, "-7"}} {
		d, _ := parseDecimal(c.text)
		got, exact := d.withScale(c.scale)
		if exact != (c.want != "") || exact && got.unscaled.String() != c.want {
			t.Errorf("withScale(%s, %d) = %v, %v, want %q", c.text, c.scale, got.unscaled, exact, c.want)
		}
	}
}

func FuzzNumbers(f *testing.F) {
	for _, text := range []string{"12", "-1.5e3", "0x1.8p3", "NaN", "1f", " 7 ", "٣", "1e400", "Infinity"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, refused := parseDecimal(text); refused == nil {
			d.int64()
			d.float64()
			d.float32()
			if back := schema.Unscaled(d.bytes()); back.Cmp(d.unscaled) != 0 {
				t.Errorf("bytes of %s read back as %s", d.unscaled, back)
			}
		}
		for _, kind := range []schema.Type{schema.Int8, schema.Int16, schema.Int32, schema.Int64} {
			if n, refused := parseInteger(kind, text); refused == nil {
				if d, _ := parseDecimal(asciiDigits(text)); !schema.FitsInt(kind, n) || d.unscaled.Cmp(big.NewInt(n)) != 0 {
					t.Errorf("parseInteger(%s, %q) = %d", kind, text, n)
				}
			}
		}
		for _, bits := range []int{32, 64} {
			if v, refused := parseFloat(text, bits); refused == nil && bits == 32 && v == v && float64(float32(v)) != v {
				t.Errorf("parseFloat(%q, 32) = %v, which is no float32", text, v)
			}
		}
	})
}

func FuzzPath(f *testing.F) {
	f.Add("a.b")
	f.Add("`a.b`.c")
	f.Add("`a\\`.b`.c.")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePath(text)
		if err != nil {
			return
		}
		length := 0
		for _, step := range p {
			length += len(step) + 1
		}
		if length > len(text)+1 {
			t.Errorf("parsePath(%q) = %q, which is longer", text, p)
		}
	})
}
