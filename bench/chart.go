package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Sizes of the chart, in pixels.
const (
	chartWidth   = 900
	labelWidth   = 270
	valueWidth   = 90
	barHeight    = 18
	barStep      = 24
	panelHeading = 34
	panelGap     = 14
)

// panel is one measure of all rows.
type panel struct {
	title string
	of    func(r *row, m *sample) float64
	form  string
}

var panels = []panel{
	{"changes a second (more is better)", func(_ *row, m *sample) float64 { return m.Rate }, ""},
	{"CPU seconds per million changes (less is better)", func(r *row, m *sample) float64 { return m.CPU * 1e6 / float64(max(1, r.Work)) }, "%.1f"},
	{"peak resident memory, MB (less is better)", func(_ *row, m *sample) float64 { return m.Peak }, "%.0f"},
}

// chart draws the rows of a section as bars, a panel for each measure. Without rows it is empty but still an image.
func chart(s *section) string {
	var rows []*row
	if s != nil {
		for i := range s.Rows {
			if len(s.Rows[i].Runs) > 0 {
				rows = append(rows, &s.Rows[i])
			}
		}
	}
	height := len(panels) * (panelHeading + len(rows)*barStep + panelGap)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" font-family="sans-serif" font-size="13">`+"\n", chartWidth, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", chartWidth, height)
	y := 0
	for _, p := range panels {
		p.draw(&b, rows, y)
		y += panelHeading + len(rows)*barStep + panelGap
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// draw draws one panel from y on.
func (p *panel) draw(b *strings.Builder, rows []*row, y int) {
	fmt.Fprintf(b, `<text x="8" y="%d" font-weight="bold" fill="#111111">%s</text>`+"\n", y+22, escaped(p.title))
	values, greatest := make([]float64, len(rows)), 0.0
	for i, r := range rows {
		m := median(r.Runs)
		values[i] = p.of(r, &m)
		greatest = max(greatest, values[i])
	}
	for i, r := range rows {
		top := y + panelHeading + i*barStep
		width := 0.0
		if greatest > 0 {
			width = values[i] / greatest * (chartWidth - labelWidth - valueWidth)
		}
		color := "#9aa5b1"
		if r.Contender == string(tandem) {
			color = "#1f6feb"
		}
		label := r.Contender
		if r.Format != "" {
			label += ", " + r.Format
		}
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#333333">%s</text>`+"\n", labelWidth-8, top+14, escaped(label))
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", labelWidth, top, width, barHeight, color)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="#333333">%s</text>`+"\n", float64(labelWidth)+width+6, top+14, shown(p.form, values[i]))
	}
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
