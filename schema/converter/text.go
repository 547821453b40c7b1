package converter

import "github.com/tandem-cdc/tandem/schema"

// AppendText appends what Java's toString gives for a value: the text that StringConverter writes.
func AppendText(dst []byte, s *schema.Schema, v schema.Value) []byte {
	return appendJavaText(dst, s, v)
}

// ParseText guesses what a text stands for, as SimpleHeaderConverter does. The word null is a null without a schema.
func ParseText(text string) (*schema.Schema, schema.Value) { return parseHeader(text) }
