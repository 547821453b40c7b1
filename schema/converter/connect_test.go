package converter

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/schema"
)

// The files in testdata/golden-connect/converters are recordings of Kafka Connect 4.3.1's own converters, and of Apicurio's AvroData.
// A line: name, converter, config, op and either a value (schema and payload) or text or hex, and what came of it.
type recording struct {
	Name      string
	Converter string
	Config    map[string]string
	IsKey     bool `json:"is_key"`
	Op        string
	Value     *recordedValue
	Text, Hex *string

	OutputText *string         `json:"output_text"`
	OutputHex  *string         `json:"output_hex"`
	Output     json.RawMessage // null is the parser's null
	Error      *struct{ Stage, Class, Message string }

	AvroText      string          `json:"avro_schema_text"`
	AvroHex       string          `json:"avro_hex"`
	Back          *recordedValue  // what came back of the Avro bytes
	AvroSchema    json.RawMessage `json:"avro_schema"`
	ConnectSchema json.RawMessage `json:"connect_schema"`
}

type recordedValue struct{ Schema, Payload json.RawMessage }

// unrepresentable are recordings about Java objects that have no counterpart here.
var unrepresentable = map[string]string{
	"$date":    "a java.util.Date without a schema",
	"$decimal": "a BigDecimal apart from its schema",
	"$bigint":  "a BigInteger",
}

// divergences are the recordings that are answered otherwise on purpose.
var divergences = map[string]string{
	"json-to-connect-015":   "NaN that JsonConverter wrote is read as NaN, not as 0",
	"json-to-connect-027":   "a number with more decimals than its Decimal is refused, for a Value has its schema's scale",
	"json-to-connect-078":   "defaults of structs are read, where Connect fails with its own schemas",
	"json-to-connect-079":   "as 078",
	"json-to-connect-228":   "as 078",
	"json-to-connect-229":   "as 078",
	"avro-241":              "a decimal in a fixed is read, where AvroData fails over two names",
	"avro-242":              "as 241",
	"json-from-connect-054": "a Value's integer type is not checked against the schema's, its range is",
	"json-from-connect-068": "as 054",
	"json-from-connect-147": "as 054",
	"json-from-connect-161": "as 054",
	"json-from-connect-057": "logical types are held as their base type",
	"json-from-connect-060": "as 057",
	"json-from-connect-150": "as 057",
	"json-from-connect-153": "as 057",
	"json-from-connect-066": "a Struct's own schema is not compared with the one it is written for: its caller knows both",
	"json-from-connect-159": "as 066",
	"avro-182":              "bytes without a schema are written, where AvroData refuses its own field for them",
}

func recordings(t *testing.T, file string) []recording {
	t.Helper()
	var all []recording
	for _, path := range golden.ConnectFiles(t, "../..", "converters/"+file) {
		all = append(all, readRecordings(t, path)...)
	}
	return all
}

func readRecordings(t *testing.T, path string) (all []recording) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r recording
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// parse reads the notation of values: JsonConverter's, but values that are not natural for their schema are tagged.
func (v *recordedValue) parse(t *testing.T) (*schema.Schema, schema.Value, string) {
	t.Helper()
	s := recordedSchema(t, v.Schema)
	tree, err := parseTree(v.Payload)
	if err != nil {
		t.Fatal(err)
	}
	p := &tagParser{t: t}
	value := p.value(s, tree)
	return s, value, p.unrepresentable
}

func recordedSchema(t *testing.T, text json.RawMessage) *schema.Schema {
	t.Helper()
	if len(text) == 0 {
		return nil
	}
	tree, err := parseTree(text)
	if err != nil {
		t.Fatal(err)
	}
	return recordedSchemaOf(t, tree)
}

// recordedSchemaOf takes arrays and maps without inner schemas too, which JsonConverter does not.
func recordedSchemaOf(t *testing.T, tree *tree) *schema.Schema {
	t.Helper()
	if items := tree.get("items"); items != nil && items.kind == 'n' {
		return schema.ArrayOf(nil)
	}
	if values := tree.get("values"); values != nil && values.kind == 'n' {
		return schema.MapOf(recordedSchemaOf(t, tree.get("keys")), nil)
	}
	s, err := jsonSchemaTo(tree, plainJSON)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type tagParser struct {
	t               *testing.T
	unrepresentable string
}

func (p *tagParser) value(s *schema.Schema, t *tree) schema.Value {
	if t.kind == '{' && len(t.members) == 1 && strings.HasPrefix(t.members[0], "$") {
		return p.tagged(s, t.members[0], &t.elems[0])
	}
	if t.kind == 'n' {
		return schema.NullValue
	}
	if s == nil {
		return p.natural(t)
	}
	switch s.Type {
	case schema.Array:
		elems := make([]schema.Value, len(t.elems))
		for i := range t.elems {
			elems[i] = p.value(s.Elem, &t.elems[i])
		}
		return schema.OfArray(elems)
	case schema.Map:
		var entries []schema.Entry
		for i := range t.elems {
			if t.kind == '{' {
				entries = append(entries, schema.Entry{Key: schema.OfString(t.members[i]), Value: p.value(s.Elem, &t.elems[i])})
			} else {
				entries = append(entries, schema.Entry{Key: p.value(s.Key, &t.elems[i].elems[0]), Value: p.value(s.Elem, &t.elems[i].elems[1])})
			}
		}
		return schema.OfMap(entries)
	case schema.Struct:
		v := &schema.StructValue{Schema: s, Values: make([]schema.Value, len(s.Fields))}
		for i, f := range s.Fields {
			if m := t.get(f.Name); m != nil {
				v.Values[i] = p.value(f.Schema, m)
			}
		}
		return schema.OfStruct(v)
	}
	if t.kind == '"' && s.Type != schema.String && s.Type != schema.Bytes {
		return schema.OfString(t.text)
	}
	loose := *s
	loose.Optional, loose.Default = true, nil
	plan, err := newJSONPlan(&loose, jsonOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	d := jsonDecoder{}
	v, err := d.decode(plan, t.appendTo(nil))
	if err != nil {
		p.t.Fatalf("notation %s: %v", t.appendTo(nil), err)
	}
	return v
}

func (p *tagParser) natural(t *tree) schema.Value {
	switch t.kind {
	case '[':
		elems := make([]schema.Value, len(t.elems))
		for i := range t.elems {
			elems[i] = p.value(nil, &t.elems[i])
		}
		return schema.OfArray(elems)
	case '{':
		var entries []schema.Entry
		for i := range t.elems {
			entries = append(entries, schema.Entry{Key: schema.OfString(t.members[i]), Value: p.value(nil, &t.elems[i])})
		}
		return schema.OfMap(entries)
	}
	d := jsonDecoder{}
	v, err := d.decode(nil, t.appendTo(nil))
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

func (p *tagParser) tagged(s *schema.Schema, tag string, t *tree) schema.Value {
	switch tag {
	case "$int8", "$int16", "$int32", "$int64":
		n, _ := strconv.ParseInt(t.text, 10, 64)
		return schema.OfInt(map[string]schema.Type{"$int8": schema.Int8, "$int16": schema.Int16, "$int32": schema.Int32, "$int64": schema.Int64}[tag], n)
	case "$float32", "$float64":
		f, _ := strconv.ParseFloat(t.text, 64)
		if tag == "$float32" {
			return schema.OfFloat32(float32(f))
		}
		return schema.OfFloat64(f)
	case "$bytes", "$bytebuffer":
		b, _ := base64.StdEncoding.DecodeString(t.text)
		return schema.OfBytes(b)
	case "$string":
		return schema.OfString(t.text)
	case "$map":
		var entries []schema.Entry
		for i := range t.elems {
			entries = append(entries, schema.Entry{Key: p.value(nil, &t.elems[i].elems[0]), Value: p.value(nil, &t.elems[i].elems[1])})
		}
		return schema.OfMap(entries)
	case "$struct":
		inner := recordedSchemaOf(p.t, t.get("schema"))
		return p.value(inner, t.get("payload"))
	}
	p.unrepresentable = unrepresentable[tag]
	if p.unrepresentable == "" {
		p.t.Fatalf("tag %s is not known", tag)
	}
	return schema.NullValue
}

func TestRecordedConverters(t *testing.T) {
	for _, file := range []string{"json-to-connect.jsonl", "json-from-connect.jsonl", "string.jsonl", "bytes.jsonl", "numbers.jsonl"} {
		for _, r := range recordings(t, file) {
			t.Run(r.Name, func(t *testing.T) {
				switch {
				case divergences[r.Name] != "":
					t.Log("diverges:", divergences[r.Name])
				case r.Op == "from":
					checkFrom(t, r)
				default:
					checkTo(t, r)
				}
			})
		}
	}
}

func checkFrom(t *testing.T, r recording) {
	s, v, why := r.Value.parse(t)
	if why != "" {
		t.Log("cannot be said here:", why)
		return
	}
	got, err := serializeRecorded(t, r, s, v)
	checkBytes(t, r, got, err)
}

func serializeRecorded(t *testing.T, r recording, s *schema.Schema, v schema.Value) ([]byte, error) {
	c, report := New(r.Converter, r.Config, r.IsKey, Env{})
	if err := report.Err(); err != nil {
		return nil, err
	}
	defer c.Close()
	w, err := c.NewSerializer(t.Context(), "t", s)
	if err != nil {
		return nil, err
	}
	v.WriteTo(w.Begin(nil))
	return w.End()
}

var javaAddress = regexp.MustCompile(`\[B@[0-9a-f]+|java\.nio\.HeapByteBuffer\[[^]]*\]`)

func checkBytes(t *testing.T, r recording, got []byte, err error) {
	t.Helper()
	if r.Error != nil {
		if err == nil {
			t.Errorf("= %q, want error %s", got, r.Error.Message)
		}
		return
	}
	if err != nil {
		t.Fatalf("= %v, want %v", err, r.OutputText)
	}
	switch {
	case r.OutputHex != nil:
		if hex.EncodeToString(got) != *r.OutputHex {
			t.Errorf("= %x, want %s", got, *r.OutputHex)
		}
	case r.OutputText == nil:
		if got != nil {
			t.Errorf("= %q, want null", got)
		}
	default:
		want := javaAddress.ReplaceAllString(strings.ReplaceAll(*r.OutputText, "<HASH>", "0"), "ADDRESS")
		if text := javaAddress.ReplaceAllString(string(got), "ADDRESS"); got == nil || text != want {
			t.Errorf("= %q, want %q", text, want)
		}
	}
}

func (r *recording) input(t *testing.T) []byte {
	t.Helper()
	switch {
	case r.Text != nil:
		return append([]byte{}, *r.Text...)
	case r.Hex != nil:
		b, err := hex.DecodeString(*r.Hex)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return nil
}

func checkTo(t *testing.T, r recording) {
	c, report := New(r.Converter, r.Config, r.IsKey, Env{})
	if err := report.Err(); err != nil {
		if r.Error == nil {
			t.Fatal(err)
		}
		return
	}
	defer c.Close()
	s, v, err := c.Deserialize(t.Context(), "t", r.input(t))
	checkOutput(t, r, s, v, err)
	if err != nil {
		return
	}
	reader, body, err := c.Reader(t.Context(), "t", r.input(t))
	if err != nil {
		t.Fatalf("Reader: %v", err)
	}
	if reader.Schema() != s {
		t.Errorf("Reader has another schema than Deserialize")
	}
	if s != nil && v.IsNull() && !s.Optional {
		return // a null that Connect lets pass, which a Writer does not
	}
	b := schema.NewBuilder(s)
	if err := reader.Read(body, b); err != nil || !equalValues(b.Value(), v) {
		t.Errorf("Read = %v, %v; Deserialize gives %v", describe(b.Value()), err, describe(v))
	}
}

func checkOutput(t *testing.T, r recording, s *schema.Schema, v schema.Value, err error) {
	t.Helper()
	if r.Error != nil {
		if err == nil {
			t.Errorf("= %s, want error %s", describe(v), r.Error.Message)
		} else if !strings.Contains(err.Error(), strings.TrimSuffix(r.Error.Message, ": ")) {
			t.Errorf("= error %v, want %s", err, r.Error.Message)
		}
		return
	}
	if err != nil {
		t.Fatalf("= %v, want %s", err, r.Output)
	}
	if string(r.Output) == "null" {
		if s != nil || !v.IsNull() {
			t.Errorf("= %s, want null", describe(v))
		}
		return
	}
	var output recordedValue
	if err := json.Unmarshal(r.Output, &output); err != nil {
		t.Fatal(err)
	}
	wantSchema, want, _ := output.parse(t)
	if !s.Equal(wantSchema) {
		got, _ := appendJSONSchema(nil, s, plainJSON, nil)
		t.Errorf("schema = %s, want %s", got, output.Schema)
	}
	if !equalValues(v, want) {
		t.Errorf("= %s, want %s", describe(v), output.Payload)
	}
}

// equalValues does not count the order of maps, which in Java is a hash map's.
func equalValues(a, b schema.Value) bool { return sortMaps(a).Equal(sortMaps(b)) }

func sortMaps(v schema.Value) schema.Value {
	switch v.Type() {
	case schema.Map:
		entries := slices.Clone(v.Map())
		for i := range entries {
			entries[i].Value = sortMaps(entries[i].Value)
		}
		slices.SortFunc(entries, func(a, b schema.Entry) int {
			return strings.Compare(describe(a.Key), describe(b.Key))
		})
		return schema.OfMap(entries)
	case schema.Array:
		elems := slices.Clone(v.Array())
		for i := range elems {
			elems[i] = sortMaps(elems[i])
		}
		return schema.OfArray(elems)
	case schema.Struct:
		c := *v.Struct()
		c.Values = slices.Clone(c.Values)
		for i := range c.Values {
			c.Values[i] = sortMaps(c.Values[i])
		}
		return schema.OfStruct(&c)
	case schema.Float64:
		if f := v.Float64(); f != f {
			return schema.OfFloat64(math.NaN())
		}
	case schema.Float32:
		if f := v.Float32(); f != f {
			return schema.OfFloat32(float32(math.NaN()))
		}
	}
	return v
}

func describe(v schema.Value) string {
	return v.Type().String() + " " + string(appendHeader(nil, nil, v, true))
}

func TestRecordedHeaders(t *testing.T) {
	for _, r := range recordings(t, "simple-header.jsonl") {
		t.Run(r.Name, func(t *testing.T) {
			c, report := NewHeader(SimpleHeaderClass, r.Config, Env{})
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			if r.Op == "header_to" {
				h, err := c.ToHeader(t.Context(), "t", "h", r.input(t))
				checkOutput(t, r, h.Schema, h.Value, err)
				return
			}
			s, v, why := r.Value.parse(t)
			if why != "" {
				t.Log("cannot be said here:", why)
				return
			}
			got, err := c.FromHeader(t.Context(), "t", schema.Header{Key: "h", Schema: s, Value: v})
			checkBytes(t, r, got, err)
		})
	}
}

func TestRecordedAvro(t *testing.T) {
	for _, r := range recordings(t, "avro.jsonl") {
		t.Run(r.Name, func(t *testing.T) {
			if r.Config["enhanced.avro.schema.support"] == "true" {
				t.Log("enhanced.avro.schema.support is refused")
				return
			}
			if divergences[r.Name] != "" {
				t.Log("diverges:", divergences[r.Name])
				return
			}
			o := avroOptions{metaData: r.Config["connect.meta.data"] != "false"}
			if r.Op == "to_schema" {
				checkAvroTo(t, r, o)
			} else {
				checkAvroFrom(t, r, o)
			}
		})
	}
}

func checkAvroTo(t *testing.T, r recording, o avroOptions) {
	parsed, err := parseAvro(string(r.AvroSchema))
	if err != nil {
		t.Fatal(err)
	}
	s, err := avroTo(parsed, o)
	if r.Error != nil {
		if err == nil {
			t.Errorf("avroTo(%s) gives no error, want %s", r.AvroSchema, r.Error.Message)
		}
		return
	}
	if err != nil {
		t.Fatalf("avroTo(%s): %v", r.AvroSchema, err)
	}
	if got, _ := appendJSONSchema(nil, s, plainJSON, nil); !s.Equal(recordedSchema(t, r.ConnectSchema)) {
		t.Errorf("avroTo(%s) = %s, want %s", r.AvroSchema, got, r.ConnectSchema)
	}
}

func checkAvroFrom(t *testing.T, r recording, o avroOptions) {
	s, v, why := r.Value.parse(t)
	if why != "" {
		t.Log("cannot be said here:", why)
		return
	}
	text, data, err := writeRecordedAvro(s, v, o)
	if r.Error != nil {
		if err == nil && s == nil && v.IsNull() {
			return // null bytes, not reached by the converter
		}
		if err == nil {
			t.Errorf("= %x, want error %s", data, r.Error.Message)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if text != r.AvroText {
		t.Errorf("schema = %s, want %s", text, r.AvroText)
	}
	if r.AvroHex == "02" && v.IsNull() {
		return // the recorder wrote the default where AvroData hands out null
	}
	if hex.EncodeToString(data) != r.AvroHex {
		t.Errorf("= %x, want %s", data, r.AvroHex)
	}
	if r.Back == nil {
		return
	}
	parsed, err := parseAvro(text)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := newAvroReader(parsed, o)
	if err != nil {
		t.Fatal(err)
	}
	wantSchema, want, _ := r.Back.parse(t)
	b := schema.NewBuilder(reader.Schema())
	if err := reader.Read(data, b); err != nil {
		t.Fatal(err)
	}
	if got, _ := appendJSONSchema(nil, reader.Schema(), plainJSON, nil); !reader.Schema().Equal(wantSchema) {
		t.Errorf("schema of what is read = %s, want %s", got, r.Back.Schema)
	}
	if !equalValues(b.Value(), want) {
		t.Errorf("read = %s, want %s", describe(b.Value()), r.Back.Payload)
	}
}

func writeRecordedAvro(s *schema.Schema, v schema.Value, o avroOptions) (text string, data []byte, err error) {
	if s == nil {
		data, err = appendAnything(nil, v)
		return anythingText, data, err
	}
	a, err := avroFrom(s, o)
	if err != nil {
		return "", nil, err
	}
	if text, err = avroText(a); err != nil {
		return "", nil, err
	}
	plan, err := avroPlan(s, o)
	if err != nil {
		return "", nil, err
	}
	w := avroWriter{plan: plan}
	w.begin(nil)
	v.WriteTo(&w)
	return text, bytes.Clone(w.buf), w.end()
}
