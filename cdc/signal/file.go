package signal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// maxFile bounds a file of signals: a larger one is something else, named by mistake.
const maxFile = 16 << 20

// File reads signals from a file, one JSON object in each line, and empties it.
type File struct {
	Path  string
	Every time.Duration // between two looks
	Log   *slog.Logger

	failure string // of the last look, so that each is told once
}

// Run delivers signals until ctx ends (nil) or Deliver fails. A file that does not exist is one without signals.
func (f *File) Run(ctx context.Context, deliver Deliver) error {
	for {
		lines, err := f.take()
		f.tell(err)
		for i, line := range lines {
			s, err := ParseWire(line)
			if err != nil {
				f.Log.Warn("a line of the signal file is ignored: it is no signal", "file", f.Path, "line", string(line[:min(len(line), 200)]), "error", err)
				continue
			}
			s.Channel = ChannelFile
			if err := deliver(ctx, s); err != nil {
				f.Log.Warn("signals were read from the file and not carried out; write them again", "file", f.Path, "signals", string(bytes.Join(lines[i:], []byte("\n"))))
				return endOf(ctx, err)
			}
		}
		if !pause(ctx, f.Every) {
			return nil
		}
	}
}

func (f *File) tell(err error) {
	switch {
	case err == nil:
		f.failure = ""
	case err.Error() != f.failure:
		f.failure = err.Error()
		f.Log.Warn("cannot read the signal file; looking again", "file", f.Path, "every", f.Every, "error", err)
	}
}

// take reads the file's lines and empties it. What a writer appends between the last read and the truncation would be lost, so it reads until
// the size stands still; to be sure, write the file under another name and rename it.
func (f *File) take() ([][]byte, error) {
	file, err := os.OpenFile(f.Path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open signal file: %w", err)
	}
	defer file.Close()
	var text []byte
	for {
		more, err := io.ReadAll(io.LimitReader(file, maxFile+1))
		if err != nil {
			return nil, fmt.Errorf("read signal file %s: %w", f.Path, err)
		}
		if text = append(text, more...); len(text) > maxFile {
			return nil, fmt.Errorf("signal file %s is larger than %d bytes; it is left as it is", f.Path, maxFile)
		}
		if len(more) == 0 {
			break
		}
	}
	if len(text) == 0 {
		return nil, nil
	}
	if err := file.Truncate(0); err != nil {
		return nil, fmt.Errorf("empty signal file %s: %w", f.Path, err)
	}
	var lines [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			lines = append(lines, line)
		}
	}
	return lines, nil
}
