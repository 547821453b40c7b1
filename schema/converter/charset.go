package converter

import (
	"encoding/binary"
	"unicode/utf8"
)

// table is the characters of the bytes from 0x80 on, where they are not those of ISO-8859-1.
type table map[byte]rune

// windows1252 is Windows' Western European. Java takes the five bytes without a character for U+FFFD.
var windows1252 = table{
	0x80: '€', 0x81: utf8.RuneError, 0x82: '‚', 0x83: 'ƒ', 0x84: '„', 0x85: '…', 0x86: '†', 0x87: '‡', 0x88: 'ˆ', 0x89: '‰', 0x8A: 'Š', 0x8B: '‹', 0x8C: 'Œ',
	0x8D: utf8.RuneError, 0x8E: 'Ž', 0x8F: utf8.RuneError, 0x90: utf8.RuneError, 0x91: '‘', 0x92: '’', 0x93: '“', 0x94: '”', 0x95: '•', 0x96: '–', 0x97: '—',
	0x98: '˜', 0x99: '™', 0x9A: 'š', 0x9B: '›', 0x9C: 'œ', 0x9D: utf8.RuneError, 0x9E: 'ž', 0x9F: 'Ÿ',
}

// latin9 is ISO-8859-15: Latin-1 with the euro.
var latin9 = table{0xA4: '€', 0xA6: 'Š', 0xA8: 'š', 0xB4: 'Ž', 0xB8: 'ž', 0xBC: 'Œ', 0xBD: 'œ', 0xBE: 'Ÿ'}

func decodeTable(t *table) func([]byte) string {
	return func(data []byte) string {
		out := make([]byte, 0, len(data)+len(data)/4)
		for _, c := range data {
			r, ok := (*t)[c]
			if !ok {
				r = rune(c)
			}
			out = utf8.AppendRune(out, r)
		}
		return string(out)
	}
}

// encodeTable writes ? for what the table does not have.
func encodeTable(t *table) func([]byte, string) []byte {
	back := make(map[rune]byte, len(*t))
	for c, r := range *t {
		if r != utf8.RuneError {
			back[r] = c
		}
	}
	return func(dst []byte, text string) []byte {
		for _, r := range text {
			c, ok := back[r]
			switch _, other := (*t)[byte(r)]; {
			case ok:
			case r > 0xFF || other:
				c = '?'
			default:
				c = byte(r)
			}
			dst = append(dst, c)
		}
		return dst
	}
}

func encodeUTF32(dst []byte, text string, order binary.AppendByteOrder) []byte {
	for _, r := range text {
		dst = order.AppendUint32(dst, uint32(r))
	}
	return dst
}

// decodeUTF32 takes what is no character for U+FFFD, and so what is left of less than four bytes.
func decodeUTF32(data []byte, order binary.ByteOrder) string {
	out := make([]byte, 0, len(data))
	for ; len(data) >= 4; data = data[4:] {
		r := utf8.RuneError
		if u := order.Uint32(data); u <= utf8.MaxRune && utf8.ValidRune(rune(u)) {
			r = rune(u)
		}
		out = utf8.AppendRune(out, r)
	}
	if len(data) > 0 {
		out = utf8.AppendRune(out, utf8.RuneError)
	}
	return string(out)
}

// decodeUTF32BOM reads the mark of the byte order, without which the highest byte is first.
func decodeUTF32BOM(data []byte) string {
	if len(data) >= 4 {
		switch binary.BigEndian.Uint32(data) {
		case 0xFEFF:
			data = data[4:]
		case 0xFFFE0000:
			return decodeUTF32(data[4:], binary.LittleEndian)
		}
	}
	return decodeUTF32(data, binary.BigEndian)
}
