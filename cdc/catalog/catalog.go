// Package catalog reads what PostgreSQL's catalog knows of tables and types, beyond what a Relation message says.
//
// In: an ordinary connection of pgx, which the caller owns and closes, and names or OIDs. Out: cdc.Relation, cdc.Table and cdc.Type as they
// are now, not as they were at some WAL position, as Debezium has it.
//
// No goroutines. A Catalog belongs to the goroutine that owns its connection; Type alone may be called from others.
package catalog

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// Catalog looks tables and types up over one connection.
type Catalog struct {
	conn  *pgx.Conn
	types atomic.Pointer[map[uint32]*cdc.Type] // replaced as a whole, so that Type needs no lock
}

// New returns a catalog over conn; it does not read yet.
func New(conn *pgx.Conn) *Catalog { return &Catalog{conn: conn} }

// Use reads over another connection from now on, and keeps what was read.
func (c *Catalog) Use(conn *pgx.Conn) { c.conn = conn }

// TableName names a table that exists.
type TableName struct {
	OID          uint32
	Schema, Name string
	Partitioned  bool // a partitioned parent
	Unlogged     bool // never in the stream
}

// Tables lists what can be captured: tables and partitioned tables, without those of the system and temporary ones, by schema and name.
func (c *Catalog) Tables(ctx context.Context) ([]TableName, error) {
	rows, err := c.conn.Query(ctx, `SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'p', c.relpersistence = 'u'
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg\_temp%'
		ORDER BY n.nspname, c.relname`)
	if err != nil {
		return nil, pgerror.Wrap(err, "list the tables of the database")
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[TableName])
	return tables, pgerror.Wrap(err, "list the tables of the database")
}

// tableQuery reads the head of a table; the condition follows.
const tableQuery = `SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'p', c.relreplident::text,
	coalesce(rn.nspname::text, ''), coalesce(r.relname::text, '')
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	LEFT JOIN pg_class r ON c.relispartition AND r.oid = pg_partition_root(c.oid)
	LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
	WHERE c.relkind IN ('r', 'p') AND `

// ByOID reads the table that has the OID now, whatever it is called; ok is false when it was dropped.
func (c *Catalog) ByOID(ctx context.Context, oid uint32) (rel *cdc.Relation, table *cdc.Table, ok bool, err error) {
	rel, table, ok, err = c.readOne(ctx, tableQuery+"c.oid = $1", oid)
	return rel, table, ok, pgerror.Wrap(err, "read table with OID %d from the catalog", oid)
}

// ByName reads a table by schema and name; ok is false when there is none.
func (c *Catalog) ByName(ctx context.Context, schema, name string) (rel *cdc.Relation, table *cdc.Table, ok bool, err error) {
	rel, table, ok, err = c.readOne(ctx, tableQuery+"n.nspname = $1 AND c.relname = $2", schema, name)
	return rel, table, ok, pgerror.Wrap(err, "read table %s.%s from the catalog", schema, name)
}

// Table is what the catalog knows of an announced relation now: by its OID, which survives renaming; nil when it was dropped. Types of its columns that
// are not known yet are read too.
func (c *Catalog) Table(ctx context.Context, rel *cdc.Relation) (*cdc.Table, error) {
	_, table, ok, err := c.ByOID(ctx, rel.OID)
	if err != nil {
		return nil, err
	}
	if err := c.Know(ctx, rel); err != nil || !ok {
		return nil, err
	}
	return table, nil
}

// Know reads the types of a relation's columns where they are not known yet.
func (c *Catalog) Know(ctx context.Context, rel *cdc.Relation) error { return c.know(ctx, rel.Columns) }

// Tabled is a table as the catalog has it.
type Tabled struct {
	Relation *cdc.Relation
	Table    *cdc.Table
}

// ByOIDs reads several tables as ByOID reads one, in as many queries. A table that was dropped is not among them.
func (c *Catalog) ByOIDs(ctx context.Context, oids []uint32) (map[uint32]Tabled, error) {
	found, err := c.read(ctx, tableQuery+"c.oid = ANY($1)", oids)
	if err != nil {
		return nil, pgerror.Wrap(err, "read %d tables from the catalog", len(oids))
	}
	out := make(map[uint32]Tabled, len(found))
	for _, t := range found {
		out[t.Relation.OID] = t
	}
	return out, nil
}

func (c *Catalog) readOne(ctx context.Context, query string, args ...any) (*cdc.Relation, *cdc.Table, bool, error) {
	found, err := c.read(ctx, query, args...)
	if err != nil || len(found) == 0 {
		return nil, nil, false, err
	}
	return found[0].Relation, found[0].Table, true, nil
}

func (c *Catalog) read(ctx context.Context, query string, args ...any) ([]Tabled, error) {
	rows, err := c.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Tabled, error) {
		t, identity := Tabled{&cdc.Relation{Read: true}, new(cdc.Table)}, ""
		err := row.Scan(&t.Relation.OID, &t.Relation.Schema, &t.Relation.Name, &t.Table.Partitioned, &identity, &t.Table.RootSchema, &t.Table.RootName)
		if err == nil {
			t.Relation.Identity = cdc.Identity(identity[0])
		}
		return t, err
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	oids, byOID := make([]uint32, len(found)), make(map[uint32]Tabled, len(found))
	for i, t := range found {
		oids[i], byOID[t.Relation.OID] = t.Relation.OID, t
	}
	if err := c.columns(ctx, oids, byOID); err != nil {
		return nil, err
	}
	if err := c.keys(ctx, oids, byOID); err != nil {
		return nil, err
	}
	for _, t := range found {
		if err := c.know(ctx, t.Relation.Columns); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// columns reads the columns in their order. A NOT NULL domain makes its columns NOT NULL, as in JDBC's metadata. The expression of a generated
// column is no default. Key marks the replica identity's columns, as a Relation message does: with FULL every one.
func (c *Catalog) columns(ctx context.Context, oids []uint32, into map[uint32]Tabled) error {
	rows, err := c.conn.Query(ctx, `SELECT a.attrelid, a.attname::text, a.atttypid, a.atttypmod, a.attnotnull OR t.typtype = 'd' AND t.typnotnull,
			CASE WHEN a.attgenerated = '' THEN coalesce(pg_get_expr(d.adbin, d.adrelid), '') ELSE '' END, a.attidentity <> '', a.attgenerated <> '',
			coalesce(col_description(a.attrelid, a.attnum), ''),
			c.relreplident = 'f' OR coalesce(a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]), false)
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
		LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)
		WHERE a.attrelid = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum`, oids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			oid uint32
			col cdc.TableColumn
			key bool
		)
		if err := rows.Scan(&oid, &col.Name, &col.TypeOID, &col.TypeMod, &col.NotNull, &col.Default, &col.Identity, &col.Generated, &col.Comment, &key); err != nil {
			return err
		}
		t := into[oid]
		t.Table.Columns = append(t.Table.Columns, col)
		t.Relation.Columns = append(t.Relation.Columns, cdc.Column{Name: col.Name, TypeOID: col.TypeOID, TypeMod: col.TypeMod, Key: key})
	}
	return rows.Err()
}

// keys reads the columns that identify a row: the primary key's in the order of the constraint, else those of the first unique index of plain
// columns, which it only INCLUDEs, too. First is by JDBC's order: clustered indexes, then by name.
func (c *Catalog) keys(ctx context.Context, oids []uint32, into map[uint32]Tabled) error {
	rows, err := c.conn.Query(ctx, `SELECT DISTINCT ON (i.indrelid) i.indrelid, i.indisprimary, (SELECT array_agg(a.attname::text ORDER BY k.n)
			FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts OR NOT i.indisprimary)
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
		WHERE i.indrelid = ANY($1) AND i.indisunique AND i.indexprs IS NULL AND (i.indisvalid OR i.indisprimary)
		ORDER BY i.indrelid, i.indisprimary DESC, i.indisclustered DESC, x.relname`, oids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			oid     uint32
			primary bool
			key     []string
		)
		if err := rows.Scan(&oid, &primary, &key); err != nil {
			return err
		}
		into[oid].Table.PrimaryKey, into[oid].Table.Key = primary, key
	}
	return rows.Err()
}
