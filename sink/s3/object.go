package s3

import (
	"bytes"
	"context"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/tandem-cdc/tandem/internal/diskfull"
)

// object is an object on its way to the store: what is not sent yet, and which parts the store has. It is written by one goroutine and sent by
// another, never at once.
//
// A file smaller than a part is sent as a whole; of another one, parts are sent as soon as they are full.
type object struct {
	store    store
	name     string
	options  putOptions
	partSize int
	memory   *memory

	buf     []byte   // of the part that is being filled
	spilled *os.File // what stood in buf before; nil when all is there
	onDisk  int64

	cut      []*part // full, not sent
	upload   string  // "" until the first part is sent
	sent     []sentPart
	finished bool // nothing more comes
	stored   bool
}

// part is a full part, or the last one.
type part struct {
	mem  []byte
	file *os.File // before mem; nil without
	size int64
}

// memory counts the bytes that a task's objects keep, and keeps buffers for reuse.
type memory struct {
	used atomic.Int64

	mu   sync.Mutex
	free [][]byte
}

const keptBuffers = 8 // that many are kept for reuse

// take returns an empty buffer, nil when there is none.
func (m *memory) take() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.free)
	if n == 0 {
		return nil
	}
	b := m.free[n-1]
	m.free = m.free[:n-1]
	return b[:0]
}

func (m *memory) give(b []byte) {
	m.used.Add(-int64(len(b)))
	m.mu.Lock()
	defer m.mu.Unlock()
	if cap(b) > 0 && len(m.free) < keptBuffers {
		m.free = append(m.free, b)
	}
}

// Write appends to the object. Its error is always nil.
func (o *object) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		room := int64(o.partSize) - o.filled()
		take := p[:min(int64(len(p)), room)]
		if o.buf == nil {
			o.buf = o.memory.take()
		}
		o.buf = append(o.buf, take...)
		o.memory.used.Add(int64(len(take)))
		p = p[len(take):]
		if o.filled() >= int64(o.partSize) {
			o.cutPart()
		}
	}
	return n, nil
}

// filled is how much of the part there is.
func (o *object) filled() int64 { return o.onDisk + int64(len(o.buf)) }

// cutPart makes what there is a part.
func (o *object) cutPart() {
	o.cut = append(o.cut, &part{mem: o.buf, file: o.spilled, size: o.filled()})
	o.buf, o.spilled, o.onDisk = nil, nil, 0
}

// finish says that nothing more comes.
func (o *object) finish() {
	if o.finished {
		return
	}
	if o.filled() > 0 || len(o.sent)+len(o.cut) == 0 {
		o.cutPart()
	}
	o.finished = true
}

// pending tells that there is something to send.
func (o *object) pending() bool { return len(o.cut) > 0 || o.finished && !o.stored }

// send sends what can be sent. After an error it may be called again.
func (o *object) send(ctx context.Context) error {
	for len(o.cut) > 0 {
		p := o.cut[0]
		body, err := p.body()
		if err != nil {
			return err
		}
		if o.upload == "" && o.finished && len(o.cut) == 1 {
			if err := o.store.put(ctx, o.name, body, p.size, o.options); err != nil {
				return err
			}
			o.stored = true
		} else if err := o.sendPart(ctx, body, p.size); err != nil {
			return err
		}
		o.cut = o.cut[1:]
		o.release(p)
	}
	if !o.finished || o.stored {
		return nil
	}
	if err := o.store.complete(ctx, o.name, o.upload, o.sent, o.options); err != nil {
		return err
	}
	o.stored = true
	return nil
}

func (o *object) sendPart(ctx context.Context, body io.ReadSeeker, size int64) (err error) {
	if o.upload == "" {
		if o.upload, err = o.store.begin(ctx, o.name, o.options); err != nil {
			return err
		}
	}
	number := int32(len(o.sent) + 1)
	etag, err := o.store.part(ctx, o.name, o.upload, number, body, size)
	if err == nil {
		o.sent = append(o.sent, sentPart{number, etag})
	}
	return err
}

// body reads a part from its beginning.
func (p *part) body() (io.ReadSeeker, error) {
	if p.file == nil {
		return bytes.NewReader(p.mem), nil
	}
	if onDisk := p.size - int64(len(p.mem)); len(p.mem) > 0 {
		if _, err := p.file.WriteAt(p.mem, onDisk); err != nil {
			return nil, spillError(err)
		}
	}
	return io.NewSectionReader(p.file, 0, p.size), nil
}

func (o *object) release(p *part) {
	o.memory.give(p.mem)
	if p.file != nil {
		_ = p.file.Close() // it was removed when it was made
	}
}

// spill moves what is in memory to a temporary file, which is gone when the process ends, however it does.
func (o *object) spill() error {
	if o.spilled == nil {
		f, err := os.CreateTemp("", "tandem-s3-*")
		if err != nil {
			return spillError(err)
		}
		_ = os.Remove(f.Name()) // the open file stays; a system that cannot do that keeps the name
		o.spilled = f
	}
	if _, err := o.spilled.WriteAt(o.buf, o.onDisk); err != nil {
		return spillError(err)
	}
	o.onDisk += int64(len(o.buf))
	o.memory.give(o.buf)
	o.buf = nil
	return nil
}

func spillError(err error) error {
	return diskfull.Wrap(err, "keep parts of open files in the folder for temporary files (TMPDIR), which s3.buffer.memory.bytes has no room for")
}

// discard gives up what is not stored, at the store too.
func (o *object) discard(ctx context.Context) error {
	if o.stored {
		return nil
	}
	if o.filled() > 0 {
		o.cutPart()
	}
	for _, p := range o.cut {
		o.release(p)
	}
	o.cut, o.finished, o.stored = nil, true, true
	if o.upload == "" {
		return nil
	}
	return o.store.abort(ctx, o.name, o.upload)
}
