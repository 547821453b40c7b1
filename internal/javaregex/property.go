package javaregex

import (
	"strings"
	"unicode"
)

// Sets of java.util.regex without UNICODE_CHARACTER_CLASS.
var (
	asciiDigit      = spans('0', '9')
	asciiLower      = spans('a', 'z')
	asciiUpper      = spans('A', 'Z')
	asciiAlpha      = spans('a', 'z', 'A', 'Z')
	asciiAlnum      = asciiAlpha.union(asciiDigit)
	asciiWord       = asciiAlnum.union(chars("_"))
	asciiSpace      = spans('\t', '\r', ' ', ' ')
	asciiPunct      = spans('!', '/', ':', '@', '[', '`', '{', '~')
	horizontalSpace = chars(" \t\u00a0\u1680\u180e\u202f\u205f\u3000").union(spans(0x2000, 0x200a))
	verticalSpace   = chars("\n\v\f\r\u0085\u2028\u2029")
	lineTerminators = chars("\n\r\u0085\u2028\u2029")
	everything      = spans(0, unicode.MaxRune)
)

func alphabetic() set { return tables(unicode.L, unicode.Nl, unicode.Other_Alphabetic) }
func lowercase() set  { return tables(unicode.Ll, unicode.Other_Lowercase) }
func uppercase() set  { return tables(unicode.Lu, unicode.Other_Uppercase) }
func anyCase() set    { return lowercase().union(uppercase(), tables(unicode.Lt)) }
func whiteSpace() set { return tables(unicode.Z).union(spans('\t', '\r'), chars("\u0085")) }
func assigned() set {
	return tables(unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs)
}
func unicodeWord() set {
	return alphabetic().union(tables(unicode.M, unicode.Nd, unicode.Pc), spans(0x200c, 0x200d))
}
func hexDigits() set {
	return tables(unicode.Nd).union(spans('a', 'f', 'A', 'F', 0xff21, 0xff26, 0xff41, 0xff46))
}
func graph() set { return assigned().intersect(tables(unicode.Z, unicode.Cc, unicode.Cs).negate()) }
func ignorable() set {
	return spans(0, 8, 0xe, 0x1b, 0x7f, 0x9f).union(tables(unicode.Cf))
}

// property resolves \p{name} under flags; problem is Java's message when there is none, or says what is missing here.
func property(name string, f flags) (s set, problem string) {
	fold := f&ignoreCase != 0
	if key, value, ok := strings.Cut(name, "="); ok {
		return keyedProperty(strings.ToLower(key), value, fold)
	}
	short, is := strings.CutPrefix(name, "Is")
	switch {
	case strings.HasPrefix(name, "In"):
		return nil, noBlocks(name)
	case is:
		if strings.HasPrefix(strings.ToUpper(short), "EMOJI") || strings.EqualFold(short, "EXTENDED_PICTOGRAPHIC") {
			return nil, "The property {" + name + "} is not supported; write the characters out"
		}
		s = unicodeProperty(strings.ToUpper(short), fold)
		if s == nil {
			s = category(short, fold)
		}
		if s == nil {
			s = script(short)
		}
	default:
		if f&unicodeClass != 0 {
			s = posix(strings.ToUpper(name), fold)
		}
		if s == nil {
			s = category(name, fold)
		}
		if name == "javaMirrored" {
			return nil, "The property {javaMirrored} is not supported; write the characters out"
		}
	}
	if s == nil {
		return nil, "Unknown character property name {" + name + "}"
	}
	return s, ""
}

func noBlocks(name string) string {
	return "The Unicode block {" + name + "} is not supported; write its range, such as [\\u0370-\\u03FF], or a script, such as \\p{IsGreek}"
}

func keyedProperty(key, value string, fold bool) (s set, problem string) {
	switch key {
	case "sc", "script":
		s = script(value)
	case "blk", "block":
		return nil, noBlocks(value)
	case "gc", "general_category":
		s = category(value, fold)
	}
	if s == nil {
		return nil, "Unknown Unicode property {name=<" + key + ">, value=<" + value + ">}"
	}
	return s, ""
}

// scriptCodes are the ISO 15924 codes of scripts that expressions are likely to name.
var scriptCodes = map[string]string{"latn": "Latin", "grek": "Greek", "cyrl": "Cyrillic", "arab": "Arabic", "hebr": "Hebrew", "hani": "Han",
	"hira": "Hiragana", "kana": "Katakana", "hang": "Hangul", "thai": "Thai", "deva": "Devanagari", "armn": "Armenian", "geor": "Georgian", "zyyy": "Common"}

// script finds a script by its name in any case, or by a common code; nil when there is none.
func script(name string) set {
	if long, ok := scriptCodes[strings.ToLower(name)]; ok {
		name = long
	}
	for known, table := range unicode.Scripts {
		if strings.EqualFold(known, name) {
			return tables(table)
		}
	}
	return nil
}

// posix resolves the names that UNICODE_CHARACTER_CLASS widens.
func posix(name string, fold bool) set {
	switch name {
	case "ALPHA":
		return alphabetic()
	case "LOWER":
		return cased(lowercase, fold)
	case "UPPER":
		return cased(uppercase, fold)
	case "SPACE":
		return whiteSpace()
	case "PUNCT":
		return tables(unicode.P)
	case "XDIGIT":
		return hexDigits()
	case "ALNUM":
		return alphabetic().union(tables(unicode.Nd))
	case "CNTRL":
		return tables(unicode.Cc)
	case "DIGIT":
		return tables(unicode.Nd)
	case "BLANK":
		return tables(unicode.Zs).union(chars("\t"))
	case "GRAPH":
		return graph()
	case "PRINT":
		return graph().union(tables(unicode.Zs))
	}
	return nil
}

func cased(exact func() set, fold bool) set {
	if fold {
		return anyCase()
	}
	return exact()
}

// unicodeProperty resolves the binary properties of \p{Is…}.
func unicodeProperty(name string, fold bool) set {
	switch name {
	case "ALPHABETIC":
		return alphabetic()
	case "ASSIGNED":
		return assigned()
	case "CONTROL":
		return tables(unicode.Cc)
	case "HEXDIGIT", "HEX_DIGIT":
		return hexDigits()
	case "IDEOGRAPHIC":
		return tables(unicode.Ideographic)
	case "JOINCONTROL", "JOIN_CONTROL":
		return spans(0x200c, 0x200d)
	case "LETTER":
		return tables(unicode.L)
	case "LOWERCASE":
		return cased(lowercase, fold)
	case "UPPERCASE":
		return cased(uppercase, fold)
	case "TITLECASE":
		return cased(func() set { return tables(unicode.Lt) }, fold)
	case "NONCHARACTERCODEPOINT", "NONCHARACTER_CODE_POINT":
		return tables(unicode.Noncharacter_Code_Point)
	case "PUNCTUATION":
		return tables(unicode.P)
	case "WHITESPACE", "WHITE_SPACE":
		return whiteSpace()
	case "WORD":
		return unicodeWord()
	}
	return posix(name, fold)
}

// category resolves general categories, POSIX names and the properties of java.lang.Character; their case counts.
func category(name string, fold bool) set {
	switch name {
	case "Lu", "Ll", "Lt":
		if fold {
			return tables(unicode.Lu, unicode.Ll, unicode.Lt)
		}
		return tables(unicode.Categories[name])
	case "Lm", "Lo", "Mn", "Me", "Mc", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cs", "Pd", "Ps", "Pe", "Pc", "Po", "Sm", "Sc", "Sk", "So", "Pi", "Pf",
		"L", "M", "N", "Z", "P", "S":
		return tables(unicode.Categories[name])
	case "Cn":
		return assigned().negate()
	case "C":
		return assigned().negate().union(tables(unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs))
	case "LC":
		return tables(unicode.Lu, unicode.Ll, unicode.Lt)
	case "LD":
		return tables(unicode.L, unicode.Nd)
	case "L1":
		return spans(0, 0xff)
	case "all":
		return everything
	}
	if s := asciiCategory(name, fold); s != nil {
		return s
	}
	if java, ok := strings.CutPrefix(name, "java"); ok {
		return characterProperty(java, fold)
	}
	return nil
}

func asciiCategory(name string, fold bool) set {
	switch name {
	case "ASCII":
		return spans(0, 0x7f)
	case "Alnum":
		return asciiAlnum
	case "Alpha":
		return asciiAlpha
	case "Blank":
		return chars(" \t")
	case "Cntrl":
		return spans(0, 0x1f, 0x7f, 0x7f)
	case "Digit":
		return asciiDigit
	case "Graph":
		return asciiAlnum.union(asciiPunct)
	case "Lower", "Upper":
		if fold {
			return asciiAlpha
		}
		if name == "Lower" {
			return asciiLower
		}
		return asciiUpper
	case "Print":
		return spans(0x20, 0x7e)
	case "Punct":
		return asciiPunct
	case "Space":
		return asciiSpace
	case "XDigit":
		return spans('0', '9', 'a', 'f', 'A', 'F')
	}
	return nil
}

// characterProperty resolves \p{java…}: the methods is… of java.lang.Character.
func characterProperty(name string, fold bool) set {
	switch name {
	case "LowerCase":
		return cased(lowercase, fold)
	case "UpperCase":
		return cased(uppercase, fold)
	case "TitleCase":
		return cased(func() set { return tables(unicode.Lt) }, fold)
	case "Alphabetic":
		return alphabetic()
	case "Ideographic":
		return tables(unicode.Ideographic)
	case "Digit":
		return tables(unicode.Nd)
	case "Defined":
		return assigned()
	case "Letter":
		return tables(unicode.L)
	case "LetterOrDigit":
		return tables(unicode.L, unicode.Nd)
	case "JavaIdentifierStart":
		return tables(unicode.L, unicode.Nl, unicode.Sc, unicode.Pc)
	case "JavaIdentifierPart":
		return tables(unicode.L, unicode.Nl, unicode.Sc, unicode.Pc, unicode.Nd, unicode.Mc, unicode.Mn).union(ignorable())
	case "UnicodeIdentifierStart":
		return tables(unicode.L, unicode.Nl, unicode.Other_ID_Start).intersect(chars("\u2e2f").negate())
	case "UnicodeIdentifierPart":
		return tables(unicode.L, unicode.Nl, unicode.Other_ID_Start, unicode.Pc, unicode.Nd, unicode.Mc, unicode.Mn, unicode.Other_ID_Continue).
			intersect(chars("\u2e2f").negate()).union(ignorable())
	case "IdentifierIgnorable":
		return ignorable()
	case "SpaceChar":
		return tables(unicode.Z)
	case "Whitespace":
		return tables(unicode.Z).intersect(chars("\u00a0\u2007\u202f").negate()).union(spans('\t', '\r', 0x1c, 0x1f))
	case "ISOControl":
		return spans(0, 0x1f, 0x7f, 0x9f)
	}
	return nil
}
