package signal

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Types of signals, as users write them.
const (
	TypeLog         = "log"
	TypeExecute     = "execute-snapshot"
	TypeStop        = "stop-snapshot"
	TypePause       = "pause-snapshot"
	TypeResume      = "resume-snapshot"
	TypeWindowOpen  = "snapshot-window-open"
	TypeWindowClose = "snapshot-window-close"
	TypeSchema      = "schema-changes" // for databases whose connectors keep a schema history
)

// Names of channels, as signal.enabled.channels has them.
const (
	ChannelSource    = "source"
	ChannelKafka     = "kafka"
	ChannelFile      = "file"
	ChannelJMX       = "jmx"
	ChannelInProcess = "in-process"
)

// Signal is one request as it came in.
type Signal struct {
	ID, Type string
	Data     []byte // JSON object text; empty when there is none
	Channel  string
	Offset   int64 // of the record in the signal topic; -1 from other channels
}

// Kind is how an ad-hoc snapshot reads.
type Kind uint8

// Kinds of ad-hoc snapshots. Incremental is the default of a signal that names none.
const (
	Incremental Kind = iota
	Blocking
)

func (k Kind) String() string {
	if k == Blocking {
		return "BLOCKING"
	}
	return "INCREMENTAL"
}

// Execute asks for an ad-hoc snapshot.
type Execute struct {
	Collections  []string // regular expressions on schema.table, never empty
	Kind         Kind
	Conditions   []Condition
	SurrogateKey string // column that orders the rows of an incremental snapshot instead of the key; "" for none
}

// Condition narrows the rows of the tables it matches.
type Condition struct {
	Collection string // regular expression on schema.table
	Filter     string // incremental: a condition of WHERE; blocking: a whole SELECT
}

// Stop asks to end an ad-hoc snapshot, for some tables or, without any, for all.
type Stop struct {
	Collections []string // regular expressions on schema.table
	Kind        Kind
}

// Pause asks to hold the incremental snapshot after the chunk at hand.
type Pause struct{ Kind Kind }

// Resume asks to go on with it.
type Resume struct{ Kind Kind }

// Log asks for a line in the log; {} stands for the offset.
type Log struct{ Message string }

// Window is a watermark that an incremental snapshot wrote into the signal table itself.
type Window struct {
	ID    string // of the chunk, without -open or -close
	Close bool
}

// request is the data of all signals.
type request struct {
	Message      value   `json:"message"`
	Type         value   `json:"type"`
	Collections  []value `json:"data-collections"`
	Conditions   []value `json:"additional-conditions"`
	SurrogateKey value   `json:"surrogate-key"`
}

// value is a JSON value of which only strings are used, as Debezium does: others count as absent.
type value struct {
	text   string
	isText bool
	raw    json.RawMessage
}

// UnmarshalJSON keeps the text of a string and the bytes of anything.
func (v *value) UnmarshalJSON(b []byte) error {
	v.raw = append(v.raw[:0], b...)
	v.isText = len(b) > 0 && b[0] == '"'
	if !v.isText {
		return nil
	}
	return json.Unmarshal(b, &v.text)
}

// data reads the fields all signals share. Fields of another type than expected count as absent, as in Debezium; text that is not a JSON
// object is an error.
func (s Signal) data() (request, error) {
	var r request
	if len(s.Data) == 0 {
		return r, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(s.Data, &fields); err != nil {
		return r, s.bad("its data is not a JSON object (%v): %.200s", err, s.Data)
	}
	for name, dst := range map[string]*value{"message": &r.Message, "type": &r.Type, "surrogate-key": &r.SurrogateKey} {
		if raw := fields[name]; raw != nil {
			_ = dst.UnmarshalJSON(raw) // it is a valid value: it was part of the object
		}
	}
	for name, dst := range map[string]*[]value{"data-collections": &r.Collections, "additional-conditions": &r.Conditions} {
		if raw := fields[name]; len(raw) > 0 && raw[0] == '[' {
			_ = json.Unmarshal(raw, dst) // alike
		}
	}
	return r, nil
}

// Error says why a signal is left undone.
type Error struct {
	Signal  Signal
	Problem string
}

func (e *Error) Error() string {
	return fmt.Sprintf("signal %q of type %q is ignored: %s", e.Signal.ID, e.Signal.Type, e.Problem)
}

func (s Signal) bad(format string, args ...any) error {
	return &Error{Signal: s, Problem: fmt.Sprintf(format, args...)}
}

// ParseExecute reads the data of an execute-snapshot signal.
func ParseExecute(s Signal) (Execute, error) {
	r, err := s.data()
	if err != nil {
		return Execute{}, err
	}
	e := Execute{}
	if len(r.Collections) == 0 {
		return e, s.bad(`its data names no tables; give "data-collections": ["schema.table", …]`)
	}
	if e.Collections, err = s.collections(r); err != nil {
		return e, err
	}
	if e.Kind, err = s.kind(r); err != nil {
		return e, err
	}
	if strings.TrimSpace(r.SurrogateKey.text) != "" {
		e.SurrogateKey = r.SurrogateKey.text
	}
	for _, c := range r.Conditions {
		var fields struct {
			Collection *string `json:"data-collection"`
			Filter     string  `json:"filter"`
		}
		if err := json.Unmarshal(c.raw, &fields); err != nil || fields.Collection == nil {
			return e, s.bad(`an additional condition needs "data-collection" and "filter", both text: %.200s`, c.raw)
		}
		e.Conditions = append(e.Conditions, Condition{Collection: *fields.Collection, Filter: fields.Filter})
	}
	return e, nil
}

// ParseStop reads the data of a stop-snapshot signal.
func ParseStop(s Signal) (Stop, error) {
	r, err := s.data()
	if err != nil {
		return Stop{}, err
	}
	var stop Stop
	if stop.Collections, err = s.collections(r); err != nil {
		return stop, err
	}
	stop.Kind, err = s.kind(r)
	return stop, err
}

// ParsePause reads the data of a pause-snapshot signal.
func ParsePause(s Signal) (Pause, error) {
	kind, err := s.onlyKind()
	return Pause{kind}, err
}

// ParseResume reads the data of a resume-snapshot signal.
func ParseResume(s Signal) (Resume, error) {
	kind, err := s.onlyKind()
	return Resume{kind}, err
}

func (s Signal) onlyKind() (Kind, error) {
	r, err := s.data()
	if err != nil {
		return 0, err
	}
	return s.kind(r)
}

// ParseLog reads the data of a log signal.
func ParseLog(s Signal) (Log, error) {
	r, err := s.data()
	if err != nil {
		return Log{}, err
	}
	if r.Message.text == "" {
		return Log{}, s.bad(`its data has no "message"`)
	}
	return Log{r.Message.text}, nil
}

// ParseWindow reads a snapshot-window-open or -close signal; what it says stands in type and id.
func ParseWindow(s Signal) Window {
	w := Window{Close: s.Type == TypeWindowClose}
	suffix := "-open"
	if w.Close {
		suffix = "-close"
	}
	w.ID = strings.TrimSuffix(s.ID, suffix)
	return w
}

func (s Signal) collections(r request) ([]string, error) {
	var names []string
	for _, v := range r.Collections {
		if !v.isText {
			return nil, s.bad(`"data-collections" holds %s, which is no text`, v.raw)
		}
		names = append(names, strings.TrimSpace(v.text))
	}
	return names, nil
}

func (s Signal) kind(r request) (Kind, error) {
	switch {
	case !r.Type.isText || strings.EqualFold(r.Type.text, "incremental"):
		return Incremental, nil
	case strings.EqualFold(r.Type.text, "blocking"):
		return Blocking, nil
	}
	return 0, s.bad("snapshot type %q is unknown; use incremental or blocking", r.Type.text)
}
