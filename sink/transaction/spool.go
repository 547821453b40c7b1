package transaction

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"github.com/tandem-cdc/tandem/internal/diskfull"
)

// chunkSize is how many bytes lie together: what is written to and read from the file at once.
const chunkSize = 128 << 10

// spool is the memory that the logs of all partitions share, and the file behind it.
type spool struct {
	limit int64 // of memory, in bytes
	held  int64 // in memory
	dir   string
	file  *os.File // nil: nothing was written yet
	end   int64    // of the file
	live  int64    // bytes of the file that are in use
}

// chunk is a piece of a log: in memory, or in the file.
type chunk struct {
	data    []byte
	size    int
	at      int64 // in the file
	spilled bool
}

// log is a first in, first out sequence of entries of bytes.
type log struct {
	spool  *spool
	chunks []*chunk
	first  int // number of chunks[0], of all that there were
	head   place
}

// place is where an entry of a log begins. It stays what it is while entries before it are dropped.
type place struct {
	chunk  int
	offset int
}

// room makes room for an entry. It is all of adding one that can fail, and may be called again.
func (l *log) room(entry []byte) error {
	var prefix [binary.MaxVarintLen64]byte
	size := binary.PutUvarint(prefix[:], uint64(len(entry))) + len(entry)
	last := len(l.chunks) - 1
	if last >= 0 && !l.chunks[last].spilled {
		if l.chunks[last].size == 0 || l.chunks[last].size+size <= chunkSize {
			return nil
		}
		if l.spool.held > l.spool.limit {
			if err := l.spool.spill(l.chunks[last]); err != nil {
				return err
			}
		}
	}
	l.chunks = append(l.chunks, &chunk{})
	return nil
}

// append adds an entry that there is room for.
func (l *log) append(entry []byte) {
	c := l.chunks[len(l.chunks)-1]
	before := cap(c.data)
	c.data = append(binary.AppendUvarint(c.data, uint64(len(entry))), entry...)
	c.size = len(c.data)
	l.spool.held += int64(cap(c.data) - before)
}

// spill writes a full chunk to the file and lets go of its memory.
func (s *spool) spill(c *chunk) error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "tandem-transactions-*")
		if err != nil {
			return diskfull.Wrap(err, "make a file for records that wait for the rest of their transactions (transaction.buffer.bytes, transaction.buffer.dir)")
		}
		_ = os.Remove(f.Name()) // what has no name cannot be left behind; where that is not possible, close removes it
		s.file = f
	}
	if _, err := s.file.WriteAt(c.data, s.end); err != nil {
		return diskfull.Wrap(err, "keep records that wait for the rest of their transactions in a file (transaction.buffer.bytes, transaction.buffer.dir)")
	}
	s.held -= int64(cap(c.data))
	c.at, c.spilled, c.data = s.end, true, nil
	s.end += int64(c.size)
	s.live += int64(c.size)
	return nil
}

// close gives the file back.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
		s.file = nil
	}
}

// drop forgets everything before a place.
func (l *log) drop(to place) {
	for l.first < to.chunk {
		c := l.chunks[0]
		l.chunks[0] = nil
		l.chunks = l.chunks[1:]
		l.first++
		s := l.spool
		if !c.spilled {
			s.held -= int64(cap(c.data))
			continue
		}
		if s.live -= int64(c.size); s.live == 0 {
			s.end = 0
			_ = s.file.Truncate(0) // the room is used again either way
		}
	}
	l.head = to
}

// end is the place of the next entry to be appended, as far as reading up to it is concerned.
func (l *log) end() place {
	if len(l.chunks) == 0 {
		return l.head
	}
	last := len(l.chunks) - 1
	return place{l.first + last, l.chunks[last].size}
}

// reader walks over entries of a log.
type reader struct {
	log   *log
	at    place
	chunk int    // of text; -1: none
	text  string // the chunk's bytes
}

func (l *log) read(from place) reader { return reader{log: l, at: from, chunk: -1} }

// next returns the entry at hand, which does not change, and goes behind it.
func (r *reader) next() (string, error) {
	c := r.log.chunks[r.at.chunk-r.log.first]
	for r.at.offset >= c.size { // the next one is in the next chunk
		r.at = place{r.at.chunk + 1, 0}
		c = r.log.chunks[r.at.chunk-r.log.first]
	}
	if r.chunk != r.at.chunk || r.at.offset >= len(r.text) {
		if !c.spilled {
			r.text = unsafe.String(unsafe.SliceData(c.data), c.size) // bytes of a chunk are appended, never changed
		} else {
			data := make([]byte, c.size)
			if _, err := r.log.spool.file.ReadAt(data, c.at); err != nil {
				return "", fmt.Errorf("read records that wait for the rest of their transactions from their file: %w", err)
			}
			r.text = unsafe.String(unsafe.SliceData(data), len(data))
		}
		r.chunk = r.at.chunk
	}
	d := decoder{text: r.text[r.at.offset:]}
	entry := d.take(d.uvarint())
	if d.err != nil {
		return "", d.err
	}
	r.at.offset = len(r.text) - len(d.text)
	return entry, nil
}
