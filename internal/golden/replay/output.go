package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/tandem-cdc/tandem/schema"
)

// output normalises what was collected and prints it as a recording does.
func (r *run) output() (*Output, error) {
	if len(r.records.problems) > 0 {
		return nil, errors.New("the writers do not write the same:\n\t" + strings.Join(r.records.problems, "\n\t"))
	}
	var transform Transform
	if r.c.Transforms() {
		var err error
		if transform, err = r.p.Transform(r.c.transforms()); err != nil {
			return nil, fmt.Errorf("transforms: %w", err)
		}
	}
	return printRecords(r.c, r.database(), r.records.records, r.records.offsets, r.marks, transform)
}

// printRecords normalises records, passes them through the transforms, and prints them; marks are lines between them.
func printRecords(c *Case, database string, records []*Record, offsets []offsetEntry, marks map[int][]string, transform Transform) (*Output, error) {
	codec, err := newCodec(c)
	if err != nil {
		return nil, err
	}
	p := &printer{codec: codec, withOffsets: c.flag("offsets", false), beats: map[string]bool{}, beatOffsets: map[string]bool{}, avroFiles: map[string]string{}, avroCount: map[string]int{},
		out: Output{Schemas: map[string]string{}, Avro: map[string]string{}}}
	if p.digestOver, err = c.number("digest", 1<<31-1); err != nil {
		return nil, err
	}
	n := newNormaliser(c, database)
	if err := n.collect(records); err != nil {
		return nil, err
	}
	for i, r := range records {
		p.out.Lines = append(p.out.Lines, marks[i]...)
		var o *offsetEntry
		if p.withOffsets {
			o = &offsets[i]
		}
		if err := p.record(n, r, o, transform); err != nil {
			return nil, fmt.Errorf("record %d, topic %s: %w", i+1, r.Topic, err)
		}
	}
	p.out.Lines = append(append(p.out.Lines, marks[len(records)]...), p.tail...)
	p.out.Offsets = append(p.out.Offsets, sortedKeys(p.beatOffsets)...)
	return &p.out, nil
}

// printer prints normalised records as lines.
type printer struct {
	codec       *codec
	digestOver  int
	withOffsets bool
	out         Output
	tail        []string // heartbeats
	beats       map[string]bool
	beatOffsets map[string]bool
	avroFiles   map[string]string // topic-part and schema → file
	avroCount   map[string]int
	// Hashes of schemas in use, so that each is printed once.
	hashes map[*schema.Schema]string
}

func (p *printer) record(n *normaliser, r *Record, o *offsetEntry, transform Transform) error {
	var micros *int64
	if us := sourceOf(r).Field("ts_us"); !us.IsNull() {
		was := us.Int()
		micros = &was
	}
	beat := isHeartbeat(r)
	if err := n.record(r); err != nil {
		return err
	}
	offset := ""
	if o != nil {
		var err error
		if offset, err = n.normaliseOffset(r, *o, micros); err != nil {
			return err
		}
	}
	line, err := p.transformed(r, transform)
	if err != nil || line == "" {
		return err
	}
	switch {
	case !beat:
		p.out.Lines = append(p.out.Lines, line)
		if o != nil {
			p.out.Offsets = append(p.out.Offsets, `{"record":`+strconv.Itoa(len(p.out.Lines))+","+offset+"}")
		}
		return nil
	case !p.beats[line]:
		p.beats[line] = true
		p.tail = append(p.tail, line)
	}
	if o != nil {
		p.beatOffsets[heartbeatOffset+offset+"}"] = true
	}
	return nil
}

// transformed prints a record behind the transforms; "" when they drop it, a failure when they fail or make what cannot be converted.
func (p *printer) transformed(r *Record, transform Transform) (string, error) {
	if transform == nil {
		return p.line(r)
	}
	r, err := transform(r)
	if err == nil && r == nil {
		return "", nil
	}
	line := ""
	if err == nil {
		line, err = p.line(r)
	}
	if err != nil {
		return marshal(map[string]string{"failure": err.Error()})
	}
	return line, nil
}

// line prints a record.
func (p *printer) line(r *Record) (string, error) {
	b := &strings.Builder{}
	b.WriteString(`{"topic":` + quote(r.Topic))
	if r.Partition >= 0 {
		b.WriteString(`,"partition":` + strconv.Itoa(int(r.Partition)))
	}
	if r.Timestamp != nil {
		b.WriteString(`,"timestamp":` + strconv.FormatInt(*r.Timestamp, 10))
	}
	if err := p.part(b, "key", r.Topic, r.KeySchema, r.Key); err != nil {
		return "", fmt.Errorf("key: %w", err)
	}
	if err := p.part(b, "value", r.Topic, r.ValueSchema, r.Value); err != nil {
		return "", fmt.Errorf("value: %w", err)
	}
	b.WriteString(`,"headers":[`)
	for i, h := range r.Headers {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := p.header(b, r.Topic, h); err != nil {
			return "", fmt.Errorf("header %q: %w", h.Key, err)
		}
	}
	b.WriteString("]}")
	return b.String(), nil
}

func (p *printer) header(b *strings.Builder, topic string, h schema.Header) error {
	text, err := p.codec.json(h.Schema, h.Value)
	if err != nil {
		return err
	}
	b.WriteString(`{"key":` + quote(h.Key) + `,"value":` + text)
	if h.Schema != nil {
		hash, err := p.hash(h.Schema, h.Value)
		if err != nil {
			return err
		}
		b.WriteString(`,"schema":"` + hash + `"`)
	}
	if !h.Value.IsNull() && h.Value.Type() != schema.String {
		simple, err := p.codec.simple(topic, h)
		if err != nil {
			return err
		}
		b.WriteString(`,"simple":` + quote(simple))
	}
	b.WriteByte('}')
	return nil
}

// part prints a key or a value.
func (p *printer) part(b *strings.Builder, name, topic string, s *schema.Schema, v schema.Value) error {
	text, err := p.codec.json(s, v)
	if err != nil {
		return err
	}
	if javaLength(text) > p.digestOver {
		b.WriteString(digest(name, []byte(text)))
	} else {
		b.WriteString(`,"` + name + `":` + text)
	}
	if s == nil {
		return nil
	}
	hash, err := p.hash(s, v)
	if err != nil {
		return err
	}
	b.WriteString(`,"` + name + `Schema":"` + hash + `"`)
	return p.avro(b, name, topic, s, v)
}

func (p *printer) avro(b *strings.Builder, name, topic string, s *schema.Schema, v schema.Value) error {
	text, err := p.codec.avroSchema(s)
	if err != nil {
		b.WriteString(`,"` + name + `AvroError":` + quote(err.Error()))
		return nil
	}
	file := p.avroFile(topic+"-"+name, text)
	if !v.IsNull() || s.Optional {
		data, err := p.codec.avro(s, v, text)
		if err != nil {
			return err
		}
		if len(data) > p.digestOver {
			b.WriteString(digest(name+"Avro", data))
		} else {
			b.WriteString(`,"` + name + `Avro":"` + hex.EncodeToString(data) + `"`)
		}
	}
	b.WriteString(`,"` + name + `AvroSchema":` + quote(file))
	return nil
}

// avroFile names the file of an Avro schema: <topic>-key.avsc, and with a number for its later versions.
func (p *printer) avroFile(base, text string) string {
	if file, known := p.avroFiles[base+"\n"+text]; known {
		return file
	}
	p.avroCount[base]++
	file := base + ".avsc"
	if n := p.avroCount[base]; n > 1 {
		file = base + "." + strconv.Itoa(n) + ".avsc"
	}
	p.avroFiles[base+"\n"+text] = file
	p.out.Avro[file] = text
	return file
}

// hash is the first 12 hex digits of the SHA-256 of a schema in JsonConverter's form.
func (p *printer) hash(s *schema.Schema, v schema.Value) (string, error) {
	if h, known := p.hashes[s]; known {
		return h, nil
	}
	text, err := p.codec.jsonSchema(s, v)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(text))
	h := hex.EncodeToString(sum[:6])
	p.out.Schemas[h] = text
	if p.hashes == nil {
		p.hashes = map[*schema.Schema]string{}
	}
	p.hashes[s] = h
	return h, nil
}

func digest(name string, data []byte) string {
	sum := sha256.Sum256(data)
	return `,"` + name + `Bytes":` + strconv.Itoa(len(data)) + `,"` + name + `Sha256":"` + hex.EncodeToString(sum[:]) + `"`
}

// quote prints a text as Jackson does: only what JSON demands is escaped.
func quote(s string) string {
	b := []byte{'"'}
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\t':
			b = append(b, `\t`...)
		case '\n':
			b = append(b, `\n`...)
		case '\f':
			b = append(b, `\f`...)
		case '\r':
			b = append(b, `\r`...)
		default:
			if c < ' ' {
				b = fmt.Appendf(b, `\u%04X`, c)
			} else {
				b = append(b, c)
			}
		}
	}
	return string(append(b, '"'))
}

// javaLength is the length of a text as Java counts it: in UTF-16 code units.
func javaLength(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
