package history

// expected is a record that must come.
type expected struct {
	tx     int // index of the transaction
	change *Change
	table  *Table // nil: of the messages

	op              Op
	key             string
	before, after   Row // before is nil where it is not known
	order           int64
	collectionOrder int64
}

// expectation is all records that the truth makes of the tables, in the order of the truth.
type expectation struct {
	truth  []Transaction
	list   []expected
	byID   map[identity]int // of all but tombstones, which stand behind their delete
	counts []map[string]int64
}

// identity is what tells a record from every other one: its place in its transaction, or for a message outside of transactions its LSN.
type identity struct {
	xid   uint32
	order int64
	lsn   LSN
}

// expect says which records the truth makes. Of tables that are not listed there are none.
func expect(tables []Table, truth []Transaction) *expectation {
	known := make(map[string]*Table, len(tables))
	for i := range tables {
		known[tables[i].Name] = &tables[i]
	}
	e := &expectation{truth: truth, byID: make(map[identity]int), counts: make([]map[string]int64, len(truth))}
	for i := range truth {
		e.transaction(known, i)
	}
	return e
}

func (e *expectation) transaction(known map[string]*Table, i int) {
	tx := &e.truth[i]
	orders := make(map[string]int64)
	e.counts[i] = orders
	var order int64
	for n := range tx.Changes {
		c := &tx.Changes[n]
		table := known[c.Table]
		if table == nil && c.Op != Message {
			continue
		}
		for _, x := range recordsOf(table, c) {
			x.tx, x.change, x.table = i, c, table
			id := identity{xid: tx.XID}
			switch {
			case x.op == Tombstone:
				e.list = append(e.list, x)
				continue
			case tx.XID == 0:
				id.lsn = c.LSN
			default:
				order++
				orders[c.Table]++
				id.order, x.order, x.collectionOrder = order, order, orders[c.Table]
				if c.Op == Message {
					x.collectionOrder = 1 // each is a collection of its own
				}
			}
			e.byID[id] = len(e.list)
			e.list = append(e.list, x)
		}
	}
}

// recordsOf says which records one change makes.
func recordsOf(t *Table, c *Change) []expected {
	if c.Op == Message || c.Op == Truncate {
		return []expected{{op: c.Op, after: c.After}}
	}
	var before Row
	if t.Full {
		before = c.Before
	}
	after := c.After
	if t.Full && c.Op == Update {
		after = resolved(c.After, c.Before)
	}
	switch {
	case c.Op == Insert:
		return []expected{{op: Insert, key: after.Key(t.Key), after: after}}
	case c.Op == Delete:
		return t.deleted(c.Before, before)
	case t.moves(c):
		return append(t.deleted(c.Before, before), expected{op: Insert, key: after.Key(t.Key), after: after})
	}
	return []expected{{op: Update, key: after.Key(t.Key), before: before, after: after}}
}

// moves tells whether an update changes the key.
func (t *Table) moves(c *Change) bool {
	return c.Op == Update && c.Before != nil && len(t.Key) > 0 && c.Before.Key(t.Key) != c.After.Key(t.Key)
}

// deleted are the records of a row that goes; the tombstone comes also where there is no key.
func (t *Table) deleted(old, before Row) []expected {
	return []expected{{op: Delete, key: old.Key(t.Key), before: before}, {op: Tombstone, key: old.Key(t.Key)}}
}

// resolved is a row with the values of the one before where it has none of its own.
func resolved(after, before Row) Row {
	out := make(Row, len(after))
	for name, v := range after {
		if old, ok := before[name]; ok && v == Unknown {
			v = old
		}
		out[name] = v
	}
	return out
}
