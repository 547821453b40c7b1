package history

import "slices"

// Asked is an incremental snapshot that was asked for.
type Asked struct {
	At     LSN // of the transaction that asked for it
	Tables []string
}

// CheckIncremental holds records of a stream, between which come the rows of incremental snapshots, against the truth; start is what the tables
// held before it.
//
// The changes are checked as ever. A row must be what the records before it have made of it: an older one would take back what was told, and a
// younger one would be taken back by the change that follows. Rows that were there when they were asked for and did not change since must come.
// Exactly once, each comes once.
func CheckIncremental(tables []Table, start *Model, truth []Transaction, records []Record, mode Mode, asked []Asked) []Verdict {
	c := &incremental{checker: &checker{mode: mode, told: make(map[Kind]int)}, tables: make(map[string]*Table), times: make(map[string]map[string]int)}
	for i := range tables {
		c.tables[tables[i].Name] = &tables[i]
		c.times[tables[i].Name] = make(map[string]int)
	}
	var streamed []Record
	p := newReplay(start.Clone())
	for i := range records {
		r := &records[i]
		if r.Op == SnapshotRow {
			c.row(r, p.Model, asked)
		} else {
			streamed = append(streamed, *r)
		}
		p.apply(r)
	}
	for _, a := range asked {
		c.checkCompleteness(a, start, truth)
	}
	return append(c.finish(), Check(tables, truth, streamed, mode)...)
}

// incremental checks rows of incremental snapshots.
type incremental struct {
	*checker
	tables map[string]*Table
	times  map[string]map[string]int // by table and key, how often a row came
}

func (c *incremental) row(r *Record, told *Model, asked []Asked) {
	t := c.tables[r.Table]
	most := 0
	for _, a := range asked {
		if slices.Contains(a.Tables, r.Table) {
			most++
		}
	}
	if t == nil || len(t.Key) == 0 || most == 0 {
		c.tell(Phantom, r.Table, "%s: nobody asked for rows of this table", r)
		return
	}
	if c.times[t.Name][r.Key]++; c.times[t.Name][r.Key] > most && c.mode == ExactlyOnce {
		c.tell(Doubled, r.Table, "%s came %d times, asked for %d times", r, c.times[t.Name][r.Key], most)
	}
	want, there := told.rows[t.Name][r.Key]
	switch {
	case !there:
		c.tell(Wrong, r.Table, "%s is %v, and the records before it tell that it is not there", r, r.After)
	case r.After.Key(t.Key) != r.Key || !t.agrees(r.After, want):
		c.tell(Wrong, r.Table, "%s is %v, and the records before it tell of %v", r, r.After, want)
	}
}

// checkCompleteness tells which rows were there, did not change, and did not come.
func (c *incremental) checkCompleteness(a Asked, start *Model, truth []Transaction) {
	m := start.Clone()
	behind := Behind(truth, a.At)
	m.Apply(truth[:len(truth)-len(behind)])
	changed := make(map[string]map[string]bool)
	for _, name := range a.Tables {
		changed[name] = make(map[string]bool)
	}
	for i := range behind {
		for n := range behind[i].Changes {
			change := &behind[i].Changes[n]
			keys := changed[change.Table]
			switch {
			case keys == nil:
			case change.Op == Truncate:
				m.empty(change.Table)
			default:
				for _, row := range []Row{change.Before, change.After} {
					if row != nil {
						keys[row.Key(c.tables[change.Table].Key)] = true
					}
				}
			}
		}
	}
	for _, name := range a.Tables {
		for _, key := range sorted(m.rows[name]) {
			if !changed[name][key] && c.times[name][key] == 0 {
				c.tell(Lost, name, "row %s was there when rows were asked for at %s, did not change since, and did not come", key, a.At)
			}
		}
	}
}
