package source

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc/catalog"
)

// rights tells what the role must be allowed to do, and whether it is.
func (s *surveyor) rights(ctx context.Context, names []catalog.TableName) error {
	role := pgx.Identifier{s.cfg.Database.User}.Sanitize()
	var super, creates bool
	if err := s.conn.QueryRow(ctx, "SELECT rolsuper, has_database_privilege(current_database(), 'CREATE') FROM pg_roles WHERE rolname = current_user").Scan(&super, &creates); err != nil {
		return fmt.Errorf("read the rights of role %s: %w", role, err)
	}
	if s.cfg.streams() {
		may, err := mayReplicate(ctx, s.conn)
		if err != nil {
			return err
		}
		s.right("LOGIN and REPLICATION", may, fmt.Sprintf("ALTER ROLE %s REPLICATION (Amazon RDS: GRANT rds_replication TO %s)", role, role))
	}
	if statement := s.Survey.Publication.Statement; statement != "" {
		if s.cfg.PublicationMode == "all_tables" {
			s.right("make a publication FOR ALL TABLES", super, "a superuser runs: "+statement+"; or set publication.autocreate.mode=filtered")
		} else {
			s.right("CREATE on the database, for the publication", creates || super, fmt.Sprintf("GRANT CREATE ON DATABASE %s TO %s", pgx.Identifier{s.cfg.Database.Name}.Sanitize(), role))
		}
	}
	for _, n := range names {
		if err := s.tableRights(ctx, n, super); err != nil {
			return err
		}
	}
	return nil
}

func (s *surveyor) tableRights(ctx context.Context, n catalog.TableName, super bool) error {
	role, table := pgx.Identifier{s.cfg.Database.User}.Sanitize(), pgx.Identifier{n.Schema, n.Name}.Sanitize()
	var usage, selects, inserts, owns bool
	err := s.conn.QueryRow(ctx, `SELECT has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'),
		has_table_privilege(c.oid, 'INSERT'), pg_has_role(c.relowner, 'USAGE') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1`, n.OID).
		Scan(&usage, &selects, &inserts, &owns)
	if err != nil {
		return fmt.Errorf("read the rights on table %s: %w", table, err)
	}
	if s.cfg.Signals.is(n.Schema, n.Name) {
		s.right("INSERT on the signal table "+table, inserts, fmt.Sprintf("GRANT INSERT ON %s TO %s", table, role))
	}
	if !s.cfg.neverSnapshots() {
		s.right("SELECT on "+table, usage && selects, fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT ON %s TO %s", pgx.Identifier{n.Schema}.Sanitize(), role, table, role))
	}
	if s.cfg.PublicationMode == "filtered" && s.Survey.Publication.Statement != "" {
		s.right("own "+table+", to publish it", owns || super, fmt.Sprintf("its owner runs: %s; and publication.autocreate.mode=disabled is set", s.Survey.Publication.Statement))
	}
	return nil
}

// right notes a right; one that is missing is a problem.
func (s *surveyor) right(what string, has bool, remedy string) {
	r := Right{What: what, Has: has}
	if !has {
		r.Remedy = remedy
		s.problem("the role %s has no right to: %s; %s", s.Role, what, remedy)
	}
	s.Rights = append(s.Rights, r)
}
