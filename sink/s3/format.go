package s3

import (
	"context"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// format is a format of files.
type format interface {
	// extension is the end of objects' names.
	extension() string
	// kind is the content type.
	kind() string
	// open begins a file of values of a schema. name tells files apart, where the format wants something random.
	open(s *schema.Schema, out io.Writer, name string) (formatWriter, error)
}

// formatWriter writes one file. A record may have to go to several files at once, so that it is first prepared in all of them.
type formatWriter interface {
	// prepare encodes a value. Its error is the value's fault, and leaves the file as it was.
	prepare(s *schema.Schema, v schema.Value) error
	// commit appends what was prepared last.
	commit() error
	// close writes the end of the file.
	close() error
}

// grouper is a formatWriter that gathers records and writes many at once.
type grouper interface {
	// gathered is about how many bytes it keeps, group writes them.
	gathered() int64
	group() error
}

// newFormat makes the format of a class.
func newFormat(class string, c *Config) (format, error) {
	switch class {
	case avroFormat:
		return newAvroFile(c)
	case parquetFormat:
		return newParquetFile(c)
	case jsonFormat:
		return newJSONLines(c)
	}
	return newRawBytes(c)
}

// cache keeps what was compiled for a schema, at most size of them.
type cache[V any] struct {
	size int
	kept map[*schema.Schema]V
}

func (c *cache[V]) get(s *schema.Schema, compile func() (V, error)) (V, error) {
	if v, ok := c.kept[s]; ok {
		return v, nil
	}
	v, err := compile()
	if err != nil {
		return v, err
	}
	if len(c.kept) >= c.size || c.kept == nil {
		c.kept = make(map[*schema.Schema]V)
	}
	c.kept[s] = v
	return v, nil
}

// packing is the compression of a file as a whole.
type packing struct {
	out  io.Writer
	gzip *gzip.Writer // nil: none
}

func newPacking(c *Config, out io.Writer) (packing, error) {
	if c.Compression != "gzip" {
		return packing{out: out}, nil
	}
	w, err := gzip.NewWriterLevel(out, c.CompressionLevel)
	return packing{out: w, gzip: w}, err
}

func (p *packing) close() error {
	if p.gzip == nil {
		return nil
	}
	return p.gzip.Close()
}

func packingExtension(c *Config) string {
	if c.Compression == "gzip" {
		return ".gz"
	}
	return ""
}

// lines writes files of records with something behind each: JSON and bytes.
type lines struct {
	packing
	append    func(dst []byte, s *schema.Schema, v schema.Value) ([]byte, error)
	separator string
	record    []byte
}

func (l *lines) prepare(s *schema.Schema, v schema.Value) (err error) {
	out, err := l.append(l.record[:0], s, v)
	if err != nil {
		return err
	}
	l.record = append(out, l.separator...)
	return nil
}

func (l *lines) commit() error {
	_, err := l.out.Write(l.record)
	return err
}

// converted is a format whose records are what a converter makes of them.
type converted struct {
	config      *Config
	converter   converter.Converter
	serializers cache[converter.Serializer]
	ext         string
	mime        string
	separator   string
	null        []byte // for a null value
}

func (f *converted) extension() string { return f.ext + packingExtension(f.config) }
func (f *converted) kind() string      { return f.mime }

func (f *converted) open(_ *schema.Schema, out io.Writer, _ string) (formatWriter, error) {
	p, err := newPacking(f.config, out)
	if err != nil {
		return nil, err
	}
	return &lines{packing: p, append: f.append, separator: f.separator}, nil
}

func (f *converted) append(dst []byte, s *schema.Schema, v schema.Value) ([]byte, error) {
	serializer, err := f.serializers.get(s, func() (converter.Serializer, error) { return f.converter.NewSerializer(context.Background(), "", s) })
	if err != nil {
		return nil, err
	}
	v.WriteTo(serializer.Begin(dst))
	out, err := serializer.End()
	if err == nil && out == nil {
		out = append(dst, f.null...)
	}
	return out, err
}

// newJSONLines writes records as JSON, a line each.
func newJSONLines(c *Config) (format, error) {
	json, r := converter.New(converter.JSONClass, map[string]string{"schemas.enable": "false", "decimal.format": c.JSONDecimals}, false, converter.Env{})
	if err := r.Err(); err != nil {
		return nil, err
	}
	return &converted{config: c, converter: json, serializers: cache[converter.Serializer]{size: c.SchemaCache}, ext: ".json", mime: "application/x-ndjson",
		separator: "\n", null: []byte("null")}, nil
}

// newRawBytes writes records as the bytes they are.
func newRawBytes(c *Config) (format, error) {
	raw, r := converter.New(converter.ByteArrayClass, nil, false, converter.Env{})
	if err := r.Err(); err != nil {
		return nil, err
	}
	return &converted{config: c, converter: raw, serializers: cache[converter.Serializer]{size: c.SchemaCache}, ext: c.BytesExtension, mime: "application/octet-stream",
		separator: c.BytesSeparator}, nil
}
