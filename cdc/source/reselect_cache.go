package source

import (
	"container/list"
	"encoding/binary"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
)

// reselectCache keeps what is known of the columns that a processor reads, as it was last published or read: by table and key, the least
// recently used rows go first. A value that stands in it is not read again, so it is the one of the stream rather than that of now.
type reselectCache struct {
	rows    int           // at most
	columns int           // of a row, at most
	ttl     time.Duration // 0: for ever
	now     func() time.Time
	byKey   map[string]*list.Element // of *cachedRow
	used    list.List                // the most recently used first
	key     []byte
}

type cachedRow struct {
	key    string
	values map[int]cachedDatum // by the number of the column
}

type cachedDatum struct {
	cdc.Datum
	at time.Time
}

func newReselectCache(p *processorConfig) *reselectCache {
	if !p.cached {
		return nil
	}
	return &reselectCache{rows: p.cacheRows, columns: p.cacheColumns, ttl: p.cacheTTL, now: time.Now, byKey: make(map[string]*list.Element)}
}

// row finds the row of a change, by its record's key; it is made when there is none.
func (c *reselectCache) row(s *reselection, change *cdc.Change) *cachedRow {
	c.key = binary.AppendUvarint(c.key[:0], s.number)
	for _, k := range s.eventKey {
		text := keyText(change, k.Index)
		c.key = binary.AppendVarint(c.key, int64(len(text)))
		c.key = append(c.key, text...)
	}
	if e, ok := c.byKey[string(c.key)]; ok {
		c.used.MoveToFront(e)
		return e.Value.(*cachedRow)
	}
	row := &cachedRow{key: string(c.key), values: make(map[int]cachedDatum)}
	c.byKey[row.key] = c.used.PushFront(row)
	if c.used.Len() > c.rows {
		last := c.used.Back()
		delete(c.byKey, c.used.Remove(last).(*cachedRow).key)
	}
	return row
}

// put keeps a value, unless the row is full; the bytes of the batch are copied.
func (c *reselectCache) put(row *cachedRow, column int, d cdc.Datum) {
	if _, known := row.values[column]; !known && len(row.values) >= c.columns {
		return
	}
	d.Bytes = append([]byte{}, d.Bytes...)
	row.values[column] = cachedDatum{d, c.now()}
}

// get gives a value that has not expired.
func (c *reselectCache) get(row *cachedRow, column int) (cdc.Datum, bool) {
	d, ok := row.values[column]
	if ok && c.ttl > 0 && c.now().Sub(d.at) >= c.ttl {
		delete(row.values, column)
		return cdc.Datum{}, false
	}
	return d.Datum, ok
}

// remember keeps the columns of a row that it shows, of those the processor looks at.
func (c *reselectCache) remember(table *reselection, s *reselectStep, row *cachedRow, change *cdc.Change) {
	wanted := 0
	for _, f := range s.columns {
		if wanted < len(s.wanted) && s.wanted[wanted].Index == f.Index {
			wanted++
			continue
		}
		if f.Index >= len(change.New) {
			continue
		}
		d := change.New[f.Index]
		if d.Kind == cdc.Unchanged && f.Index < len(change.Old) {
			d = change.Old[f.Index]
		}
		if d.Kind == cdc.Text || d.Kind == cdc.Null {
			c.put(row, table.cached[f.Index], d)
		}
	}
}

// fill puts what is known into the after image; what remains wanted has to be read.
func (c *reselectCache) fill(table *reselection, s *reselectStep, row *cachedRow, change *cdc.Change) {
	left := s.wanted[:0]
	for _, f := range s.wanted {
		if d, ok := c.get(row, table.cached[f.Index]); ok {
			change.New[f.Index] = d
		} else {
			left = append(left, f)
		}
	}
	s.wanted = left
}
