package sqldb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Survey is what a sink connector finds in its database, and what it would do there. Nothing was changed to learn it.
type Survey struct {
	Server   string          `json:"server"`
	Database string          `json:"database"`
	Role     string          `json:"role"`
	Tables   []SurveyedTable `json:"tables"`
	Problems []string        `json:"problems,omitempty"` // that would keep the connector from working
	Warnings []string        `json:"warnings,omitempty"`
}

// SurveyedTable is the table that the records of a topic go to.
type SurveyedTable struct {
	Topic   string   `json:"topic,omitempty"` // "": the table of the positions
	Table   string   `json:"table"`           // as the database has it; "": each record tells
	Exists  bool     `json:"exists"`
	Created bool     `json:"created"` // it would be, with the first record
	Columns []string `json:"columns,omitempty"`
}

// surveyor is a session that a Survey is made with.
type surveyor interface {
	describe(ctx context.Context, n tableName) (*table, error)
	// introduce fills in who answers, and as whom, and makes sure that nothing can be changed. It returns the name of the positions' table.
	introduce(ctx context.Context, v *Survey) (positions tableName, err error)
	// lacks are the rights on a table that the role has not, as problems.
	lacks(ctx context.Context, v *Survey, t *table, needs []string) ([]string, error)
	// obstacles are what keeps the role from creating a table.
	obstacles(ctx context.Context, v *Survey, n tableName) ([]string, error)
}

// Inspect surveys the database of a valid configuration for records of some topics. The error is that the database cannot be asked; what is wrong in
// it stands in the Survey.
func Inspect(ctx context.Context, c Config, connectorName string, topics []string) (*Survey, error) {
	t := New(c, connectorName, slog.New(slog.DiscardHandler))
	if err := t.prepare(); err != nil {
		return nil, err
	}
	if file, ok := t.store.(*sqStore); ok {
		file.asking = true
	}
	opened, err := t.store.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer opened.close(ctx)
	s, ok := opened.(surveyor)
	if !ok {
		return nil, errors.New("inspect the target: this kind of database cannot be asked")
	}
	v := &Survey{}
	positions, err := s.introduce(ctx, v)
	if err != nil {
		return nil, fmt.Errorf("ask the target who it is: %w", err)
	}
	format, err := parseNameFormat(c.Collection, c.records.nameParts)
	if err != nil {
		return nil, err // validation refuses it before
	}
	for _, topic := range topics {
		if !format.static {
			v.Tables = append(v.Tables, SurveyedTable{Topic: topic})
			continue
		}
		name, err := format.name(topic, nil)
		if err != nil {
			v.Problems = append(v.Problems, fmt.Sprintf("topic %s: %v", topic, err))
			continue
		}
		name = tableName{t.store.fold(name.schema), t.store.fold(name.table)}
		if err := v.table(ctx, s, topic, name, c.names.create, c.Create, c.needs()); err != nil {
			return nil, err
		}
	}
	return v, v.table(ctx, s, "", positions, "", true, []string{"SELECT", "INSERT", "UPDATE"})
}

// needs are the privileges on a target table.
func (c *Config) needs() []string {
	needs := []string{"INSERT"}
	switch c.InsertMode {
	case Upsert:
		needs = []string{"SELECT", "INSERT", "UPDATE"}
	case Update:
		needs = []string{"SELECT", "UPDATE"}
	}
	if c.DeleteEnabled {
		needs = append(needs, "DELETE")
	}
	if c.TruncateEnabled {
		needs = append(needs, "TRUNCATE")
	}
	return needs
}

// table looks at one table: whether it is there, and whether the role may do with it what the connector does. option forbids to create it.
func (v *Survey) table(ctx context.Context, s surveyor, topic string, n tableName, option string, creates bool, needs []string) error {
	found, err := s.describe(ctx, n)
	var setup *SetupError
	var problems []string
	switch {
	case errors.As(err, &setup):
		v.Problems = append(v.Problems, err.Error())
		return nil
	case err != nil:
		return err
	case found != nil:
		t := SurveyedTable{Topic: topic, Table: found.name.String(), Exists: true}
		for _, c := range found.columns {
			t.Columns = append(t.Columns, c.name)
		}
		v.Tables = append(v.Tables, t)
		if problems, err = s.lacks(ctx, v, found, needs); err != nil {
			return fmt.Errorf("read the rights on table %q: %w", found.name, err)
		}
	default:
		v.Tables = append(v.Tables, SurveyedTable{Topic: topic, Table: n.String(), Created: creates})
		if !creates {
			problems = []string{fmt.Sprintf("table %s of topic %s does not exist, and %s forbids to make it", n, topic, option)}
		} else if problems, err = s.obstacles(ctx, v, n); err != nil {
			return fmt.Errorf("read the rights to create table %q: %w", n, err)
		}
	}
	v.Problems = append(v.Problems, problems...)
	return nil
}
