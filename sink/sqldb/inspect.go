package sqldb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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

// Inspect surveys the database of a valid configuration for records of some topics. The error is that the database cannot be asked; what is wrong in
// it stands in the Survey.
func Inspect(ctx context.Context, c Config, connectorName string, topics []string) (*Survey, error) {
	t := New(c, connectorName, slog.New(slog.DiscardHandler))
	if err := t.prepare(); err != nil {
		return nil, err
	}
	opened, err := t.store.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer opened.close(ctx)
	s, ok := opened.(*pgSession)
	if !ok {
		return nil, errors.New("inspect the target: it is no PostgreSQL")
	}
	if err := s.exec(ctx, "SET default_transaction_read_only = on"); err != nil {
		return nil, fmt.Errorf("make the connection read-only: %w", err)
	}
	v := &Survey{Role: s.store.target.Config.User, Database: s.store.target.Config.Database,
		Server: fmt.Sprintf("PostgreSQL %s at %s:%d", s.conn.ParameterStatus("server_version"), s.store.target.Config.Host, s.store.target.Config.Port)}
	format, err := parseNameFormat(c.Collection)
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
		name = tableName{s.store.fold(name.schema), s.store.fold(name.table)}
		if err := v.table(ctx, s, topic, name, c.Evolution == EvolutionBasic, c.needs()); err != nil {
			return nil, err
		}
	}
	return v, v.table(ctx, s, "", s.store.positions, true, []string{"SELECT", "INSERT", "UPDATE"})
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

// table looks at one table: whether it is there, and whether the role may do with it what the connector does.
func (v *Survey) table(ctx context.Context, s *pgSession, topic string, n tableName, creates bool, needs []string) error {
	found, err := s.describe(ctx, n)
	var setup *SetupError
	switch {
	case errors.As(err, &setup):
		v.Problems = append(v.Problems, err.Error())
		return nil
	case err != nil:
		return err
	case found == nil:
		return v.absent(ctx, s, topic, n, creates)
	}
	t := SurveyedTable{Topic: topic, Table: found.name.String(), Exists: true}
	for _, c := range found.columns {
		t.Columns = append(t.Columns, c.name)
	}
	v.Tables = append(v.Tables, t)
	rows, err := s.query(ctx, "SELECT p FROM unnest(string_to_array($1, ',')) p WHERE NOT has_table_privilege($2, p)", strings.Join(needs, ","), quoteTable(found.name))
	if err != nil {
		return fmt.Errorf("read the rights on table %q: %w", found.name, err)
	}
	for _, r := range rows {
		v.Problems = append(v.Problems, fmt.Sprintf("the role %s has no right to %s on table %s; GRANT %s ON %s TO %s", v.Role, r[0], found.name, r[0], quoteTable(found.name), quoteTable(tableName{table: v.Role})))
	}
	return nil
}

// absent tells of a table that is not there.
func (v *Survey) absent(ctx context.Context, s *pgSession, topic string, n tableName, creates bool) error {
	v.Tables = append(v.Tables, SurveyedTable{Topic: topic, Table: n.String(), Created: creates})
	if !creates {
		v.Problems = append(v.Problems, fmt.Sprintf("table %s of topic %s does not exist, and schema.evolution=none forbids to make it", n, topic))
		return nil
	}
	rows, err := s.query(ctx, `SELECT n.nspname, has_schema_privilege(n.oid, 'CREATE') FROM pg_namespace n WHERE n.nspname = coalesce(nullif($1, ''), current_schema())`, n.schema)
	switch {
	case err != nil:
		return fmt.Errorf("read the rights on schema %q: %w", n.schema, err)
	case len(rows) == 0:
		v.Problems = append(v.Problems, fmt.Sprintf("table %s cannot be created: there is no schema %q", n, n.schema))
	case string(rows[0][1]) != "t":
		v.Problems = append(v.Problems, fmt.Sprintf("the role %s has no right to create table %s; GRANT CREATE ON SCHEMA %s TO %s", v.Role, n, quoteTable(tableName{table: string(rows[0][0])}), quoteTable(tableName{table: v.Role})))
	}
	return nil
}
