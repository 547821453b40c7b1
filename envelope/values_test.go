package envelope_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/envelope"
	"github.com/tandem-cdc/tandem/schema"
)

// oneColumn encodes a row of one column and returns the field as JSON.
func oneColumn(t testing.TB, props map[string]string, col cdc.TableColumn, d cdc.Datum, kind cdc.Kind) (string, *schema.Schema, error) {
	t.Helper()
	all := map[string]string{"topic.prefix": "p", "event.converting.failure.handling.mode": "fail"}
	for k, v := range props {
		all[k] = v
	}
	out := &keeper{}
	e := newEncoder(t, all, out, serverTypes)
	rel := &cdc.Relation{Schema: "s", Name: "t", Columns: []cdc.Column{{Name: "c", TypeOID: col.TypeOID, TypeMod: col.TypeMod}}}
	col.Name = "c"
	p, err := e.Plan(rel, &cdc.Table{Columns: []cdc.TableColumn{col}})
	if err != nil {
		t.Fatal(err)
	}
	row := p.ValueSchema().Fields[0].Schema
	if len(row.Fields) == 0 {
		return "omitted", nil, nil
	}
	change := cdc.Change{Kind: kind, Relation: rel, New: cdc.Tuple{d}, LSN: 0x10}
	if _, err := e.Encode(p, &change, &envelope.Source{}); err != nil {
		return "", row.Fields[0].Schema, err
	}
	if err := out.value.Err(); err != nil {
		t.Fatalf("the writer was misused: %v", err)
	}
	after := out.value.Value().Struct().Field("after").Struct()
	return valueJSON(row.Fields[0].Schema, after.Values[0]), row.Fields[0].Schema, nil
}

// keeper is the Emitter that keeps the last value.
type keeper struct {
	schemas []*schema.Schema
	topics  []string
	keys    []*schema.Schema
	value   *schema.Builder
	key     *schema.Builder
	first   []schema.Header
}

func (k *keeper) Stream(topic string, _ int32, key, value *schema.Schema, _ []schema.Header) (int, error) {
	k.topics, k.keys, k.schemas = append(k.topics, topic), append(k.keys, key), append(k.schemas, value)
	return len(k.schemas) - 1, nil
}

func (k *keeper) Begin(handle int) (schema.Writer, schema.Writer) {
	k.key, k.value = schema.NewBuilder(k.keys[handle]), schema.NewBuilder(k.schemas[handle])
	return k.key, k.value
}
func (k *keeper) End(first []schema.Header) error { k.first = first; return k.value.Err() }
func (k *keeper) Flush() error                    { return nil }

// The wanted values of extensions' types are those of Debezium 3.7.0; servers with the extensions are rare, so their texts come from a table.
func TestValues(t *testing.T) {
	for _, c := range []struct {
		oid   uint32
		mod   int32
		props string
		text  string
		want  string // JSON, or "! " and the error
	}{
		{90004, -1, "", "[1,2.5,-3]", "[1.0,2.5,-3.0]"},
		{90004, -1, "", "[1e-10,3.4028235e+38]", "[1.0E-10,3.4028235E38]"},
		{90004, 3, "", "[1,2", "! not the text of this type"},
		{90005, -1, "", "[1,0.099975586,-65504]", "[1.0,0.099975586,-65504.0]"},
		{90006, -1, "", "{1:1.5,3:-2}/5", `{"dimensions":5,"vector":[[1,1.5],[3,-2.0]]}`},
		{90006, -1, "", "{2:0.1,16000:1}/16000", `{"dimensions":16000,"vector":[[16000,1.0],[2,0.1]]}`},
		{90006, -1, "", "{}/3", `{"dimensions":3,"vector":[]}`},
		{90006, -1, "", "{1:1,17:2,33:3,4:4}/40000", "! out of the range of its schema"},
		{90104, -1, "", `{"[1,2]",[3]}`, "[[1.0,2.0],[3.0]]"},
		{90106, -1, "", `{"{1:1}/2"}`, "! values of this type have no form in the stream"},
		{90002, -1, "", "0101000000000000000000F03F0000000000000440", `{"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAARA","srid":null,"extensions":null}`},
		{90002, -1, "", "0101000020E6100000000000000000F03F0000000000000040", `{"wkb":"AQEAACDmEAAAAAAAAAAA8D8AAAAAAAAAQA==","srid":4326,"extensions":null}`},
		{90002, -1, "", "01010000", "! not the text of this type"},
		{90003, -1, "", "0101000020E6100000000000000000F03F0000000000000040", `{"wkb":"AQEAACDmEAAAAAAAAAAA8D8AAAAAAAAAQA==","srid":4326}`},
		{90102, -1, "", "{0101000000000000000000F03F0000000000000440:NULL}", `[{"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAARA","srid":null,"extensions":null},null]`},
		{1009, -1, "", `{{a},{b}}`, `["[Ljava.lang.String;@0","[Ljava.lang.String;@0"]`},
		{1007, -1, "", `[2:3]={1,-2}`, `[1,-2]`},
		{1007, -1, "", `{1,2147483648}`, "! out of the range of its schema"},
		{1231, 655366, "", `{1.5,NaN}`, "! NaN and infinity are no decimal numbers"},
		{1700, 655366, "", "Infinity", "! NaN and infinity are no decimal numbers"},
		{1700, 655366, "", "1.234", "! out of the range of its schema"},
		{1700, 655366, "", "-0.01", `"/w=="`},
		{1700, -1, "", "170141183460469231731687303715884105728.10", `{"scale":1,"value":"BQAAAAAAAAAAAAAAAAAAAAE="}`},
		{790, -1, "", "-$1,234.50", `"/h3G"`},
		{790, -1, "", "($0.05)", `"+w=="`},
		{790, -1, "money.fraction.digits=0", "$99.50", `"ZA=="`},
		{790, -1, "money.fraction.digits=1", "-$9.95", `"nA=="`},
		{1266, -1, "", "24:00:00+02", `"22:00:00Z"`},
		{1266, -1, "", "24:00:00+00", `"24:00:00Z"`},
		{1266, -1, "", "00:30:00+01:30:15", "! values of this type have no form in the stream"},
		{1184, 0, "", "2016-11-04 13:51:30-00:30", `"2016-11-04T14:21:30Z"`},
		{1114, 3, "time.precision.mode=nanoseconds", "2262-04-12 00:00:00", "! out of the range of nanoseconds in 64 bits"},
		{1186, -1, "", "-00:00:00.000001", "-1"},
		{1186, -1, "interval.handling.mode=string", "-1 years -2 mons +3 days -04:05:06.78", `"P-1Y-2M3DT-4H-5M-6.78S"`},
		{17, -1, "", `a\\b\001`, `"YVxiAQ=="`},
		{17, -1, "", `\x0g`, "! not the text of this type"},
		{603, -1, "", "(3,3),(1,1)", `{"wkb":"AQMAAAABAAAABQAAAAAAAAAAAAhAAAAAAAAACEAAAAAAAAAIQAAAAAAAAPA/AAAAAAAA8D8AAAAAAADwPwAAAAAAAPA/AAAAAAAACEAAAAAAAAAIQAAAAAAAAAhA","srid":null,"extensions":{"type":"box"}}`},
		{16, -1, "", "x", "! not the text of this type"},
		{90001, -1, "", `"a"=>"\"", "b"=>NULL`, `"{\"a\":\"\\\"\",\"b\":null}"`},
		{90001, -1, "", `"a"=>`, "! not the text of this type"},
	} {
		props := map[string]string{}
		if name, value, ok := strings.Cut(c.props, "="); ok {
			props[name] = value
		}
		got, _, err := oneColumn(t, props, cdc.TableColumn{TypeOID: c.oid, TypeMod: c.mod}, cdc.Datum{Kind: cdc.Text, Bytes: []byte(c.text)}, cdc.Insert)
		if err != nil {
			var bad *envelope.ConvertError
			if !errors.As(err, &bad) || bad.Table != "s.t" || bad.Column != "c" || bad.LSN != 0x10 || bad.Retriable() {
				t.Errorf("error for %q = %#v, want a ConvertError that names table, column and LSN", c.text, err)
				continue
			}
			got = "! " + bad.Err.Error()
			if strings.HasPrefix(c.want, "! ") && strings.HasPrefix(got, c.want) {
				got = c.want
			}
		}
		if got != c.want {
			t.Errorf("value of type %d, %s %q = %s, want %s", c.oid, c.props, c.text, got, c.want)
		}
	}
}

// TestSnapshotValues holds what Debezium's snapshot reads otherwise than its stream.
func TestSnapshotValues(t *testing.T) {
	for _, c := range []struct {
		oid          uint32
		text         string
		read, stream string
	}{
		{1082, "infinity", "-622191234", "2146033979"},
		{1082, "4714-11-24 BC", "1002552", "-2440588"},
		{1083, "24:00:00", "86400000000", "86400000000"},
	} {
		for kind, want := range map[cdc.Kind]string{cdc.Read: c.read, cdc.Insert: c.stream} {
			got, _, err := oneColumn(t, nil, cdc.TableColumn{TypeOID: c.oid, TypeMod: -1}, cdc.Datum{Kind: cdc.Text, Bytes: []byte(c.text)}, kind)
			if err != nil || got != want {
				t.Errorf("%s of %q = %s, %v, want %s", kind, c.text, got, err, want)
			}
		}
	}
}

func TestUnchanged(t *testing.T) {
	for _, c := range []struct {
		oid     uint32
		props   map[string]string
		notNull bool
		want    string
	}{
		{25, nil, true, `"__debezium_unavailable_value"`},
		{25, map[string]string{"unavailable.value.placeholder": "hex:504c"}, false, `"PL"`},
		{25, map[string]string{"column.mask.with.3.chars": "s.t.c"}, false, `"***"`},
		{25, map[string]string{"column.truncate.to.5.chars": "s.t.c"}, false, `"__deb"`},
		{1700, nil, false, "null"},
		{1700, map[string]string{"decimal.handling.mode": "string"}, false, `"__debezium_unavailable_value"`},
		{17, map[string]string{"binary.handling.mode": "base64"}, false, "null"},
		{1007, map[string]string{"unavailable.value.placeholder": "AB"}, false, "[65,66]"},
		{90001, map[string]string{"hstore.handling.mode": "map", "unavailable.value.placeholder": "x"}, false, `{"x":"x"}`},
		{90002, nil, true, "null"}, // geometry fields are always optional
		{90004, nil, true, "! the server did not send the unchanged value"},
		{1700, nil, true, "! the server did not send the unchanged value"},
	} {
		col := cdc.TableColumn{TypeOID: c.oid, TypeMod: -1, NotNull: c.notNull}
		got, _, err := oneColumn(t, c.props, col, cdc.Datum{Kind: cdc.Unchanged}, cdc.Update)
		if err != nil {
			got = "! " + errors.Unwrap(err).Error()
			if strings.HasPrefix(c.want, "! ") && strings.HasPrefix(got, c.want) {
				got = c.want
			}
		}
		if got != c.want {
			t.Errorf("unchanged value of type %d, %v = %s, want %s", c.oid, c.props, got, c.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	for _, c := range []struct {
		oid  uint32
		mod  int32
		expr string
		want string // "-": none
	}{
		{23, -1, "nextval('s'::regclass)", "0"}, {23, -1, "42", "42"}, {23, -1, "'-5'::integer", "-5"}, {23, -1, "(1 + 2)", "-"}, {21, -1, "40000", "-"},
		{25, -1, "'it''s'::text", `"it's"`}, {25, -1, "NULL::text", "-"}, {25, -1, "CURRENT_USER", `"CURRENT_USER"`}, {25, -1, "pg_catalog.version()", `""`},
		{25, -1, "('a'::text || 'b'::text)", `"a"`}, {16, -1, "true", "true"}, {16, -1, "(now() > '2020-01-01'::date)", "false"},
		{1700, 655366, "7", `"Arw="`}, {1700, 655366, "1.255", "-"}, {1700, 655366, "1.2500", `"fQ=="`}, {1700, -1, "3.3", "-"},
		{1184, -1, "now()", `"1970-01-01T00:00:00.000000Z"`}, {1184, -1, "'infinity'::timestamp with time zone", "-"}, {1114, -1, "LOCALTIMESTAMP", "0"},
		{1114, -1, "'-infinity'::timestamp without time zone", "-9223372036854775808"}, {1082, -1, "CURRENT_DATE", "0"}, {1082, -1, "'2020-01-02'::date", "18263"},
		{1186, -1, "'1 year 2 days'::interval", "31730400000000"}, {2950, -1, "gen_random_uuid()", `"00000000-0000-0000-0000-000000000000"`}, {1560, 5, "B'10101'::\"bit\"", `"FQ=="`},
		{1560, 1, "'1'::\"bit\"", "true"}, {114, -1, "'{\"a\":1}'::json", `"{\"a\":1}"`}, {790, -1, "1.5", "-"}, {90007, -1, "'x'::citext", "-"}, {701, -1, "'-2.25'::numeric", "-2.25"},
	} {
		_, s, err := oneColumn(t, map[string]string{"event.converting.failure.handling.mode": "skip"}, cdc.TableColumn{TypeOID: c.oid, TypeMod: c.mod, Default: c.expr}, cdc.Datum{}, cdc.Insert)
		if err != nil {
			t.Fatal(err)
		}
		got := "-"
		if s.Default != nil {
			got = valueJSON(s, *s.Default)
		}
		if got != c.want {
			t.Errorf("default of type %d for %s = %s, want %s", c.oid, c.expr, got, c.want)
		}
	}
}

func TestTopicsAndNames(t *testing.T) {
	for _, c := range []struct {
		props         map[string]string
		schema, table string
		topic, value  string
	}{
		{nil, "public", "t", "p.public.t", "p.public.t.Value"},
		{nil, "we\"ird", "tab 😀", "p.we_ird.tab___", "p.we_ird.tab___.Value"},
		{nil, "s", strings.Repeat("x", 300), "p.s." + strings.Repeat("x", 245), "p.s." + strings.Repeat("x", 245) + ".Value"},
		{map[string]string{"topic.prefix": "9-lives_", "schema.name.adjustment.mode": "avro"}, "s", "t", "9-lives_.s.t", "_9_lives_.s.t.Value"},
		{map[string]string{"topic.prefix": "9-lives_", "schema.name.adjustment.mode": "avro_unicode"}, "s", "t", "9-lives_.s.t", "_u0039_u002dlives_u005f.s.t.Value"},
		{map[string]string{"topic.naming.strategy": "io.debezium.schema.SchemaRegexTopicNamingStrategy", "topic.regex": `p\.(\w+)\.shard_(?<n>\d+)`, "topic.replacement": `x.$1_${n}\$`}, "s", "shard_7", "x.s_7$", "x.s_7$.Value"},
		{map[string]string{"topic.naming.strategy": "io.debezium.schema.DefaultRegexTopicNamingStrategy", "topic.regex": `q.*`, "topic.replacement": `x`}, "s", "t", "p.t", "p.t.Value"},
	} {
		all := map[string]string{"topic.prefix": "p"}
		for k, v := range c.props {
			all[k] = v
		}
		p, err := newEncoder(t, all, null{}, serverTypes).Plan(&cdc.Relation{Schema: c.schema, Name: c.table}, &cdc.Table{})
		if err != nil {
			t.Fatal(err)
		}
		got := []string{p.Topic(), p.ValueSchema().Fields[0].Schema.Name}
		if diff := cmp.Diff([]string{c.topic, c.value}, got); diff != "" {
			t.Errorf("names of %s.%s with %v differ (-want +got):\n%s", c.schema, c.table, c.props, diff)
		}
	}
}
