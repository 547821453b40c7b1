package client

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// codecs are the lowest bits of a batch's attributes.
var codecs = map[Compression]int16{None: 0, GZIP: 1, Snappy: 2, LZ4: 3, Zstd: 4}

// packer compresses the records of batches, from chunks into chunks: the memory of one compressor is all it takes, and nothing is left to
// the collector. It belongs to one goroutine.
type packer struct {
	cfg     *ProducerConfig
	pool    *chunkPool
	lz4     *lz4.Compressor
	gzip    *gzip.Writer
	zstd    *zstd.Encoder
	scratch []byte // a compressed block
}

// pack returns body compressed; body stays.
func (k *packer) pack(body *pile) (pile, error) {
	out := pooled{pool: k.pool}
	err := k.into(&out, body)
	if err != nil {
		k.pool.put(&out.pile)
		return pile{}, fmt.Errorf("compress %d bytes of records with compression.type=%s: %w", body.size, k.cfg.Compression, err)
	}
	return out.pile, nil
}

func (k *packer) into(out *pooled, body *pile) error {
	switch k.cfg.Compression {
	case LZ4:
		return k.packLZ4(out, body)
	case Snappy:
		k.packSnappy(out, body)
		return nil
	case GZIP:
		if k.gzip == nil {
			var err error
			if k.gzip, err = gzip.NewWriterLevel(out, k.cfg.GzipLevel); err != nil {
				return err
			}
		}
		k.gzip.Reset(out)
		return flow(k.gzip, body)
	case Zstd:
		if k.zstd == nil {
			var err error
			// No window is larger than a batch of the default size: the encoder would hold a history of 8 MiB.
			if k.zstd, err = zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(zstdWindow),
				zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(k.cfg.ZstdLevel))); err != nil {
				return err
			}
		}
		k.zstd.Reset(out)
		return flow(k.zstd, body)
	}
	return fmt.Errorf("there is no such compression")
}

const zstdWindow = 512 << 10

func flow(w io.WriteCloser, body *pile) error {
	for _, c := range body.chunks {
		if _, err := w.Write(c); err != nil {
			return err
		}
	}
	return w.Close()
}

// lz4Head begins a frame: magic, version 1 with independent blocks and no checksums, for the batch has one, blocks of 64 KiB at the most, and the
// second byte of these two bytes' xxHash. LZ4 Frame Format Description 1.6.
const lz4Head = "\x04\x22\x4d\x18\x60\x40\x82"

// lz4Plain marks a block that is not compressed.
const lz4Plain = 1 << 31

// packLZ4 makes a block of each chunk.
func (k *packer) packLZ4(out *pooled, body *pile) error {
	if k.lz4 == nil {
		k.lz4, k.scratch = new(lz4.Compressor), make([]byte, 4+lz4.CompressBlockBound(chunkBytes))
	}
	out.write(k.pool, append(k.scratch[:0], lz4Head...))
	for _, c := range body.chunks {
		n, err := k.lz4.CompressBlock(c, k.scratch[4:])
		if err != nil {
			return err
		}
		if n > 0 && n < len(c) {
			binary.LittleEndian.PutUint32(k.scratch, uint32(n))
			out.write(k.pool, k.scratch[:4+n])
			continue
		}
		out.write(k.pool, binary.LittleEndian.AppendUint32(k.scratch[:0], uint32(len(c))|lz4Plain))
		out.write(k.pool, c)
	}
	out.write(k.pool, []byte{0, 0, 0, 0})
	return nil
}

// xerialHead begins what Java's SnappyOutputStream writes: magic, version, least version that reads it. Blocks follow, each with its length.
const xerialHead = "\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"

// xerialBlock is the block of Java's stream.
const xerialBlock = 32 << 10

func (k *packer) packSnappy(out *pooled, body *pile) {
	if k.scratch == nil {
		k.scratch = make([]byte, 4+s2.MaxEncodedLen(xerialBlock))
	}
	out.write(k.pool, append(k.scratch[:0], xerialHead...))
	for _, c := range body.chunks {
		for len(c) > 0 {
			n := min(len(c), xerialBlock)
			block := s2.EncodeSnappy(k.scratch[4:], c[:n])
			binary.BigEndian.PutUint32(k.scratch, uint32(len(block)))
			out.write(k.pool, k.scratch[:4+len(block)])
			c = c[n:]
		}
	}
}

// unpack is for what pack made: all of it, of a producer's own batch.
func unpack(codec Compression, p []byte) (out []byte, err error) {
	switch codec {
	case None:
		return p, nil
	case LZ4:
		out, err = io.ReadAll(lz4.NewReader(bytes.NewReader(p)))
	case Snappy:
		out, err = xerial.Decode(p)
	case GZIP:
		var r *gzip.Reader
		if r, err = gzip.NewReader(bytes.NewReader(p)); err == nil {
			out, err = io.ReadAll(r)
		}
	case Zstd:
		var r *zstd.Decoder
		if r, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1)); err == nil {
			defer r.Close()
			out, err = r.DecodeAll(p, nil)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("decompress %d bytes of a batch with compression.type=%s: %w", len(p), codec, err)
	}
	return out, nil
}
