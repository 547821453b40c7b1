package envelope

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// allTypes knows what the fuzz targets and nothing else needs.
type allTypes map[uint32]*cdc.Type

func (a allTypes) Type(oid uint32) (*cdc.Type, bool) { t, ok := a[oid]; return t, ok }

// fuzzTypes are the OIDs of types whose own are those of a database's extensions.
const (
	fuzzHStore = iota + 90001
	fuzzGeometry
	fuzzVector
	fuzzSparse
	fuzzNumericArray
	fuzzTextArray
	fuzzTimestampArray
	fuzzEnum
	fuzzDomain
	fuzzEnumDomain
	fuzzComposite
	fuzzExtensions // and on, in the order of fuzzNames
)

// fuzzNames are the types of extensions that are known by their names.
var fuzzNames = []string{"citext", "isbn", "ltree", "geography", "halfvec", "ean13"}

// fuzzBuiltin are all the OIDs of builtinPlan, and some of which it knows nothing.
var fuzzBuiltin = []uint32{oidBool, oidBytea, oidChar, oidName, oidInt8, oidInt2, oidInt4, oidText, oidOID, oidJSON, oidXML, oidPoint, oidLseg, oidPath, oidBox, oidPolygon, oidLine,
	oidCIDR, oidFloat4, oidFloat8, oidCircle, oidMacaddr8, oidMoney, oidMacaddr, oidInet, oidBpchar, oidVarchar, oidDate, oidTime, oidTimestamp, oidTimestamptz, oidInterval, oidTimetz,
	oidBit, oidVarbit, oidNumeric, oidRefcursor, oidUUID, oidTsvector, oidJSONB, oidInt4range, oidNumrange, oidTsrange, oidTstzrange, oidDaterange, oidInt8range}

// everyType is a catalog of every type, of the array of every type, and of vectors of integers.
func everyType() (allTypes, []uint32) {
	a := allTypes{}
	for oid, t := range fuzzTypes {
		a[oid] = t
	}
	for _, oid := range fuzzBuiltin {
		a[oid] = &cdc.Type{OID: oid, Kind: 'b'}
	}
	for i, name := range fuzzNames {
		a[fuzzExtensions+uint32(i)] = &cdc.Type{OID: fuzzExtensions + uint32(i), Name: name, Kind: 'b'}
	}
	a[fuzzEnum] = &cdc.Type{OID: fuzzEnum, Name: "mood", Kind: 'e', Category: 'E', Labels: []string{"sad", "ok"}}
	a[fuzzDomain] = &cdc.Type{OID: fuzzDomain, Name: "d", Kind: 'd', Base: oidNumeric, BaseMod: 655366}
	a[fuzzEnumDomain] = &cdc.Type{OID: fuzzEnumDomain, Name: "de", Kind: 'd', Category: 'E', Base: fuzzEnum, BaseMod: -1}
	a[fuzzComposite] = &cdc.Type{OID: fuzzComposite, Name: "c", Kind: 'c'}
	a[oidInt2vector] = &cdc.Type{OID: oidInt2vector, Kind: 'b', Category: 'A', Elem: oidInt2}
	a[oidOidvector] = &cdc.Type{OID: oidOidvector, Kind: 'b', Category: 'A', Elem: oidOID}
	const arrays = 1 << 20
	for oid, t := range a {
		if t.Category != 'A' {
			a[arrays+oid] = &cdc.Type{OID: arrays + oid, Kind: 'b', Category: 'A', Elem: oid}
		}
	}
	return a, slices.Sorted(maps.Keys(a))
}

var fuzzTypes = func() allTypes {
	a := allTypes{}
	for oid, name := range map[uint32]string{fuzzHStore: "hstore", fuzzGeometry: "geometry", fuzzVector: "vector", fuzzSparse: "sparsevec"} {
		a[oid] = &cdc.Type{OID: oid, Name: name, Kind: 'b'}
	}
	for array, elem := range map[uint32]uint32{fuzzNumericArray: oidNumeric, fuzzTextArray: oidText, fuzzTimestampArray: oidTimestamp} {
		a[array] = &cdc.Type{OID: array, Kind: 'b', Category: 'A', Elem: elem}
	}
	for _, oid := range []uint32{oidInt4, oidFloat8, oidNumeric, oidMoney, oidBytea, oidBit, oidVarbit, oidDate, oidTime, oidTimetz, oidTimestamp, oidTimestamptz, oidInterval,
		oidText, oidPoint, oidPath, oidPolygon, oidBox, oidCircle, oidLine, oidLseg} {
		a[oid] = &cdc.Type{OID: oid, Kind: 'b'}
	}
	return a
}()

// fuzz feeds texts to all forms of the types: no panic, exactly one value that fits the schema or none and an error, and the same again when
// the scratch has been used.
func fuzz(f *testing.F, oids []uint32, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	var plans []*typePlan
	for _, change := range []func(*Config){
		func(*Config) {}, func(c *Config) { c.Times, c.Decimals, c.Binaries = TimesISO, DecimalsString, BinariesHex },
		func(c *Config) { c.Times, c.Decimals, c.HStores = TimesNano, DecimalsDouble, HStoresMap }, func(c *Config) { c.Times, c.Intervals = TimesStructured, IntervalsString },
		func(c *Config) { c.Times, c.Intervals = TimesConnect, IntervalsString },
	} {
		cfg := DefaultConfig()
		cfg.TopicPrefix = "p"
		change(&cfg)
		e, err := New(cfg, nil, fuzzTypes)
		if err != nil {
			f.Fatal(err)
		}
		for _, oid := range oids {
			for _, mod := range []int32{-1, 3, 655366} {
				plans = append(plans, e.typePlan(oid, mod))
			}
		}
	}
	s := new(scratch)
	f.Fuzz(func(t *testing.T, text []byte) {
		for i, tp := range plans {
			s.snapshot = i%2 == 0
			one := func() (schema.Value, error) {
				b := schema.NewBuilder(tp.schema)
				err := tp.write(s, text, b)
				if err == nil && (b.Err() != nil || !b.Done()) {
					t.Fatalf("%q was taken but does not fit %s: %v", text, schema.Describe(tp.schema), b.Err())
				}
				return b.Value(), err
			}
			v, err := one()
			again, errAgain := one()
			if !errors.Is(err, errAgain) || !v.Equal(again) {
				t.Fatalf("%q as %s is %v, %v, and then %v, %v", text, schema.Describe(tp.schema), v, err, again, errAgain)
			}
		}
	})
}

func FuzzNumber(f *testing.F) {
	fuzz(f, []uint32{oidInt4, oidFloat8, oidNumeric, oidMoney}, "0", "-1.50", "NaN", "-Infinity", "$1,234.56", "($9.99)", "123456789012345678901234567890123456789012345678.9", "1e5", ".", "-")
}
func FuzzDate(f *testing.F) {
	fuzz(f, []uint32{oidDate}, "2016-11-04", "4714-11-24 BC", "infinity", "5874897-12-31", "0000-00-00")
}
func FuzzTime(f *testing.F) {
	fuzz(f, []uint32{oidTime, oidTimetz}, "13:51:30.123456", "24:00:00", "24:00:00+00", "00:00:00-15:59:59", "23:59:60")
}
func FuzzTimestamp(f *testing.F) {
	fuzz(f, []uint32{oidTimestamp, oidTimestamptz}, "2016-11-04 13:51:30.123456", "294276-12-31 23:59:59.999999", "0001-12-31 23:59:59.9+00 BC", "-infinity", "2016-11-04 13:51:30+02:30")
}
func FuzzInterval(f *testing.F) {
	fuzz(f, []uint32{oidInterval}, "1 year 2 mons -3 days +04:05:06.78", "00:00:00", "-00:00:00.000001", "178000000 years", "2562047788:00:54.775807", "1 year ", ":")
}
func FuzzArray(f *testing.F) {
	fuzz(f, []uint32{fuzzNumericArray, fuzzTextArray, fuzzTimestampArray}, "{}", `{1.5,NULL,"x\"y"}`, `[2:3]={p,q}`, `{{1,2},{3,"}"}}`, `{"2016-11-04 13:51:30"}`, `{a\,b}`, `{"a"`, `{,}`)
}
func FuzzHStore(f *testing.F) {
	fuzz(f, []uint32{fuzzHStore}, `"a"=>"1", "b"=>NULL`, ``, `"a\"b"=>"\\"`, `"a"=>"1",`, `"a"=>NULLx`)
}
func FuzzBinary(f *testing.F) {
	fuzz(f, []uint32{oidBytea, oidBit, oidVarbit}, `\x00ff`, `a\\b\001`, `\x0`, "10101", "", `\9`)
}
func FuzzGeometric(f *testing.F) {
	fuzz(f, []uint32{oidPoint, oidLine, oidLseg, oidBox, oidPath, oidPolygon, oidCircle}, "(1,2.5)", "{1,2,3}", "[(0,0),(1,1)]", "(2,2),(0,0)", "((0,0),(1,1),(2,0))", "<(10,20),10>", "(NaN,-Infinity)", "")
}
func FuzzPostGIS(f *testing.F) {
	fuzz(f, []uint32{fuzzGeometry}, "0101000020E6100000000000000000F03F0000000000000040", "010700000000000000", "0020000001000010E63FF0000000000000", "01", "zz")
}
func FuzzVector(f *testing.F) {
	fuzz(f, []uint32{fuzzVector, fuzzSparse}, "[1,2.5,-3]", "[]", "{1:1.5,3:-2}/5", "{}/3", "{1:1}/40000", "{:}/", "[1,")
}

// FuzzDefault: whatever a default expression says, it is a value of the schema or none.
func FuzzDefault(f *testing.F) {
	for _, s := range []string{"nextval('s'::regclass)", "'it''s'::text", "NULL::text", "CURRENT_DATE", "'a'::t", "'", "::", "B'101'::\"bit\"", "(1 + 2)", "'::''"} {
		f.Add(s)
	}
	types := allTypes{1: {OID: 1, Name: "mood", Kind: 'e', Labels: []string{"a"}}}
	for oid, t := range fuzzTypes {
		types[oid] = t
	}
	cfg := DefaultConfig()
	cfg.TopicPrefix = "p"
	e, err := New(cfg, nil, types)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		for oid := range types {
			p := &Plan{rel: &cdc.Relation{Columns: []cdc.Column{{TypeOID: oid, TypeMod: -1}}}}
			c := &columnPlan{typePlan: e.typePlan(oid, -1)}
			if v, ok := e.defaultValue(p, c, expr); ok && v.Type() != c.schema.Type {
				t.Fatalf("default %q of type %d is %s, want %s", expr, oid, v.Type(), c.schema.Type)
			}
		}
	})
}

// nowhere takes records.
type nowhere struct{ discard }

func (nowhere) Stream(string, int32, *schema.Schema, *schema.Schema, []schema.Header) (int, error) {
	return 0, nil
}
func (n nowhere) Begin(int) (key, value schema.Writer) { return n, n }
func (nowhere) End([]schema.Header) error              { return nil }
func (nowhere) Flush() error                           { return nil }

// FuzzEveryType: no text of any type, nor of an array of it, makes a record panic, and what cannot be converted is said by a ConvertError.
func FuzzEveryType(f *testing.F) {
	types, oids := everyType()
	for i, text := range []string{"1", "{}", "{NULL,1}", "{{1,2},{3,4}}", "2020-01-01", "infinity", "NaN", "0045-02-29 BC", "10:00:00-15:59:59", "{\"0045-02-29 10:00:00+00 BC\"}", "(1,2)", "1 2 3", "\\x00", "a"} {
		f.Add(uint16(i*7), int32(-1), byte(i), []byte(text))
	}
	var encoders []*Encoder
	for _, change := range []func(*Config){
		func(*Config) {}, func(c *Config) {
			c.Times, c.Decimals, c.Binaries, c.UnknownTypes = TimesISO, DecimalsString, BinariesHex, true
		},
		func(c *Config) { c.Times, c.Decimals, c.HStores = TimesNano, DecimalsDouble, HStoresMap }, func(c *Config) { c.Times, c.Intervals, c.UnknownTypes = TimesStructured, IntervalsString, true },
		func(c *Config) { c.Truncate = []ColumnRule{{Columns: []string{".*"}, N: 3}} },
		func(c *Config) { c.Hash = []HashRule{{Columns: []string{".*"}, Algorithm: "MD5"}} },
	} {
		cfg := DefaultConfig()
		cfg.TopicPrefix, cfg.OnFailure = "p", FailureFail
		change(&cfg)
		e, err := New(cfg, nowhere{}, types)
		if err != nil {
			f.Fatal(err)
		}
		encoders = append(encoders, e)
	}
	f.Fuzz(func(t *testing.T, at uint16, mod int32, mode byte, text []byte) {
		if len(text) > 1000 || mod > 1<<24 { // a scale of thousands of digits takes its time
			return
		}
		oid := oids[int(at)%len(oids)]
		e := encoders[int(mode>>1)%len(encoders)]
		rel := &cdc.Relation{OID: 1, Schema: "s", Name: "t", Columns: []cdc.Column{{Name: "c", TypeOID: oid, TypeMod: max(mod, -1)}}}
		table := &cdc.Table{Columns: []cdc.TableColumn{{Name: "c", TypeOID: oid, TypeMod: max(mod, -1), NotNull: mode&1 != 0}}, Key: []string{"c"}}
		p, err := e.Plan(rel, table)
		if err != nil {
			t.Fatalf("plan type %d: %v", oid, err)
		}
		tuple := cdc.Tuple{{Kind: cdc.Text, Bytes: text}}
		for _, c := range []cdc.Change{{Kind: cdc.Insert, Relation: rel, New: tuple}, {Kind: cdc.Read, Relation: rel, New: tuple},
			{Kind: cdc.Update, Relation: rel, Old: tuple, New: cdc.Tuple{{Kind: cdc.Unchanged}}}, {Kind: cdc.Delete, Relation: rel, Old: cdc.Tuple{{Kind: cdc.Null}}}} {
			var bad *ConvertError
			if _, err := e.Encode(p, &c, &Source{}); err != nil && !errors.As(err, &bad) {
				t.Fatalf("%s of %q as type %d: %v, want a ConvertError", c.Kind, text, oid, err)
			}
		}
	})
}
