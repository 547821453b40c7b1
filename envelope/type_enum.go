package envelope

import (
	"strings"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// enumPlan: enums, with their labels in the schema.
func (e *Encoder) enumPlan(labels []string) *typePlan {
	tp := e.plainText(named(schema.String, enumName, 1, schema.Parameter{Name: "allowed", Value: strings.Join(labels, ",")}))
	tp.textual, tp.labels, tp.inner = true, labels, javaString
	return tp
}

// Outgrown tells that a row holds an enum value its schema does not list: the type has grown since the types were read. The caller reads
// them again and plans the table anew; the server does not announce it.
func (p *Plan) Outgrown(c *cdc.Change) bool {
	for _, i := range p.enums {
		column := &p.columns[i]
		if !column.lists(c.New) || !column.lists(c.Old) {
			return true
		}
	}
	return false
}

func (c *columnPlan) lists(t cdc.Tuple) bool {
	if c.index >= len(t) || t[c.index].Kind != cdc.Text {
		return true
	}
	for _, label := range c.labels {
		if label == string(t[c.index].Bytes) {
			return true
		}
	}
	return false
}

// enumDefault is the literal of 'label'::type, quotes inside of it as they are; anything else is no default of an enum.
func enumDefault(t *cdc.Type, expr string) (schema.Value, bool) {
	i := strings.LastIndex(expr, "::")
	if i < 2 || expr[0] != '\'' || expr[i-1] != '\'' {
		return schema.NullValue, false
	}
	cast := expr[i+2:]
	if j := strings.LastIndex(cast, "."); j >= 0 && !strings.HasSuffix(cast, t.Name) {
		cast = cast[j+1:]
	}
	cast = strings.ReplaceAll(strings.Trim(cast, `"`), `""`, `"`)
	if cast != t.Name && !strings.HasSuffix(cast, t.Name) {
		return schema.NullValue, false
	}
	return schema.OfString(expr[1 : i-1]), true
}

// arrayLabels are the labels of an array column's enum: always those of when its type was first met. Debezium learns new labels of a
// scalar column, but keeps those of arrays until it starts again.
func (e *Encoder) arrayLabels(array, elem *cdc.Type) []string {
	labels, ok := e.labels[array.OID]
	if !ok {
		labels = append([]string(nil), elem.Labels...)
		e.labels[array.OID] = labels
	}
	return labels
}
