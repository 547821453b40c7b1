package sqldb

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/tandem-cdc/tandem/sink"
)

// Fitting is how a record fits the table that it is for. Nothing was changed to learn it.
type Fitting struct {
	Topic   string   `json:"topic"`
	Table   string   `json:"table,omitempty"`
	Creates []string `json:"creates,omitempty"` // columns of the table that would be made for it
	Adds    []string `json:"adds,omitempty"`    // columns that the table would get for it
	Note    string   `json:"note,omitempty"`    // why it is not for a table
	Problem string   `json:"problem,omitempty"` // why it could not be written
}

// Fit compares records with the tables that a connector of a valid configuration would write them to. The error is that the database cannot be
// asked.
func Fit(ctx context.Context, c Config, connectorName string, records []sink.Record) ([]Fitting, error) {
	t := New(c, connectorName, slog.New(slog.DiscardHandler))
	if err := t.prepare(); err != nil {
		return nil, err
	}
	s, err := t.store.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	if pg, ok := s.(*pgSession); ok { // a second lock on the door: what follows only describes tables
		if err := pg.exec(ctx, "SET default_transaction_read_only = on"); err != nil {
			return nil, fmt.Errorf("make the connection read-only: %w", err)
		}
	}
	all := make([]Fitting, len(records))
	for i := range records {
		all[i].Topic = records[i].Topic
		if err := t.fit(ctx, s, &records[i], &all[i]); err != nil {
			all[i].Problem = err.Error()
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// fit compares one record. The error says why it cannot be written.
func (t *Task) fit(ctx context.Context, s session, r *sink.Record, f *Fitting) error {
	m, ok, why, err := t.mutator.mutate(r)
	if err != nil {
		return err
	}
	if !ok {
		if f.Note = why; why == "" {
			f.Note = "the record deletes a row, or truncates a table, which the connector leaves undone"
		}
		return nil
	}
	p := m.target.plan
	f.Table = m.target.name.String()
	tab, err := s.describe(ctx, m.target.name)
	if err != nil {
		return err
	}
	if tab == nil {
		if !t.config.Create || p.tombstone {
			return nil // Inspect tells that there is no table
		}
		f.Creates = namesOf(p.creation)
		return fits(m.target, p.creation)
	}
	f.Table = tab.name.String()
	if err := t.tables.checkKind(tab); err != nil {
		return err
	}
	missing := missingColumns(p, tab)
	if len(missing) > 0 && (!t.config.Extend || p.tombstone || tab.kind == kindView) {
		_, err := t.tables.extend(ctx, s, m.target, tab, missing) // which refuses, in its own words
		return err
	}
	f.Adds = namesOf(missing)
	if err := fits(m.target, missing); err != nil || len(missing) > 0 {
		return err // what is there is compared when all is there
	}
	if err := t.tables.checkKey(p, tab); err != nil {
		return err
	}
	_, err = t.store.bind(p, tab)
	return err
}

func namesOf(columns []column) []string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return names
}
