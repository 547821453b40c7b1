package s3

import (
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hamba/avro/v2"
	"github.com/hamba/avro/v2/ocf"
	"github.com/parquet-go/parquet-go"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// order is a schema with a field of every kind, and an order that has it.
func orderSchema() *schema.Schema {
	item := schema.StructOf("shop.Item", schema.F("sku", schema.Of(schema.String)), schema.F("qty", schema.Of(schema.Int16)))
	return schema.StructOf("shop.Order",
		schema.F("id", schema.Of(schema.Int64)), schema.F("a8", schema.Of(schema.Int8)), schema.F("a32", schema.Of(schema.Int32)), schema.F("f32", schema.Of(schema.Float32)),
		schema.F("f64", schema.Of(schema.Float64)), schema.F("ok", schema.Of(schema.Boolean)), schema.F("note", schema.Of(schema.String).AsOptional()),
		schema.F("raw", schema.Of(schema.Bytes)), schema.F("price", schema.Decimal(2)), schema.F("day", schema.Date()), schema.F("noon", schema.Time()), schema.F("at", schema.Timestamp().AsOptional()),
		schema.F("items", schema.ArrayOf(item)), schema.F("tags", schema.MapOf(schema.Of(schema.String), schema.Of(schema.Int32))),
		schema.F("kind", schema.Of(schema.String).AsOptional().WithDefault(schema.OfString("new"))))
}

func order(s *schema.Schema, id int64) schema.Value {
	item := s.Fields[12].Schema.Elem
	items := []schema.Value{}
	for i := range id % 3 {
		items = append(items, schema.OfStruct(&schema.StructValue{Schema: item, Values: []schema.Value{schema.OfString(fmt.Sprint("s", i)), schema.OfInt16(int16(i))}}))
	}
	note, at := schema.NullValue, schema.OfInt64(1_700_000_000_000+id)
	if id%2 == 0 {
		note, at = schema.OfString(fmt.Sprint("note ", id)), schema.NullValue
	}
	return schema.OfStruct(&schema.StructValue{Schema: s, Values: []schema.Value{schema.OfInt64(id), schema.OfInt8(int8(id)), schema.OfInt32(int32(-id)), schema.OfFloat32(1.5), schema.OfFloat64(float64(id) / 4),
		schema.OfBool(id%2 == 0), note, schema.OfBytes([]byte{byte(id), 0xFF}), schema.OfBytes([]byte{0x04, byte(id)}), schema.OfInt32(19000), schema.OfInt32(43_200_000), at,
		schema.OfArray(items), schema.OfMap([]schema.Entry{{Key: schema.OfString("a"), Value: schema.OfInt32(int32(id))}}), schema.NullValue}})
}

// written is the one object that n orders make.
func written(t *testing.T, n int64, extra ...string) (name, content string) {
	t.Helper()
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t, append([]string{"flush.size", fmt.Sprint(n)}, extra...)...), assignment("t", 0, 0))
	of := orderSchema()
	for i := range n {
		put(t, task, sink.Record{Topic: "t", Offset: i, ValueSchema: of, Value: order(of, i)})
	}
	names := s.names()
	if len(names) != 1 {
		t.Fatalf("objects %q, want one", names)
	}
	return names[0], s.text(names[0])
}

// TestAvroFiles: hamba/avro reads them, with every codec, and finds the records and the schema.
func TestAvroFiles(t *testing.T) {
	const n = 3000 // several blocks
	for _, codec := range []string{"null", "deflate", "snappy", "zstandard", "zstd"} {
		name, content := written(t, n, "format.class", avroFormat, "avro.codec", codec)
		if want := "topics/t/partition=0/t+0+0000000000.avro"; name != want {
			t.Errorf("name = %s, want %s", name, want)
		}
		d, err := ocf.NewDecoder(strings.NewReader(content), ocf.WithDecoderSchemaCache(&avro.SchemaCache{}))
		if err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
		text := string(d.Metadata()["avro.schema"])
		if !strings.Contains(text, `"connect.name":"shop.Order"`) || !strings.HasPrefix(text, `{"type":"record","name":"Order","namespace":"shop"`) {
			t.Errorf("schema = %s", text)
		}
		if got, want := string(d.Metadata()["avro.codec"]), strings.Replace(codec, "zstd", "zstandard", 1); got != want && codec != "zstandard" {
			t.Errorf("avro.codec = %s, want %s", got, want)
		}
		count := int64(0)
		for d.HasNext() {
			var record map[string]any
			if err := d.Decode(&record); err != nil {
				t.Fatalf("%s, record %d: %v", codec, count, err)
			}
			if record["id"] != count || record["a8"] != int(int8(count)) || len(record["items"].([]any)) != int(count%3) || (record["note"] == nil) != (count%2 == 1) {
				t.Fatalf("%s, record %d = %v", codec, count, record)
			}
			count++
		}
		if d.Error() != nil || count != n {
			t.Errorf("%s: %d records and error %v, want %d", codec, count, d.Error(), n)
		}
	}
}

// TestAvroFilesAreTheSame: the same records make the same bytes, whenever.
func TestAvroFilesAreTheSame(t *testing.T) {
	for _, format := range []string{avroFormat, parquetFormat, jsonFormat} {
		_, a := written(t, 100, "format.class", format)
		_, b := written(t, 100, "format.class", format)
		if a != b {
			t.Errorf("%s: two files of the same records differ", format)
		}
	}
}

func TestJSONFiles(t *testing.T) {
	name, content := written(t, 2, "s3.compression.type", "gzip", "json.decimal.format", "numeric", "s3.compression.level", "9")
	if want := "topics/t/partition=0/t+0+0000000000.json.gz"; name != want {
		t.Errorf("name = %s, want %s", name, want)
	}
	r, err := gzip.NewReader(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":1,"a8":1,"a32":-1,"f32":1.5,"f64":0.25,"ok":false,"note":null,"raw":"Af8=","price":10.25,"day":19000,"noon":43200000,"at":1700000000001,"items":[{"sku":"s0","qty":0}],"tags":{"a":1},"kind":"new"}`
	if got := linesOf(string(text)); len(got) != 2 || got[1] != want {
		t.Errorf("lines = %q, want the second to be %q", got, want)
	}
}

func TestBytesFiles(t *testing.T) {
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t, "format.class", bytesFormat, "format.bytearray.extension", ".log", "format.bytearray.separator", "|\n", "flush.size", "2"), assignment("t", 0, 0))
	of := schema.Of(schema.Bytes).AsOptional()
	put(t, task, sink.Record{Topic: "t", ValueSchema: of, Value: schema.OfBytes([]byte("one"))}, sink.Record{Topic: "t", Offset: 1, ValueSchema: of, Value: schema.OfBytes([]byte("two"))})
	if got, want := s.text("topics/t/partition=0/t+0+0000000000.log"), "one|\ntwo|\n"; got != want {
		t.Errorf("object = %q, want %q", got, want)
	}
	if err := task.Put(t.Context(), []sink.Record{{Topic: "t", Offset: 2, ValueSchema: schema.Of(schema.Int32), Value: schema.OfInt32(1)}}); err == nil {
		t.Error("Put() takes a number into a file of bytes, want it refused")
	}
}

// TestParquetFiles: columns and types as parquet-avro has them, and the records again.
func TestParquetFiles(t *testing.T) {
	const n = 500
	for codec, extension := range map[string]string{"none": "", "snappy": ".snappy", "gzip": ".gz", "zstd": ".zstd", "brotli": ".br"} {
		name, content := written(t, n, "format.class", parquetFormat, "parquet.codec", codec)
		if want := "topics/t/partition=0/t+0+0000000000" + extension + ".parquet"; name != want {
			t.Errorf("name = %s, want %s", name, want)
		}
		f, err := parquet.OpenFile(strings.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := f.Lookup("parquet.avro.schema"); !ok || !strings.Contains(got, `"name":"Order"`) {
			t.Errorf("parquet.avro.schema = %q", got)
		}
		want := `message shop.Order {
	required int64 id;
	required int32 a8;
	required int32 a32;
	required float f32;
	required double f64;
	required boolean ok;
	optional binary note (STRING);
	required binary raw;
	required binary price (DECIMAL(64,2));
	required int32 day (DATE);
	required int32 noon (TIME(isAdjustedToUTC=true,unit=MILLIS));
	optional int64 at (TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS));
	required group items (LIST) {
		repeated group array {
			required binary sku (STRING);
			required int32 qty;
		}
	}
	required group tags (MAP) {
		repeated group key_value {
			required binary key (STRING);
			required int32 value;
		}
	}
	optional binary kind (STRING);
}`
		printed := strings.NewReplacer(" (INT(64,true))", "", " (INT(32,true))", "").Replace(f.Schema().String()) // the library prints so what has no logical type
		if diff := cmp.Diff(want, printed); diff != "" {
			t.Errorf("schema (-want +got)\n%s", diff)
		}
		for _, e := range f.Metadata().Schema {
			if (e.Name == "id" || e.Name == "a8" || e.Name == "qty") && e.LogicalType.Value != nil {
				t.Errorf("column %s has the logical type %v, want none", e.Name, e.LogicalType)
			}
		}
		rows := parquetRows(t, f)
		if len(rows) != n {
			t.Fatalf("%d rows, want %d", len(rows), n)
		}
		if got, want := fmt.Sprintf("%v", rows[4]), fmt.Sprintf("%v", "[4 4 -4 1.5 1 true note 4 \x04\xff \x04\x04 19000 43200000 <null> s0 0 a 4 new]"); got != want {
			t.Errorf("%s: row 4 = %s, want %s", codec, got, want)
		}
	}
}

// parquetRows are all values of each row, in the order of the columns.
func parquetRows(t *testing.T, f *parquet.File) (all []string) {
	t.Helper()
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		buf := make([]parquet.Row, 10)
		for {
			n, err := rows.ReadRows(buf)
			for _, row := range buf[:n] {
				var values []string
				for _, v := range row {
					values = append(values, v.String())
				}
				all = append(all, "["+strings.Join(values, " ")+"]")
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestParquetNesting: lists of optional elements have three levels; maps with other keys are lists of entries; unions have members.
func TestParquetNesting(t *testing.T) {
	inner := schema.StructOf("In", schema.F("xs", schema.ArrayOf(schema.Of(schema.Int32).AsOptional()).AsOptional()))
	of := schema.StructOf("", schema.F("list", schema.ArrayOf(inner)), schema.F("grid", schema.ArrayOf(schema.ArrayOf(schema.Of(schema.Int64)))),
		schema.F("byID", schema.MapOf(schema.Of(schema.Int32), schema.Of(schema.String).AsOptional())),
		schema.F("one", schema.StructOf("io.confluent.connect.avro.Union", schema.F("int", schema.Of(schema.Int32).AsOptional()), schema.F("string", schema.Of(schema.String).AsOptional())).AsOptional()))
	ints := func(ns ...any) schema.Value {
		var vs []schema.Value
		for _, n := range ns {
			if n == nil {
				vs = append(vs, schema.NullValue)
			} else {
				vs = append(vs, schema.OfInt32(int32(n.(int))))
			}
		}
		return schema.OfArray(vs)
	}
	in := func(v schema.Value) schema.Value {
		return schema.OfStruct(&schema.StructValue{Schema: inner, Values: []schema.Value{v}})
	}
	longs := func(ns ...int64) schema.Value {
		var vs []schema.Value
		for _, n := range ns {
			vs = append(vs, schema.OfInt64(n))
		}
		return schema.OfArray(vs)
	}
	union := of.Fields[3].Schema
	v := schema.OfStruct(&schema.StructValue{Schema: of, Values: []schema.Value{
		schema.OfArray([]schema.Value{in(ints(1, nil, 3)), in(schema.NullValue), in(ints())}),
		schema.OfArray([]schema.Value{longs(1, 2), longs(), longs(3)}),
		schema.OfMap([]schema.Entry{{Key: schema.OfInt32(7), Value: schema.OfString("seven")}, {Key: schema.OfInt32(8), Value: schema.NullValue}}),
		schema.OfStruct(&schema.StructValue{Schema: union, Values: []schema.Value{schema.NullValue, schema.OfString("s")}})}})
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t, "flush.size", "1", "format.class", parquetFormat), assignment("t", 0, 0))
	put(t, task, sink.Record{Topic: "t", ValueSchema: of, Value: v})
	content := s.text(s.names()[0])
	f, err := parquet.OpenFile(strings.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	want := `message io.confluent.connect.avro.ConnectDefault {
	required group list (LIST) {
		repeated group list {
			required group element {
				optional group xs (LIST) {
					repeated group list {
						optional int32 element;
					}
				}
			}
		}
	}
	required group grid (LIST) {
		repeated group list {
			required group element (LIST) {
				repeated group list {
					required int64 element;
				}
			}
		}
	}
	required group byID (LIST) {
		repeated group list {
			required group element {
				required int32 key;
				optional binary value (STRING);
			}
		}
	}
	optional group one {
		optional int32 member0;
		optional binary member1 (STRING);
	}
}`
	printed := strings.NewReplacer(" (INT(64,true))", "", " (INT(32,true))", "").Replace(f.Schema().String())
	if diff := cmp.Diff(want, printed); diff != "" {
		t.Errorf("schema (-want +got)\n%s", diff)
	}
	rows := f.RowGroups()[0].Rows()
	buf := make([]parquet.Row, 1)
	if _, err := rows.ReadRows(buf); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	var got []string
	for _, v := range buf[0] {
		got = append(got, fmt.Sprintf("%d:%v/%d/%d", v.Column(), v, v.RepetitionLevel(), v.DefinitionLevel()))
	}
	_ = rows.Close()
	wantRow := []string{"0:1/0/4", "0:<null>/2/3", "0:3/2/4", "0:<null>/1/1", "0:<null>/1/2", "1:1/0/2", "1:2/2/2", "1:<null>/1/1", "1:3/1/2", "2:7/0/1", "2:8/1/1", "3:seven/0/2", "3:<null>/1/1", "4:<null>/0/1", "5:s/0/2"}
	if diff := cmp.Diff(wantRow, got); diff != "" {
		t.Errorf("columns as value/repetition/definition (-want +got)\n%s", diff)
	}
}

// TestParquetRefuses: what Parquet cannot hold is the record's fault.
func TestParquetRefuses(t *testing.T) {
	for name, r := range map[string]sink.Record{
		"no struct":         {ValueSchema: schema.Of(schema.String), Value: schema.OfString("x")},
		"no schema":         {Value: schema.OfMap(nil)},
		"struct of nothing": {ValueSchema: schema.StructOf("e"), Value: schema.OfStruct(&schema.StructValue{Schema: schema.StructOf("e")})},
		"null":              {ValueSchema: schema.StructOf("e", schema.F("a", schema.Of(schema.Int32))), Value: schema.OfStruct(&schema.StructValue{Schema: schema.StructOf("e", schema.F("a", schema.Of(schema.Int32))), Values: []schema.Value{schema.NullValue}})},
	} {
		s := newMemoryStore()
		task := testTask(t, s, &testClock{}, parsed(t, "format.class", parquetFormat), assignment("t", 0, 0))
		r.Topic = "t"
		if err := task.Put(t.Context(), []sink.Record{r}); refusedOffset(err) != 0 {
			t.Errorf("%s: Put() = %v, want the record refused", name, err)
		}
	}
}

func refusedOffset(err error) int64 {
	if refused, ok := err.(RecordErrors); ok {
		return refused[0].Offset
	}
	return -1
}

// TestSchemaCompatibility: which records share a file, and what is made of those with another schema.
func TestSchemaCompatibility(t *testing.T) {
	v1 := schema.StructOf("A", schema.F("x", schema.Of(schema.Int32))).WithVersion(1)
	v2 := schema.StructOf("A", schema.F("x", schema.Of(schema.Int64)), schema.F("y", schema.Of(schema.String).AsOptional().WithDefault(schema.OfString("none")))).WithVersion(2)
	one := func(o int64) sink.Record {
		return sink.Record{Topic: "t", Offset: o, ValueSchema: v1, Value: schema.OfStruct(&schema.StructValue{Schema: v1, Values: []schema.Value{schema.OfInt32(int32(o))}})}
	}
	two := func(o int64) sink.Record {
		return sink.Record{Topic: "t", Offset: o, ValueSchema: v2, Value: schema.OfStruct(&schema.StructValue{Schema: v2, Values: []schema.Value{schema.OfInt64(o), schema.OfString("y")}})}
	}
	batch := []sink.Record{one(0), two(1), one(2), two(3)}
	const a, b, c, d = `{"x":0}`, `{"x":1,"y":"y"}`, `{"x":2}`, `{"x":3,"y":"y"}`
	for mode, want := range map[string][]string{
		"NONE":     {a, b, c, d},
		"BACKWARD": {a, b + " " + `{"x":2,"y":"none"}` + " " + d},
		"FULL":     {a, b + " " + `{"x":2,"y":"none"}` + " " + d},
	} {
		if diff := cmp.Diff(want, filesOf(t, mode, batch)); diff != "" {
			t.Errorf("files with schema.compatibility=%s (-want +got)\n%s", mode, diff)
		}
	}
	// FORWARD projects the newer one to the older: int64 to int32 is none that Connect knows, so the record is refused.
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t, "schema.compatibility", "FORWARD", "flush.size", "100"), assignment("t", 0, 0))
	if err := task.Put(t.Context(), batch); refusedOffset(err) != 1 || !strings.Contains(err.Error(), "Schema type mismatch. source type: INT64 and target type: INT32") {
		t.Errorf("Put() with FORWARD = %v, want the record at 1 refused", err)
	}
	v3 := schema.StructOf("A", schema.F("x", schema.Of(schema.Int32)), schema.F("z", schema.Of(schema.String))).WithVersion(3)
	three := sink.Record{Topic: "t", Offset: 1, ValueSchema: v3, Value: schema.OfStruct(&schema.StructValue{Schema: v3, Values: []schema.Value{schema.OfInt32(1), schema.OfString("z")}})}
	if diff := cmp.Diff([]string{a + ` {"x":1} ` + c}, filesOf(t, "FORWARD", []sink.Record{one(0), three, one(2)})); diff != "" {
		t.Errorf("files with schema.compatibility=FORWARD (-want +got)\n%s", diff)
	}
	bare := schema.StructOf("A", schema.F("x", schema.Of(schema.Int64)))
	task = testTask(t, newMemoryStore(), &testClock{}, parsed(t, "schema.compatibility", "FULL", "flush.size", "100"), assignment("t", 0, 0))
	err := task.Put(t.Context(), []sink.Record{one(0), {Topic: "t", Offset: 1, ValueSchema: bare, Value: schema.OfStruct(&schema.StructValue{Schema: bare, Values: []schema.Value{schema.OfInt64(1)}})}})
	if refusedOffset(err) != 1 || !strings.Contains(err.Error(), "Schema version required for FULL compatibility") {
		t.Errorf("Put() of a schema without version = %v, want it refused", err)
	}
}

// filesOf are the lines of the files that records make.
func filesOf(t *testing.T, mode string, batch []sink.Record) (files []string) {
	t.Helper()
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t, "schema.compatibility", mode, "flush.size", "100"), assignment("t", 0, 0))
	put(t, task, batch...)
	for _, p := range task.partitions {
		if err := task.finish(p); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, task)
	for _, name := range s.names() {
		files = append(files, strings.Join(linesOf(s.text(name)), " "))
	}
	return files
}

// TestParquetUnderPressure: with little memory row groups end early, and files hold the same.
func TestParquetUnderPressure(t *testing.T) {
	s := newMemoryStore()
	task := testTask(t, s, &testClock{}, parsed(t, "format.class", parquetFormat, "flush.size", "20000", "s3.buffer.memory.bytes", "1048576", "partitioner.class", fieldPartitioner, "partition.field.name", "ok"), assignment("t", 0, 0))
	of, most := orderSchema(), int64(0)
	for i := range int64(20000) {
		put(t, task, sink.Record{Topic: "t", Offset: i, ValueSchema: of, Value: order(of, i)})
		most = max(most, task.memory.used.Load())
	}
	if most > 1<<20+10_000 {
		t.Errorf("the task kept %d bytes, want at most s3.buffer.memory.bytes and a record", most)
	}
	for _, name := range s.names() {
		f, err := parquet.OpenFile(strings.NewReader(s.text(name)), int64(len(s.text(name))))
		if err != nil {
			t.Fatal(err)
		}
		if f.NumRows() != 10_000 || len(f.RowGroups()) < 2 {
			t.Errorf("%s has %d rows in %d row groups, want 10000 in some", name, f.NumRows(), len(f.RowGroups()))
		}
	}
	if len(s.names()) != 2 {
		t.Errorf("objects %q, want two", s.names())
	}
}
