package polling

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/schema"
)

func written(t *testing.T, s *schema.Schema, write writeFunc, c cell) (schema.Value, error) {
	t.Helper()
	b := schema.NewBuilder(s)
	if err := write(b, &c); err != nil {
		return schema.NullValue, err
	}
	if err := b.Err(); err != nil {
		t.Fatalf("write %s: %v", c.string(), err)
	}
	return b.Value(), nil
}

// Decimals of any size and scale keep their value, or are refused: never rounded.
func TestDecimals(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		digits, places, scale := 1+rnd.IntN(40), rnd.IntN(12), rnd.IntN(14)-3
		text := strconv.Itoa(1 + rnd.IntN(9))
		for len(text) < digits {
			text += strconv.Itoa(rnd.IntN(10) * rnd.IntN(2))
		}
		if places > 0 {
			text += "." + strings.Repeat("0", rnd.IntN(3))
			for range places {
				text += strconv.Itoa(rnd.IntN(10) * rnd.IntN(2))
			}
		}
		if rnd.IntN(2) == 0 {
			text = "-" + text
		}
		want, _ := new(big.Rat).SetString(text)
		v, err := written(t, schema.Decimal(scale), writeDecimal(scale), cell{kind: textCell, text: []byte(text)})
		unit := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale, 0))), nil))
		if scale < 0 {
			unit.SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-scale)), nil))
		}
		fits := new(big.Rat).Quo(want, unit).IsInt()
		if fits != (err == nil) {
			t.Fatalf("decimal %s of scale %d: error %v, want it to fit: %v", text, scale, err, fits)
		}
		if err != nil {
			continue
		}
		got := new(big.Rat).Mul(new(big.Rat).SetInt(schema.Unscaled(v.Bytes())), unit)
		if got.Cmp(want) != 0 {
			t.Fatalf("decimal %s of scale %d = %s", text, scale, got)
		}
		if b := v.Bytes(); len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
			t.Fatalf("decimal %s of scale %d has a byte too many: %x", text, scale, b)
		}
	}
}

func TestRefusedValues(t *testing.T) {
	text := func(s string) cell { return cell{kind: textCell, text: []byte(s)} }
	utc, _ := parseZone("UTC")
	for _, c := range []struct {
		schema *schema.Schema
		write  writeFunc
		cell   cell
		want   string
	}{
		{schema.Decimal(0), writeDecimal(0), text("1.5"), "value 1.5 is no number with at most 0 digits behind the point"},
		{schema.Decimal(2), writeDecimal(2), text("NaN"), "value NaN is no number"},
		{schema.Decimal(2), writeDecimal(2), text("1e5"), "value 1e5 is no number"},
		{schema.Of(schema.Int8), writeInt(schema.Int8), text("128"), "value 128 is no int8"},
		{schema.Of(schema.Int8), writeInt(schema.Int8), text("01010101"), "is no int8; read the column by a query"},
		{schema.Of(schema.Int64), writeInt(schema.Int64), text("18446744073709551615"), "is no int64"},
		{schema.Of(schema.Int64), writeInt(schema.Int64), text("99999999999999999999"), "is no int64"},
		{schema.Of(schema.Int32), writeInt(schema.Int32), cell{kind: realCell, real: 1.5}, "value 1.5 is no int32"},
		{schema.Of(schema.Float64), writeFloat64, cell{kind: integerCell, number: 1<<53 + 1}, "is no floating point number"},
		{schema.Of(schema.Boolean), writeBool, text("yes"), "value yes is no boolean"},
		{schema.Of(schema.Int8), writeBits, text("\x01\x55"), "value 0x0155 is no int8; read the column by a query (option query) with CAST"},
		{schema.Of(schema.Bytes), writeBytes, cell{kind: integerCell, number: 7}, "value 7 is no binary value"},
		{schema.Of(schema.Bytes), writeHex, text("abc"), "no bytea"},
		{schema.Date(), writeDate, text("infinity"), "value infinity is no date"},
		{schema.Time(), writeTime(utc), text("24:00:00"), "value 24:00:00 is no time of day"},
		{schema.Time(), writeTime(utc), text("-10:20:30"), "is no time of day"},
		{schema.Timestamp(), writeTimestamp(utc), text("0000-00-00 00:00:00"), "is no timestamp"},
		{schema.Of(schema.Int64), writeSince(utc, 9), text("2500-01-01 00:00:00"), "is no timestamp"},
		{schema.Of(schema.Float64), writeMoney, text("?"), "value ? is no amount of money"},
		{schema.Date(), writeYear, text("0"), "yearIsDateType=false"},
	} {
		v, err := written(t, c.schema, c.write, c.cell)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("writing %s = %v, %v, want an error with %q", c.cell.string(), v, err, c.want)
			continue
		}
		var e *valueError
		if !errors.As(err, &e) || e.Retriable() {
			t.Errorf("%v is retriable", err)
		}
	}
}

func TestMoney(t *testing.T) {
	for text, want := range map[string]float64{"$1,234.50": 1234.5, "-$1,234.50": -1234.5, "($12.00)": -12, "1.234,50 €": 1234.5, "¥1,234": 1234, "-12,50 €": -12.5, "$0.00": 0, "1 234,50": 1234.5} {
		v, err := written(t, schema.Of(schema.Float64), writeMoney, cell{kind: textCell, text: []byte(text)})
		if err != nil || v.Float64() != want {
			t.Errorf("money %s = %v, %v, want %v", text, v.Float64(), err, want)
		}
	}
}

func TestParseInt(t *testing.T) {
	for _, text := range []string{"0", "-0", "+5", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809", "", "-", "1 ", "1e3", "0x1", "99999999999999999999"} {
		want, err := strconv.ParseInt(text, 10, 64)
		got, ok := parseInt([]byte(text))
		if ok != (err == nil) || ok && got != want {
			t.Errorf("parseInt(%q) = %d, %v, want %d, %v", text, got, ok, want, err)
		}
	}
}

func FuzzUnscaled(f *testing.F) {
	f.Add([]byte("-12.50"), 2)
	f.Add([]byte("1200"), -2)
	f.Add([]byte("."), 0)
	f.Fuzz(func(t *testing.T, text []byte, scale int) {
		if scale < -200 || scale > 200 || len(text) > 500 {
			return
		}
		b := schema.NewBuilder(schema.Decimal(scale))
		if writeDecimal(scale)(b, &cell{kind: textCell, text: text}) == nil && b.Err() != nil {
			t.Errorf("decimal %q of scale %d: %v", text, scale, b.Err())
		}
	})
}

// The plan of a row costs no allocation.
func TestAllocations(t *testing.T) {
	columns := []column{{name: "i", jdbc: integerType}, {name: "n", jdbc: numericType, precision: 10, scale: 2}, {name: "s", jdbc: textType, nullable: true},
		{name: "t", jdbc: timestampType}, {name: "d", jdbc: dateType}, {name: "b", jdbc: bitsType, precision: 1}, {name: "f", jdbc: doubleType}}
	utc, _ := parseZone("UTC")
	p, err := (&typing{NumericNone, ConnectLogical, utc}).compile("t", columns, func(*column) { t.Error("a column is skipped") })
	if err != nil {
		t.Fatal(err)
	}
	var row []cell
	for _, s := range []string{"12345", "1234567.89", "some text", "2024-02-29 10:20:30.123456", "2024-02-29", "t", "1.25"} {
		row = append(row, cell{kind: textCell, text: []byte(s)})
	}
	var w nothing
	if n := testing.AllocsPerRun(100, func() {
		if err := p.write(&w, row); err != nil {
			t.Fatal(err)
		}
	}); n > 1 { // a decimal with a scale makes room for its digits
		t.Errorf("%v allocations a row, want at most 1", n)
	}
}

// nothing is a writer that counts.
type nothing struct{ calls int }

func (w *nothing) Null()           { w.calls++ }
func (w *nothing) Bool(bool)       { w.calls++ }
func (w *nothing) Int(int64)       { w.calls++ }
func (w *nothing) Float32(float32) { w.calls++ }
func (w *nothing) Float64(float64) { w.calls++ }
func (w *nothing) Text([]byte)     { w.calls++ }
func (w *nothing) String(string)   { w.calls++ }
func (w *nothing) Bytes([]byte)    { w.calls++ }
func (w *nothing) BeginStruct()    {}
func (w *nothing) EndStruct()      {}
func (w *nothing) BeginArray(int)  {}
func (w *nothing) EndArray()       {}
func (w *nothing) BeginMap(int)    {}
func (w *nothing) EndMap()         {}
func (w *nothing) Err() error      { return nil }
