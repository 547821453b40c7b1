package sqldb

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// tables knows the tables of a task, creates and extends them. Safe for concurrent use: one statement of it at a time, so that two
// partitions do not create the same table.
type tables struct {
	config *Config
	store  store
	log    *slog.Logger

	mu    sync.Mutex
	known map[tableName]*table // by the name as configured
}

// ensure gives every target of a batch a destination, but for deletes from tables that do not exist. Targets with rows go first:
// they make the tables that deletes of the same batch need. The mutations keep the destinations: another partition's batch may take
// the targets' away at any time.
func (t *tables) ensure(ctx context.Context, s session, muts []mutation) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, deletes := range []bool{false, true} {
		var last *target
		for i := range muts {
			g := muts[i].target
			if g == last || g.plan.tombstone != deletes || g.dest != nil {
				continue
			}
			last = g
			if err := t.open(ctx, s, g); err != nil {
				return err
			}
		}
	}
	for i := range muts {
		muts[i].dest = muts[i].target.dest
	}
	return nil
}

// rebind makes the destinations of a batch be compiled anew.
func (t *tables) rebind(muts []mutation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range muts {
		muts[i].target.dest = nil
	}
}

// refresh reads the tables of a batch anew and tells whether one has changed; the targets of such lose their destination.
func (t *tables) refresh(ctx context.Context, s session, muts []mutation) (changed bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen := make(map[tableName]bool)
	for i := range muts {
		g := muts[i].target
		d := g.dest
		if !seen[g.name] {
			seen[g.name] = true
			now, err := s.describe(ctx, g.name)
			if err != nil {
				return false, err
			}
			if now == nil {
				delete(t.known, g.name)
			} else {
				t.known[g.name] = now
			}
		}
		if now := t.known[g.name]; d != nil && !d.table.equal(now) {
			g.dest = nil
			changed = true
		}
	}
	return changed, nil
}

// open compares a target with its table.
func (t *tables) open(ctx context.Context, s session, g *target) error {
	tab, cached := t.known[g.name]
	if !cached {
		var err error
		if tab, err = s.describe(ctx, g.name); err != nil {
			return err
		}
	}
	if tab == nil {
		var err error
		if tab, err = t.create(ctx, s, g); tab == nil || err != nil {
			return err
		}
		cached = false
	}
	missing := missingColumns(g.plan, tab)
	if len(missing) > 0 && cached { // somebody else may have added them
		var err error
		if tab, err = s.describe(ctx, g.name); err != nil {
			return err
		}
		if tab == nil {
			delete(t.known, g.name)
			return t.open(ctx, s, g)
		}
		missing = missingColumns(g.plan, tab)
	}
	if len(missing) > 0 {
		var err error
		if tab, err = t.extend(ctx, s, g, tab, missing); err != nil {
			return err
		}
	}
	if err := t.checkKey(g.plan, tab); err != nil {
		return err
	}
	b, err := t.store.bind(g.plan, tab)
	if err != nil {
		return err
	}
	t.known[g.name] = tab
	g.dest = &destination{plan: g.plan, table: tab, bound: b}
	return nil
}

// create makes the table. It returns nil without error when nothing but deletes wants it.
func (t *tables) create(ctx context.Context, s session, g *target) (*table, error) {
	if t.config.Evolution != EvolutionBasic {
		return nil, &SetupError{Option: "schema.evolution", Object: fmt.Sprintf("table %q", g.name), Err: fmt.Errorf("it does not exist"),
			Remedy: fmt.Sprintf("create it, or set schema.evolution=basic (topic %q writes to it)", g.plan.topic)}
	}
	if g.plan.tombstone {
		return nil, nil
	}
	if err := s.create(ctx, g.name, g.plan.columns, g.plan.keys); err != nil {
		return nil, err
	}
	t.log.Info("table created", "table", g.name.String(), "columns", len(g.plan.columns), "topic", g.plan.topic)
	tab, err := s.describe(ctx, g.name)
	if err == nil && tab == nil {
		err = &SetupError{Object: fmt.Sprintf("table %q", g.name), Err: fmt.Errorf("it was created but cannot be seen"),
			Remedy: "check that its schema is in the role's search_path, or name it in collection.name.format"}
	}
	return tab, err
}

func (t *tables) extend(ctx context.Context, s session, g *target, tab *table, missing []column) (*table, error) {
	var names []string
	for i := range missing {
		names = append(names, missing[i].name)
	}
	list := strings.Join(names, ", ")
	if t.config.Evolution != EvolutionBasic || g.plan.tombstone {
		return nil, &SetupError{Option: "schema.evolution", Object: fmt.Sprintf("table %q", tab.name), Err: fmt.Errorf("it has no column %s", list),
			Remedy: fmt.Sprintf("add it, set schema.evolution=basic, or leave the field out by field.exclude.list (topic %q has it)", g.plan.topic)}
	}
	if err := s.extend(ctx, tab, missing); err != nil {
		return nil, err
	}
	t.log.Info("columns added", "table", tab.name.String(), "columns", list, "topic", g.plan.topic)
	tab, err := s.describe(ctx, g.name)
	if err != nil {
		return nil, err
	}
	if tab == nil || len(missingColumns(g.plan, tab)) > 0 {
		return nil, &SetupError{Object: fmt.Sprintf("table %q", g.name), Err: fmt.Errorf("columns %s were added but cannot be seen", list), Remedy: "see whether something else alters the table"}
	}
	return tab, nil
}

// checkKey makes sure that rows can be found by the plan's key.
func (t *tables) checkKey(p *plan, tab *table) error {
	if p.keys == 0 || t.config.InsertMode == Insert && !t.config.DeleteEnabled {
		return nil
	}
	var names []string
	for i := range p.columns[:p.keys] {
		names = append(names, tab.columns[tab.column(p.columns[i].name)].name)
	}
	if tab.tellsApart(names) {
		return nil
	}
	list := strings.Join(names, ", ")
	if t.config.InsertMode == Upsert && !p.tombstone {
		return &SetupError{Option: "primary.key.fields", Object: fmt.Sprintf("table %q", tab.name),
			Err:    fmt.Errorf("it has no primary key or unique constraint on (%s), which insert.mode=upsert needs", list),
			Remedy: fmt.Sprintf("run ALTER TABLE %s ADD PRIMARY KEY (%s), or name its key in primary.key.fields", tab.name, list)}
	}
	t.log.Warn("no unique index on the key columns: rows are found by reading the whole table", "table", tab.name.String(), "columns", list)
	return nil
}

// missingColumns are columns of a plan that a table does not have; for tombstones only the key counts.
func missingColumns(p *plan, tab *table) []column {
	var out []column
	for i := range p.columns {
		if tab.column(p.columns[i].name) < 0 {
			out = append(out, p.columns[i])
		}
	}
	return out
}
