package generate

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Case is one generated case: what the files of its folder hold.
type Case struct {
	Name       string
	Properties string
	Setup      string
	Changes    string
	Tables     int
}

// maker makes one case.
type maker struct {
	dice
	types       *types
	props       map[string]string
	setup       strings.Builder
	changes     strings.Builder
	to          *strings.Builder // where sqlf writes
	tables      []*table
	adjusts     bool // names are adjusted
	nanoseconds bool
	altered     int
	indexesMade int
}

// New makes the case of that number in the run of a seed.
func New(seed, number uint64, tables int) *Case {
	c := &maker{dice: newDice(seed, number), props: map[string]string{}}
	c.to = &c.setup
	c.types = &types{dice: c.dice, setup: &c.setup, extensions: c.chance(20)}
	c.options()
	c.sqlf("SET timezone = 'UTC'")
	c.sqlf("CREATE SCHEMA types")
	c.sqlf("CREATE SCHEMA other")
	c.sqlf(`CREATE SCHEMA "Odd Schema"`)
	if c.types.extensions {
		for _, name := range []string{"hstore", "citext", "ltree", "isn"} {
			c.sqlf("CREATE EXTENSION %s", name)
		}
	}
	for i := range tables {
		c.tables = append(c.tables, c.table(i))
	}
	c.tableOptions()
	c.setup.WriteString("\\set ON_ERROR_STOP 0\n")
	for _, t := range c.tables {
		for range c.between(0, 4) {
			c.insert(t)
		}
	}
	c.to = &c.changes
	c.change()
	return &Case{Name: fmt.Sprintf("g%05d", number), Properties: c.properties(), Setup: c.setup.String(), Changes: c.changes.String(), Tables: tables}
}

// sqlf writes a statement.
func (c *maker) sqlf(format string, args ...any) { fmt.Fprintf(c.to, format+";\n", args...) }

// properties writes the options in the form of a Java properties file.
func (c *maker) properties() string {
	b := strings.Builder{}
	escape := strings.NewReplacer(`\`, `\\`, "=", `\=`, " ", `\ `, ":", `\:`, "#", `\#`, "!", `\!`)
	for _, k := range slices.Sorted(maps.Keys(c.props)) {
		v := strings.ReplaceAll(c.props[k], `\`, `\\`)
		fmt.Fprintf(&b, "%s=%s\n", unicodeEscapes(escape.Replace(k)), unicodeEscapes(v))
	}
	return b.String()
}

// unicodeEscapes leaves only ASCII, which all readers of properties files read alike.
func unicodeEscapes(text string) string {
	b := strings.Builder{}
	for _, r := range text {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return b.String()
}

// Write makes the case's folder below dir.
func (c *Case) Write(dir string) error {
	dir = filepath.Join(dir, c.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write case %s: %w", c.Name, err)
	}
	for name, text := range map[string]string{"connector.properties": c.Properties, "setup.sql": c.Setup, "changes.sql": c.Changes} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write case %s: %w", c.Name, err)
		}
	}
	return nil
}
