package transform

import "strings"

const millisPerMinute = 60_000

// readZone reads a zone: +0100, GMT, GMT+1:00, or a name.
func readZone(text string, p *parsed) (rest string, ok bool) {
	if sign := signOf(text); sign != 0 {
		return readOffset(text[1:], sign, 0, false, p)
	}
	if len(text) >= 3 && strings.EqualFold(text[:3], "GMT") {
		rest = text[3:]
		if sign := signOf(rest); sign != 0 {
			return readOffset(rest[1:], sign, 0, true, p)
		}
		p.set(fieldZone, 0)
		return rest, true
	}
	name, minutes, ok := zoneNamed(text)
	if !ok {
		return "", false
	}
	p.place = minutes * millisPerMinute
	if !strings.EqualFold(name, "UTC") && !strings.EqualFold(name, "Coordinated Universal Time") {
		p.stamp[fieldZone] = 0 // the name wins over an offset before it
	}
	return text[len(name):], true
}

// readISOZone reads Z, or an offset of as many parts as the pattern has letters: +01, +0100, +01:00.
func readISOZone(text string, count int, p *parsed) (rest string, ok bool) {
	if text[0] == 'Z' {
		p.set(fieldZone, 0)
		return text[1:], true
	}
	sign := signOf(text)
	if sign == 0 {
		return "", false
	}
	return readOffset(text[1:], sign, count, count == 3, p)
}

func signOf(text string) int64 {
	switch {
	case strings.HasPrefix(text, "+"):
		return 1
	case strings.HasPrefix(text, "-"):
		return -1
	}
	return 0
}

// readOffset reads hours and, unless count is 1, minutes. With a colon between them the hours of GMT may have one digit.
func readOffset(text string, sign int64, count int, colon bool, p *parsed) (rest string, ok bool) {
	hours, digits := leadingDigits(text, 2)
	if digits == 0 || digits == 1 && (count > 0 || !colon) || hours > 23 {
		return "", false
	}
	rest = text[digits:]
	if digits == 1 && rest == "" {
		return "", false
	}
	var minutes int64
	if count != 1 {
		if colon {
			if !strings.HasPrefix(rest, ":") {
				return "", false
			}
			rest = rest[1:]
		}
		if minutes, digits = leadingDigits(rest, 2); digits < 2 || minutes > 59 {
			return "", false
		}
		rest = rest[2:]
	}
	p.set(fieldZone, sign*(hours*60+minutes)*millisPerMinute)
	return rest, true
}

// leadingDigits reads at most so many digits.
func leadingDigits(text string, most int) (n int64, digits int) {
	for digits < most && digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		n = n*10 + int64(text[digits]-'0')
		digits++
	}
	return n, digits
}
