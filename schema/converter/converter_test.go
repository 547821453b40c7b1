package converter

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/java"
	"github.com/tandem-cdc/tandem/schema"
)

// What Double.toString and Float.toString of JDK 19 and newer print.
func TestJavaFloats(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.0", 1: "1.0", -1.5: "-1.5", 100: "100.0", 123456.789: "123456.789", 1234567: "1234567.0", 9999999: "9999999.0", 1e7: "1.0E7", 12345678: "1.2345678E7",
		0.001: "0.001", 0.00123: "0.00123", 0.0009999: "9.999E-4", 1e-5: "1.0E-5", 0.1: "0.1", 1.0 / 3: "0.3333333333333333", 2e23: "2.0E23", 1e23: "1.0E23",
		math.SmallestNonzeroFloat64: "4.9E-324", math.MaxFloat64: "1.7976931348623157E308", 1e-322: "9.9E-323", 100.5: "100.5", 1e21: "1.0E21",
		math.NaN(): "NaN", math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", math.Copysign(0, -1): "-0.0", 4.35: "4.35", 8.41e21: "8.41E21",
	} {
		if got := string(appendJavaFloat(nil, v, 64)); got != want && v != 0 {
			t.Errorf("appendJavaFloat(%v, 64) = %s, want %s", v, got, want)
		}
	}
	if got := string(appendJavaFloat(nil, math.Copysign(0, -1), 64)); got != "-0.0" {
		t.Errorf("appendJavaFloat(-0, 64) = %s, want -0.0", got)
	}
	for v, want := range map[float32]string{1.1: "1.1", 1e10: "1.0E10", 3.4028235e38: "3.4028235E38", math.SmallestNonzeroFloat32: "1.4E-45", 0.3: "0.3", 16777216: "1.6777216E7", 33554432: "3.3554432E7"} {
		if got := string(appendJavaFloat(nil, float64(v), 32)); got != want {
			t.Errorf("appendJavaFloat(%v, 32) = %s, want %s", v, got, want)
		}
	}
}

// What BigDecimal.toString prints.
func TestDecimals(t *testing.T) {
	for _, c := range []struct {
		unscaled []byte
		scale    int
		want     string
	}{
		{[]byte{0x30, 0x39}, 2, "123.45"}, {[]byte{0xff}, 2, "-0.01"}, {nil, 2, "0.00"}, {[]byte{0}, 7, "0E-7"}, {[]byte{1}, 6, "0.000001"}, {[]byte{1}, 7, "1E-7"},
		{[]byte{12}, 7, "0.0000012"}, {[]byte{12}, 8, "1.2E-7"}, {[]byte{3}, -2, "3E+2"}, {[]byte{123}, -1, "1.23E+3"}, {[]byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0}, 3, "-2361183241434822606.848"},
		{[]byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0, "9223372036854775807"},
	} {
		if got := string(appendDecimal(nil, c.unscaled, c.scale)); got != c.want {
			t.Errorf("appendDecimal(%x, %d) = %s, want %s", c.unscaled, c.scale, got, c.want)
		}
		unscaled, scale, ok := parseDecimal(c.want)
		if !ok || scale != c.scale || !bytes.Equal(java.AppendBigInteger(nil, unscaled), java.AppendBigInteger(nil, schema.Unscaled(c.unscaled))) {
			t.Errorf("parseDecimal(%s) = %v, %d, %t", c.want, unscaled, scale, ok)
		}
	}
	for _, bad := range []string{"", "-", "+-1", "1e", "1e+-2", "1.2.3", "0x1", "1_0", "Inf", ".", "1e99999999999"} {
		if _, _, ok := parseDecimal(bad); ok {
			t.Errorf("parseDecimal(%q) gives no error", bad)
		}
	}
}

func TestJSONStrings(t *testing.T) {
	const in = "q\" b\\ s/ \b\t\n\f\r\x01\x1f\x7f é € 😀 \xff\xe2\x82 end"
	const want = `"q\" b\\ s/ \b\t\n\f\r\u0001\u001F` + "\x7f é € " + `\uD83D\uDE00` + " \uFFFD\uFFFD\uFFFD end" + `"`
	if got := string(appendJSONString(nil, in, true)); got != want {
		t.Errorf("appendJSONString = %s, want %s", got, want)
	}
	if got := string(appendJSONString(nil, []byte("😀"), false)); got != `"😀"` {
		t.Errorf("appendJSONString without escapes = %s", got)
	}
	for in, want := range map[string]string{"\xff\x00": "\uFFFD\x00", "\xe2\x82": "\uFFFD", "\xe2\x82a": "\uFFFDa", "\xf0\x9f\x98": "\uFFFD", "\xed\xa0\x80": "\uFFFD\uFFFD\uFFFD", "\xc0\x80": "\uFFFD\uFFFD"} {
		if got := string(validUTF8([]byte(in))); got != want {
			t.Errorf("validUTF8(%q) = %q, want %q", in, got, want)
		}
	}
}

// The schema of a record with an envelope is read once, and its pointer stays while records alternate between schemas.
func TestJSONSchemasAreKept(t *testing.T) {
	c := newConverter(t, JSONClass, false)
	a := write(t, c, "t", personSchema, person(1, "a"))
	b := write(t, c, "t", schema.Of(schema.String), schema.OfString("b"))
	reversed := []byte(`{"payload":{"id":3,"name":"c"},"schema":` + string(bytes.SplitN(a[len(`{"schema":`):], []byte(`,"payload"`), 2)[0]) + `}`)
	seen := make(map[string]*schema.Schema)
	for range 3 {
		for name, data := range map[string][]byte{"a": a, "b": b, "reversed": reversed} {
			s, v, err := c.Deserialize(t.Context(), "t", data)
			if err != nil || v.IsNull() {
				t.Fatalf("Deserialize(%s) = %s, %v", data, describe(v), err)
			}
			if seen[name] != nil && seen[name] != s {
				t.Errorf("the schema of %s is another pointer", name)
			}
			seen[name] = s
		}
	}
	if seen["a"] != seen["reversed"] {
		t.Errorf("equal schema texts give two pointers")
	}
	// The quick way takes nothing that the slow way refuses.
	for _, tail := range []string{`,"more":1}`, `,`, `]`, ` x`} {
		bad := append(bytes.TrimSuffix(bytes.Clone(a), []byte("}")), tail...)
		if _, _, err := c.Deserialize(t.Context(), "t", bad); err == nil {
			t.Errorf("Deserialize(…%s) gives no error", bad[len(bad)-20:])
		}
	}
}

func TestJSONKeepsData(t *testing.T) {
	c := newConverter(t, JSONClass, false)
	data := write(t, c, "t", personSchema, person(1, "kept"))
	_, v, err := c.Deserialize(t.Context(), "t", data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if !v.Equal(person(1, "kept")) {
		t.Errorf("the value changed with the bytes it was read from")
	}
}

func TestNewReports(t *testing.T) {
	for _, c := range []struct {
		class    string
		props    map[string]string
		errors   []string
		warnings []string
	}{
		{"com.example.Converter", nil, []string{""}, nil},
		{AvroClass, nil, []string{"schema.registry.url"}, nil},
		{AvroClass, map[string]string{"schema.registry.url": "localhost:8081"}, []string{"schema.registry.url"}, nil},
		{AvroClass, map[string]string{"schema.registry.url": "http://h", "enhanced.avro.schema.support": "false", "shema.registry.url": "x"}, nil, []string{"shema.registry.url"}},
		{AvroClass, map[string]string{"schema.registry.url": "http://h", "enhanced.avro.schema.support": "true", "context.name.strategy": "x.Y", "flatten.unions": "false"}, []string{"context.name.strategy", "flatten.unions"}, nil},
		{AvroClass, map[string]string{"schema.registry.url": "http://h", "basic.auth.credentials.source": "USER_INFO"}, []string{"basic.auth.user.info"}, nil},
		{AvroClass, map[string]string{"schema.registry.url": "http://h", "basic.auth.credentials.source": "SASL_INHERIT"}, []string{"sasl.jaas.config"}, nil},
		{AvroClass, map[string]string{"schema.registry.url": "http://h", "bearer.auth.credentials.source": "STATIC_TOKEN"}, []string{"bearer.auth.token"}, nil},
		{AvroClass, map[string]string{"schema.registry.url": "http://h", "bearer.auth.credentials.source": "OAUTHBEARER", "bearer.auth.client.id": "a", "bearer.auth.client.secret": "b"}, []string{"bearer.auth.issuer.endpoint.url"}, nil},
		{AvroClass, map[string]string{"schema.registry.url": "https://h", "schema.registry.ssl.truststore.location": "/none"}, []string{"schema.registry.ssl.truststore.location"}, nil},
		{AvroClass, map[string]string{"schema.registry.url": "http://h", "value.subject.name.strategy": "com.example.Mine"}, []string{"value.subject.name.strategy"}, nil},
		{AvroClass, map[string]string{"schema.registry.url": "http://h", "proxy.host": "p"}, []string{"proxy.port"}, nil},
		{AvroClass, map[string]string{"schema.registry.url": "http://h", "use.latest.version": "true"}, nil, []string{"use.latest.version"}},
		{AvroClass, map[string]string{"schema.registry.url": "http://a,http://b", "request.header.X-Tenant": "t", "specific.avro.reader": "true"}, nil, []string{"specific.avro.reader"}},
		{JSONClass, map[string]string{"schemas.enable": "maybe", "decimal.format": "HEX"}, []string{"schemas.enable", "decimal.format"}, nil},
		{JSONClass, map[string]string{"schema.content": "{x"}, []string{"schema.content"}, nil},
		{JSONClass, map[string]string{"schema.content": `{"type":"none"}`}, []string{"schema.content"}, nil},
		{StringClass, map[string]string{"converter.encoding": "nope"}, []string{"converter.encoding"}, nil},
		{StringClass, map[string]string{"schemas.enable": "false"}, nil, nil},
		{debeziumBytesClass, map[string]string{"delegate.converter.type": JSONClass, "delegate.converter.type.schemas.enable": "perhaps"}, []string{"delegate.converter.type.schemas.enable"}, nil},
		{numbersPackage + "LongConverter", nil, nil, nil},
	} {
		got, r := New(c.class, c.props, false, Env{})
		if (got == nil) != (len(c.errors) > 0) {
			t.Errorf("New(%s, %v): converter is nil: %t", c.class, c.props, got == nil)
		}
		if d := cmp.Diff(c.errors, problems(r.Errors)); d != "" {
			t.Errorf("New(%s, %v): errors differ (-want +got):\n%s", c.class, c.props, d)
		}
		if d := cmp.Diff(c.warnings, problems(r.Warnings)); d != "" {
			t.Errorf("New(%s, %v): warnings differ (-want +got):\n%s", c.class, c.props, d)
		}
	}
}

func problems(list []config.Problem) (names []string) {
	for _, p := range list {
		names = append(names, p.Name)
	}
	return names
}

func TestDebeziumByteArrayConverter(t *testing.T) {
	c := newConverter(t, debeziumBytesClass, false, "delegate.converter.type="+JSONClass, "delegate.converter.type.schemas.enable=false")
	if got := write(t, c, "t", schema.Of(schema.Bytes), schema.OfBytes([]byte{1, 2})); !bytes.Equal(got, []byte{1, 2}) {
		t.Errorf("bytes = %x, want 0102", got)
	}
	if got := write(t, c, "t", personSchema, person(1, "x")); string(got) != `{"id":1,"name":"x"}` {
		t.Errorf("struct = %s, want the delegate's JSON", got)
	}
	_, err := newConverter(t, ByteArrayClass, false).NewSerializer(t.Context(), "t", personSchema)
	var bad *DataError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "Invalid schema type for ByteArrayConverter: STRUCT") {
		t.Errorf("NewSerializer of a struct = %v", err)
	}
}

// Every converter can convert headers.
func TestConvertersOfHeaders(t *testing.T) {
	c, r := NewHeader(JSONClass, map[string]string{"schemas.enable": "false"}, Env{})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		data, err := c.FromHeader(t.Context(), "t", schema.Header{Key: "k", Schema: personSchema, Value: person(4, "x")})
		if err != nil || string(data) != `{"id":4,"name":"x"}` {
			t.Errorf("FromHeader = %s, %v", data, err)
		}
	}
	h, err := c.ToHeader(t.Context(), "t", "k", []byte(`[1]`))
	if err != nil || h.Key != "k" || h.Schema != nil || !h.Value.Equal(schema.OfArray([]schema.Value{schema.OfInt64(1)})) {
		t.Errorf("ToHeader = %+v, %v", h, err)
	}
	if _, err := c.ToHeader(t.Context(), "t", "k", []byte(`[`)); err == nil || !strings.Contains(err.Error(), `header "k"`) {
		t.Errorf("ToHeader of bad JSON = %v, want an error that names the header", err)
	}
	if _, err := c.FromHeader(t.Context(), "t", schema.Header{Key: "k", Schema: personSchema, Value: schema.OfBool(true)}); err == nil {
		t.Errorf("FromHeader of a value that does not fit gives no error")
	}
}

func TestJSONMisuse(t *testing.T) {
	s := schema.StructOf("", schema.F("n", schema.Of(schema.Int8)), schema.F("m", schema.MapOf(schema.Of(schema.Int32), schema.Of(schema.String))))
	w := jsonSerializerFor(t, s, "true")
	for want, calls := range map[string]func(w schema.Writer){
		`write field "n": -129 given, want int8`:           func(w schema.Writer) { w.BeginStruct(); w.Int(-129) },
		`write field "n": null given, want int8`:           func(w schema.Writer) { w.BeginStruct(); w.Null() },
		`write field "m[]": string given, want int32`:      func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.BeginMap(1); w.String("k") },
		`write field "m[]": end of map given, want string`: func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.BeginMap(1); w.Int(1); w.EndMap() },
		`write value: it was not written to its end`:       func(w schema.Writer) { w.BeginStruct() },
		`write value: struct given, want nothing more`: func(w schema.Writer) {
			w.BeginStruct()
			w.Int(1)
			w.BeginMap(0)
			w.EndMap()
			w.EndStruct()
			w.BeginStruct()
		},
		`write field "m": array given, want map`:             func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.BeginArray(0) },
		`write field "n": float32 given, want int8`:          func(w schema.Writer) { w.BeginStruct(); w.Float32(1) },
		`write value: boolean given, want end of struct`:     func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.BeginMap(0); w.EndMap(); w.Bool(true) },
		`write field "n": bytes given, want int8`:            func(w schema.Writer) { w.BeginStruct(); w.Bytes(nil); w.Text(nil) },
		`write field "n": end of struct given, want int8`:    func(w schema.Writer) { w.BeginStruct(); w.EndStruct() },
		`write field "m[]": end of array given, want string`: func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.BeginMap(1); w.Int(1); w.EndArray() },
	} {
		calls(w.Begin(nil))
		if data, err := w.End(); err == nil || !strings.HasSuffix(err.Error(), want) || data != nil {
			t.Errorf("End() = %s, %v, want %s", data, err, want)
		}
	}
}

func TestKeysOfAllClasses(t *testing.T) {
	for _, name := range append(Classes(), SimpleHeaderClass) {
		keys, ok := Keys(name)
		if !ok {
			t.Errorf("Keys(%s) is not known", name)
		}
		for _, k := range keys {
			if k.Name == "" || k.Doc == "" {
				t.Errorf("Keys(%s): option %q has no doc", name, k.Name)
			}
		}
	}
	if _, ok := Keys("com.example.Converter"); ok {
		t.Errorf("Keys of an unknown class are known")
	}
}
