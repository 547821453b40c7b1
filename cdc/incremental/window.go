package incremental

import (
	"bytes"
	"encoding/binary"

	"github.com/tandem-cdc/tandem/cdc"
)

// Window holds the rows of a chunk until the stream has passed it, without those that the stream changed meanwhile.
type Window struct {
	batch    cdc.Batch // the memory of the rows
	rows     []row
	left     int
	identity []int // columns that identify a row, in its tuple
	names    []string
	unique   bool

	// index finds rows by the bytes of their identity; made when the stream changes the table, which in most windows it does not.
	index map[string][]int32
	rel   *cdc.Relation // of the last change
	of    []int         // columns of that relation that identify a row; nil when it lacks one
	key   []byte
}

type row struct {
	tuple cdc.Tuple
	key   Key
	gone  bool
}

// Begin empties the window for rows that the named columns identify, which stand in these places of their tuples. unique tells that no two
// rows have the same.
func (w *Window) Begin(names []string, identity []int, unique bool) {
	w.Clear()
	w.names, w.identity, w.unique = names, identity, unique
}

// Clear forgets all rows; what was taken from the window is invalid afterwards.
func (w *Window) Clear() {
	w.batch.Reset()
	clear(w.rows)
	w.rows, w.left = w.rows[:0], 0
	w.index, w.rel = nil, nil
}

// Len is how many rows are left.
func (w *Window) Len() int { return w.left }

// Size is the memory the rows take.
func (w *Window) Size() int { return w.batch.Size() }

// Tuple returns an empty row of n columns; Copy keeps bytes as long as the window keeps its rows.
func (w *Window) Tuple(n int) cdc.Tuple { return w.batch.Tuple(n) }

// Copy keeps bytes.
func (w *Window) Copy(b []byte) []byte { return w.batch.Copy(b) }

// Add adds a row.
func (w *Window) Add(tuple cdc.Tuple, columns []KeyColumn) {
	key := Key(w.batch.Tuple(len(columns)))
	for i := range columns {
		key[i] = tuple[columns[i].Index]
	}
	w.rows = append(w.rows, row{tuple: tuple, key: key})
	w.left++
	w.index = nil
}

// Drop takes back the rows from the n-th on; their memory is kept.
func (w *Window) Drop(n int) {
	for i := n; i < len(w.rows); i++ {
		if !w.rows[i].gone {
			w.left--
		}
	}
	clear(w.rows[n:])
	w.rows, w.index = w.rows[:n], nil
}

// Rows calls emit with the rows that are left, in order.
func (w *Window) Rows(emit func(tuple cdc.Tuple, key Key) error) error {
	for i := range w.rows {
		if r := &w.rows[i]; !r.gone {
			if err := emit(r.tuple, r.key); err != nil {
				return err
			}
		}
	}
	return nil
}

// Changed takes the rows out that a change of the table made out of date: those it names, before and after.
func (w *Window) Changed(c *cdc.Change) {
	if c.Kind == cdc.Truncate {
		w.Clear()
		return
	}
	if c.Relation != w.rel {
		w.relate(c.Relation)
	}
	if w.of == nil {
		return
	}
	if w.index == nil {
		w.makeIndex()
	}
	if c.Old != nil {
		w.remove(c.Old, nil)
	}
	if c.New != nil {
		w.remove(c.New, c.Old)
	}
}

// relate finds the identifying columns in the stream's relation.
func (w *Window) relate(rel *cdc.Relation) {
	w.rel, w.of = rel, make([]int, 0, len(w.names))
	for _, name := range w.names {
		for i := range rel.Columns {
			if rel.Columns[i].Name == name {
				w.of = append(w.of, i)
			}
		}
	}
	if len(w.of) != len(w.names) {
		w.of = nil
	}
}

func (w *Window) makeIndex() {
	w.index = make(map[string][]int32, len(w.rows))
	for i := range w.rows {
		if !w.rows[i].gone {
			w.key = appendIdentity(w.key[:0], w.rows[i].tuple, nil, w.identity)
			w.index[string(w.key)] = append(w.index[string(w.key)], int32(i))
		}
	}
}

// appendIdentity appends the bytes of the columns. Values the server did not send again come from old.
func appendIdentity(dst []byte, tuple, old cdc.Tuple, columns []int) []byte {
	for _, at := range columns {
		d := tuple[at]
		if d.Kind == cdc.Unchanged && old != nil {
			d = old[at]
		}
		if d.Kind == cdc.Null {
			dst = append(dst, 0)
			continue
		}
		dst = binary.AppendUvarint(append(dst, 1), uint64(len(d.Bytes)))
		dst = append(dst, d.Bytes...)
	}
	return dst
}

// remove takes out the row that a tuple of the stream identifies. Where several have the same identity, it is the one whose other columns agree too.
func (w *Window) remove(tuple, old cdc.Tuple) {
	w.key = appendIdentity(w.key[:0], tuple, old, w.of)
	for n, at := range w.index[string(w.key)] {
		r := &w.rows[at]
		if r.gone || !w.unique && len(w.index[string(w.key)]) > 1 && !w.same(r.tuple, tuple) {
			continue
		}
		r.gone = true
		w.left--
		if !w.unique {
			list := w.index[string(w.key)]
			w.index[string(w.key)] = append(list[:n:n], list[n+1:]...)
			return
		}
	}
}

// same compares all columns but those the server did not send.
func (w *Window) same(row, tuple cdc.Tuple) bool {
	if len(row) != len(tuple) {
		return false
	}
	for i := range row {
		if tuple[i].Kind != cdc.Unchanged && (row[i].Kind != tuple[i].Kind || !bytes.Equal(row[i].Bytes, tuple[i].Bytes)) {
			return false
		}
	}
	return true
}
