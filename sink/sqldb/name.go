package sqldb

import (
	"errors"
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

// nameFormat is collection.name.format or table.name.format, taken apart: the parts between dots, each a sequence of pieces.
type nameFormat struct {
	parts   [][]namePiece
	dots    nameParts
	option  string
	static  bool     // only ${topic}: one table per topic
	sources []string // fields of the source block
}

type namePiece struct {
	text   string
	topic  bool
	source string // field of the source block
}

// parseNameFormat reads a format. With partFormat and partThrough only dots of the format itself part names, those of what is put in
// stay in the name, but for the topic's, which partFormat makes underscores. With partName there is one part, which name takes apart.
func parseNameFormat(text string, dots nameParts) (nameFormat, error) {
	f := nameFormat{static: true, dots: dots, parts: [][]namePiece{nil}, option: "collection.name.format"}
	if dots == partName {
		f.option = "table.name.format"
	}
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
			field, ofSource := strings.CutPrefix(variable, "source.")
			switch {
			case variable == "topic":
				add(namePiece{topic: true})
			case ofSource && field != "" && dots != partName:
				add(namePiece{source: field})
				f.static = false
				f.sources = append(f.sources, field)
			case dots == partName:
				return f, fmt.Errorf("${%s} is not known; known is ${topic}", variable)
			default:
				return f, fmt.Errorf("${%s} is not known; known are ${topic} and ${source.FIELD}", variable)
			}
		case text[0] == '.' && dots != partName:
			f.parts = append(f.parts, nil)
			text = text[1:]
		default:
			stops := ".$"
			if dots == partName {
				stops = "$"
			}
			end := strings.IndexAny(text[1:], stops) + 1
			if end == 0 {
				end = len(text)
			}
			add(namePiece{text: text[:end]})
			text = text[end:]
		}
	}
	if len(f.parts) > 2 {
		return f, errors.New("want table or schema.table")
	}
	for _, p := range f.parts {
		if len(p) == 0 {
			return f, errors.New("a name between dots is empty")
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
			case p.topic && f.dots == partFormat:
				b.WriteString(strings.ReplaceAll(topic, ".", "_"))
			case p.topic:
				b.WriteString(topic)
			case p.source != "":
				v := source.Field(p.source)
				if v.Type() != schema.String {
					return tableName{}, fmt.Errorf("%s uses ${source.%s}, which the record does not have", f.option, p.source)
				}
				b.WriteString(v.Text())
			default:
				b.WriteString(p.text)
			}
		}
		texts[i] = b.String()
	}
	if f.dots == partName {
		var err error
		if texts, err = splitName(texts[0]); err != nil {
			return tableName{}, &SetupError{Option: f.option, Object: "topic " + topic, Err: fmt.Errorf("the table's name %q: %w", texts[0], err),
				Remedy: "name the table by table.name.format, or rename the topic for the connector by a transform (RegexRouter)"}
		}
	}
	n := tableName{table: texts[len(texts)-1]}
	if len(texts) > 1 {
		n.schema = texts[len(texts)-2]
	}
	if n.table == "" {
		return n, fmt.Errorf("%s gives an empty table name", f.option)
	}
	return n, nil
}

// splitName parts a name at its dots into at most catalog, schema and table. Parts may be quoted by " or `, then dots and doubled quotes
// belong to them.
func splitName(name string) ([]string, error) {
	var parts []string
	for rest := name; ; {
		part, after, err := cutPart(rest)
		if err != nil {
			return []string{name}, err
		}
		parts = append(parts, part)
		if after == "" {
			break
		}
		rest = after[1:]
	}
	if len(parts) > 3 {
		return []string{name}, fmt.Errorf("it has %d parts; want table, schema.table or catalog.schema.table", len(parts))
	}
	for _, p := range parts {
		if p == "" {
			return []string{name}, errors.New("a part between dots is empty")
		}
	}
	return parts, nil
}

// cutPart takes the first part off; after begins with the dot, or is "".
func cutPart(text string) (part, after string, err error) {
	if text == "" || text[0] != '"' && text[0] != '`' {
		if dot := strings.IndexByte(text, '.'); dot >= 0 {
			return text[:dot], text[dot:], nil
		}
		return text, "", nil
	}
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] != quote:
			b.WriteByte(text[i])
		case i+1 < len(text) && text[i+1] == quote:
			b.WriteByte(quote)
			i++
		case i+1 == len(text) || text[i+1] == '.':
			return b.String(), text[i+1:], nil
		default:
			return "", "", errors.New("text follows a closing quote")
		}
	}
	return "", "", errors.New("a quote is not closed")
}
