package envelope

import (
	"encoding/base64"
	"encoding/hex"

	"github.com/tandem-cdc/tandem/schema"
)

// byteaPlan: bytea.
func (e *Encoder) byteaPlan() *typePlan {
	tp := e.binaryPlan()
	tp.nullable = true
	tp.write = e.writeBinary(decodeBytea)
	return tp
}

// binarySchema is the schema of binary.handling.mode.
func (e *Encoder) binarySchema() *schema.Schema {
	if e.cfg.Binaries == BinariesBytes {
		return bytesSchema
	}
	return stringSchema
}

// binaryPlan is what all binary columns share. An unchanged value has no stand-in in the base64 modes, and in hex mode it is the
// placeholder itself.
func (e *Encoder) binaryPlan() *typePlan {
	tp := &typePlan{schema: e.binarySchema(), fallback: schema.OfString("")}
	switch e.cfg.Binaries {
	case BinariesBytes:
		tp.fallback, tp.unchanged = schema.OfBytes([]byte{}), schema.OfBytes(e.placeholderBytes)
	case BinariesHex:
		tp.unchanged = schema.OfString(e.placeholder)
	}
	return tp
}

// writeBinary writes what decode makes of the text, by binary.handling.mode.
func (e *Encoder) writeBinary(decode func(s *scratch, text []byte) ([]byte, error)) writeFunc {
	if e.cfg.Binaries == BinariesBytes {
		return func(s *scratch, text []byte, w schema.Writer) error {
			b, err := decode(s, text)
			if err != nil {
				return err
			}
			w.Bytes(b)
			return nil
		}
	}
	encode := func(dst, b []byte) []byte { return hex.AppendEncode(dst, b) }
	switch e.cfg.Binaries {
	case BinariesBase64:
		encode = base64.StdEncoding.AppendEncode
	case BinariesBase64URL:
		encode = base64.URLEncoding.AppendEncode
	}
	return func(s *scratch, text []byte, w schema.Writer) error {
		b, err := decode(s, text)
		if err != nil {
			return err
		}
		s.flat = encode(s.flat[:0], b)
		w.Text(s.flat)
		return nil
	}
}

// decodeBytea reads both of the server's forms, \x and hexadecimal digits or the older one with \nnn and \\. Manual, section
// "Binary Data Types". The result lives until the next value.
func decodeBytea(s *scratch, text []byte) ([]byte, error) {
	if len(text) >= 2 && text[0] == '\\' && text[1] == 'x' {
		buf, err := hex.AppendDecode(s.buf[:0], text[2:])
		s.buf = buf
		if err != nil {
			return nil, errMalformed
		}
		return buf, nil
	}
	buf := s.buf[:0]
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\\' {
			buf = append(buf, c)
			continue
		}
		switch {
		case i+1 < len(text) && text[i+1] == '\\':
			buf = append(buf, '\\')
			i++
		case i+3 < len(text) && isOctal(text[i+1], '3') && isOctal(text[i+2], '7') && isOctal(text[i+3], '7'):
			buf = append(buf, (text[i+1]-'0')<<6|(text[i+2]-'0')<<3|(text[i+3]-'0'))
			i += 3
		default:
			s.buf = buf
			return nil, errMalformed
		}
	}
	s.buf = buf
	return buf, nil
}

func isOctal(c, most byte) bool { return c >= '0' && c <= most }
