package incremental

import (
	"bytes"
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// Chunk says what was read.
type Chunk struct {
	Rows int
	Last Key // of the last row, nil without rows; it lives as long as the window keeps its rows
	// Cut tells that more rows came than memory allows. The connection is of no use any more: the server is still sending.
	Cut bool
}

// ShapeError says that a table's columns are not those it was planned with: it was altered meanwhile.
type ShapeError struct {
	Table  string
	Detail string
}

func (e *ShapeError) Error() string {
	return fmt.Sprintf("table %s was altered: %s", e.Table, e.Detail)
}

// Reader reads chunks of one table into a window.
type Reader struct {
	Table    *Table
	Relation *cdc.Relation
	Fields   []int // which column of the relation each of Table.Columns is
	// MaxBytes bounds the memory of a chunk: a row that reaches it is the last. Rows of one key stay together all the same.
	MaxBytes int
}

// Read reads the chunk behind after, up to maximum. An error leaves the window as it was.
func (r *Reader) Read(ctx context.Context, conn *pgconn.PgConn, w *Window, after, maximum Key, limit int) (c Chunk, err error) {
	s := r.Table.Chunk(after, maximum, limit)
	before, size := len(w.rows), w.Size()
	result := conn.ExecParams(ctx, s.SQL, s.Params, s.Types, nil, nil)
	for result.NextRow() {
		if c.Rows == 0 {
			if err = r.check(result.FieldDescriptions()); err != nil {
				break
			}
		}
		if c.Cut = c.Rows > 0 && w.Size()-size >= r.MaxBytes && (r.Table.Unique || r.nextKey(w, result.Values())); c.Cut {
			break
		}
		r.row(w, result.Values())
		c.Rows++
	}
	if c.Cut {
		c.Last = w.rows[len(w.rows)-1].key
		return c, nil
	}
	if _, closeErr := result.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		w.Drop(before)
		return Chunk{}, pgerror.Wrap(err, "read a chunk of table %s.%s", r.Table.Schema, r.Table.Name)
	}
	if c.Rows > 0 {
		c.Last = w.rows[len(w.rows)-1].key
	}
	return c, nil
}

// check compares the types of a result with those of the relation.
func (r *Reader) check(fields []pgconn.FieldDescription) error {
	if len(fields) != len(r.Fields) { // the statement names its columns
		return fmt.Errorf("the server answers %d columns for %d", len(fields), len(r.Fields))
	}
	for i, at := range r.Fields {
		if column := &r.Relation.Columns[at]; fields[i].DataTypeOID != column.TypeOID {
			return &ShapeError{r.Table.Schema + "." + r.Table.Name, fmt.Sprintf("column %q has another type", column.Name)}
		}
	}
	return nil
}

// row keeps a row. The values live until the next.
func (r *Reader) row(w *Window, values [][]byte) {
	tuple := w.Tuple(len(r.Relation.Columns))
	for i, at := range r.Fields {
		if values[i] != nil {
			tuple[at] = cdc.Datum{Kind: cdc.Text, Bytes: w.Copy(values[i])}
		}
	}
	w.Add(tuple, r.Table.Key)
}

// nextKey tells whether a row has another key than the one before.
func (r *Reader) nextKey(w *Window, values [][]byte) bool {
	last := w.rows[len(w.rows)-1].key
	for i := range r.Table.Key {
		for field, at := range r.Fields {
			if at == r.Table.Key[i].Index && ((values[field] == nil) != (last[i].Kind == cdc.Null) || !bytes.Equal(values[field], last[i].Bytes)) {
				return true
			}
		}
	}
	return false
}

// ReadMaximum reads the largest key; nil when there is no row.
func (r *Reader) ReadMaximum(ctx context.Context, conn *pgconn.PgConn) (Key, error) {
	s := r.Table.Maximum()
	result := conn.ExecParams(ctx, s.SQL, s.Params, s.Types, nil, nil)
	var key Key
	if result.NextRow() {
		for _, v := range result.Values() {
			d := cdc.Datum{}
			if v != nil {
				d = cdc.Datum{Kind: cdc.Text, Bytes: bytes.Clone(v)}
			}
			key = append(key, d)
		}
	}
	_, err := result.Close()
	return key, pgerror.Wrap(err, "read the largest key of table %s.%s", r.Table.Schema, r.Table.Name)
}
