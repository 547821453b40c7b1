package sqldb

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// placeholder is what a source writes where it does not know a value (an unchanged TOAST column), in each form it takes.
// Forms: Debezium's PostgreSQL connector, class PostgresValueConverter and UnchangedToastedReplicationMessageColumn.
type placeholder struct {
	bytes []byte
	text  string
	uuid  string // name-based, version 3, of the bytes
	json  string // hstore in json mode
}

// placeholderBytes reads unavailable.value.placeholder.
func placeholderBytes(option string) ([]byte, error) {
	if digits, ok := strings.CutPrefix(option, "hex:"); ok {
		b, err := hex.DecodeString(digits)
		if err != nil {
			return nil, fmt.Errorf("want hexadecimal digits behind hex: and nothing else")
		}
		return b, nil
	}
	return []byte(option), nil
}

func newPlaceholder(option string) (placeholder, error) {
	b, err := placeholderBytes(option)
	if err != nil {
		return placeholder{}, err
	}
	text := string(b)
	u := md5.Sum(b)
	u[6], u[8] = u[6]&0x0f|0x30, u[8]&0x3f|0x80 // java.util.UUID.nameUUIDFromBytes
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)
	return placeholder{bytes: b, text: text, uuid: fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]),
		json: `{"` + quoted + `":"` + quoted + `"}`}, nil
}

// mayBeUnavailable tells whether a column's type has a form of the placeholder.
func mayBeUnavailable(c *column) bool {
	switch c.schema.Type {
	case schema.String, schema.Bytes, schema.Map:
		return c.kind != kindDecimal && c.kind != kindBits
	case schema.Array:
		e := c.schema.Elem
		return e.Type == schema.String || e.Type == schema.Bytes || e.Type == schema.Int32 || e.Type == schema.Int64
	}
	return false
}

// is tells whether a value is the placeholder.
func (p *placeholder) is(v schema.Value) bool {
	switch v.Type() {
	case schema.String:
		t := v.Text()
		return len(t) == len(p.text) && t == p.text || len(t) == len(p.json) && t == p.json
	case schema.Bytes:
		return len(v.Bytes()) == len(p.bytes) && bytes.Equal(v.Bytes(), p.bytes)
	case schema.Map:
		m := v.Map()
		return len(m) == 1 && m[0].Key.Text() == p.text && m[0].Value.Text() == p.text
	case schema.Array:
		return p.isArray(v.Array())
	}
	return false
}

func (p *placeholder) isArray(a []schema.Value) bool {
	if len(a) == 0 || len(p.bytes) == 0 {
		return false
	}
	switch a[0].Type() {
	case schema.String:
		t := a[0].Text()
		return len(a) == 1 && (t == p.text || t == p.uuid || t == p.json)
	case schema.Bytes:
		return len(a) == 1 && bytes.Equal(a[0].Bytes(), p.bytes)
	case schema.Int32, schema.Int64:
		if len(a) != len(p.bytes) {
			return false
		}
		for i := range a {
			if a[i].Int() != int64(p.bytes[i]) || a[i].IsNull() {
				return false
			}
		}
		return true
	case schema.Map:
		return len(a) == 1 && p.is(a[0])
	}
	return false
}
