package sqldb

import (
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// tableName names a table; schema is "" for the session's default one.
type tableName struct{ schema, table string }

func (n tableName) String() string {
	if n.schema == "" {
		return n.table
	}
	return n.schema + "." + n.table
}

// nameFormat is collection.name.format, taken apart: the parts between dots, each a sequence of pieces.
type nameFormat struct {
	parts   [][]namePiece
	static  bool     // only ${topic}: one table per topic
	sources []string // fields of the source block
}

type namePiece struct {
	text   string
	topic  bool
	source string // field of the source block
}

// parseNameFormat reads a format. Only dots of the format itself part names; those of what is put in stay in the name, but
// for the topic's, which become underscores.
func parseNameFormat(text string) (nameFormat, error) {
	f := nameFormat{static: true, parts: [][]namePiece{nil}}
	add := func(p namePiece) { f.parts[len(f.parts)-1] = append(f.parts[len(f.parts)-1], p) }
	for text != "" {
		switch {
		case strings.HasPrefix(text, "${"):
			end := strings.IndexByte(text, '}')
			if end < 0 {
				return f, fmt.Errorf("%q has no closing brace", text)
			}
			variable := text[2:end]
			text = text[end+1:]
			if field, ok := strings.CutPrefix(variable, "source."); ok && field != "" {
				add(namePiece{source: field})
				f.static = false
				f.sources = append(f.sources, field)
			} else if variable == "topic" {
				add(namePiece{topic: true})
			} else {
				return f, fmt.Errorf("${%s} is not known; known are ${topic} and ${source.FIELD}", variable)
			}
		case text[0] == '.':
			f.parts = append(f.parts, nil)
			text = text[1:]
		default:
			end := strings.IndexAny(text[1:], ".$") + 1
			if end == 0 {
				end = len(text)
			}
			add(namePiece{text: text[:end]})
			text = text[end:]
		}
	}
	if len(f.parts) > 2 {
		return f, fmt.Errorf("want table or schema.table")
	}
	for _, p := range f.parts {
		if len(p) == 0 {
			return f, fmt.Errorf("a name between dots is empty")
		}
	}
	return f, nil
}

// name is the table of a record. The source block may be nil when the format is static.
func (f *nameFormat) name(topic string, source *schema.StructValue) (tableName, error) {
	texts := make([]string, len(f.parts))
	for i, pieces := range f.parts {
		var b strings.Builder
		for _, p := range pieces {
			switch {
			case p.topic:
				b.WriteString(strings.ReplaceAll(topic, ".", "_"))
			case p.source != "":
				v := source.Field(p.source)
				if v.Type() != schema.String {
					return tableName{}, fmt.Errorf("collection.name.format uses ${source.%s}, which the record does not have", p.source)
				}
				b.WriteString(v.Text())
			default:
				b.WriteString(p.text)
			}
		}
		texts[i] = b.String()
	}
	n := tableName{table: texts[len(texts)-1]}
	if len(texts) > 1 {
		n.schema = texts[len(texts)-2]
	}
	if n.table == "" {
		return n, fmt.Errorf("collection.name.format gives an empty table name")
	}
	return n, nil
}
