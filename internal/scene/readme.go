package scene

import (
	"fmt"
	"regexp"
	"strings"
)

// Block is one command block of a README and what it prints.
type Block struct {
	Line     int    // of the README, where the command begins
	Command  string // one or several lines
	Expected string // "": nothing is said about it
}

// Parse finds the blocks of a README.
func Parse(text string) ([]Block, error) {
	var blocks []Block
	fence, kind, begin, follows := false, "", 0, false
	var body []string
	for i, line := range strings.Split(text, "\n") {
		switch info, isFence := strings.CutPrefix(line, "```"); {
		case !fence && isFence:
			fence, kind, begin, body = true, strings.TrimSpace(info), i+2, nil
		case fence && isFence:
			fence = false
			content := strings.Join(body, "\n")
			switch {
			case kind == "sh":
				blocks = append(blocks, Block{Line: begin, Command: content})
			case follows:
				blocks[len(blocks)-1].Expected = content
			}
			follows = kind == "sh"
		case fence:
			body = append(body, line)
		case strings.TrimSpace(line) != "":
			follows = false
		}
	}
	if fence {
		return nil, fmt.Errorf("line %d: the fenced block has no end", begin-1)
	}
	return blocks, nil
}

// Matches tells whether what was printed is what was expected.
func Matches(expected, printed string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for _, line := range lines(expected) {
		if line == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*?") + `\n`)
	}
	pattern.WriteString(`\z`)
	return regexp.MustCompile(pattern.String()).MatchString(strings.Join(lines(printed), "\n") + "\n")
}

// lines are the lines of a text without white space at their ends, and without empty ones at its end.
func lines(text string) []string {
	all := strings.Split(strings.TrimRight(text, " \t\r\n"), "\n")
	for i, line := range all {
		all[i] = strings.TrimRight(line, " \t\r")
	}
	return all
}
