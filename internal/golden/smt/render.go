package smt

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// render writes a record so that two are equal when their texts are: each field on a line, maps sorted, for in Java they have no order.
func render(r *schema.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "topic %q\npartition %d\ntimestamp %d\n", r.Topic, r.Partition, r.Timestamp)
	side(&b, "key", r.KeySchema, r.Key)
	side(&b, "value", r.ValueSchema, r.Value)
	for _, h := range r.Headers {
		side(&b, fmt.Sprintf("header %q", h.Key), h.Schema, h.Value)
	}
	return b.String()
}

func side(b *strings.Builder, name string, s *schema.Schema, v schema.Value) {
	fmt.Fprintf(b, "%s schema", name)
	renderSchema(b, s, "  ")
	fmt.Fprintf(b, "\n%s = ", name)
	renderValue(b, v, "  ")
	b.WriteByte('\n')
}

func renderSchema(b *strings.Builder, s *schema.Schema, indent string) {
	if s == nil {
		b.WriteString(" none")
		return
	}
	fmt.Fprintf(b, " %s", schema.Describe(s))
	if s.Version != 0 {
		fmt.Fprintf(b, " version %d", s.Version)
	}
	if s.Doc != "" {
		fmt.Fprintf(b, " doc %q", s.Doc)
	}
	parameters := slices.Clone(s.Parameters)
	slices.SortFunc(parameters, func(a, b schema.Parameter) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range parameters {
		fmt.Fprintf(b, " %s=%q", p.Name, p.Value)
	}
	if s.Default != nil {
		b.WriteString(" default ")
		renderValue(b, *s.Default, indent+"  ")
	}
	if s.Key != nil {
		fmt.Fprintf(b, "\n%skey", indent)
		renderSchema(b, s.Key, indent+"  ")
	}
	if s.Elem != nil {
		fmt.Fprintf(b, "\n%selem", indent)
		renderSchema(b, s.Elem, indent+"  ")
	}
	for _, f := range s.Fields {
		fmt.Fprintf(b, "\n%s%q:", indent, f.Name)
		renderSchema(b, f.Schema, indent+"  ")
	}
}

func renderValue(b *strings.Builder, v schema.Value, indent string) {
	switch v.Class() {
	case schema.Instant:
		fmt.Fprintf(b, "instant %d", v.Int())
		return
	case schema.BigDecimal:
		fmt.Fprintf(b, "decimal %s scale %d", schema.Unscaled(v.Bytes()), v.Scale())
		return
	}
	switch v.Type() {
	case schema.Invalid:
		b.WriteString("null")
	case schema.Boolean:
		fmt.Fprint(b, v.Bool())
	case schema.Float32:
		fmt.Fprintf(b, "float32 %v %x", v.Float32(), math.Float32bits(v.Float32()))
	case schema.Float64:
		fmt.Fprintf(b, "float64 %v %x", v.Float64(), math.Float64bits(v.Float64()))
	case schema.String:
		fmt.Fprintf(b, "%q", v.Text())
	case schema.Bytes:
		fmt.Fprintf(b, "bytes %s", base64.StdEncoding.EncodeToString(v.Bytes()))
	case schema.Array:
		for i, e := range v.Array() {
			fmt.Fprintf(b, "\n%s[%d] ", indent, i)
			renderValue(b, e, indent+"  ")
		}
		fmt.Fprintf(b, "array of %d", len(v.Array()))
	case schema.Map:
		entries := make([]string, len(v.Map()))
		for i, e := range v.Map() {
			var one strings.Builder
			fmt.Fprintf(&one, "\n%s{", indent)
			renderValue(&one, e.Key, indent+"  ")
			one.WriteString("} ")
			renderValue(&one, e.Value, indent+"  ")
			entries[i] = one.String()
		}
		slices.Sort(entries)
		fmt.Fprintf(b, "map of %d%s", len(entries), strings.Join(entries, ""))
	case schema.Struct:
		fmt.Fprintf(b, "struct")
		for i, f := range v.Struct().Schema.Fields {
			fmt.Fprintf(b, "\n%s%q: ", indent, f.Name)
			renderValue(b, v.Struct().Values[i], indent+"  ")
		}
	default:
		fmt.Fprintf(b, "%s %d", v.Type(), v.Int())
	}
}
