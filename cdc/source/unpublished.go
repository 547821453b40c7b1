package source

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// mostNamed bounds how many tables a line of the log names.
const mostNamed = 20

// warnOfUnpublished says which captured tables the publication leaves out of the stream, or brings under a name that is not captured: a partition
// for its root, or the root for its partitions. A snapshot reads their rows all the same, so that nobody would miss the changes. It is a
// warning and no more, as tables may be added to the publication while the connector runs.
func (s *session) warnOfUnpublished(ctx context.Context, captured []catalog.TableName) error {
	published, err := s.names(ctx, "SELECT schemaname::text, tablename::text, '' FROM pg_publication_tables WHERE pubname = $1", s.publication)
	if err != nil {
		return pgerror.Wrap(err, "read the tables of publication %q", s.publication)
	}
	// Of each partition that holds rows schema and name, then those of its ancestors.
	family, err := s.names(ctx, `SELECT an.nspname::text, a.relname::text, c.oid::text FROM pg_class c CROSS JOIN LATERAL pg_partition_ancestors(c.oid) p
		JOIN pg_class a ON a.oid = p.relid JOIN pg_namespace an ON an.oid = a.relnamespace
		WHERE c.relispartition AND c.relkind = 'r' AND c.relpersistence = 'p' ORDER BY c.oid, a.oid <> c.oid`)
	if err != nil {
		return pgerror.Wrap(err, "read the partitions of the database")
	}
	streamed := make(map[[2]string]bool, len(published))
	for _, n := range published {
		streamed[[2]string{n[0], n[1]}] = true
	}
	var missing []string
	add := func(schema, table string) {
		if name := schema + "." + table; !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	leaves := make(map[string][][2]string)
	partition := make(map[[2]string]bool)
	for _, n := range family {
		leaves[n[2]] = append(leaves[n[2]], [2]string{n[0], n[1]})
		partition[[2]string{n[0], n[1]}] = true
	}
	for _, t := range captured {
		if name := [2]string{t.Schema, t.Name}; !t.Unlogged && !t.Partitioned && !partition[name] && !streamed[name] {
			add(t.Schema, t.Name)
		}
	}
	for _, names := range leaves {
		wanted := slices.IndexFunc(names, func(n [2]string) bool { return s.filter.captures(n[0], n[1]) })
		comes := slices.ContainsFunc(names, func(n [2]string) bool { return streamed[n] && s.filter.captures(n[0], n[1]) })
		if wanted >= 0 && !comes {
			add(names[wanted][0], names[wanted][1])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	s.task.log.Warn("the changes of some captured tables will not come: the publication does not have them, or has them under the name of a partition or of its root, which the filters leave out; "+
		"a snapshot reads their rows all the same. Add them with ALTER PUBLICATION, or correct table.include.list or publish.via.partition.root",
		"publication", s.publication, "tables", missing[:min(len(missing), mostNamed)], "count", len(missing))
	return nil
}

func (s *session) names(ctx context.Context, sql string, args ...any) ([][3]string, error) {
	rows, err := s.conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (n [3]string, err error) {
		return n, row.Scan(&n[0], &n[1], &n[2])
	})
}
