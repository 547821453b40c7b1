package converter

import "github.com/tandem-cdc/tandem/schema"

// Both writers splice: a field of a struct has no hook and no lead, so that what it is written as depends on its node alone. Cut makes pieces of such
// fields only. A piece bears the nodes it was cut between, and no node stands for two places, so it fits no other schema.

var (
	_ schema.Splicer = (*avroWriter)(nil)
	_ schema.Splicer = (*jsonWriter)(nil)
)

// Place implements schema.Splicer.
func (w *avroWriter) Place() schema.Place { return schema.Place{At: w.cur, Bytes: len(w.buf)} }

// Cut implements schema.Splicer.
func (w *avroWriter) Cut(p *schema.Piece, since schema.Place) {
	from, ok := since.At.(*avroNode)
	if !ok || w.err != nil || from.owner == nil || from.owner != w.cur.owner || from.owner.kind != nodeStruct || from == w.cur {
		p.Clear()
		return
	}
	p.Take(from, w.cur, w.buf[since.Bytes:])
}

// Splice implements schema.Splicer.
func (w *avroWriter) Splice(p *schema.Piece) bool {
	if from, ok := p.From.(*avroNode); !ok || from != w.cur {
		return false
	}
	w.buf, w.cur = append(w.buf, p.Bytes...), p.To.(*avroNode)
	return true
}

// Place implements schema.Splicer.
func (w *jsonWriter) Place() schema.Place { return schema.Place{At: w.cur, Bytes: len(w.buf)} }

// Cut implements schema.Splicer.
func (w *jsonWriter) Cut(p *schema.Piece, since schema.Place) {
	from, ok := since.At.(*jsonNode)
	if !ok || w.err != nil || from.owner == nil || from.owner != w.cur.owner || from.owner.kind != nodeStruct || from == w.cur {
		p.Clear()
		return
	}
	p.Take(from, w.cur, w.buf[since.Bytes:])
}

// Splice implements schema.Splicer.
func (w *jsonWriter) Splice(p *schema.Piece) bool {
	if from, ok := p.From.(*jsonNode); !ok || from != w.cur {
		return false
	}
	w.buf, w.cur = append(w.buf, p.Bytes...), p.To.(*jsonNode)
	return true
}
