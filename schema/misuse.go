package schema

import (
	"errors"
	"fmt"
)

// MisuseError says which call did not fit which place of a schema. Never retriable.
type MisuseError struct {
	Path  string // dotted path of the place, empty at the top
	Given string // what was given, such as "null" or "int32"
	Want  string // what fits there
}

func (e *MisuseError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("write value: %s given, want %s", e.Given, e.Want)
	}
	return fmt.Sprintf("write field %q: %s given, want %s", e.Path, e.Given, e.Want)
}

// Retriable is false: the same value comes back.
func (e *MisuseError) Retriable() bool { return false }

// ErrIncomplete says that a value was asked for before it was written to its end.
var ErrIncomplete = errors.New("write value: it was not written to its end")

// Describe names a schema as errors do: "int32", "optional string org.apache.kafka.connect.data.Decimal".
func Describe(s *Schema) string {
	if s == nil {
		return "any value"
	}
	text := s.Type.String()
	if s.Name != "" {
		text += " " + s.Name
	}
	if s.Optional {
		text = "optional " + text
	}
	return text
}
