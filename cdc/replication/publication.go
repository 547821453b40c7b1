package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// AutocreateMode is publication.autocreate.mode: what to do about the publication.
type AutocreateMode string

// Modes.
const (
	AllTables AutocreateMode = "all_tables" // create it FOR ALL TABLES when it is missing
	Disabled  AutocreateMode = "disabled"   // it must exist
	Filtered  AutocreateMode = "filtered"   // create it for the captured tables, and keep it so
	NoTables  AutocreateMode = "no_tables"  // create it without tables when it is missing
)

// TableName is a table in SQL.
type TableName struct{ Schema, Name string }

func (t TableName) String() string { return quoteIdentifier(t.Schema) + "." + quoteIdentifier(t.Name) }

// Publication is what publication.* and the filters ask for.
type Publication struct {
	Name string // as configured: as in SQL, without quotes it is lower case
	Mode AutocreateMode
	// Tables are the captured tables; for Filtered.
	Tables []TableName
	// Operations are the values of publish=, such as insert; nil leaves the server's default. skipped.operations sets it, when it is given.
	Operations []string
	ViaRoot    bool // publish_via_partition_root
}

// EnsurePublication checks or makes the publication and returns its exact name. On a standby nothing can be made; what must be done on the
// primary is in the error then.
func EnsurePublication(ctx context.Context, conn *pgx.Conn, p Publication) (name string, err error) {
	plan, err := PlanPublication(ctx, conn, p)
	switch {
	case err != nil:
		return "", err
	case plan.SQL == "":
		return plan.Name, nil
	case plan.Exists:
		return plan.Name, plan.alter(ctx, conn)
	}
	return plan.Name, plan.create(ctx, conn)
}

// PublicationPlan is what would be done about a publication.
type PublicationPlan struct {
	Name      string // its exact one
	Exists    bool
	AllTables bool   // it is FOR ALL TABLES
	SQL       string // what would be run; "": nothing
}

// PlanPublication tells what EnsurePublication would do, and does nothing.
func PlanPublication(ctx context.Context, conn *pgx.Conn, p Publication) (plan PublicationPlan, err error) {
	var allTables, found, standby bool
	var name string
	// CREATE PUBLICATION folded an unquoted name; a quoted one is found by its exact text first.
	err = conn.QueryRow(ctx, `SELECT pg_is_in_recovery(), p.pubname IS NOT NULL, coalesce(p.pubname, lower($1::text)), coalesce(p.puballtables, false)
		FROM (SELECT) one LEFT JOIN (SELECT pubname::text, puballtables FROM pg_publication WHERE pubname::text IN ($1::text, lower($1::text))
		ORDER BY pubname::text = $1::text DESC LIMIT 1) p ON true`,
		p.Name).Scan(&standby, &found, &name, &allTables)
	if err != nil {
		return plan, pgerror.Wrap(err, "look up publication %q", p.Name)
	}
	plan = PublicationPlan{Name: name, Exists: found, AllTables: allTables}
	switch {
	case p.Mode == Disabled && !found:
		return plan, &PublicationError{name, fmt.Errorf("%w, and publication.autocreate.mode=disabled forbids to make it; run CREATE PUBLICATION %s FOR TABLE …, or set another mode", ErrPublicationMissing, quoteIdentifier(name))}
	case p.Mode == Filtered && allTables:
		return plan, &PublicationError{name, errors.New("it is FOR ALL TABLES, which publication.autocreate.mode=filtered cannot narrow; drop it, name another one in publication.name, or set the mode to all_tables or disabled")}
	case p.Mode == Filtered && len(p.Tables) == 0:
		return plan, &PublicationError{name, errors.New("no table of the database matches the connector's filters, so publication.autocreate.mode=filtered has none to publish; check table.include.list and schema.include.list")}
	case !found:
		plan.SQL = p.creation(name)
		if standby {
			return plan, &PublicationError{name, fmt.Errorf("%w, and this server is a standby; run on its primary: %s", ErrPublicationMissing, plan.SQL)}
		}
	case p.Mode == Filtered:
		same, err := p.publishes(ctx, conn, name)
		if err != nil || same {
			return plan, err
		}
		plan.SQL = p.alteration(name)
		if standby {
			return plan, &PublicationError{name, fmt.Errorf("its tables are not the captured ones, and this server is a standby; run on its primary: %s", plan.SQL)}
		}
	}
	return plan, nil
}

// creation is the statement that makes the publication.
func (p *Publication) creation(name string) string {
	sql := "CREATE PUBLICATION " + quoteIdentifier(name)
	switch p.Mode {
	case AllTables:
		sql += " FOR ALL TABLES"
	case Filtered:
		sql += " FOR TABLE " + tableList(p.Tables)
	}
	var with []string
	if p.Operations != nil {
		with = append(with, "publish = "+quoteLiteral(strings.Join(p.Operations, ", ")))
	}
	if p.ViaRoot {
		with = append(with, "publish_via_partition_root = true")
	}
	if with != nil {
		sql += " WITH (" + strings.Join(with, ", ") + ")"
	}
	return sql
}

// create makes the publication.
func (p *PublicationPlan) create(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, p.SQL)
	switch pgerror.Code(err) {
	case "42710": // duplicate_object: another connector was faster
		return nil
	case "42501": // insufficient_privilege
		return &PublicationError{p.Name, fmt.Errorf("%w; FOR ALL TABLES needs a superuser, other publications CREATE on the database and ownership of the tables: "+
			"let such a role run %s and set publication.autocreate.mode=disabled, or set it to filtered", err, p.SQL)}
	}
	return pgerror.Wrap(err, "create publication %q", p.Name)
}

// alteration is the statement that makes the publication's tables those that are captured.
func (p *Publication) alteration(name string) string {
	sql := "ALTER PUBLICATION " + quoteIdentifier(name) + " SET TABLE " + tableList(p.Tables)
	if p.Operations != nil { // PostgreSQL has no statement for both; sent together they are one transaction
		sql += "; ALTER PUBLICATION " + quoteIdentifier(name) + " SET (publish = " + quoteLiteral(strings.Join(p.Operations, ", ")) + ")"
	}
	return sql
}

// alter makes the publication's tables those that are captured.
func (p *PublicationPlan) alter(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.PgConn().Exec(ctx, p.SQL).ReadAll()
	if pgerror.Code(err) == "42501" { // insufficient_privilege
		return &PublicationError{p.Name, fmt.Errorf("%w; its owner, who must own the tables too, runs %s, and publication.autocreate.mode is set to disabled", err, p.SQL)}
	}
	return pgerror.Wrap(err, "alter publication %q", p.Name)
}

// publishes tells whether the publication lists exactly the captured tables. The lists are compared, not what they expand to: a partitioned
// table stands for its partitions.
func (p *Publication) publishes(ctx context.Context, conn *pgx.Conn, name string) (bool, error) {
	rows, err := conn.Query(ctx, `SELECT n.nspname::text, c.relname::text FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
		JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = $1`, name)
	if err != nil {
		return false, pgerror.Wrap(err, "read the tables of publication %q", name)
	}
	listed, err := pgx.CollectRows(rows, pgx.RowToStructByPos[TableName])
	if err != nil {
		return false, pgerror.Wrap(err, "read the tables of publication %q", name)
	}
	var schemas bool // FOR TABLES IN SCHEMA, version 15 and newer
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_depend d JOIN pg_publication p ON p.oid = d.refobjid
		WHERE d.refclassid = 'pg_publication'::regclass AND d.classid = to_regclass('pg_catalog.pg_publication_namespace') AND p.pubname = $1)`, name).Scan(&schemas)
	if err != nil {
		return false, pgerror.Wrap(err, "read the schemas of publication %q", name)
	}
	return !schemas && slices.Equal(sorted(listed), sorted(p.Tables)), nil
}

func sorted(tables []TableName) []TableName {
	return slices.SortedFunc(slices.Values(tables), func(a, b TableName) int { return strings.Compare(a.String(), b.String()) })
}

func tableList(tables []TableName) string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}
