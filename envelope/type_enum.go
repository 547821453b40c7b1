package envelope

import (
	"strings"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// enumPlan: enums, with their labels in the schema.
func (e *Encoder) enumPlan(labels []string) *typePlan {
	tp := e.plainText(named(schema.String, enumName, 1, schema.Parameter{Name: "allowed", Value: strings.Join(labels, ",")}))
	tp.textual = true
	return tp
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

// enumLabels are the labels of a scalar column's enum. Debezium reads them when it starts and again when a table is announced that has
// streamed before, so the first announcement after a snapshot has the labels of the snapshot.
func (e *Encoder) enumLabels(t *cdc.Type) []string {
	labels, ok := e.labels[t.OID]
	if !ok || e.refreshLabels {
		labels = append([]string(nil), t.Labels...)
		e.labels[t.OID] = labels
	}
	return labels
}

// arrayLabels are the labels of an array column's enum: always those of when its type was first met.
func (e *Encoder) arrayLabels(array, elem *cdc.Type) []string {
	labels, ok := e.labels[array.OID]
	if !ok {
		labels = append([]string(nil), e.enumLabels(elem)...)
		e.labels[array.OID] = labels
	}
	return labels
}
