package client

import "sync"

// Chunks are of several sizes: a batch begins with small ones, so that thousands of partitions with a few records each do not take a large one
// each, and goes on with the largest.
const (
	leastChunk = 4 << 10
	chunkBytes = 64 << 10
)

var chunkSizes = [...]int{leastChunk, leastChunk, 8 << 10, 16 << 10, chunkBytes}

// pile is bytes in chunks.
type pile struct {
	chunks [][]byte // what is used of each
	size   int      // bytes
	room   int      // memory of the chunks
}

// free is the rest of the last chunk; took tells how much of it was used.
func (p *pile) free() []byte {
	if len(p.chunks) == 0 {
		return nil
	}
	last := p.chunks[len(p.chunks)-1]
	return last[len(last):cap(last)]
}

func (p *pile) took(n int) {
	last := &p.chunks[len(p.chunks)-1]
	*last = (*last)[:len(*last)+n]
	p.size += n
}

// write appends bytes.
func (p *pile) write(pool *chunkPool, b []byte) {
	for len(b) > 0 {
		free := p.free()
		if len(free) == 0 {
			if p.chunks == nil {
				p.chunks = make([][]byte, 0, len(chunkSizes)) // one allocation for all but large batches
			}
			chunk := pool.get(min(len(p.chunks), len(chunkSizes)-1))
			p.chunks = append(p.chunks, chunk)
			p.room += cap(chunk)
			continue
		}
		n := copy(free, b)
		p.took(n)
		b = b[n:]
	}
}

func (p *pile) appendTo(dst []byte) []byte {
	for _, c := range p.chunks {
		dst = append(dst, c...)
	}
	return dst
}

// pooled is a pile that can be written to.
type pooled struct {
	pile
	pool *chunkPool
}

// Write implements io.Writer.
func (p *pooled) Write(b []byte) (int, error) {
	p.write(p.pool, b)
	return len(b), nil
}

// chunkPool keeps chunks for the next batches. get and put are safe for concurrent use; the producer's mutex guards the rest.
type chunkPool struct {
	mu   sync.Mutex
	kept [len(chunkSizes)][][]byte
	room int // bytes kept

	batches []*batch
	scratch []byte // a record that may not fit into a chunk
}

const (
	// keptBytes is what a few partitions under load have open and in flight.
	keptBytes = 4 << 20
	// keptBatches is enough for a few partitions under load; beyond it the collector has them.
	keptBatches = 32
)

// get returns an empty chunk of a size in chunkSizes.
func (p *chunkPool) get(size int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.kept[size]); n > 0 {
		c := p.kept[size][n-1]
		p.kept[size][n-1] = nil
		p.kept[size] = p.kept[size][:n-1]
		p.room -= cap(c)
		return c[:0]
	}
	return make([]byte, 0, chunkSizes[size])
}

// put takes the chunks of a pile, which is empty then.
func (p *chunkPool) put(of *pile) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range of.chunks {
		if size := min(i, len(chunkSizes)-1); p.room+cap(c) <= keptBytes {
			p.kept[size] = append(p.kept[size], c)
			p.room += cap(c)
		}
		of.chunks[i] = nil
	}
	*of = pile{chunks: of.chunks[:0]}
}

func (p *chunkPool) batch() *batch {
	if n := len(p.batches); n > 0 {
		b := p.batches[n-1]
		p.batches = p.batches[:n-1]
		return b
	}
	return new(batch)
}

// recycle gives the batch and its chunks back.
func (p *chunkPool) recycle(b *batch) {
	p.put(&b.body)
	*b = batch{body: b.body}
	if len(p.batches) < keptBatches {
		p.batches = append(p.batches, b)
	}
}
