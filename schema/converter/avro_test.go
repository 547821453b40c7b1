package converter

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"github.com/tandem-cdc/tandem/internal/java"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newRegistry is a schema registry in process; requests counts what reaches it.
func newRegistry(t *testing.T) (url string, requests *atomic.Int32) {
	t.Helper()
	fake := srfake.New()
	t.Cleanup(fake.Close)
	requests = new(atomic.Int32)
	fake.Intercept(func(http.ResponseWriter, *http.Request) bool { requests.Add(1); return false })
	return fake.URL(), requests
}

func newConverter(t *testing.T, class string, isKey bool, options ...string) Converter {
	t.Helper()
	props := make(map[string]string)
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		props[name] = value
	}
	c, r := New(class, props, isKey, Env{})
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func write(t *testing.T, c Converter, topic string, s *schema.Schema, v schema.Value) []byte {
	t.Helper()
	w, err := c.NewSerializer(t.Context(), topic, s)
	if err != nil {
		t.Fatal(err)
	}
	v.WriteTo(w.Begin(nil))
	data, err := w.End()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var personSchema = schema.StructOf("shop.Person", schema.F("id", schema.Of(schema.Int32)), schema.F("name", schema.Of(schema.String).AsOptional()))

func person(id int32, name string) schema.Value {
	return schema.OfStruct(&schema.StructValue{Schema: personSchema, Values: []schema.Value{schema.OfInt32(id), schema.OfString(name)}})
}

func TestAvroRoundTrip(t *testing.T) {
	url, requests := newRegistry(t)
	value := newConverter(t, AvroClass, false, "schema.registry.url="+url)
	key := newConverter(t, AvroClass, true, "schema.registry.url="+url)
	data := write(t, value, "people", personSchema, person(7, "Ann"))
	if got, want := hex.EncodeToString(data[framingSize:]), "0e0206416e6e"; got != want || data[0] != 0 {
		t.Errorf("Avro = %x, want 00, an id, %s", data, want)
	}
	keyData := write(t, key, "people", schema.Of(schema.String), schema.OfString("k"))

	client, err := registry.New(registry.Config{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for subject, d := range map[string][]byte{"people-value": data, "people-key": keyData} {
		if v, err := client.Latest(t.Context(), subject); err != nil || v.ID != int(binary.BigEndian.Uint32(d[1:])) {
			t.Errorf("Latest(%s) = %+v, %v, want the id in %x", subject, v, err, d[:framingSize])
		}
	}

	reader := newConverter(t, AvroClass, false, "schema.registry.url="+url)
	before := requests.Load()
	var first *schema.Schema
	var wait sync.WaitGroup
	results := make([]*schema.Schema, 8)
	for i := range results { // safe for concurrent use
		wait.Go(func() {
			s, v, err := reader.Deserialize(t.Context(), "people", data)
			if err != nil || !v.Equal(person(7, "Ann")) {
				t.Errorf("Deserialize = %s, %v", describe(v), err)
			}
			results[i] = s
		})
	}
	wait.Wait()
	first = results[0]
	if !first.Equal(personSchema) {
		t.Errorf("schema = %s", schema.Describe(first))
	}
	for _, s := range results {
		if s != first {
			t.Errorf("the schema of one id is not the same pointer")
		}
	}
	if n := requests.Load() - before; n < 1 || n > 8 {
		t.Errorf("%d requests for one id", n)
	}
	before = requests.Load()
	if s, v, err := reader.Deserialize(t.Context(), "people", nil); s != nil || !v.IsNull() || err != nil {
		t.Errorf("Deserialize(null) = %v, %s, %v", s, describe(v), err)
	}
	if _, _, err := reader.Deserialize(t.Context(), "people", data); err != nil || requests.Load() != before {
		t.Errorf("Deserialize of a known id asks the registry")
	}
}

// A null as a whole is null bytes; a null of a field with a default is the default, unless ignore.default.for.nullables says no.
func TestAvroNulls(t *testing.T) {
	url, _ := newRegistry(t)
	c := newConverter(t, AvroClass, false, "schema.registry.url="+url)
	if got := write(t, c, "a", personSchema.AsOptional(), schema.NullValue); got != nil {
		t.Errorf("null = %x, want null bytes", got)
	}
	s := schema.StructOf("", schema.F("c", schema.Of(schema.String).AsOptional().WithDefault(schema.OfString("dd"))), schema.F("d", schema.Of(schema.Int8).WithDefault(schema.OfInt8(3))))
	v := schema.OfStruct(&schema.StructValue{Schema: s, Values: []schema.Value{schema.NullValue, schema.NullValue}})
	if got, want := hex.EncodeToString(write(t, c, "b", s, v)[framingSize:]), "0004646406"; got != want {
		t.Errorf("nulls with defaults = %s, want %s", got, want)
	}
	kept := newConverter(t, AvroClass, false, "schema.registry.url="+url, "ignore.default.for.nullables=true")
	if got, want := hex.EncodeToString(write(t, kept, "b", s, v)[framingSize:]), "0206"; got != want {
		t.Errorf("nulls with ignore.default.for.nullables = %s, want %s", got, want)
	}
}

func TestAvroBadData(t *testing.T) {
	url, _ := newRegistry(t)
	c := newConverter(t, AvroClass, false, "schema.registry.url="+url)
	good := write(t, c, "people", personSchema, person(7, "Ann"))
	for name, data := range map[string][]byte{"empty": {}, "JSON": []byte(`{"a":1}`), "short": {0, 0, 0}, "cut": good[:len(good)-1]} {
		_, _, err := c.Deserialize(t.Context(), "people", data)
		var bad *DataError
		if !errors.As(err, &bad) || bad.Topic != "people" || bad.Retriable() {
			t.Errorf("Deserialize(%s) = %v, want *DataError that names the topic", name, err)
		}
	}
	_, _, err := c.Deserialize(t.Context(), "people", []byte{0, 0, 0, 0, 99, 0})
	var missing *registry.NotFoundError
	if !errors.As(err, &missing) {
		t.Errorf("Deserialize of an unknown id = %v, want *registry.NotFoundError", err)
	}
}

func TestAvroIncompatible(t *testing.T) {
	fake := srfake.New()
	defer fake.Close()
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"error_code":409,"message":"Schema being registered is incompatible with an earlier schema"}`)
		return true
	})
	c := newConverter(t, AvroClass, false, "schema.registry.url="+fake.URL())
	_, err := c.NewSerializer(t.Context(), "people", personSchema)
	var refused *registry.IncompatibleError
	if !errors.As(err, &refused) || refused.Subject != "people-value" || refused.Retriable() {
		t.Errorf("NewSerializer = %v, want *registry.IncompatibleError of people-value", err)
	}
}

func TestSubjectStrategies(t *testing.T) {
	url, _ := newRegistry(t)
	client, err := registry.New(registry.Config{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for strategy, want := range map[string]string{"TopicNameStrategy": "topic-value", "RecordNameStrategy": "shop.Person", "TopicRecordNameStrategy": "topic-shop.Person"} {
		c := newConverter(t, AvroClass, false, "schema.registry.url="+url, "value.subject.name.strategy="+strategies+strategy)
		if _, err := c.NewSerializer(t.Context(), "topic", personSchema.AsOptional()); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Latest(t.Context(), want); err != nil {
			t.Errorf("%s: subject %s: %v", strategy, want, err)
		}
	}
	c := newConverter(t, AvroClass, true, "schema.registry.url="+url, "key.subject.name.strategy="+recordStrategy)
	if _, err := c.NewSerializer(t.Context(), "topic", schema.Of(schema.String)); err == nil || !strings.Contains(err.Error(), "key.subject.name.strategy") {
		t.Errorf("NewSerializer of a string with %s = %v, want an error that names the option", recordStrategy, err)
	}
}

func TestAvroWithoutRegistration(t *testing.T) {
	url, _ := newRegistry(t)
	off := "auto.register.schemas=false"
	_, err := newConverter(t, AvroClass, false, "schema.registry.url="+url, off).NewSerializer(t.Context(), "people", personSchema)
	if err == nil || !strings.Contains(err.Error(), "auto.register.schemas") {
		t.Errorf("NewSerializer of an unknown schema = %v, want an error that names auto.register.schemas", err)
	}
	data := write(t, newConverter(t, AvroClass, false, "schema.registry.url="+url), "people", personSchema, person(1, "x"))
	id := binary.BigEndian.Uint32(data[1:])
	documented := personSchema.WithDoc("another text, the same fields")
	other := schema.StructOf("shop.Person", schema.F("id", schema.Of(schema.Int64)), schema.F("name", schema.Of(schema.String).AsOptional()))
	for _, option := range []string{"use.latest.version=true", fmt.Sprintf("use.schema.id=%d", id)} {
		c := newConverter(t, AvroClass, false, "schema.registry.url="+url, off, option)
		if got := write(t, c, "people", documented, person(1, "x")); !bytes.Equal(got, data) {
			t.Errorf("%s: = %x, want %x", option, got, data)
		}
		if _, err := c.NewSerializer(t.Context(), "people", other); err == nil || !strings.Contains(err.Error(), `field "id"`) {
			t.Errorf("%s: NewSerializer of other fields = %v, want an error that names the field", option, err)
		}
	}
}

func TestAvroWithoutSchema(t *testing.T) {
	url, requests := newRegistry(t)
	c := newConverter(t, AvroClass, false, "schema.registry.url="+url)
	if got := write(t, c, "any", nil, schema.NullValue); got != nil || requests.Load() != 0 {
		t.Errorf("null without a schema = %x after %d requests, want null bytes after none", got, requests.Load())
	}
	v := schema.OfMap([]schema.Entry{{Key: schema.OfString("a"), Value: schema.OfArray([]schema.Value{schema.OfInt64(1), schema.NullValue, schema.OfFloat32(1.5)})}})
	s, back, err := c.Deserialize(t.Context(), "any", write(t, c, "any", nil, v))
	if err != nil || s != nil || !back.Equal(v) {
		t.Errorf("Deserialize = %v, %s, %v, want %s", s, describe(back), err, describe(v))
	}
}

// Whatever fits a schema comes back equal from Avro and from JSON.
func TestRandomRoundTrips(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	url, _ := newRegistry(t)
	converters := []Converter{newConverter(t, AvroClass, false, "schema.registry.url="+url), newConverter(t, JSONClass, false), newConverter(t, JSONClass, false, "decimal.format=NUMERIC")}
	for i := range 120 {
		s := schema.StructOf(fmt.Sprintf("test.Row%d", i), schema.F("a", randomPlace(r, 3)), schema.F("b", randomPlace(r, 2)), schema.F("c", randomPlace(r, 1)))
		for j, c := range converters {
			w, err := c.NewSerializer(t.Context(), fmt.Sprintf("t%d", i), s)
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				v := randomValueOf(r, s)
				v.WriteTo(w.Begin([]byte("before")))
				data, err := w.End()
				if err != nil {
					t.Fatalf("converter %d: %v", j, err)
				}
				if !bytes.HasPrefix(data, []byte("before")) {
					t.Fatalf("converter %d: End() does not begin with what Begin was given", j)
				}
				_, back, err := c.Deserialize(t.Context(), "t", data[6:])
				if err != nil || !equalValues(back, v) {
					text, _ := appendJSONSchema(nil, s, plainJSON, nil)
					t.Fatalf("converter %d: Deserialize(%q) = %s, %v, want %s\nschema %s", j, data[6:], describe(back), err, describe(v), text)
				}
			}
		}
	}
}

func randomPlace(r *rand.Rand, depth int) *schema.Schema {
	scalars := []*schema.Schema{schema.Of(schema.Int8), schema.Of(schema.Int16), schema.Of(schema.Int32), schema.Of(schema.Int64), schema.Of(schema.Float32), schema.Of(schema.Float64),
		schema.Of(schema.Boolean), schema.Of(schema.String), schema.Of(schema.Bytes), schema.Decimal(3), schema.Date(), schema.Timestamp()}
	s := scalars[r.IntN(len(scalars))]
	if depth > 0 {
		switch r.IntN(6) {
		case 0:
			s = schema.ArrayOf(randomPlace(r, depth-1))
		case 1:
			s = schema.MapOf(schema.Of(schema.String), randomPlace(r, depth-1))
		case 2:
			s = schema.MapOf(scalars[r.IntN(4)], randomPlace(r, depth-1))
			s.Name = fmt.Sprintf("test.Pairs%d", r.Uint64()) // without a name two of them could not be told apart in Avro
		case 3:
			var fields []schema.Field
			for i := range r.IntN(4) {
				fields = append(fields, schema.F(fmt.Sprintf("f%d", i), randomPlace(r, depth-1)))
			}
			s = schema.StructOf("", fields...)
		}
	}
	if r.IntN(3) == 0 {
		s = s.AsOptional()
	}
	return s
}

func randomValueOf(r *rand.Rand, s *schema.Schema) schema.Value {
	if s.Optional && r.IntN(3) == 0 {
		return schema.NullValue
	}
	switch s.Type {
	case schema.Float32:
		return schema.OfFloat32(float32(r.NormFloat64()))
	case schema.Float64:
		return schema.OfFloat64(r.NormFloat64() * 1e9)
	case schema.Boolean:
		return schema.OfBool(r.IntN(2) == 0)
	case schema.String:
		return schema.OfString([]string{"", "a", "grüße", "\x00\"\\/", "😀", "key", "another"}[r.IntN(7)])
	case schema.Bytes:
		b := binary.BigEndian.AppendUint64(nil, r.Uint64())[r.IntN(8):]
		if s.Name == schema.DecimalName { // BigInteger's shortest form
			b = java.AppendBigInteger(nil, schema.Unscaled(b))
		}
		return schema.OfBytes(b)
	case schema.Array:
		elems := make([]schema.Value, r.IntN(4))
		for i := range elems {
			elems[i] = randomValueOf(r, s.Elem)
		}
		return schema.OfArray(elems)
	case schema.Map:
		var entries []schema.Entry
		for range r.IntN(20) {
			k := randomValueOf(r, s.Key.AsRequired())
			fresh := true
			for _, e := range entries {
				fresh = fresh && !e.Key.Equal(k)
			}
			if fresh {
				entries = append(entries, schema.Entry{Key: k, Value: randomValueOf(r, s.Elem)})
			}
		}
		return schema.OfMap(entries)
	case schema.Struct:
		v := &schema.StructValue{Schema: s, Values: make([]schema.Value, len(s.Fields))}
		for i, f := range s.Fields {
			v.Values[i] = randomValueOf(r, f.Schema)
		}
		return schema.OfStruct(v)
	}
	bits := map[schema.Type]int{schema.Int8: 8, schema.Int16: 16, schema.Int32: 32, schema.Int64: 64}[s.Type]
	return schema.OfInt(s.Type, int64(r.Uint64())>>(64-bits))
}

// Maps are written in the order of a java.util.HashMap; of equal keys the last value stays; wrong announcements are put right.
func TestAvroMaps(t *testing.T) {
	s := schema.MapOf(schema.Of(schema.String), schema.Of(schema.Int32))
	plan, err := avroPlan(s, plainAvro)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		keys      []string
		announced int
		want      string
	}{
		{nil, 0, ""},
		{nil, 3, ""},
		{[]string{"b", "a"}, 2, "a=1 b=0"},
		{[]string{"b", "a"}, 0, "a=1 b=0"},
		{[]string{"b", "a"}, 100, "a=1 b=0"},
		{[]string{"x", "y", "x"}, 3, "x=2 y=1"},
		{[]string{"Aa", "BB", "Aa"}, 3, "Aa=2 BB=1"}, // equal hashes
		{strings.Fields("the quick brown fox jumps over a lazy dog and then some more words"), 14, "in order of buckets"},
	} {
		w := avroWriter{plan: plan}
		w.begin(nil)
		w.BeginMap(c.announced)
		for i, k := range c.keys {
			w.String(k)
			w.Int(int64(i))
		}
		w.EndMap()
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		a, err := avroFrom(s, plainAvro)
		if err != nil {
			t.Fatal(err)
		}
		r, err := newAvroReader(a, plainAvro)
		if err != nil {
			t.Fatal(err)
		}
		b := schema.NewBuilder(s)
		if err := r.Read(w.buf, b); err != nil {
			t.Fatalf("%v: %v", c.keys, err)
		}
		var got []string
		for _, e := range b.Value().Map() {
			got = append(got, fmt.Sprintf("%s=%d", e.Key.Text(), e.Value.Int()))
		}
		if len(c.keys) > 10 {
			checkJavaOrder(t, got)
		} else if strings.Join(got, " ") != c.want {
			t.Errorf("map of %v announced as %d = %v, want %s", c.keys, c.announced, got, c.want)
		}
	}
}

// checkJavaOrder holds entries against the definition of java.util.HashMap: by bucket, of String.hashCode spread.
func checkJavaOrder(t *testing.T, entries []string) {
	t.Helper()
	last := uint32(0)
	for _, e := range entries {
		key, _, _ := strings.Cut(e, "=")
		h := uint32(0)
		for _, c := range key {
			h = 31*h + uint32(c)
		}
		bucket := (h ^ h>>16) & 31 // fourteen entries: a table of 32
		if bucket < last {
			t.Errorf("order of %v is not that of buckets", entries)
			return
		}
		last = bucket
	}
}

func TestAvroMisuse(t *testing.T) {
	s := schema.StructOf("", schema.F("n", schema.Of(schema.Int8)), schema.F("list", schema.ArrayOf(schema.StructOf("", schema.F("x", schema.Of(schema.String))))))
	w := avroSerializerFor(t, s)
	for want, calls := range map[string]func(w schema.Writer){
		`write field "n": 200 given, want int8`:               func(w schema.Writer) { w.BeginStruct(); w.Int(200) },
		`write field "n": null given, want int8`:              func(w schema.Writer) { w.BeginStruct(); w.Null() },
		`write field "list.[].x": 1 given, want string`:       func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.BeginArray(1); w.BeginStruct(); w.Int(1) },
		`write value: it was not written to its end`:          func(w schema.Writer) { w.BeginStruct(); w.Int(1) },
		`write value: end of array given, want end of struct`: func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.BeginArray(0); w.EndArray(); w.EndArray() },
		`write value: struct given, want nothing more`: func(w schema.Writer) {
			w.BeginStruct()
			w.Int(1)
			w.BeginArray(0)
			w.EndArray()
			w.EndStruct()
			w.BeginStruct()
		},
		`write field "n": end of struct given, want int8`:      func(w schema.Writer) { w.BeginStruct(); w.EndStruct() },
		`write field "list": boolean given, want array`:        func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.Bool(true) },
		`write field "list": 3 bytes given, want array`:        func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.Bytes([]byte("abc")); w.Int(9) },
		`write field "list.[]": float64 given, want struct`:    func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.BeginArray(1); w.Float64(1) },
		`write field "list.[].x": map given, want string`:      func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.BeginArray(1); w.BeginStruct(); w.BeginMap(1) },
		`write field "list.[]": end of map given, want struct`: func(w schema.Writer) { w.BeginStruct(); w.Int(1); w.BeginArray(1); w.EndMap() },
	} {
		into := w.Begin(nil)
		calls(into)
		if data, err := w.End(); err == nil || !strings.HasSuffix(err.Error(), want) || data != nil {
			t.Errorf("End() = %x, %v, want %s", data, err, want)
		}
	}
	// A serializer is good again after a misuse.
	into := w.Begin(nil)
	into.BeginStruct()
	into.Int(1)
	into.BeginArray(0)
	into.EndArray()
	into.EndStruct()
	if data, err := w.End(); err != nil || len(data) != framingSize+2 {
		t.Errorf("End() = %x, %v after a misuse", data, err)
	}
}
