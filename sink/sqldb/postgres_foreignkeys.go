package sqldb

import "context"

const readReferences = `SELECT c.conname, n.nspname, r.relname, fn.nspname, f.relname, c.condeferrable
FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class r ON r.oid = c.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
JOIN pg_catalog.pg_class f ON f.oid = c.confrelid JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace WHERE c.contype = 'f'`

func (s *pgSession) references(ctx context.Context) ([]reference, error) {
	rows, err := s.query(ctx, readReferences)
	if err != nil {
		return nil, err
	}
	var out []reference
	for _, r := range rows {
		out = append(out, reference{name: string(r[0]), from: tableName{string(r[1]), string(r[2])}, to: tableName{string(r[3]), string(r[4])}, deferrable: string(r[5]) == "t"})
	}
	return out, nil
}

func (s *pgSession) deferConstraints(ctx context.Context) error {
	s.send(ctx, "SET CONSTRAINTS ALL DEFERRED", nil, nil, false)
	return nil
}
