package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Page is the documentation of options, as a Markdown document.
type Page struct {
	Title    string
	Intro    string // Markdown
	Sections []Section
}

// Section is a part of a Page.
type Section struct {
	Title string // "": the page has only this one
	Intro string // Markdown
	Keys  Keys
}

const generated = "<!-- Generated from the definitions of the options: go test ./cmd/tandem -run Docs -update -->\n\n"

// Markdown writes the page: per section a table for each group, in the order in which the groups first appear, then what is refused and
// what is without effect.
func (p Page) Markdown() []byte {
	var b strings.Builder
	b.WriteString(generated)
	fmt.Fprintf(&b, "# %s\n", p.Title)
	paragraph(&b, p.Intro)
	for _, s := range p.Sections {
		level := "##"
		if s.Title != "" {
			heading(&b, level, s.Title)
			level = "###"
		}
		paragraph(&b, s.Intro)
		s.Keys.markdown(&b, level)
	}
	return []byte(b.String())
}

func heading(b *strings.Builder, level, title string) { fmt.Fprintf(b, "\n%s %s\n", level, title) }

func paragraph(b *strings.Builder, text string) {
	if text != "" {
		fmt.Fprintf(b, "\n%s\n", strings.TrimSpace(text))
	}
}

func (ks Keys) markdown(b *strings.Builder, level string) {
	var groups []string
	var without, jvm, denied Keys
	members := make(map[string]Keys)
	for _, k := range ks {
		switch {
		case k.kind == refused:
			denied = append(denied, k)
		case k.kind == ignored:
			jvm = append(jvm, k)
		case k.NoEffect:
			without = append(without, k)
		default:
			if _, ok := members[k.Group]; !ok {
				groups = append(groups, k.Group)
			}
			members[k.Group] = append(members[k.Group], k)
		}
	}
	for _, g := range groups {
		if g != "" {
			heading(b, level, groupTitle(g))
		}
		members[g].table(b)
	}
	if len(denied) > 0 {
		heading(b, level, "Refused")
		paragraph(b, "These would change records and do not exist here: any other value than the one below stops the start.")
		b.WriteString("\n| option | passes as | instead |\n|---|---|---|\n")
		for _, k := range denied {
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", k.Name, code(k.Default, "empty"), capital(k.note))
		}
	}
	if len(without)+len(jvm) > 0 {
		heading(b, level, "Accepted, without effect")
	}
	if len(without) > 0 {
		b.WriteString("\n| option | why |\n|---|---|\n")
		for _, k := range without {
			fmt.Fprintf(b, "| `%s` | %s |\n", k.Name, cell(k.Doc))
		}
	}
	if len(jvm) > 0 {
		names := make([]string, len(jvm))
		for i, k := range jvm {
			names[i] = "`" + k.Name + "`"
		}
		slices.Sort(names)
		paragraph(b, "These tune or observe the JVM and are named in a warning: "+strings.Join(names, ", ")+".")
	}
}

func (ks Keys) table(b *strings.Builder) {
	b.WriteString("\n| option | type | default | values | what it does | importance | older names |\n|---|---|---|---|---|---|---|\n")
	for _, k := range ks {
		older := make([]string, len(k.Aliases))
		for i, a := range k.Aliases {
			older[i] = "`" + a + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", k.Name, strings.ToLower(string(k.Type)), k.shownDefault(), k.shownValues(),
			cell(k.Doc), strings.ToLower(string(k.Importance)), strings.Join(older, ", "))
	}
}

func (k *Key) shownDefault() string {
	switch {
	case k.kind == family:
		return ""
	case k.Required:
		return "required"
	case k.NoDefault:
		return "none"
	case k.shown != "":
		return cell(k.shown)
	case k.Type == TypePassword && k.Default != "":
		return cell(Hidden)
	}
	return code(k.Default, "empty")
}

// shownValues lists the only values, or tells the limits.
func (k *Key) shownValues() string {
	if len(k.Values) == 0 {
		return cell(k.limits)
	}
	values := make([]string, len(k.Values))
	for i, v := range k.Values {
		values[i] = code(v, "empty")
	}
	return strings.Join(values, ", ")
}

// within tells limits as the documentation does; the ends of a type's range are none.
func within(low, high, least, most int64) string {
	switch {
	case low > least && high < most:
		return fmt.Sprintf("%d to %d", low, high)
	case low > least:
		return fmt.Sprintf("at least %d", low)
	case high < most:
		return fmt.Sprintf("at most %d", high)
	}
	return ""
}

func within64(low, high int64) string { return within(low, high, math.MinInt64, math.MaxInt64) }
func within32(low, high int64) string { return within(low, high, math.MinInt32, math.MaxInt32) }

// groupTitle makes "CONNECTION_ADVANCED_SSL" a heading; other names are headings already.
func groupTitle(group string) string {
	if group != strings.ToUpper(group) {
		return group
	}
	words := strings.Split(strings.ToLower(group), "_")
	for i, w := range words {
		if w == "ssl" {
			words[i] = "SSL"
		}
	}
	return capital(strings.Join(words, " "))
}

func capital(text string) string { return cell(strings.ToUpper(text[:1]) + text[1:]) }

// cell makes plain text the cell of a table.
func cell(text string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "<", "&lt;", "[", `\[`, "\n", " ").Replace(text)
}

// code makes a value a code span; blank is said for the empty one.
func code(text, blank string) string {
	if text == "" {
		return blank
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}
