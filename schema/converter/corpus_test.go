package converter

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/schema"
)

// corpus holds records that Debezium emitted, as JsonConverter and AvroData wrote them: one folder per case with expected.jsonl,
// schemas.json and schemas/*.avsc. testdata has a case of each distinct shape; -corpus names a larger collection.
var corpus = flag.String("corpus", "testdata/corpus", "folder of golden cases")

var (
	plainJSON   = jsonOptions{replaceNull: true}
	plainAvro   = avroOptions{metaData: true}
	corpusReads = jsonOptions{} // a null in the corpus is a null: defaults were put in already
)

// jsonOf are the options of JsonConverter that a case asks for.
func jsonOf(t testing.TB, dir string) jsonOptions {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "connector.properties"))
	if err != nil {
		t.Fatal(err)
	}
	return jsonOptions{
		numeric:     bytes.Contains(text, []byte("oracle.json.decimal.format=NUMERIC")),
		replaceNull: !bytes.Contains(text, []byte("oracle.json.replace.null.with.default=false")),
	}
}

// corpusRecord is a line of expected.jsonl.
type corpusRecord struct {
	Key, Value                     json.RawMessage
	KeySchema, ValueSchema         string
	KeyAvro, ValueAvro             string
	KeyAvroSchema, ValueAvroSchema string
	KeyAvroError, ValueAvroError   string
	Headers                        []struct {
		Key    string
		Value  json.RawMessage
		Schema string
		Simple *string
	}
}

// corpusCase is a folder, read.
type corpusCase struct {
	name    string
	json    jsonOptions
	schemas map[string]*schema.Schema
	texts   map[string]string
	avro    map[string]string
	records []corpusRecord
}

func corpusCases(t testing.TB) []corpusCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(*corpus, "*", "expected.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases below %s: %v", *corpus, err)
	}
	var cases []corpusCase
	for _, f := range files {
		cases = append(cases, readCase(t, filepath.Dir(f)))
	}
	return cases
}

func readCase(t testing.TB, dir string) corpusCase {
	t.Helper()
	c := corpusCase{name: filepath.Base(dir), json: jsonOf(t, dir), schemas: make(map[string]*schema.Schema), texts: make(map[string]string), avro: make(map[string]string)}
	var raw map[string]json.RawMessage
	if text, err := os.ReadFile(filepath.Join(dir, "schemas.json")); err == nil {
		if err := json.Unmarshal(text, &raw); err != nil {
			t.Fatal(err)
		}
	}
	for hash, text := range raw {
		tree, err := parseTree(text)
		if err != nil {
			t.Fatalf("%s: schema %s: %v", dir, hash, err)
		}
		s, err := jsonSchemaTo(tree, c.json)
		if err != nil {
			t.Fatalf("%s: schema %s: %v", dir, hash, err)
		}
		c.schemas[hash], c.texts[hash] = s, string(text)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "schemas", "*.avsc"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c.avro[filepath.Base(f)] = strings.TrimSuffix(string(text), "\n")
	}
	file, err := os.Open(filepath.Join(dir, "expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var r corpusRecord
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		c.records = append(c.records, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCorpusSchemas: JSON schema text → schema → the same text, and → the Avro text that AvroData printed → the same schema.
func TestCorpusSchemas(t *testing.T) {
	for _, c := range corpusCases(t) {
		for hash, s := range c.schemas {
			got, err := appendJSONSchema(nil, s, c.json, nil)
			if err != nil || string(got) != c.texts[hash] {
				t.Errorf("%s: JSON schema %s = %v\n%s, want\n%s", c.name, hash, err, got, c.texts[hash])
			}
		}
		done := make(map[string]bool)
		for _, r := range c.records {
			c.checkAvroSchema(t, done, r.KeySchema, r.KeyAvroSchema, r.KeyAvroError)
			c.checkAvroSchema(t, done, r.ValueSchema, r.ValueAvroSchema, r.ValueAvroError)
		}
	}
}

func (c *corpusCase) checkAvroSchema(t *testing.T, done map[string]bool, hash, file, refusal string) {
	t.Helper()
	s := c.schemas[hash]
	if s == nil || done[hash+file] {
		return
	}
	done[hash+file] = true
	avro, err := avroFrom(s, plainAvro)
	text := ""
	if err == nil {
		text, err = avroText(avro)
	}
	if refusal != "" {
		if err == nil {
			t.Errorf("%s: avroFrom(%s) gives no error, want %s", c.name, hash, refusal)
		}
		return
	}
	if file == "" {
		return
	}
	if err != nil || text != c.avro[file] {
		t.Errorf("%s: avroFrom(%s) = %v\n%s, want\n%s", c.name, hash, err, text, c.avro[file])
		return
	}
	parsed, err := parseAvro(text)
	if err != nil {
		t.Errorf("%s: parseAvro(%s): %v", c.name, file, err)
		return
	}
	if again, err := avroText(parsed); err != nil || again != text {
		t.Errorf("%s: avroText(parseAvro(%s)) = %v\n%s, want\n%s", c.name, file, err, again, text)
	}
	back, err := avroTo(parsed, plainAvro)
	if err != nil {
		t.Errorf("%s: avroTo(%s): %v", c.name, file, err)
		return
	}
	if !back.Equal(s) {
		got, _ := appendJSONSchema(nil, back, c.json, nil)
		t.Errorf("%s: avroTo(%s) =\n%s, want\n%s", c.name, file, got, c.texts[hash])
	}
}

// TestCorpusValues: JSON payload → value → the same JSON and the recorded Avro; Avro → value → the same JSON.
func TestCorpusValues(t *testing.T) {
	records := 0
	for _, c := range corpusCases(t) {
		plans := newCorpusPlans()
		for i, r := range c.records {
			if r.KeySchema != "" {
				plans.check(t, &c, i, r.KeySchema, r.Key, r.KeyAvro, r.KeyAvroSchema)
			}
			if r.ValueSchema != "" {
				plans.check(t, &c, i, r.ValueSchema, r.Value, r.ValueAvro, r.ValueAvroSchema)
			}
			for _, h := range r.Headers {
				plans.check(t, &c, i, h.Schema, h.Value, "", "")
				c.checkHeader(t, i, h.Schema, h.Value, h.Simple)
			}
			records++
		}
	}
	t.Logf("%d records", records)
}

type corpusPlans struct {
	read  map[string]*jsonReadPlan
	json  map[string]*jsonNode
	avro  map[string]*avroNode
	back  map[string]schema.Reader
	build *schema.Builder
}

func newCorpusPlans() *corpusPlans {
	return &corpusPlans{make(map[string]*jsonReadPlan), make(map[string]*jsonNode), make(map[string]*avroNode), make(map[string]schema.Reader), schema.NewBuilder(nil)}
}

func (p *corpusPlans) check(t *testing.T, c *corpusCase, i int, hash string, payload json.RawMessage, avroHex, avroFile string) {
	t.Helper()
	s := c.schemas[hash]
	if s == nil || payload == nil { // given as a digest
		return
	}
	if p.read[hash] == nil {
		var err error
		if p.read[hash], err = newJSONPlan(s, corpusReads); err != nil {
			t.Fatal(err)
		}
		if p.json[hash], err = jsonPlan(s, c.json); err != nil {
			t.Fatal(err)
		}
		if avroHex != "" {
			if p.avro[hash], err = avroPlan(s, plainAvro); err != nil {
				t.Fatal(err)
			}
		}
	}
	d := jsonDecoder{}
	v, err := d.decode(p.read[hash], payload)
	if err != nil {
		t.Errorf("%s record %d: read JSON: %v", c.name, i+1, err)
		return
	}
	if got := p.writeJSON(t, hash, v); !bytes.Equal(got, payload) {
		t.Errorf("%s record %d: JSON differs (-want +got):\n%s", c.name, i+1, cmp.Diff(string(payload), string(got)))
	}
	if avroHex == "" {
		return
	}
	w := avroWriter{plan: p.avro[hash]}
	w.begin(nil)
	v.WriteTo(&w)
	if err := w.end(); err != nil {
		t.Errorf("%s record %d: write Avro: %v", c.name, i+1, err)
		return
	}
	if got := hex.EncodeToString(w.buf); got != avroHex {
		t.Errorf("%s record %d: Avro = %s, want %s (payload %s)", c.name, i+1, got, avroHex, payload)
	}
	if c.json.replaceNull { // otherwise JSON has nulls where Avro has defaults
		p.checkBack(t, c, i, hash, payload, w.buf, avroFile)
	}
}

// checkBack reads the Avro bytes with the recorded schema.
func (p *corpusPlans) checkBack(t *testing.T, c *corpusCase, i int, hash string, payload json.RawMessage, avro []byte, file string) {
	t.Helper()
	if p.back[hash] == nil {
		parsed, err := parseAvro(c.avro[file])
		if err != nil {
			t.Fatal(err)
		}
		if p.back[hash], err = newAvroReader(parsed, plainAvro); err != nil {
			t.Fatal(err)
		}
	}
	p.build.ResetTo(p.back[hash].Schema())
	if err := p.back[hash].Read(avro, p.build); err != nil {
		t.Errorf("%s record %d: read Avro: %v", c.name, i+1, err)
		return
	}
	if got := p.writeJSON(t, hash, p.build.Value()); !bytes.Equal(got, payload) && !cmp.Equal(members(t, got), members(t, payload)) {
		t.Errorf("%s record %d: JSON of the Avro differs (-want +got):\n%s", c.name, i+1, cmp.Diff(string(payload), string(got)))
	}
}

// members is JSON without the order of members: AvroData puts maps in that of a java.util.HashMap.
func members(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (p *corpusPlans) writeJSON(t *testing.T, hash string, v schema.Value) []byte {
	t.Helper()
	w := jsonWriter{plan: p.json[hash]}
	w.begin(nil)
	v.WriteTo(&w)
	if err := w.end(); err != nil {
		t.Errorf("write JSON: %v", err)
	}
	return w.buf
}

func (c *corpusCase) checkHeader(t *testing.T, i int, hash string, payload json.RawMessage, simple *string) {
	t.Helper()
	s := c.schemas[hash]
	if s == nil {
		return
	}
	plan, err := newJSONPlan(s, corpusReads)
	if err != nil {
		t.Fatal(err)
	}
	d := jsonDecoder{}
	v, err := d.decode(plan, payload)
	if err != nil {
		t.Fatal(err)
	}
	got, err := simpleHeaderConverter{}.FromHeader(t.Context(), "", schema.Header{Schema: s, Value: v})
	if err != nil {
		t.Fatal(err)
	}
	want := v.Text()
	if simple != nil {
		want = *simple
	}
	if string(got) != want {
		t.Errorf("%s record %d: header = %s, want %s", c.name, i+1, got, want)
	}
}
