package connect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/tandem-cdc/tandem/internal/config"
)

// Request asks for a connector.
type Request struct {
	Name         string
	Config       map[string]string
	Null         []string // options whose value was JSON's null, which is refused
	InitialState State    // Running ("" too), Paused or Stopped
	// Unasked says that the database is not asked: one of a file that a worker starts with may be down just now, and its task waits for it.
	Unasked bool
}

// ReadConnectorFile reads a connector configuration in one of the forms that connect-standalone takes: a JSON object of options that
// contains "name", a JSON object {name, config, initial_state}, or Java properties. An error names the file, and the line of what is
// malformed.
func ReadConnectorFile(path string) (Request, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Request{}, fmt.Errorf("read the connector configuration: %w", err)
	}
	req, err := parseConnectorFile(text, strings.EqualFold(filepath.Ext(path), ".json"))
	if err != nil {
		return Request{}, fmt.Errorf("read the connector configuration %s: %w", path, err)
	}
	if req.Name == "" {
		return Request{}, complaint("Connector configuration at '%s' is missing the mandatory 'name' configuration", path)
	}
	return req, nil
}

// parseConnectorFile tells the forms apart: what begins with a brace, or is called .json, is JSON.
func parseConnectorFile(text []byte, isJSON bool) (Request, error) {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); isJSON || len(trimmed) > 0 && trimmed[0] == '{' {
		return parseConnectorJSON(text)
	}
	props, err := config.ParseProperties(string(text))
	if err != nil {
		return Request{}, err
	}
	return Request{Name: props["name"], Config: props}, nil
}

func parseConnectorJSON(text []byte) (Request, error) {
	var fields map[string]json.RawMessage
	if err := decodeJSON(text, &fields); err != nil {
		return Request{}, err
	}
	inner, nested := fields["config"]
	if trimmed := bytes.TrimLeft(inner, " \t\r\n"); !nested || len(trimmed) == 0 || trimmed[0] != '{' {
		props, err := ParseConfigJSON(text)
		return Request{Name: props["name"], Config: props}, err
	}
	var req Request
	var err error
	if req.Config, err = ParseConfigJSON(inner); err != nil {
		return Request{}, fmt.Errorf("field \"config\": %w", err)
	}
	req.Name = req.Config["name"]
	if name, given := fields["name"]; given {
		if err := json.Unmarshal(name, &req.Name); err != nil {
			return Request{}, fmt.Errorf("field \"name\": want a text, got %s", name)
		}
	}
	if _, given := req.Config["name"]; !given {
		req.Config["name"] = req.Name
	}
	if state, given := fields["initial_state"]; given {
		var text string
		if err := json.Unmarshal(state, &text); err != nil {
			return Request{}, fmt.Errorf("field \"initial_state\": want RUNNING, PAUSED or STOPPED, got %s", state)
		}
		if req.InitialState, err = ParseInitialState(text); err != nil {
			return Request{}, fmt.Errorf("field \"initial_state\": %w", err)
		}
	}
	return req, nil
}

// ParseInitialState takes RUNNING, PAUSED and STOPPED in any case.
func ParseInitialState(text string) (State, error) {
	for _, s := range []State{Running, Paused, Stopped} {
		if strings.EqualFold(text, string(s)) {
			return s, nil
		}
	}
	return "", fmt.Errorf("want RUNNING, PAUSED or STOPPED, got %q", text)
}

// ParseConfigJSON reads a JSON object of options. Numbers and booleans become texts as Jackson makes them; objects and arrays are
// refused, null too.
func ParseConfigJSON(text []byte) (map[string]string, error) {
	var fields map[string]json.RawMessage
	if err := decodeJSON(text, &fields); err != nil {
		return nil, err
	}
	props := make(map[string]string, len(fields))
	for name, raw := range fields {
		switch raw = bytes.TrimSpace(raw); raw[0] {
		case '{', '[':
			return nil, fmt.Errorf("option %q: want a text, got %s", name, raw)
		case 'n':
			return nil, fmt.Errorf("option %q: %s", name, NullOption)
		default:
			props[name] = JSONScalar(raw)
		}
	}
	return props, nil
}

// NullOption is what Kafka Connect answers to an option whose value is null.
const NullOption = "Null value can not be supplied as the configuration value."

// JSONScalar is the text of a JSON text, number or boolean. Jackson prints the shortest form of a decimal number: 1.50 is "1.5".
func JSONScalar(raw []byte) string {
	var s string
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &s); err == nil {
			return s
		}
	}
	text := string(raw)
	if strings.Contains(text, ".") && !strings.ContainsAny(text, "eE") {
		text = strings.TrimRight(text, "0")
		if strings.HasSuffix(text, ".") {
			text += "0" // as Double.toString
		}
	}
	return text
}

// decodeJSON decodes one JSON document and says where it is malformed, by line and column.
func decodeJSON(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	err := dec.Decode(into)
	if err == nil {
		if _, more := dec.Token(); more == io.EOF {
			return nil
		}
		return fmt.Errorf("%s: more text behind the JSON object", position(text, dec.InputOffset()))
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: malformed JSON: %w", position(text, max(syntax.Offset-1, 0)), err)
	case errors.As(err, &kind):
		return fmt.Errorf("%s: want a JSON object, got a %s", position(text, kind.Offset), kind.Value)
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return fmt.Errorf("%s: malformed JSON: the text ends early", position(text, int64(len(text))))
	}
	return err
}

// position is "line L, column C" of a byte.
func position(text []byte, offset int64) string {
	before := text[:min(max(offset, 0), int64(len(text)))]
	line := 1 + bytes.Count(before, []byte{'\n'})
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return fmt.Sprintf("line %d, column %d", line, column)
}
