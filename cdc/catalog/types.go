package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

var _ cdc.Types = (*Catalog)(nil)

// Type returns a type that was read; the second result is false for an unknown one. Safe for concurrent use.
func (c *Catalog) Type(oid uint32) (*cdc.Type, bool) {
	types := c.types.Load()
	if types == nil {
		return nil, false
	}
	t, ok := (*types)[oid]
	return t, ok
}

// LoadTypes reads all types but those of TOAST tables. Enum labels and domains are those of now.
func (c *Catalog) LoadTypes(ctx context.Context) error {
	rows, err := c.conn.Query(ctx, `SELECT t.oid, n.nspname::text, t.typname::text, t.typtype::text, t.typcategory::text,
			CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END, t.typbasetype, t.typtypmod, e.labels
		FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
		LEFT JOIN (SELECT enumtypid, array_agg(enumlabel::text ORDER BY enumsortorder) AS labels FROM pg_enum GROUP BY enumtypid) e ON e.enumtypid = t.oid
		WHERE n.nspname <> 'pg_toast'`)
	if err != nil {
		return pgerror.Wrap(err, "read the types of the database")
	}
	types := make(map[uint32]*cdc.Type, 1024)
	var t cdc.Type
	var kind, category string
	_, err = pgx.ForEachRow(rows, []any{&t.OID, &t.Schema, &t.Name, &kind, &category, &t.Elem, &t.Base, &t.BaseMod, &t.Labels}, func() error {
		one := t
		one.Kind, one.Category = kind[0], category[0]
		types[one.OID] = &one
		t.Labels = nil
		return nil
	})
	if err != nil {
		return pgerror.Wrap(err, "read the types of the database")
	}
	c.types.Store(&types)
	return nil
}

// know reads the types again when one of the columns has a type that is not known: it was made since.
func (c *Catalog) know(ctx context.Context, columns []cdc.Column) error {
	for i := range columns {
		if _, ok := c.Type(columns[i].TypeOID); !ok {
			return c.LoadTypes(ctx)
		}
	}
	return nil
}
