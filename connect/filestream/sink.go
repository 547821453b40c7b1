package filestream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/diskfull"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema/converter"
	"github.com/tandem-cdc/tandem/sink"
)

// SinkConfig holds the options of the sink.
type SinkConfig struct {
	File string // "": standard output
}

// Keys are the options of the sink.
func (c *SinkConfig) Keys() config.Keys {
	return config.Keys{
		config.String(&c.File, "file", "File to append to; it is made when it does not exist. None: standard output.", config.Null(), config.Rank(config.High)),
	}
}

// ParseSink reads a configuration and reports every error and warning.
func ParseSink(props map[string]string) (SinkConfig, config.Report) {
	var c SinkConfig
	return c, c.Keys().Parse(props)
}

// ValidateSink checks the configuration of a sink.
func ValidateSink(props map[string]string) config.Report {
	_, r := ParseSink(props)
	return r
}

// SinkEnv is what the worker knows and a sink task may use.
type SinkEnv struct {
	Log    *slog.Logger
	Stdout io.Writer
}

// SinkTask appends a line for each record: the value as Java prints it. One goroutine uses it.
type SinkTask struct {
	cfg    SinkConfig
	env    SinkEnv
	file   *os.File // nil: not open, or standard output
	out    io.Writer
	open   []kafka.TopicPartition
	behind map[kafka.TopicPartition]int64
	lines  []byte
	begun  []byte // what the file has of a batch that it had no room for, which comes again
	torn   bool   // the file ends within a line: of a process that was killed, or of a batch that does not come again
}

// NewSinkTask makes a task, and the file where there is none: a path that cannot be written fails the task before it takes records.
func NewSinkTask(props map[string]string, env SinkEnv) (*SinkTask, error) {
	c, r := ParseSink(props)
	if err := r.Err(); err != nil {
		return nil, err
	}
	t := &SinkTask{cfg: c, env: env, behind: make(map[kafka.TopicPartition]int64)}
	if err := t.openFile(); err != nil {
		return nil, err
	}
	return t, t.closeFile()
}

// Open implements sink.Task. The file holds no positions.
func (t *SinkTask) Open(_ context.Context, partitions []sink.Assignment) ([]kafka.Position, error) {
	if t.out == nil {
		if err := t.openFile(); err != nil {
			return nil, err
		}
	}
	for _, p := range partitions {
		t.open = append(t.open, p.TopicPartition)
	}
	return nil, nil
}

// OpenError says that the file cannot be made or written.
type OpenError struct {
	File string
	Err  error
}

// The sentence is the Java connector's: it is what status shows.
func (e *OpenError) Error() string {
	return fmt.Sprintf("Couldn't find or create file '%s' for FileStreamSinkTask: %v", e.File, e.Err)
}

func (e *OpenError) Unwrap() error { return e.Err }

// Exception is the class and the message of the exception in Java: what the status of a failed task begins with.
func (e *OpenError) Exception() (class, message string) {
	return "org.apache.kafka.connect.errors.ConnectException", fmt.Sprintf("Couldn't find or create file '%s' for FileStreamSinkTask", e.File)
}

func (t *SinkTask) openFile() error {
	if t.cfg.File == "" {
		if t.out = t.env.Stdout; t.out == nil {
			return errors.New("write to standard output: this process has none")
		}
		return nil
	}
	file, err := os.OpenFile(t.cfg.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return &OpenError{t.cfg.File, err}
	}
	t.file, t.out, t.begun, t.torn = file, file, nil, endsWithinLine(file)
	return nil
}

// endsWithinLine tells whether a file's last line has no end. Nothing is read of what is no regular file, or not for this process to read.
func endsWithinLine(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	reader, err := os.Open(file.Name())
	if err != nil {
		return false
	}
	defer reader.Close()
	var last [1]byte
	_, err = reader.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] != '\n'
}

func (t *SinkTask) closeFile() error {
	file := t.file
	t.file, t.out = nil, nil
	if file == nil {
		return nil
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("close file %q: %w", t.cfg.File, err)
	}
	return nil
}

// mostKept is the size of the buffer that is kept for the next batch.
const mostKept = 1 << 20

// Put implements sink.Task. The lines are written at once, so that those of several tasks do not mix. Where the disk is full, the file may end within
// a line: the batch comes again, and only what is missing of it is written.
func (t *SinkTask) Put(_ context.Context, records []sink.Record) error {
	if len(records) == 0 {
		return nil
	}
	lines := t.lines[:0]
	for i := range records {
		r := &records[i]
		lines = append(converter.AppendText(lines, r.ValueSchema, r.Value), '\n')
	}
	if err := t.write(lines); err != nil {
		return diskfull.Wrap(err, "append %d lines to %s", len(records), t.name())
	}
	for i := range records {
		t.behind[records[i].Consumed()] = records[i].Offset + 1
	}
	if t.lines = lines; cap(lines) > mostKept {
		t.lines = nil
	}
	return nil
}

// write writes what is missing of a batch. A line that something else had begun gets its end first.
func (t *SinkTask) write(lines []byte) error {
	rest, again := bytes.CutPrefix(lines, t.begun)
	if !again {
		t.torn, t.begun, rest = t.torn || t.begun[len(t.begun)-1] != '\n', nil, lines
	}
	if t.torn {
		rest = append([]byte{'\n'}, rest...)
	}
	n, err := t.out.Write(rest)
	if t.torn && n > 0 {
		t.torn = false
		n--
	}
	if err != nil {
		t.begun = append(t.begun, lines[len(t.begun):len(t.begun)+n]...)
		return err
	}
	t.begun = nil
	return nil
}

func (t *SinkTask) name() string {
	if t.cfg.File == "" {
		return "standard output"
	}
	return fmt.Sprintf("file %q", t.cfg.File)
}

// Flush implements sink.Task.
func (t *SinkTask) Flush(context.Context) ([]kafka.Position, error) {
	if t.file != nil {
		info, err := t.file.Stat()
		if err == nil && info.Mode().IsRegular() {
			err = t.file.Sync()
		}
		if err != nil {
			return nil, diskfull.Wrap(err, "flush file %q", t.cfg.File)
		}
	}
	positions := make([]kafka.Position, 0, len(t.behind))
	for at, offset := range t.behind {
		positions = append(positions, kafka.Position{TopicPartition: at, Offset: offset})
	}
	return positions, nil
}

// Close implements sink.Task.
func (t *SinkTask) Close(_ context.Context, partitions []kafka.TopicPartition) error {
	for _, p := range partitions {
		delete(t.behind, p)
	}
	t.open = slices.DeleteFunc(t.open, func(p kafka.TopicPartition) bool { return slices.Contains(partitions, p) })
	if len(t.open) > 0 {
		return nil
	}
	return t.closeFile()
}
