package filestream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Names that select the plugins, as their Java classes, and the release whose behaviour they have.
const (
	SourceClass     = "org.apache.kafka.connect.file.FileStreamSourceConnector"
	SourceTaskClass = "org.apache.kafka.connect.file.FileStreamSourceTask"
	SinkClass       = "org.apache.kafka.connect.file.FileStreamSinkConnector"
	SinkTaskClass   = "org.apache.kafka.connect.file.FileStreamSinkTask"
	Version         = "4.3.1"
)

// SourceConfig holds the options of the source; start from DefaultSourceConfig.
type SourceConfig struct {
	File  string // "": standard input
	Topic string
	Batch int // lines after which records are sent without waiting for more
}

// DefaultSourceConfig is the only place of defaults.
func DefaultSourceConfig() SourceConfig { return SourceConfig{Batch: 2000} }

// Keys are the options of the source.
func (c *SourceConfig) Keys() config.Keys {
	return config.Keys{
		config.String(&c.File, "file", "File to read; none: standard input.", config.Null(), config.Rank(config.High)),
		config.String(&c.Topic, "topic", "Topic for the lines.", config.Required(), config.Rank(config.High), config.Check(nonEmpty)),
		config.Int(&c.Batch, "batch.size", "Lines that are read at most before they are sent; less than one is one.", math.MinInt32, math.MaxInt32, config.Rank(config.Low)),
	}
}

func nonEmpty(text string) error {
	if text == "" {
		return config.Complain("String must be non-empty")
	}
	return nil
}

// ParseSource reads a configuration and reports every error and warning.
func ParseSource(props map[string]string) (SourceConfig, config.Report) {
	c := DefaultSourceConfig()
	r := c.Keys().Parse(props)
	c.Batch = max(c.Batch, 1)
	return c, r
}

// ValidateSource checks the configuration of a source.
func ValidateSource(props map[string]string) config.Report {
	_, r := ParseSource(props)
	return r
}

// SourceTaskConfigs is always one task: one file has one reader, whatever tasks.max says.
func SourceTaskConfigs(props map[string]string, _ int) ([]map[string]string, error) {
	return []map[string]string{props}, nil
}

// ExactlyOnce tells whether the source can go on exactly where it stopped: from a file, not from standard input.
func ExactlyOnce(props map[string]string) bool {
	c, _ := ParseSource(props)
	return c.File != ""
}

// sentence is an error in the Java connector's words, which tools show.
type sentence string

func (s sentence) Error() string { return string(s) }

const (
	errStdinOffsets = sentence("Offsets cannot be modified if the 'file' configuration is unspecified. This is because stdin is used for input and offsets are not tracked.")
	errNoPosition   = sentence("Offset objects should either be null or contain the key 'position'")
	errPositionType = sentence("The value for the 'position' key in the offset is expected to be a Long value")
	errPositionLow  = sentence("The value for the 'position' key in the offset should be a non-negative value")
	errNoPartition  = sentence("Partition objects cannot be null")
	errNoFilename   = sentence("Partition objects should contain the key 'filename'")
)

// CheckOffset refuses an offset that a user wants to set and that the source could not go on from. Both are JSON; a null offset means to forget
// it, which the file's source takes for any partition.
func CheckOffset(props map[string]string, partition, offset []byte) error {
	if c, _ := ParseSource(props); c.File == "" {
		return errStdinOffsets
	}
	if isNull(offset) {
		return nil
	}
	var o, p map[string]json.RawMessage
	if err := json.Unmarshal(offset, &o); err != nil {
		return errNoPosition
	}
	text, has := o["position"]
	if !has {
		return errNoPosition
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	switch {
	case err != nil:
		return errPositionType
	case n < 0:
		return errPositionLow
	case isNull(partition):
		return errNoPartition
	}
	if err := json.Unmarshal(partition, &p); err != nil {
		return errNoFilename
	}
	if _, has := p["filename"]; !has {
		return errNoFilename
	}
	return nil
}

func isNull(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) == 0 || string(text) == "null"
}

// partitionOf is the source partition of a file, as the Java connector spells it.
func partitionOf(file string) []byte {
	var name any
	if file != "" {
		name = file
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{"filename": name}); err != nil { // a string cannot fail
		return nil
	}
	return bytes.TrimSpace(b.Bytes())
}

// errOffsetType is the Java connector's sentence for a stored offset that is no number.
const errOffsetType = sentence("Offset position is the incorrect type")

// readOffset reads a stored offset; without a position, and of none, it is 0.
func readOffset(stored []byte) (int64, error) {
	if isNull(stored) {
		return 0, nil
	}
	var o struct {
		Position json.RawMessage `json:"position"`
	}
	if err := json.Unmarshal(stored, &o); err != nil {
		return 0, fmt.Errorf("read the stored offset: %w", errors.Join(errOffsetType, err))
	}
	if isNull(o.Position) {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(o.Position), 10, 64)
	if err != nil {
		return 0, errOffsetType
	}
	return max(n, 0), nil
}

// appendOffset is the source offset of a position; a negative one is that of standard input, which has none.
func appendOffset(dst []byte, position int64) []byte {
	if position < 0 {
		return append(dst, `{"position":null}`...)
	}
	dst = append(dst, `{"position":`...)
	return append(strconv.AppendInt(dst, position, 10), '}')
}
