package envelope

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tandem-cdc/tandem/schema"
)

// seeded is a source of random numbers whose seed a failing test prints.
func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// twosComplement is java.math.BigInteger.toByteArray, the plain way.
func twosComplement(n *big.Int) []byte {
	bytes := n.BitLen()/8 + 1
	if n.Sign() < 0 {
		bytes = new(big.Int).Not(n).BitLen()/8 + 1
	}
	out := make([]byte, bytes)
	if n.Sign() < 0 {
		new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*bytes))).FillBytes(out)
	} else {
		n.FillBytes(out)
	}
	return out
}

func randomDigits(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	return string(b)
}

func TestUnscaledAgainstBigInt(t *testing.T) {
	r := seeded(t)
	var s scratch
	check := func(text string, scale int) {
		t.Helper()
		whole, fraction, _ := strings.Cut(text, ".")
		want, _ := new(big.Int).SetString(whole+fraction+strings.Repeat("0", scale-len(fraction)), 10)
		if whole == "-0" || strings.HasPrefix(text, "-0.") { // big.Int has read the sign already
			want.Neg(want.Abs(want))
		}
		v, err := build(bytesSchema, func(w schema.Writer) error { return writeDecimal(&s, []byte(text), scale, w) })
		if err != nil || !slices.Equal(v.Bytes(), twosComplement(want)) {
			t.Fatalf("unscaled %s at scale %d = %x, %v, want %x", text, scale, v.Bytes(), err, twosComplement(want))
		}
	}
	for _, edge := range []string{"0", "127", "128", "-128", "-129", "255", "256", "32767", "32768", "-32768", "-32769", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
		"-9223372036854775809", "18446744073709551615", "18446744073709551616", "170141183460469231731687303715884105727", "-170141183460469231731687303715884105728",
		"99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", "340282366920938463463374607431768211456", "-340282366920938463463374607431768211457"} {
		check(edge, 0)
		check(edge, 3)
	}
	for range 5000 {
		scale := r.IntN(25)
		text := randomDigits(r, 1+r.IntN(45))
		if n := r.IntN(scale + 1); n > 0 {
			text += "." + randomDigits(r, n)
		}
		if r.IntN(2) == 0 {
			text = "-" + text
		}
		check(text, scale)
	}
}

func TestDatesAgainstTime(t *testing.T) {
	r := seeded(t)
	for range 5000 {
		at := time.Unix(r.Int64N(400_000_000_000)-100_000_000_000, 1000*r.Int64N(1_000_000)).UTC() // years -1199 to 11476
		bc := ""
		year := at.Year()
		if year <= 0 {
			year, bc = 1-year, " BC"
		}
		day := fmt.Sprintf("%04d-%s", year, at.Format("01-02"))
		d, err := parseDateValue([]byte(day+bc), false)
		if want := floorDiv(at.Unix(), 86400); err != nil || d.days() != want || dateOf(want) != d {
			t.Fatalf("days of %s%s = %d, %v, want %d", day, bc, d.days(), err, want)
		}
		zone := r.IntN(31*60) - 15*60
		sign, z := "+", zone
		if z < 0 {
			sign, z = "-", -z
		}
		local := at.Add(time.Duration(zone) * time.Minute)
		year, bc = local.Year(), ""
		if year <= 0 {
			year, bc = 1-year, " BC"
		}
		text := fmt.Sprintf("%04d-%s%s%02d:%02d%s", year, local.Format("01-02 15:04:05.999999"), sign, z/60, z%60, bc)
		ts, err := parseTimestamp([]byte(text), true)
		if err != nil || ts.epochMicros() != at.UnixMicro() || ts.millis() != at.UnixMilli() {
			t.Fatalf("microseconds of %s = %d, %v, want %d", text, ts.epochMicros(), err, at.UnixMicro())
		}
		if nanos, ok := ts.epochNanos(); ok && nanos != at.UnixNano() {
			t.Fatalf("nanoseconds of %s = %d, want %d", text, nanos, at.UnixNano())
		}
		if year < 10000 && year > 0 && bc == "" && at.Year() > 0 && at.Year() < 10000 {
			if got, want := string(ts.appendISO(nil, -1)), at.Format("2006-01-02T15:04:05.999999Z"); got != want {
				t.Fatalf("ISO text of %s = %s, want %s", text, got, want)
			}
		}
	}
}

func TestArraysAgainstPgx(t *testing.T) {
	r := seeded(t)
	m := pgtype.NewMap()
	s := new(scratch)
	for range 3000 {
		want := make([]*string, r.IntN(6))
		for i := range want {
			if r.IntN(5) > 0 {
				b := make([]rune, r.IntN(6))
				for j := range b {
					b[j] = []rune(`a"\{},; NULLé` + "\n")[r.IntN(14)]
				}
				text := string(b)
				want[i] = &text
			}
		}
		text, err := m.Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, want, nil)
		if err != nil {
			t.Fatal(err)
		}
		list := schema.ArrayOf(optionalString)
		v, err := build(list, func(w schema.Writer) error {
			return writeArray(&typePlan{write: writeText, total: true, nullable: true}, ',')(s, text, w)
		})
		if err != nil || len(v.Array()) != len(want) {
			t.Fatalf("array %s = %v, %v, want %d elements", text, v.Array(), err, len(want))
		}
		for i, e := range v.Array() {
			if e.IsNull() != (want[i] == nil) || want[i] != nil && e.Text() != *want[i] {
				t.Fatalf("element %d of %s = %q, want %q", i, text, e.Text(), *want[i])
			}
		}
	}
}

func TestHStoreAgainstPgx(t *testing.T) {
	r := seeded(t)
	s := new(scratch)
	for range 3000 {
		want := pgtype.Hstore{}
		for range r.IntN(40) {
			key := strings.Repeat(string([]rune(`ab"\=>é😀,`)[r.IntN(9)]), 1+r.IntN(3)) + randomDigits(r, r.IntN(3))
			if r.IntN(4) == 0 {
				want[key] = nil
			} else {
				value := `v"\` + key
				want[key] = &value
			}
		}
		var parts []string
		quote := strings.NewReplacer(`"`, `\"`, `\`, `\\`)
		for k, v := range want {
			part := `"` + quote.Replace(k) + `"=>NULL`
			if v != nil {
				part = `"` + quote.Replace(k) + `"=>"` + quote.Replace(*v) + `"`
			}
			parts = append(parts, part)
		}
		text := strings.Join(parts, ", ")
		var oracle pgtype.Hstore
		if err := oracle.Scan(text); err != nil || len(oracle) != len(want) {
			t.Fatalf("pgx does not read %s: %v", text, err)
		}
		pairs, err := s.parseHStore([]byte(text))
		if err != nil || len(pairs) != len(want) {
			t.Fatalf("hstore %s has %d pairs, %v, want %d", text, len(pairs), err, len(want))
		}
		for i, p := range pairs {
			v, ok := oracle[string(p.key)]
			if !ok || p.null != (v == nil) || v != nil && string(p.value) != *v {
				t.Fatalf("pair %d of %s = %q=>%q, want it as pgx reads it", i, text, p.key, p.value)
			}
			if i > 0 && pairs[i-1].hash > p.hash {
				t.Fatalf("pairs of %s are not in the order of their buckets", text)
			}
		}
	}
}

func TestIntervalsAgainstPgx(t *testing.T) {
	r := seeded(t)
	m := pgtype.NewMap()
	for range 3000 {
		want := pgtype.Interval{Months: r.Int32N(400) - 200, Days: r.Int32N(100) - 50, Microseconds: r.Int64N(1e12) - 5e11, Valid: true}
		var words []string
		if y := want.Months / 12; y != 0 {
			words = append(words, fmt.Sprintf("%d years", y))
		}
		if mo := want.Months % 12; mo != 0 {
			words = append(words, fmt.Sprintf("%d mons", mo))
		}
		if want.Days != 0 {
			words = append(words, fmt.Sprintf("%d days", want.Days))
		}
		us, sign := want.Microseconds, ""
		if us < 0 {
			us, sign = -us, "-"
		}
		words = append(words, fmt.Sprintf("%s%02d:%02d:%02d.%06d", sign, us/3_600_000_000, us/60_000_000%60, us/1_000_000%60, us%1_000_000))
		text := strings.Join(words, " ")
		var oracle pgtype.Interval
		if err := m.Scan(pgtype.IntervalOID, pgtype.TextFormatCode, []byte(text), &oracle); err != nil || oracle != want {
			t.Fatalf("pgx reads %s as %+v, %v, want %+v", text, oracle, err, want)
		}
		iv, err := parseInterval([]byte(text))
		months, micros := iv.years*12+iv.months, (iv.hours*60+iv.minutes)*60_000_000+iv.micros
		if err != nil || months != int64(want.Months) || iv.days != int64(want.Days) || micros != want.Microseconds {
			t.Fatalf("interval %s = %+v, %v, want %+v", text, iv, err, want)
		}
	}
}

func TestJavaStringHash(t *testing.T) {
	for text, want := range map[string]uint32{"": 0, "a": 97, "zebra": 115776262, "ü": 252, "😀": 1772899, "hello world": 1794106052} {
		if got := javaStringHash([]byte(text)); got != want {
			t.Errorf("javaStringHash(%q) = %d, want %d", text, got, want)
		}
	}
}
