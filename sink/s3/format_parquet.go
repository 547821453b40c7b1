package s3

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// parquetFile writes Parquet as parquet-avro does from the schema that AvroData makes: the same columns, types and metadata.
type parquetFile struct {
	config  *Config
	codec   parquetCodec
	options converter.AvroFileOptions
	plans   cache[*parquetPlan]
}

type parquetCodec struct {
	extension string // CompressionCodecName's
	codec     compress.Codec
}

var parquetCodecs = map[string]parquetCodec{
	"none":   {"", &parquet.Uncompressed},
	"snappy": {".snappy", &parquet.Snappy},
	"gzip":   {".gz", &parquet.Gzip},
	"zstd":   {".zstd", &parquet.Zstd},
	"brotli": {".br", &parquet.Brotli},
}

const (
	parquetPage       = 64 << 10 // as Confluent's connector sets
	parquetDictionary = 1 << 20  // beyond it values are written plainly: parquet-mr's default
)

func newParquetFile(c *Config) (format, error) {
	return &parquetFile{config: c, codec: parquetCodecs[c.ParquetCodec], plans: cache[*parquetPlan]{size: c.SchemaCache},
		options: converter.AvroFileOptions{MetaData: c.MetaData, Enhanced: c.EnhancedAvro, OptionalMapKeys: c.OptionalMapKeys}}, nil
}

func (f *parquetFile) extension() string { return f.codec.extension + ".parquet" }
func (f *parquetFile) kind() string      { return "application/vnd.apache.parquet" }

func (f *parquetFile) open(s *schema.Schema, out io.Writer, _ string) (formatWriter, error) {
	plan, err := f.plans.get(s, func() (*parquetPlan, error) { return newParquetPlan(s, f.options) })
	if err != nil {
		return nil, err
	}
	w := parquet.NewWriter(out, plan.schema, parquet.Compression(f.codec.codec), parquet.PageBufferSize(parquetPage), parquet.WriteBufferSize(0),
		parquet.DataPageVersion(1), parquet.DataPageStatistics(true), parquet.DictionaryMaxBytes(parquetDictionary), parquet.CreatedBy("tandem", Version+" ", ""),
		parquet.KeyValueMetadata("parquet.avro.schema", plan.avro), parquet.KeyValueMetadata("writer.model.name", "avro"))
	return &parquetWriter{file: f, plan: plan, writer: w, columns: make([][]parquet.Value, plan.columns), rows: make([]parquet.Row, 1)}, nil
}

// parquetWriter writes one file.
type parquetWriter struct {
	file *parquetFile
	plan *parquetPlan
	//lint:ignore SA1019 the one in its place walks the schema for Go values, and does not know lists of two levels
	writer  *parquet.Writer
	columns [][]parquet.Value // of the prepared record
	size    int64             // of the prepared record
	grown   int64             // of the row group
	rows    []parquet.Row
}

func (w *parquetWriter) prepare(_ *schema.Schema, v schema.Value) error {
	for i := range w.columns {
		w.columns[i] = w.columns[i][:0]
	}
	w.size = 0
	return w.plan.root.shred(w, v, 0, 0)
}

// commit writes the record. A row group ends when it is as large as a part.
func (w *parquetWriter) commit() error {
	row := w.rows[0][:0]
	for _, column := range w.columns {
		row = append(row, column...)
	}
	w.rows[0] = row
	if _, err := w.writer.WriteRows(w.rows); err != nil {
		return err
	}
	clear(row) // let go of the record's texts
	if w.grown += w.size; w.grown < int64(w.file.config.PartSize) {
		return nil
	}
	return w.group()
}

func (w *parquetWriter) close() error { return w.writer.Close() }

// gathered implements grouper.
func (w *parquetWriter) gathered() int64 { return w.grown }

// group implements grouper: it ends the row group.
func (w *parquetWriter) group() error {
	w.grown = 0
	return w.writer.Flush()
}

// parquetPlan is what is compiled for a schema.
type parquetPlan struct {
	schema  *parquet.Schema
	avro    string
	root    *parquetNode
	columns int
}

// parquetKind is how a node's value becomes values of columns.
type parquetKind uint8

const (
	parquetLeaf parquetKind = iota
	parquetGroup
	parquetList
	parquetMap
	parquetUnion // a struct of which one field is set
)

// parquetNode is a place of the schema. Levels are as Dremel counts them: how many optional or repeated nodes on the way to it are there, and at
// which repeated node a value begins a new element.
type parquetNode struct {
	kind     parquetKind
	typ      schema.Type // of a leaf
	optional bool
	fallback *schema.Value // in place of null
	name     string
	level    int // of repetition, of the elements of a list or map
	first    int // column of the subtree
	columns  int
	children []*parquetNode
}

// shred appends a value's columns. rep and def are the levels that hold for it.
func (n *parquetNode) shred(w *parquetWriter, v schema.Value, rep, def int) error {
	if v.IsNull() && n.fallback != nil {
		v = *n.fallback
	}
	if v.IsNull() {
		if !n.optional {
			return n.errorf("null, and it must not be")
		}
		n.nulls(w, rep, def)
		return nil
	}
	if n.optional {
		def++
	}
	switch n.kind {
	case parquetLeaf:
		return n.leaf(w, v, rep, def)
	case parquetGroup, parquetUnion:
		return n.group(w, v, rep, def)
	}
	return n.elements(w, v, rep, def)
}

func (n *parquetNode) errorf(format string, args ...any) error {
	if n.name == "" {
		return fmt.Errorf("the value is "+format, args...)
	}
	return fmt.Errorf("field %q is "+format, append([]any{n.name}, args...)...)
}

// nulls says for all columns of the subtree that there is nothing.
func (n *parquetNode) nulls(w *parquetWriter, rep, def int) {
	for i := n.first; i < n.first+n.columns; i++ {
		w.columns[i] = append(w.columns[i], parquet.NullValue().Level(rep, def, i))
	}
}

func (n *parquetNode) group(w *parquetWriter, v schema.Value, rep, def int) error {
	in := v.Struct()
	if in == nil || len(in.Values) != len(n.children) {
		return n.errorf("%s, and must be a struct of %d fields", v.Type(), len(n.children))
	}
	for i, child := range n.children {
		if err := child.shred(w, in.Values[i], rep, def); err != nil {
			return err
		}
	}
	return nil
}

// elements writes those of a list, or the entries of a map.
func (n *parquetNode) elements(w *parquetWriter, v schema.Value, rep, def int) error {
	elems, entries := v.Array(), v.Map()
	if v.Type() != schema.Array && v.Type() != schema.Map {
		return n.errorf("%s, and must be an array or a map", v.Type())
	}
	if len(elems)+len(entries) == 0 {
		n.nulls(w, rep, def)
		return nil
	}
	for i := range max(len(elems), len(entries)) {
		if i > 0 {
			rep = n.level
		}
		if n.kind == parquetList && v.Type() == schema.Array {
			if err := n.children[0].shred(w, elems[i], rep, def+1); err != nil {
				return err
			}
			continue
		}
		children := n.children
		if n.kind == parquetList { // of entries, for a map whose keys are no texts
			children = children[0].children
		}
		if v.Type() != schema.Map {
			return n.errorf("%s, and must be a map", v.Type())
		}
		if err := errors.Join(children[0].shred(w, entries[i].Key, rep, def+1), children[1].shred(w, entries[i].Value, rep, def+1)); err != nil {
			return err
		}
	}
	return nil
}

// leaf appends a value of a column.
func (n *parquetNode) leaf(w *parquetWriter, v schema.Value, rep, def int) error {
	var p parquet.Value
	size := 8
	switch {
	case v.Type() != n.typ:
		return n.errorf("%s, and must be %s", v.Type(), n.typ)
	case n.typ == schema.Int64:
		p = parquet.Int64Value(v.Int())
	case n.typ <= schema.Int32:
		p = parquet.Int32Value(int32(v.Int()))
	case n.typ == schema.Float32:
		p = parquet.FloatValue(v.Float32())
	case n.typ == schema.Float64:
		p = parquet.DoubleValue(v.Float64())
	case n.typ == schema.Boolean:
		p = parquet.BooleanValue(v.Bool())
	case n.typ == schema.String:
		text := v.Text()
		p = parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(text), len(text))) // read only, until commit
		size += len(text)
	default:
		if n.level > 0 && len(v.Bytes()) != n.level {
			return n.errorf("%d bytes, and must be %d", len(v.Bytes()), n.level)
		}
		p = parquet.ByteArrayValue(v.Bytes())
		if n.level > 0 {
			p = parquet.FixedLenByteArrayValue(v.Bytes())
		}
		size += len(v.Bytes())
	}
	w.size += int64(size)
	w.columns[n.first] = append(w.columns[n.first], p.Level(rep, def, n.first))
	return nil
}

// memberName is what parquet-avro calls the i-th type of a union.
func memberName(i int) string { return "member" + strconv.Itoa(i) }
