package elasticsearch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/tandem-cdc/tandem/schema/converter"
	"github.com/tandem-cdc/tandem/sink"
)

// timestampField is the one that every document of a data stream has.
const timestampField = "@timestamp"

// stamp gives the document that begins at from its @timestamp: the first field of data.stream.timestamp.field that it has, as text, or the time of the
// record. One that it has already is replaced in its place.
func (t *Task) stamp(body []byte, from int, r *sink.Record) ([]byte, error) {
	members, err := membersOf(body[from:])
	if err != nil {
		return nil, err
	}
	var stamp []byte
	if len(t.cfg.DataStreamTimestamp) == 0 {
		stamp = []byte("null")
		if !r.Timestamp.IsZero() {
			stamp = strconv.AppendInt(nil, r.Timestamp.UnixMilli(), 10)
		}
	} else {
		value := firstOf(members, t.cfg.DataStreamTimestamp)
		if value == nil { // the server decides about a document without
			return body, nil
		}
		if stamp, err = asText(value); err != nil {
			return nil, err
		}
	}
	for _, m := range members {
		if m.name == timestampField {
			at := from + m.start
			tail := bytes.Clone(body[from+m.end:])
			return append(append(body[:at], stamp...), tail...), nil
		}
	}
	body = body[:len(body)-1]
	if len(members) > 0 {
		body = append(body, ',')
	}
	return append(append(append(body, `"@timestamp":`...), stamp...), '}'), nil
}

// member is one of an object: its value is what stands between start and end.
type member struct {
	name       string
	value      []byte
	start, end int
}

// membersOf takes an object that we wrote apart, its outermost level.
func membersOf(object []byte) ([]member, error) {
	if object[0] != '{' {
		return nil, badData("Top level payload contains data of Json type %s. Required Json object.", nodeType(object))
	}
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("read a document again: %w", err)
	}
	var members []member
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("read a document again: %w", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("read a document again: %w", err)
		}
		end := int(dec.InputOffset())
		members = append(members, member{fmt.Sprint(name), value, end - len(value), end})
	}
	return members, nil
}

// nodeType is how Jackson calls what a document is.
func nodeType(json []byte) string {
	switch json[0] {
	case '[':
		return "ARRAY"
	case '"':
		return "STRING"
	case 't', 'f':
		return "BOOLEAN"
	case 'n':
		return "NULL"
	}
	return "NUMBER"
}

// firstOf is the value of the first of the names that there is, nil when there is none.
func firstOf(members []member, names []string) []byte {
	for _, name := range names {
		for _, m := range members {
			if m.name == name {
				return m.value
			}
		}
	}
	return nil
}

// asText is a value as a string: a text as it is, numbers and the like in quotes, objects and arrays empty, as Jackson's asText gives it.
func asText(value []byte) ([]byte, error) {
	switch value[0] {
	case '"':
		return value, nil
	case '{', '[':
		return []byte(`""`), nil
	}
	return converter.AppendJSONString(nil, value), nil
}
