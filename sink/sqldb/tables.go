package sqldb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/tandem-cdc/tandem/sink"
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

// ensure gives every target of a batch a destination, but for deletes from and truncates of tables that do not exist. Targets with rows go
// first: they make the tables that deletes of the same batch need, and a truncate, which has no key, would make one without. The mutations keep the destinations: another partition's batch may take
// the targets' away at any time.
func (t *tables) ensure(ctx context.Context, s session, muts []mutation) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, rows := range []bool{true, false} {
		var last *target
		for i := range muts {
			g := muts[i].target
			if g == last || (muts[i].op != opTruncate && !g.plan.tombstone) != rows || g.dest != nil {
				continue
			}
			last = g
			if err := t.open(ctx, s, g, rows); err != nil {
				return err
			}
		}
	}
	for i := range muts {
		muts[i].dest = muts[i].target.dest
	}
	return nil
}

// assign gives mutations the destinations that their targets have.
func (t *tables) assign(muts []mutation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range muts {
		muts[i].dest = muts[i].target.dest
	}
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

// open compares a target with its table, which it makes when there is none and creates says so.
func (t *tables) open(ctx context.Context, s session, g *target, creates bool) error {
	tab, cached := t.known[g.name]
	if !cached {
		var err error
		if tab, err = s.describe(ctx, g.name); err != nil {
			return err
		}
	}
	if tab != nil {
		if err := t.checkKind(tab); err != nil {
			return err
		}
	}
	if tab == nil {
		var err error
		if tab, err = t.create(ctx, s, g, creates); tab == nil || err != nil {
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
			return t.open(ctx, s, g, creates)
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

// exist makes sure that the topics have their tables, for schema.evolution=validate-only.
func (t *Task) exist(ctx context.Context, s session, parts []sink.Assignment) error {
	var last string
	for i := range parts {
		topic := parts[i].Topic
		if topic == last || t.txn != nil && (topic == t.config.TransactionTopic || strings.HasSuffix(topic, ".transaction")) {
			continue
		}
		last = topic
		name, err := t.mutator.planner.format.name(topic, nil)
		if err != nil {
			return &SetupError{Option: t.config.names.collection, Object: "topic " + topic, Err: err}
		}
		name = tableName{t.mutator.planner.fold(name.schema), t.mutator.planner.fold(name.table)}
		found, err := s.describe(ctx, name)
		if err != nil {
			return err
		}
		if found == nil {
			return &SetupError{Option: t.config.names.create, Object: fmt.Sprintf("table %q", name), Err: errors.New("it does not exist"),
				Remedy: fmt.Sprintf("create it before the start, or set %s (topic %q writes to it)", t.config.names.createYes, topic)}
		}
	}
	return nil
}

// create makes the table. It returns nil without error when that is not wanted: for deletes and truncates.
func (t *tables) create(ctx context.Context, s session, g *target, creates bool) (*table, error) {
	if !t.config.Create {
		return nil, &SetupError{Option: t.config.names.create, Object: fmt.Sprintf("table %q", g.name), Err: errors.New("it does not exist"),
			Remedy: fmt.Sprintf("create it, or set %s (topic %q writes to it)", t.config.names.createYes, g.plan.topic)}
	}
	if !creates {
		return nil, nil
	}
	if err := fits(g, g.plan.creation); err != nil {
		return nil, err
	}
	if err := s.create(ctx, g.name, g.plan.creation, g.plan.keys); err != nil {
		return nil, err
	}
	t.log.Info("table created", "table", g.name.String(), "columns", len(g.plan.columns), "topic", g.plan.topic)
	tab, err := s.describe(ctx, g.name)
	if err == nil && tab == nil {
		err = &SetupError{Object: fmt.Sprintf("table %q", g.name), Err: fmt.Errorf("it was created but cannot be seen"),
			Remedy: "check that its schema is in the role's search_path, or name it in " + t.config.names.collection}
	}
	return tab, err
}

func (t *tables) extend(ctx context.Context, s session, g *target, tab *table, missing []column) (*table, error) {
	var names []string
	for i := range missing {
		names = append(names, missing[i].name)
	}
	list := strings.Join(names, ", ")
	if !t.config.Extend || g.plan.tombstone {
		return nil, &SetupError{Option: t.config.names.extend, Object: fmt.Sprintf("table %q", tab.name), Err: fmt.Errorf("it has no column %s", list),
			Remedy: fmt.Sprintf("add it, set %s, or leave the field out by %s (topic %q has it)", t.config.names.extendYes, t.config.names.leaveOut, g.plan.topic)}
	}
	if tab.kind == kindView {
		return nil, &SetupError{Object: fmt.Sprintf("view %q", tab.name), Err: fmt.Errorf("it has no column %s, and views are not altered", list),
			Remedy: fmt.Sprintf("add it to the view, or leave the field out by %s (topic %q has it)", t.config.names.leaveOut, g.plan.topic)}
	}
	if err := fits(g, missing); err != nil {
		return nil, err
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

// checkKind makes sure that the kind of table may be written to.
func (t *tables) checkKind(tab *table) error {
	if len(t.config.TableTypes) == 0 || slices.Contains(t.config.TableTypes, string(tab.kind)) {
		return nil
	}
	return &SetupError{Option: "table.types", Object: fmt.Sprintf("table %q", tab.name), Err: fmt.Errorf("it is a %s, and table.types names %s only", tab.kind, strings.Join(t.config.TableTypes, ", ")),
		Remedy: fmt.Sprintf("set table.types=%s,%s", strings.Join(t.config.TableTypes, ","), tab.kind)}
}

// fits makes sure that there is a type for each column that is to be made.
func fits(g *target, columns []column) error {
	for i := range columns {
		if c := &columns[i]; c.plain && !hasType(c.createSchema()) {
			return &unfitError{target: g, err: fmt.Errorf("field %q: %s (%s) type doesn't have a mapping to the SQL database column type; take its fields apart (a Flatten transform), leave it out by fields.whitelist, "+
				"make the column by hand as one of JSON or text, or use connector.class=%s, which makes one", c.field, cmp.Or(c.schema.Name, "null"), javaType(c.schema.Type), Debezium.Class)}
		}
	}
	return nil
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
		return &SetupError{Option: t.config.names.keyFields, Object: fmt.Sprintf("table %q", tab.name),
			Err:    fmt.Errorf("it has no primary key or unique constraint on (%s), which insert.mode=upsert needs", list),
			Remedy: fmt.Sprintf("run ALTER TABLE %s ADD PRIMARY KEY (%s), or name its key in %s", tab.name, list, t.config.names.keyFields)}
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
