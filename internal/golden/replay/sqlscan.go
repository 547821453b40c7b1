package replay

import (
	"fmt"
	"regexp"
	"strings"
)

// statement is one SQL statement, or one of psql's own commands.
type statement struct {
	line int
	sql  string
	each bool     // \gexec: every value of the result is a statement to run
	into *string  // \gset: the columns of the result's row become variables, with this before their names
	copy []byte   // the rows of a COPY … FROM STDIN; nil for any other statement
	set  []string // \set name value; sql is empty then
}

// scanner cuts a text into statements as psql does: semicolons in quotes, dollar quotes, comments, parentheses and SQL function bodies
// do not end one; :name, :'name' and :"name" are replaced by variables.
type scanner struct {
	text string
	pos  int
	line int
	vars map[string]string

	out        strings.Builder
	startLine  int
	parens     int
	bodies     int      // open BEGIN … END of a SQL function's body
	words      []string // the first words of the statement, upper case
	identifier bool     // the byte before belongs to a name or number
}

func newScanner(text string, line int, vars map[string]string) *scanner {
	return &scanner{text: text, line: line, vars: vars}
}

var copyFromStdin = regexp.MustCompile(`(?is)^copy\b.*\bfrom\s+stdin\b`)

// next returns the next statement; ok is false at the end of the text.
func (s *scanner) next() (st statement, ok bool, err error) {
	s.out.Reset()
	s.parens, s.bodies, s.words, s.identifier = 0, 0, s.words[:0], false
	for s.pos < len(s.text) {
		if s.out.Len() == 0 && s.skipBlank() {
			continue
		}
		if s.out.Len() == 0 {
			s.startLine = s.line
		}
		if s.text[s.pos] == '\\' && s.out.Len() == 0 {
			return s.command()
		}
		if s.text[s.pos] == '\\' {
			return s.endWith()
		}
		if s.text[s.pos] == ';' && s.parens == 0 && s.bodies == 0 {
			s.pos++
			return s.finish()
		}
		if err := s.step(); err != nil {
			return st, false, err
		}
	}
	if strings.TrimSpace(s.out.String()) != "" {
		return st, false, fmt.Errorf("line %d: statement without a semicolon: %.60s", s.startLine, strings.TrimSpace(s.out.String()))
	}
	return st, false, nil
}

func (s *scanner) finish() (statement, bool, error) {
	st := statement{line: s.startLine, sql: s.out.String()}
	if !copyFromStdin.MatchString(st.sql) {
		return st, true, nil
	}
	s.restOfLine()
	rows := []byte{}
	for s.pos < len(s.text) {
		row := s.restOfLine()
		if row == `\.` {
			st.copy = rows
			return st, true, nil
		}
		rows = append(append(rows, row...), '\n')
	}
	return st, false, fmt.Errorf(`line %d: COPY FROM STDIN without \. behind its rows`, st.line)
}

// endWith ends the statement at hand with the command behind it: \g, \gexec or \gset.
func (s *scanner) endWith() (statement, bool, error) {
	st := statement{line: s.startLine, sql: strings.TrimSpace(s.out.String())}
	words := append(strings.Fields(s.restOfLine()), "")
	switch {
	case len(words) == 2 && words[0] == `\g`:
	case len(words) == 2 && words[0] == `\gexec`:
		st.each = true
	case len(words) <= 3 && words[0] == `\gset`:
		st.into = &words[1]
	default:
		return st, false, fmt.Errorf(`line %d: psql command %s behind a statement: only \g, \gexec and \gset are understood`, st.line, strings.Join(words[:len(words)-1], " "))
	}
	return st, true, nil
}

// command reads a backslash command that stands alone: \set is all a case needs.
func (s *scanner) command() (statement, bool, error) {
	st := statement{line: s.line}
	words := strings.Fields(s.restOfLine())
	if words[0] != `\set` || len(words) < 2 {
		return st, false, fmt.Errorf(`line %d: psql command %s: only \set NAME VALUE is understood`, st.line, words[0])
	}
	st.set = []string{words[1], strings.Join(words[2:], "")}
	s.vars[st.set[0]] = st.set[1]
	return st, true, nil
}

func (s *scanner) restOfLine() string {
	rest := s.text[s.pos:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		s.pos += i + 1
		s.line++
		return strings.TrimSuffix(rest[:i], "\r")
	}
	s.pos = len(s.text)
	return rest
}

// skipBlank passes white space and comments between statements.
func (s *scanner) skipBlank() bool {
	rest := s.text[s.pos:]
	switch {
	case strings.HasPrefix(rest, "--"):
		s.restOfLine()
		return true
	case strings.HasPrefix(rest, "/*"):
		s.advance(blockComment(rest))
		return true
	case strings.ContainsRune(" \t\r\n\f", rune(rest[0])):
		s.advance(1)
		return true
	}
	return false
}

// advance passes n bytes without keeping them.
func (s *scanner) advance(n int) {
	s.line += strings.Count(s.text[s.pos:s.pos+n], "\n")
	s.pos += n
}

// keep passes n bytes of the statement.
func (s *scanner) keep(n int) {
	s.out.WriteString(s.text[s.pos : s.pos+n])
	s.advance(n)
}

// step takes one token, or one byte where tokens do not matter.
func (s *scanner) step() error {
	rest := s.text[s.pos:]
	name := s.identifier
	s.identifier = false
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "--"):
		s.restOfLine()
		s.out.WriteByte('\n')
	case strings.HasPrefix(rest, "/*"):
		s.advance(blockComment(rest))
		s.out.WriteByte(' ')
	case c == '\'':
		s.keep(quoted(rest, false))
	case (c == 'e' || c == 'E') && !name && strings.HasPrefix(rest[1:], "'"):
		s.keep(1 + quoted(rest[1:], true))
	case c == '"':
		s.keep(quoted(rest, false))
	case c == '$' && !name && dollarTag(rest) != "":
		tag := dollarTag(rest)
		end := strings.Index(rest[len(tag):], tag)
		if end < 0 {
			return fmt.Errorf("line %d: %s without its end", s.line, tag)
		}
		s.keep(len(tag) + end + len(tag))
	case c == ':' && !name:
		s.variable(rest)
	case c == '(':
		s.parens++
		s.keep(1)
	case c == ')':
		s.parens = max(0, s.parens-1)
		s.keep(1)
	case nameByte(c):
		n := 1
		for n < len(rest) && (nameByte(rest[n]) || rest[n] == '$') {
			n++
		}
		s.word(strings.ToUpper(rest[:n]))
		s.keep(n)
		s.identifier = true
	default:
		s.keep(1)
	}
	return nil
}

// word watches for the bodies of SQL functions, whose semicolons belong to them.
func (s *scanner) word(w string) {
	if len(s.words) < 4 {
		s.words = append(s.words, w)
	}
	if s.words[0] != "CREATE" || len(s.words) < 2 {
		return
	}
	kind := s.words[1]
	if kind == "OR" && len(s.words) == 4 {
		kind = s.words[3]
	}
	if kind != "FUNCTION" && kind != "PROCEDURE" {
		return
	}
	switch {
	case w == "BEGIN", w == "CASE" && s.bodies > 0:
		s.bodies++
	case w == "END" && s.bodies > 0:
		s.bodies--
	}
}

// variable replaces :name, :'name' or :"name"; anything else behind a colon stays.
func (s *scanner) variable(rest string) {
	if strings.HasPrefix(rest, "::") {
		s.keep(2)
		return
	}
	quote, from := byte(0), 1
	if len(rest) > 1 && (rest[1] == '\'' || rest[1] == '"') {
		quote, from = rest[1], 2
	}
	end := from
	for end < len(rest) && nameByte(rest[end]) {
		end++
	}
	value, known := s.vars[rest[from:end]]
	if end == from || !known || quote != 0 && (end == len(rest) || rest[end] != quote) {
		s.keep(1)
		return
	}
	if quote != 0 {
		end++
		q := string(quote)
		value = q + strings.ReplaceAll(value, q, q+q) + q
	}
	s.out.WriteString(value)
	s.advance(end)
}

func nameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// quoted is the length of the quoted text s begins with; a doubled quote does not end it, nor one behind a backslash where those count.
func quoted(s string, backslashes bool) int {
	for i := 1; i < len(s); i++ {
		switch {
		case backslashes && s[i] == '\\':
			i++
		case s[i] == s[0] && i+1 < len(s) && s[i+1] == s[0]:
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return len(s)
}

// blockComment is the length of the comment s begins with; comments nest.
func blockComment(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(s)
}

// dollarTag is the tag of the dollar quote s begins with, both dollars included; "" when it is none.
func dollarTag(s string) string {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '$':
			return s[:i+1]
		case !nameByte(c), i == 1 && c >= '0' && c <= '9':
			return ""
		}
	}
	return ""
}
