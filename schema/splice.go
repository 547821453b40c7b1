package schema

// Splicer is a Writer that can take up what it wrote before: the bytes of fields in a row of a struct, which depend on nothing but their place. It
// is for values that many structs share, such as most of the source block of the rows of a transaction. Whoever splices has a plain way too, for not
// every Writer is one.
type Splicer interface {
	Writer
	// Place is where the Writer stands.
	Place() Place
	// Cut copies into p what was written since a place of the same struct. p is empty where that was not a row of whole fields.
	Cut(p *Piece, since Place)
	// Splice writes a piece where it was cut, in this struct or another one of the same stream; false: it belongs elsewhere, or is empty, and nothing
	// was written.
	Splice(p *Piece) bool
}

// Place is a place of a Splicer within the value at hand.
type Place struct {
	At    any // a pointer of the Splicer's own: what stands there in the schema
	Bytes int // that were written before
}

// Piece is what some fields of a struct were written as. The zero Piece is empty.
type Piece struct {
	From, To any // the first field and the one behind the last; as Place.At
	Bytes    []byte
}

// Clear empties the piece.
func (p *Piece) Clear() { p.From, p.To, p.Bytes = nil, nil, p.Bytes[:0] }

// Take fills the piece with a copy of the bytes.
func (p *Piece) Take(from, to any, bytes []byte) {
	p.From, p.To, p.Bytes = from, to, append(p.Bytes[:0], bytes...)
}
