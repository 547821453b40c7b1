package client

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"
)

// Layout of an LZ4 frame, little-endian: Int32 magic | flags | block descriptor | [8 bytes of size] | checksum of the header | blocks: Int32 length, its
// highest bit set when it is not compressed | data | [Int32 checksum] | Int32 0 | [Int32 checksum of all]. lz4_Frame_format.md, version 1.6.1.
const (
	lz4Magic         = 0x184D2204
	lz4Version       = 0xC0 // of the flags: two bits, 01
	lz4Independent   = 0x20
	lz4BlockChecksum = 0x10
	lz4Size          = 0x08
	lz4Checksum      = 0x04
	lz4Dictionary    = 0x01
	lz4Stored        = 1 << 31
	lz4Window        = 64 << 10
)

// lz4Blocks is a frame that is decompressed block by block, where it is wanted: lz4.Reader copies twice, and looks at checksums; the
// batch around a frame has one.
type lz4Blocks struct {
	data   []byte // what is left
	most   int    // bytes of a block
	linked bool   // blocks refer to those before
	sums   bool   // blocks have checksums
	from   *answerFrame
}

// cutLZ4 reads the head of a frame and finds its end. ok is false when it is not built as Kafka's clients build them.
func cutLZ4(data []byte) (b *lz4Blocks, ok bool) {
	if len(data) < 7 || binary.LittleEndian.Uint32(data) != lz4Magic {
		return nil, false
	}
	flags := data[4]
	b = &lz4Blocks{most: 1 << (8 + 2*int(data[5]>>4&7)), linked: flags&lz4Independent == 0, sums: flags&lz4BlockChecksum != 0} // 4 is 64 KiB, 7 is 4 MiB
	head := 7
	if flags&lz4Size != 0 {
		head += 8
	}
	if flags&lz4Version != 0x40 || flags&lz4Dictionary != 0 || b.most < lz4Window || len(data) < head {
		return nil, false
	}
	b.data = data[head:]
	rest := b.data
	for { // the blocks must be there, and nothing behind them
		if len(rest) < 4 {
			return nil, false
		}
		size := int(binary.LittleEndian.Uint32(rest) &^ lz4Stored)
		rest = rest[4:]
		if size == 0 {
			break
		}
		if b.sums {
			size += 4
		}
		if size > len(rest) {
			return nil, false
		}
		rest = rest[size:]
	}
	if flags&lz4Checksum != 0 {
		return b, len(rest) == 4
	}
	return b, len(rest) == 0
}

// done tells that no block is left.
func (b *lz4Blocks) done() bool { return binary.LittleEndian.Uint32(b.data)&^lz4Stored == 0 }

// read decompresses blocks into dst behind its first n bytes, until there are so many as are wanted or no block is left. Behind what is wanted dst has
// room for a block.
func (b *lz4Blocks) read(dst []byte, n, want int) (int, error) {
	for n < want && !b.done() {
		head := binary.LittleEndian.Uint32(b.data)
		size := int(head &^ lz4Stored)
		block := b.data[4 : 4+size]
		b.data = b.data[4+size:]
		if b.sums {
			b.data = b.data[4:]
		}
		to := dst[n : n+b.most : n+b.most]
		if head&lz4Stored != 0 {
			if size > b.most {
				return n, fmt.Errorf("decompress by lz4: a block of %d bytes where %d are the most", size, b.most)
			}
			n += copy(to, block)
			continue
		}
		var dict []byte
		if b.linked {
			dict = dst[max(0, n-lz4Window):n]
		}
		m, err := lz4.UncompressBlockWithDict(block, to, dict)
		if err != nil {
			return n, fmt.Errorf("decompress by lz4: %w", err)
		}
		n += m
	}
	return n, nil
}

// readLZ4 decompresses any frame.
func readLZ4(data []byte) ([]byte, error) {
	plain, err := io.ReadAll(lz4.NewReader(bytes.NewReader(data)))
	if err != nil {
		return nil, fmt.Errorf("decompress by lz4: %w", err)
	}
	return plain, nil
}
