package converter

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/internal/golden"
	"github.com/tandem-cdc/tandem/internal/java"
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
	"$date":    "a java.util.Date that is not what its schema says",
	"$decimal": "a BigDecimal of another scale than its schema's",
	"$bigint":  "a BigInteger",
}

// tolerated are what Java refuses and we take on purpose, by Java's message.
var tolerated = []struct {
	message *regexp.Regexp
	reason  string
}{
	{regexp.MustCompile(`^Invalid default value$`), "defaults of structs are read, where Connect cannot read what it wrote itself"},
	{regexp.MustCompile(`^Mismatched names: name already added to SchemaBuilder \(org\.apache\.kafka\.connect\.data\.Decimal\)`), "a decimal in a fixed is read, where AvroData fails over its two names"},
	{regexp.MustCompile(`^Invalid type for INT\d+: class java\.lang\.(Byte|Short|Integer|Long)$`), "the type of an integer is not compared with the schema's, its range is"},
	{regexp.MustCompile(`^Invalid type for (Date|Time|Timestamp|Decimal), expected `), "logical types are held as their base type"},
	{regexp.MustCompile(`^Decimal value has mismatching scale for given Decimal schema`), "a Value of a Decimal has its schema's scale"},
	{regexp.MustCompile(`^Mismatching( struct)? schema\.?$`), "a Struct's own schema is not compared with the one it is written for: its caller knows both"},
	{regexp.MustCompile(`^null value for \(non-nullable\) Anything$`), "a null without a schema is null bytes, and not given to AvroData"},
}

// refused are what Java takes and we do not, by our words.
var refused = map[string]string{
	"it has more than 2 decimals": "a number with more decimals than its Decimal is refused, for a Value has its schema's scale",
}

// quotedNaN is a number that JsonConverter writes, and itself reads as 0.
var quotedNaN = regexp.MustCompile(`"(NaN|-?Infinity)"`)

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
	if s != nil && s.Name == schema.DecimalName && t.kind == '{' && len(t.members) == 1 && t.members[0] == "$decimal" {
		want, _ := decimalScale(s)
		unscaled, scale, _ := parseDecimal(t.elems[0].text)
		for ; scale < want; scale++ {
			unscaled.Mul(unscaled, big.NewInt(10))
		}
		for rest := new(big.Int); scale > want; scale-- {
			if unscaled.QuoRem(unscaled, big.NewInt(10), rest); rest.Sign() != 0 {
				p.unrepresentable = unrepresentable["$decimal"]
			}
		}
		return schema.OfBytes(java.AppendBigInteger(nil, unscaled))
	}
	if s == nil && t.kind == '{' && len(t.members) == 1 {
		switch inner := &t.elems[0]; t.members[0] {
		case "$date":
			n, _ := strconv.ParseInt(inner.text, 10, 64)
			return schema.OfInstant(n)
		case "$decimal":
			unscaled, scale, _ := parseDecimal(inner.text)
			return schema.OfDecimal(java.AppendBigInteger(nil, unscaled), int32(scale))
		}
	}
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
	if f, err := strconv.ParseFloat(t.text, 64); err == nil && f == 0 && (s.Type == schema.Float32 || s.Type == schema.Float64) { // JSON read by Connect has no -0
		if s.Type == schema.Float32 {
			return schema.OfFloat32(float32(f))
		}
		return schema.OfFloat64(f)
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
	for _, file := range []string{"json-to-connect.jsonl", "json-from-connect.jsonl", "string.jsonl", "bytes.jsonl", "numbers.jsonl", "own-converters.jsonl"} {
		for _, r := range recordings(t, file) {
			t.Run(r.Name, func(t *testing.T) {
				switch {
				case r.Op == "to" && r.Text != nil && quotedNaN.MatchString(*r.Text) && bytes.Contains(r.Output, []byte(`"payload": 0.0`)):
					checkNaN(t, r)
				case r.Op == "from":
					checkFrom(t, r)
				default:
					checkTo(t, r)
				}
			})
		}
	}
}

// checkError compares an error with the recorded one, none included; true when that is all there is to compare.
func checkError(t *testing.T, r recording, err error) bool {
	t.Helper()
	switch {
	case r.Error == nil && err == nil:
		return false
	case r.Error == nil:
		for words, reason := range refused {
			if strings.Contains(err.Error(), words) {
				t.Log("diverges:", reason)
				return true
			}
		}
		t.Errorf("= error %v, want none", err)
		return true
	case err == nil:
		for _, own := range tolerated {
			if own.message.MatchString(r.Error.Message) {
				t.Log("diverges:", own.reason)
				return true
			}
		}
		t.Errorf("gives no error, want %s: %s", r.Error.Class, r.Error.Message)
		return true
	case r.Error.Class == "java.lang.StackOverflowError", r.Error.Class == "java.lang.NullPointerException": // AvroData's ways of refusing
		return true
	}
	class, message := "org.apache.kafka.common.config.ConfigException", err.Error()
	var data interface {
		Exception() (class, message string)
	}
	if errors.As(err, &data) {
		class, message = data.Exception()
	}
	if r.Error.Stage == "configure" { // what validation finds has its option around it
		if !strings.Contains(message, strings.TrimSuffix(r.Error.Message, ": ")) {
			t.Errorf("= %s, want %s", message, r.Error.Message)
		}
	} else if anyInteger.Replace(message) != anyInteger.Replace(r.Error.Message) || class != r.Error.Class {
		t.Errorf("= %s: %s\nwant %s: %s", class, message, r.Error.Class, r.Error.Message)
	}
	return true
}

// anyInteger makes one of the classes that a Writer does not know apart.
var anyInteger = strings.NewReplacer("java.lang.Byte", "java.lang.Integer", "java.lang.Short", "java.lang.Integer", "java.lang.Long", "java.lang.Integer", "LinkedHashMap", "HashMap")

// checkNaN holds that what JsonConverter wrote for want of a JSON number is read as that number, not as 0.
func checkNaN(t *testing.T, r recording) {
	c, report := New(r.Converter, r.Config, r.IsKey, Env{})
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if _, v, err := c.Deserialize(t.Context(), "t", r.input(t)); err != nil || v.Float64()-v.Float64() == 0 {
		t.Errorf("= %s, %v, want no finite number", describe(v), err)
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
	if checkError(t, r, err) {
		return
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
		checkError(t, r, err)
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
	err = reader.Read(body, b)
	var misuse *schema.MisuseError
	if errors.As(err, &misuse) && misuse.Given == "null" {
		return // the same further inside
	}
	if err != nil || !equalValues(b.Value(), v) {
		t.Errorf("Read = %v, %v; Deserialize gives %v", describe(b.Value()), err, describe(v))
	}
}

func checkOutput(t *testing.T, r recording, s *schema.Schema, v schema.Value, err error) {
	t.Helper()
	if checkError(t, r, err) {
		return
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
	for _, r := range recordings(t, "*avro.jsonl") {
		t.Run(r.Name, func(t *testing.T) {
			props := map[string]string{"schema.registry.url": "http://localhost"}
			maps.Copy(props, r.Config)
			c, report := parseAvroConfig(props)
			if err := report.Err(); err != nil {
				t.Fatal(err)
			}
			o := c.avro
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
	if err != nil {
		err = &DataError{Converter: "AvroConverter", Err: err}
	}
	if checkError(t, r, err) {
		return
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
	if err != nil {
		err = &DataError{Converter: "AvroConverter", Err: err}
	}
	if checkError(t, r, err) {
		return
	}
	if text != r.AvroText {
		t.Errorf("schema = %s, want %s", text, r.AvroText)
	}
	if v.IsNull() && data == nil {
		return // null bytes; the recorder wrote the branch of null
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
	w := newAvroSerializer(plan, 0)
	v.WriteTo(w.Begin(nil))
	framed, err := w.End()
	return text, bytes.Clone(framed[min(framingSize, len(framed)):]), err
}

// definition is an option as GET /connector-plugins/CLASS/config shows it.
type definition struct {
	Name, Type, Importance, Group, Width string
	Required                             bool
	Default                              *string `json:"default_value"`
	Order                                int     `json:"order_in_group"`
}

// The recorded definitions of the converters' options; converter.type is the worker's.
func TestRecordedDefinitions(t *testing.T) {
	checked := 0
	for _, path := range golden.ConnectFiles(t, "../..", "rest/*-plugins.json") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var transcript struct {
			Steps []struct {
				Request  struct{ Method, Path string }
				Response struct {
					Status int
					JSON   json.RawMessage
				}
			}
		}
		if err := json.Unmarshal(text, &transcript); err != nil {
			t.Fatal(err)
		}
		for _, step := range transcript.Steps {
			name, ok := strings.CutPrefix(strings.TrimSuffix(step.Request.Path, "/config"), "/connector-plugins/")
			i := slices.IndexFunc(Classes(), func(class string) bool { return class == name || strings.HasSuffix(class, "."+name) })
			var want []definition
			if !ok || i < 0 || step.Response.Status != 200 || json.Unmarshal(step.Response.JSON, &want) != nil {
				continue
			}
			keys, _ := Keys(Classes()[i])
			got := []definition{want[0]}
			for _, d := range keys.Definitions() {
				got = append(got, definition{Name: d.Name, Type: string(d.Type), Importance: string(d.Importance), Group: d.Group, Width: string(d.Width), Required: d.Required, Default: d.Default, Order: d.Order})
			}
			checked++
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("options of %s (-want +got)\n%s", name, diff)
			}
		}
	}
	if _, other := os.LookupEnv(golden.ConnectEnvironment); checked == 0 && !other {
		t.Error("no recorded definitions were looked at")
	}
}
