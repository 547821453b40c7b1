package s3

import (
	"crypto/md5"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// avroFile writes Avro's object container files (specification 1.11, "Object Container Files"):
//
//	header: 'O' 'b' 'j' 1 | map<bytes> metadata (avro.codec, avro.schema) | 16 bytes of sync marker
//	block:  long count | long size | size bytes of values, compressed | 16 bytes of sync marker
type avroFile struct {
	config  *Config
	codec   string
	options converter.AvroFileOptions
	values  cache[*converter.AvroFileValues]
	zstd    *zstd.Encoder // nil with another codec
	flate   *flate.Writer // likewise
}

// avroBlock is the size of values at which a block ends: DataFileConstants.DEFAULT_SYNC_INTERVAL of Avro's Java library.
const avroBlock = 4000 * 16

func newAvroFile(c *Config) (format, error) {
	f := &avroFile{config: c, codec: c.AvroCodec, values: cache[*converter.AvroFileValues]{size: c.SchemaCache},
		options: converter.AvroFileOptions{MetaData: c.MetaData, Enhanced: c.EnhancedAvro, OptionalMapKeys: c.OptionalMapKeys}}
	if f.codec == "zstd" {
		f.codec = "zstandard"
	}
	var err error
	switch f.codec {
	case "zstandard":
		f.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	case "deflate":
		f.flate, err = flate.NewWriter(nil, flate.DefaultCompression)
	}
	return f, err
}

func (f *avroFile) extension() string { return ".avro" }
func (f *avroFile) kind() string      { return "application/octet-stream" }

func (f *avroFile) open(s *schema.Schema, out io.Writer, name string) (formatWriter, error) {
	values, err := f.values.get(s, func() (*converter.AvroFileValues, error) { return converter.NewAvroFileValues(s, f.options) })
	if err != nil {
		return nil, err
	}
	w := &avroFileWriter{file: f, values: values, out: out, sync: md5.Sum([]byte(name))} // the same file again gets the same bytes
	header := append([]byte("Obj\x01"), 4)                                               // a block of two entries
	header = appendAvroBytes(appendAvroBytes(header, "avro.codec"), f.codec)
	header = appendAvroBytes(appendAvroBytes(header, "avro.schema"), values.Schema())
	header = append(append(header, 0), w.sync[:]...)
	_, err = out.Write(header)
	return w, err
}

func appendAvroBytes(dst []byte, s string) []byte {
	return append(binary.AppendVarint(dst, int64(len(s))), s...)
}

// avroFileWriter writes one file.
type avroFileWriter struct {
	file   *avroFile
	values *converter.AvroFileValues
	out    io.Writer
	sync   [16]byte
	block  []byte // committed values, then the prepared one
	ended  int    // of the committed ones
	count  int64
	packed []byte
}

func (w *avroFileWriter) prepare(_ *schema.Schema, v schema.Value) (err error) {
	w.block, err = w.values.Append(w.block[:w.ended], v)
	return err
}

func (w *avroFileWriter) commit() error {
	w.ended = len(w.block)
	w.count++
	if w.ended < avroBlock {
		return nil
	}
	return w.endBlock()
}

func (w *avroFileWriter) close() error {
	if w.count == 0 {
		return nil
	}
	return w.endBlock()
}

func (w *avroFileWriter) endBlock() error {
	data, err := w.file.compress(w.packed[:0], w.block[:w.ended])
	if err != nil {
		return err
	}
	var room [2 * binary.MaxVarintLen64]byte
	head := binary.AppendVarint(binary.AppendVarint(room[:0], w.count), int64(len(data)))
	for _, b := range [][]byte{head, data, w.sync[:]} {
		if _, err := w.out.Write(b); err != nil {
			return err
		}
	}
	if w.file.codec != "null" {
		w.packed = data
	}
	w.count, w.ended, w.block = 0, 0, w.block[:0]
	return nil
}

// compress returns the block's bytes as the codec has them; dst may be used for them.
func (f *avroFile) compress(dst, block []byte) ([]byte, error) {
	switch f.codec {
	case "deflate": // RFC 1951, without zlib's header and checksum
		out := appender{dst}
		f.flate.Reset(&out)
		if _, err := f.flate.Write(block); err != nil {
			return nil, err
		}
		err := f.flate.Close()
		return out.b, err
	case "snappy": // and the checksum of what it was, big-endian
		packed := snappy.Encode(dst[:cap(dst)], block)
		return binary.BigEndian.AppendUint32(packed, crc32.ChecksumIEEE(block)), nil
	case "zstandard":
		return f.zstd.EncodeAll(block, dst), nil
	}
	return block, nil
}

// appender is an io.Writer that appends.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
