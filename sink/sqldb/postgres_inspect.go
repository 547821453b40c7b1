package sqldb

import (
	"context"
	"fmt"
	"strings"
)

func (s *pgSession) introduce(ctx context.Context, v *Survey) (tableName, error) {
	if err := s.exec(ctx, "SET default_transaction_read_only = on"); err != nil {
		return tableName{}, fmt.Errorf("make the connection read-only: %w", err)
	}
	c := s.store.target.Config
	v.Role, v.Database = c.User, c.Database
	v.Server = fmt.Sprintf("PostgreSQL %s at %s:%d", s.conn.ParameterStatus("server_version"), c.Host, c.Port)
	return s.store.positions, nil
}

func (s *pgSession) lacks(ctx context.Context, v *Survey, t *table, needs []string) ([]string, error) {
	rows, err := s.query(ctx, "SELECT p FROM unnest(string_to_array($1, ',')) p WHERE NOT has_table_privilege($2, p)", strings.Join(needs, ","), quoteTable(t.name))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprintf("the role %s has no right to %s on table %s; GRANT %s ON %s TO %s", v.Role, r[0], t.name, r[0], quoteTable(t.name), quoteTable(tableName{table: v.Role})))
	}
	return out, nil
}

func (s *pgSession) obstacles(ctx context.Context, v *Survey, n tableName) ([]string, error) {
	rows, err := s.query(ctx, `SELECT n.nspname, has_schema_privilege(n.oid, 'CREATE') FROM pg_namespace n WHERE n.nspname = coalesce(nullif($1, ''), current_schema())`, n.schema)
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0:
		return []string{fmt.Sprintf("table %s cannot be created: there is no schema %q", n, n.schema)}, nil
	case string(rows[0][1]) != "t":
		return []string{fmt.Sprintf("the role %s has no right to create table %s; GRANT CREATE ON SCHEMA %s TO %s", v.Role, n, quoteTable(tableName{table: string(rows[0][0])}), quoteTable(tableName{table: v.Role}))}, nil
	}
	return nil, nil
}
