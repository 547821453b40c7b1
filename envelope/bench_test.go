package envelope_test

import (
	"testing"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/schema"
)

// null is the Emitter and Writer that does nothing: what remains is the cost of the encoder.
type null struct{}

func (null) Stream(string, int32, *schema.Schema, *schema.Schema, []schema.Header) (int, error) {
	return 0, nil
}
func (null) Begin(int) (key, value schema.Writer) { return null{}, null{} }
func (null) End([]schema.Header) error            { return nil }
func (null) Flush() error                         { return nil }
func (null) Null()                                {}
func (null) Bool(bool)                            {}
func (null) Int(int64)                            {}
func (null) Float32(float32)                      {}
func (null) Float64(float64)                      {}
func (null) Text([]byte)                          {}
func (null) String(string)                        {}
func (null) Bytes([]byte)                         {}
func (null) BeginStruct()                         {}
func (null) EndStruct()                           {}
func (null) BeginArray(int)                       {}
func (null) EndArray()                            {}
func (null) BeginMap(int)                         {}
func (null) EndMap()                              {}
func (null) Err() error                           { return nil }

// builtin are the types of a server as tests name them.
type builtin map[uint32]*cdc.Type

func (b builtin) Type(oid uint32) (*cdc.Type, bool) { t, ok := b[oid]; return t, ok }

func scalar(oid uint32, name string) *cdc.Type {
	return &cdc.Type{OID: oid, Schema: "pg_catalog", Name: name, Kind: 'b', Category: 'U', BaseMod: -1}
}

// serverTypes are types by OID: those of pg_type.dat, and some of extensions at made-up OIDs.
var serverTypes = func() builtin {
	b := builtin{}
	for oid, name := range map[uint32]string{16: "bool", 17: "bytea", 20: "int8", 21: "int2", 23: "int4", 25: "text", 114: "json", 700: "float4", 701: "float8",
		1043: "varchar", 1082: "date", 1083: "time", 1114: "timestamp", 1184: "timestamptz", 1186: "interval", 1266: "timetz", 1560: "bit", 1700: "numeric", 2950: "uuid",
		600: "point", 602: "path", 603: "box", 604: "polygon", 718: "circle", 790: "money",
		90001: "hstore", 90002: "geometry", 90003: "geography", 90004: "vector", 90005: "halfvec", 90006: "sparsevec", 90007: "citext"} {
		b[oid] = scalar(oid, name)
	}
	for array, elem := range map[uint32]uint32{1007: 23, 1009: 25, 1231: 1700, 1183: 1083, 90102: 90002, 90104: 90004, 90106: 90006} {
		b[array] = &cdc.Type{OID: array, Name: "_" + b[elem].Name, Kind: 'b', Category: 'A', Elem: elem, BaseMod: -1}
	}
	return b
}()

type columnText struct {
	name string
	oid  uint32
	mod  int32
	text string
}

// orders is a row as shops have it.
var orders = []columnText{
	{"id", 23, -1, "1234567"}, {"customer", 25, -1, "Debra Burks"}, {"email", 1043, 259, "debra.burks@example.com"}, {"state", 1043, 259, "NY"},
	{"total", 1700, 655366, "379.99"}, {"discount", 1700, 262150, "0.20"}, {"created_at", 1114, -1, "2016-01-01 12:13:14.123456"},
	{"shipped_at", 1184, -1, "2016-01-03 09:10:11.5+00"}, {"due", 1082, -1, "2016-01-05"}, {"weight", 701, -1, "12.75"}, {"paid", 16, -1, "t"}, {"store", 21, -1, "3"},
}

func relation(columns []columnText) (*cdc.Relation, *cdc.Table, cdc.Tuple) {
	rel := &cdc.Relation{OID: 1, Schema: "store", Name: "orders", Identity: cdc.IdentityFull}
	table := &cdc.Table{Key: []string{columns[0].name}, PrimaryKey: true}
	var row cdc.Tuple
	for i, c := range columns {
		rel.Columns = append(rel.Columns, cdc.Column{Name: c.name, TypeOID: c.oid, TypeMod: c.mod, Key: i == 0})
		table.Columns = append(table.Columns, cdc.TableColumn{Name: c.name, TypeOID: c.oid, TypeMod: c.mod, NotNull: i == 0})
		row = append(row, cdc.Datum{Kind: cdc.Text, Bytes: []byte(c.text)})
	}
	return rel, table, row
}

func planned(tb testing.TB, props map[string]string, out envelope.Emitter, columns []columnText) (*envelope.Encoder, *envelope.Plan, cdc.Tuple, *cdc.Relation) {
	tb.Helper()
	all := map[string]string{"topic.prefix": "p"}
	for k, v := range props {
		all[k] = v
	}
	e := newEncoder(tb, all, out, serverTypes)
	rel, table, row := relation(columns)
	p, err := e.Plan(rel, table)
	if err != nil {
		tb.Fatal(err)
	}
	return e, p, row, rel
}

var here = envelope.Source{Micros: 1_700_000_000_123_456, TxID: 12345, HasTx: true, LSN: 0x16B374D848, HasLSN: true, LastCommitLSN: 0x16B374D000}

// busy are columns of the types that need more than copying.
var busy = append(append([]columnText{}, orders...), []columnText{
	{"ints", 1007, -1, `{1,NULL,2147483647}`}, {"texts", 1009, -1, `{a,"x\"y",NULL}`}, {"attributes", 90001, -1, `"a"=>"1", "b"=>NULL`}, {"open", 1700, -1, "123456789012345678901234567890.500"},
	{"iv", 1186, -1, "1 year 2 mons 3 days 04:05:06.78"}, {"tz", 1266, -1, "13:51:30.123789+02"}, {"raw", 17, -1, `\x00ff10`}, {"flags", 1560, 9, "100000001"},
	{"at", 600, -1, "(1,2.5)"}, {"area", 604, -1, "((0,0),(1,1),(2,0))"}, {"shape", 90002, -1, "0101000020E6100000000000000000F03F0000000000000040"}, {"v", 90004, -1, "[1,2.5,-3]"},
	{"sv", 90006, -1, "{1:1.5,3:-2}/5"}, {"price", 790, -1, "-$1,234.50"}, {"prices", 1231, -1, "{1.5,NULL,-2.25}"},
}...)

func TestEncodeAllocs(t *testing.T) {
	e, p, row, rel := planned(t, map[string]string{"provide.transaction.metadata": "true"}, null{}, busy)
	old := append(cdc.Tuple{}, row...)
	row = append(cdc.Tuple{}, row...)
	row[1].Bytes = []byte("somebody else")
	if _, err := e.Begin(&here); err != nil {
		t.Fatal(err)
	}
	for _, c := range []cdc.Change{
		{Kind: cdc.Insert, Relation: rel, New: row},
		{Kind: cdc.Update, Relation: rel, Old: old, New: row, OldKind: cdc.OldFull},
		{Kind: cdc.Delete, Relation: rel, Old: old, OldKind: cdc.OldFull},
		{Kind: cdc.Read, Relation: rel, New: row},
	} {
		got := testing.AllocsPerRun(200, func() {
			if _, err := e.Encode(p, &c, &here); err != nil {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("allocations of Encode(%s) = %v, want 0", c.Kind, got)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, columns := range map[string][]columnText{"orders": orders, "busy": busy} {
		b.Run(name, func(b *testing.B) {
			e, p, row, rel := planned(b, nil, null{}, columns)
			c := cdc.Change{Kind: cdc.Insert, Relation: rel, New: row}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Encode(p, &c, &here); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}
