package sqldb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// numericText reads the binary form of a numeric, the plain way.
func numericText(b []byte) (string, error) {
	if len(b) < 8 || len(b) != 8+2*int(binary.BigEndian.Uint16(b)) {
		return "", fmt.Errorf("%d bytes", len(b))
	}
	weight, sign, scale := int(int16(binary.BigEndian.Uint16(b[2:]))), binary.BigEndian.Uint16(b[4:]), int(binary.BigEndian.Uint16(b[6:]))
	sum := new(big.Rat)
	for i := 0; i < len(b[8:])/2; i++ {
		d := binary.BigEndian.Uint16(b[8+2*i:])
		if d > 9999 {
			return "", fmt.Errorf("digit %d", d)
		}
		if i == 0 && d == 0 {
			return "", fmt.Errorf("leading zero")
		}
		power := new(big.Int).Exp(big.NewInt(10000), big.NewInt(int64(max(weight-i, i-weight))), nil)
		term := new(big.Rat).SetInt64(int64(d))
		if weight >= i {
			term.Mul(term, new(big.Rat).SetInt(power))
		} else {
			term.Quo(term, new(big.Rat).SetInt(power))
		}
		sum.Add(sum, term)
	}
	if sign == 0x4000 {
		sum.Neg(sum)
	}
	return sum.FloatString(scale), nil
}

// The fast way, the way of numbers of any size and the text agree.
func FuzzNumeric(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 1)
	f.Add([]byte{0x80, 0, 0, 0, 0, 0, 0, 0}, 19)
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, -3)
	f.Add([]byte{0xff}, 4)
	f.Fuzz(func(t *testing.T, unscaled []byte, scale int) {
		if len(unscaled) > 100 || scale > 200 || scale < -200 {
			return
		}
		fast, err := appendNumeric(nil, unscaled, scale)
		if err != nil {
			t.Fatal(err)
		}
		if slow, err := appendBigNumeric(nil, unscaled, scale); err != nil || !bytes.Equal(fast, slow) {
			t.Errorf("appendNumeric(%x, %d) = %x, the plain way %x, %v", unscaled, scale, fast, slow, err)
		}
		got, err := numericText(fast)
		if err != nil {
			t.Fatalf("numeric %x: %v", fast, err)
		}
		text, err := appendDecimalText(nil, unscaled, scale)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(text) && strings.Trim(got, "-0.") != "" {
			t.Errorf("numeric of %x, %d = %s, its text %s", unscaled, scale, got, text)
		}
	})
}

// Timestamps read as package time reads them.
func FuzzISOStamp(f *testing.F) {
	for _, s := range []string{"2020-04-01T11:51:02.123456Z", "1969-12-31T23:59:59.999999+23:59", "-4713-12-31T23:59:59Z", "+21016-11-04T06:51:30.1Z", "infinity", "2020-02-30T00:00:00Z", "2020-01-01T24:00:00Z", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseISOStamp(s)
		want, wantErr := time.Parse(time.RFC3339Nano, s)
		if wantErr != nil || want.Nanosecond()%1000 != 0 || s[13] != ':' {
			return // there is more than RFC 3339 has
		}
		if err != nil || got != want.UnixMicro() {
			t.Errorf("parseISOStamp(%q) = %d, %v, want %d", s, got, err, want.UnixMicro())
		}
		if want.Year() < 1 {
			return // the text says BC
		}
		back, err := parseISOStamp(string(appendStampText(nil, got)))
		if err != nil || back != got {
			t.Errorf("parseISOStamp of the text of %d = %d, %v", got, back, err)
		}
	})
}

// Texts of a record must not end the process, whatever they hold.
func FuzzHstoreJSON(f *testing.F) {
	f.Add(`{"a":"b","n":null}`)
	f.Add(`{"a":1}`)
	f.Fuzz(func(t *testing.T, s string) {
		_, _ = appendHstoreJSON(nil, s)
	})
}

func FuzzWKB(f *testing.F) {
	f.Add([]byte("\x01\x02\x00\x00\x00\x02\x00\x00\x00"))
	f.Add([]byte("\x00\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00"))
	f.Add([]byte("\x01\x03\x00\x00\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		points, err := readWKB(b)
		if err == nil && len(points) > len(b)/16 {
			t.Errorf("readWKB(%x) = %d points of %d bytes", b, len(points), len(b))
		}
	})
}

func TestCalendar(t *testing.T) {
	for days := int64(-1_000_000); days < 4_000_000; days += 997 {
		y, m, d := civilFromDays(days)
		if back := daysFromCivil(y, m, d); back != days {
			t.Fatalf("daysFromCivil(%d, %d, %d) = %d, want %d", y, m, d, back, days)
		}
		if want := time.Unix(days*86400, 0).UTC(); int(y) != want.Year() || int(m) != int(want.Month()) || int(d) != want.Day() {
			t.Fatalf("civilFromDays(%d) = %d-%d-%d, want %s", days, y, m, d, want)
		}
	}
}

func TestNumbersOutOfRange(t *testing.T) {
	if _, err := appendNumeric(nil, []byte{1}, math.MaxInt32); err == nil {
		t.Error("appendNumeric of scale 2147483647 = nil, want an error, and soon")
	}
	if _, err := appendDecimalText(nil, []byte{1}, math.MinInt32); err == nil {
		t.Error("appendDecimalText of scale -2147483648 = nil, want an error, and soon")
	}
	for _, n := range []int64{math.MaxInt32, pgDateLast + epochDays + 1, pgDateFirst + epochDays - 1} {
		if _, err := appendDate(nil, i32(int(n)), nil); err == nil {
			t.Errorf("appendDate(%d) = nil, want an error", n)
		}
	}
	for _, n := range []int64{math.MaxInt64 - 9223372036825200000/1000, -9223372036832399999, 9223372036825199999} {
		if _, err := appendStamp(1000, 1)(nil, i64(n), nil); err == nil {
			t.Errorf("appendStamp of %d ms = nil, want an error", n)
		}
	}
}

// applying has records, of which two in five are of a row that another changes too, become the parameters of an upsert at each call of run.
func applying(t testing.TB) (run func(), count int) {
	c := DefaultConfig()
	c.InsertMode, c.KeyMode, c.Unavailable = Upsert, KeyRecord, DefaultConfig().Unavailable
	st := &pgStore{config: &c}
	u, err := newMutator(&c, st.fold)
	if err != nil {
		t.Fatal(err)
	}
	s := newSource("t", 1, field("id", int32Of()), field("name", nullable()), field("price", decimalSchema("10", "2")), field("at", logicalOf(schema.Int64, "time.MicroTimestamp")),
		field("zoned", logicalOf(schema.String, "time.ZonedTimestamp")), field("day", logicalOf(schema.Int32, "time.Date")), field("u", logicalOf(schema.String, "data.Uuid")), field("f", typed(schema.Float64, "")))
	tab := &table{name: tableName{"public", "t"}, unique: [][]string{{"id"}}}
	for i, id := range []uint32{oidInt4, oidText, oidNumeric, oidTimestamp, oidTimestamptz, oidDate, oidUUID, oidFloat8} {
		tab.columns = append(tab.columns, tableColumn{name: s.row.Fields[i].Name, typeID: id})
	}
	var records []sink.Record
	for i := range 1000 {
		records = append(records, s.create(i32(i%600), str("name"), decimalOf(int64(i)*101), i64(int64(i)), str("2020-04-01T11:51:02.123456Z"), i32(i), str("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), schema.OfFloat64(0.5)))
	}
	sess := &pgSession{store: st}
	var muts []mutation
	var rows []*mutation
	var d *destination
	r := reducer{seed: newApplier(&c).seed}
	return func() {
		r.reset()
		muts, rows = muts[:0], rows[:0]
		for i := range records {
			m, ok, _, err := u.mutate(&records[i])
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			muts = append(muts, m)
		}
		if d == nil {
			b, err := st.bind(muts[0].target.plan, tab)
			if err != nil {
				t.Fatal(err)
			}
			d = &destination{plan: muts[0].target.plan, table: tab, bound: b}
		}
		for i := range muts {
			r.add(&muts[i], false)
		}
		for i := range r.entries {
			rows = append(rows, r.entries[i].write)
		}
		b := d.bound.(*pgBound)
		if n, err := sess.gather(b, b.statement(stUpsert, nil), rows); n != 600 || err != nil {
			t.Fatal(n, err)
		}
	}, len(records)
}

// From record to parameter bytes nothing is allocated per row.
func TestEncodeAllocatesNothing(t *testing.T) {
	run, count := applying(t)
	run()
	if got := testing.AllocsPerRun(20, run); got > 4 {
		t.Errorf("%d records allocate %v times, want none per record", count, got)
	}
}

// BenchmarkApply is what a record costs between the converter and the database: its mutation, the last of each row, the bytes of the parameters.
func BenchmarkApply(b *testing.B) {
	run, count := applying(b)
	b.ReportAllocs()
	for b.Loop() {
		run()
	}
	b.ReportMetric(float64(b.N*count)/b.Elapsed().Seconds(), "records/s")
}
