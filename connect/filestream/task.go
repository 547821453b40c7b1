package filestream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/schema/converter"
)

// Emitter is what the worker gives a source task; see cdc/source.Emitter, of which it is the same type.
type Emitter = interface {
	Stream(topic string, partition int32, key, value *schema.Schema, headers []schema.Header) (handle int, err error)
	Begin(handle int) (key, value schema.Writer)
	End(first []schema.Header) error
	Flush() error
}

// stamper is an emitter that takes the time of a record, between Begin and End: transforms see it.
type stamper interface{ Stamp(unixMilli int64) }

// SourceEnv is what the worker knows and a source task may use.
type SourceEnv struct {
	Log *slog.Logger
	// StoredOffset reads the stored offset of a source partition (JSON object); nil when there is none.
	StoredOffset func(ctx context.Context, partition []byte) ([]byte, error)
	Stdin        *Stdin
}

const (
	growEvery  = 100 * time.Millisecond // how often to look whether the file has grown
	lookEvery  = time.Second            // how often to look whether there is another file; Java's wait for a file that is missing
	graceOfOld = 2 * time.Second        // how long a file that was replaced may still be written to by who had it open
)

// SourceTask reads one file. Run it once; Offset and Stored may be called from another goroutine meanwhile and after.
type SourceTask struct {
	cfg       SourceConfig
	env       SourceEnv
	partition []byte
	now       func() time.Time // a test's clock
	grow      time.Duration
	grace     time.Duration

	out     Emitter
	stamp   stamper // nil: the emitter takes no time
	handle  int
	opened  bool   // handle is valid
	count   uint64 // records ended
	batched int    // since the last flush
	file    *os.File
	stream  bool // the file is a pipe or a device: it has no size and is not replaced
	lines   lines

	mu        sync.Mutex
	positions []position // ascending
	given     int64      // what Offset returned last
	stored    int64      // what Stored was told of last
}

// position is where in the file a record ends. Number 0 stands for the beginning.
type position struct {
	number uint64
	at     int64
}

// noPosition is the position of standard input, unknown is none at all.
const (
	noPosition = -1
	unknown    = -2
)

// NewSourceTask makes a task of a configuration; nothing is opened before Run.
func NewSourceTask(props map[string]string, env SourceEnv) (*SourceTask, error) {
	c, r := ParseSource(props)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return &SourceTask{cfg: c, env: env, partition: partitionOf(c.File), now: time.Now, grow: growEvery, grace: graceOfOld, given: unknown, stored: unknown}, nil
}

// Run reads lines until ctx ends (nil) or a stage fails. A file that does not exist is waited for.
func (t *SourceTask) Run(ctx context.Context, out Emitter) error {
	t.out = out
	t.stamp, _ = out.(stamper)
	var err error
	if t.cfg.File == "" {
		err = t.readStdin(ctx)
	} else {
		err = t.readFile(ctx)
	}
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err())) {
		return nil
	}
	return err
}

// readStdin makes records of standard input, until it ends: then there is nothing more to do. Its last line may have no end.
func (t *SourceTask) readStdin(ctx context.Context) error {
	in := t.env.Stdin
	if in == nil {
		return errors.New("read standard input: this process has none")
	}
	if !in.acquire(ctx) {
		return nil
	}
	defer in.release()
	for {
		if err := t.takeLines(ctx, &in.lines); err != nil {
			return err
		}
		err := in.fill(ctx)
		switch {
		case errors.Is(err, io.EOF):
			if line, ok := in.lines.last(); ok {
				if err := t.emit(line, noPosition); err != nil {
					return err
				}
			}
			return t.flush()
		case err != nil:
			return fmt.Errorf("read standard input: %w", err)
		}
	}
}

// takeLines makes records of all whole lines.
func (t *SourceTask) takeLines(ctx context.Context, l *lines) error {
	for ctx.Err() == nil {
		line, ok := l.next()
		if !ok {
			return t.flush()
		}
		at := int64(noPosition)
		if l == &t.lines {
			at = l.taken
		}
		if err := t.emit(line, at); err != nil {
			return err
		}
		if t.batched >= t.cfg.Batch {
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

var lineSchema = schema.Of(schema.String)

// emit makes a record of a line. The topic is made with the first.
func (t *SourceTask) emit(line []byte, at int64) error {
	if !t.opened {
		handle, err := t.out.Stream(t.cfg.Topic, kafka.AnyPartition, nil, lineSchema, nil)
		if err != nil {
			return err
		}
		t.handle, t.opened = handle, true
	}
	_, value := t.out.Begin(t.handle)
	if t.stamp != nil {
		t.stamp.Stamp(t.now().UnixMilli())
	}
	value.Text(converter.ValidUTF8(line))
	t.count++
	t.batched++
	t.reached(at) // before End: the record may be acknowledged before it returns
	return t.out.End(nil)
}

func (t *SourceTask) flush() error {
	if t.batched == 0 {
		return nil
	}
	t.batched = 0
	return t.out.Flush()
}

// reached notes that the record of the present count ends at a position.
func (t *SourceTask) reached(at int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.positions)
	switch {
	case at == noPosition && (n > 0 || t.given == noPosition): // it is always the same
		return
	case n > 0 && t.positions[n-1].number == t.count:
		t.positions = t.positions[:n-1]
	}
	t.positions = append(t.positions, position{t.count, at})
}

// Offset implements the worker's SourceTask.
func (t *SourceTask) Offset(n uint64) (partition, offset []byte, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	done := 0
	for done < len(t.positions) && t.positions[done].number <= n {
		t.given = t.positions[done].at
		done++
	}
	t.positions = t.positions[:copy(t.positions, t.positions[done:])]
	if t.given == unknown || t.given == t.stored {
		return nil, nil, false
	}
	return t.partition, appendOffset(nil, t.given), true
}

// Stored implements the worker's SourceTask.
func (t *SourceTask) Stored(uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stored = t.given
}

// readFile makes records of a file's lines, and goes on when it has grown, was truncated or replaced.
func (t *SourceTask) readFile(ctx context.Context) error {
	if err := t.open(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	defer func() { t.file.Close() }()
	looked := t.now()
	var replaced time.Time // when another file was seen in its place
	for {
		more, err := t.readOn(ctx)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		now := t.now()
		switch {
		case t.stream:
		case !replaced.IsZero():
			if now.Sub(replaced) >= t.grace {
				if err := t.change(ctx); err != nil || ctx.Err() != nil {
					return err
				}
				replaced = time.Time{}
			}
		case now.Sub(looked) >= lookEvery:
			looked = now
			if other, err := t.isReplaced(); err != nil {
				return err
			} else if other {
				replaced = now
			}
		}
		if !pause.For(ctx, t.grow) {
			return nil
		}
	}
}

// readOn reads once and makes records of the lines; false when there was nothing to read.
func (t *SourceTask) readOn(ctx context.Context) (more bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = t.lines.fill(t.file)
	switch {
	case errors.Is(err, io.EOF):
		return false, t.checkSize()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, ctx.Err()
	case err != nil:
		return false, fmt.Errorf("read file %q at position %d: %w", t.cfg.File, t.lines.taken, err)
	}
	return true, t.takeLines(ctx, &t.lines)
}

// checkSize goes back to the beginning of a file that has become shorter than what was read of it.
func (t *SourceTask) checkSize() error {
	if t.stream {
		return nil
	}
	info, err := t.file.Stat()
	if err != nil {
		return fmt.Errorf("look at file %q: %w", t.cfg.File, err)
	}
	read := t.lines.taken + int64(t.lines.waiting())
	if info.Size() >= read {
		return nil
	}
	t.env.Log.Warn("the file was truncated, it is read from its beginning", "file", t.cfg.File, "read", read, "size", info.Size(), "unfinished", t.lines.waiting())
	return t.seek(0)
}

// isReplaced tells that there is another file of the name. One that is only gone may still be written to.
func (t *SourceTask) isReplaced() (bool, error) {
	there, err := os.Stat(t.cfg.File)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return false, fmt.Errorf("look at file %q: %w", t.cfg.File, err)
	}
	ours, err := t.file.Stat()
	if err != nil {
		return false, fmt.Errorf("look at file %q: %w", t.cfg.File, err)
	}
	return !os.SameFile(there, ours), nil
}

// finish makes a record of a last line that has no end.
func (t *SourceTask) finish() error {
	if line, ok := t.lines.last(); ok {
		if err := t.emit(line, t.lines.taken); err != nil {
			return err
		}
	}
	return t.flush()
}

// change goes over from a file that was replaced, and read to its end, to the new one.
func (t *SourceTask) change(ctx context.Context) error {
	if err := t.finish(); err != nil {
		return err
	}
	t.env.Log.Info("another file has taken the place of the one that was read, it is read from its beginning", "file", t.cfg.File, "read", t.lines.taken)
	old := t.file
	if opened, err := t.openFile(ctx); err != nil || !opened {
		return err
	}
	old.Close()
	t.lines.reset(0)
	t.reached(0)
	return nil
}

// open opens the file, which may not be there yet, and goes to the stored position.
func (t *SourceTask) open(ctx context.Context) error {
	if opened, err := t.openFile(ctx); err != nil || !opened {
		return err
	}
	if err := t.toStored(ctx); err != nil {
		t.file.Close()
		return err
	}
	t.env.Log.Debug("reading", "file", t.cfg.File, "position", t.lines.taken)
	return nil
}

// toStored goes on where the last run stopped.
func (t *SourceTask) toStored(ctx context.Context) error {
	stored, err := t.env.StoredOffset(ctx, t.partition)
	if err != nil {
		return fmt.Errorf("read the offset of file %q: %w", t.cfg.File, err)
	}
	at, err := readOffset(stored)
	if err != nil {
		return err
	}
	info, err := t.file.Stat()
	if err != nil {
		return fmt.Errorf("look at file %q: %w", t.cfg.File, err)
	}
	if t.stream || at == 0 {
		return nil
	}
	if at > info.Size() {
		t.env.Log.Warn("the file is shorter than what was read of it before: it was truncated or replaced, and is read from its beginning",
			"file", t.cfg.File, "position", at, "size", info.Size())
		return t.seek(0)
	}
	return t.seek(at)
}

// seek goes to a position. Going back is a position to be stored at once: the old one may fit the file again when it has grown.
func (t *SourceTask) seek(at int64) error {
	if _, err := t.file.Seek(at, io.SeekStart); err != nil {
		return fmt.Errorf("go to position %d of file %q: %w", at, t.cfg.File, err)
	}
	t.lines.reset(at)
	if at == 0 {
		t.reached(0)
	}
	return nil
}

// openFile waits until the file is there; false when ctx ended first. A pipe does not wait for who writes to it, nor a read of one for longer
// than ctx lives.
func (t *SourceTask) openFile(ctx context.Context) (bool, error) {
	for attempt := 1; ; attempt++ {
		file, err := os.OpenFile(t.cfg.File, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			return true, t.use(ctx, file)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("open file %q: %w", t.cfg.File, err)
		}
		if attempt&(attempt-1) == 0 { // ever more rarely
			t.env.Log.Warn("Couldn't find file "+t.cfg.File+" for FileStreamSourceTask, sleeping to wait for it to be created", "attempts", attempt)
		}
		if !pause.For(ctx, lookEvery) {
			return false, nil
		}
	}
}

// use looks at what was opened.
func (t *SourceTask) use(ctx context.Context, file *os.File) error {
	info, err := file.Stat()
	switch {
	case err != nil:
		err = fmt.Errorf("look at file %q: %w", t.cfg.File, err)
	case info.IsDir():
		err = fmt.Errorf("read file %q: it is a directory; the option \"file\" takes one file", t.cfg.File)
	}
	if err != nil {
		file.Close()
		return err
	}
	if t.stream = !info.Mode().IsRegular(); t.stream {
		context.AfterFunc(ctx, func() { file.SetReadDeadline(time.Unix(1, 0)) }) // a device that knows no deadlines does not block either
	}
	t.file = file
	return nil
}
