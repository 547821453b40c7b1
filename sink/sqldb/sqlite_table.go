package sqldb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tandem-cdc/tandem/internal/dialect"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/sink"
)

const findSQTable = `SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE AND type IN ('table', 'view', 'virtual')`

// readSQColumns also reads which are of the primary key: one of type INTEGER has no index.
const readSQColumns = `SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid`

// readSQUnique reads the columns of every index that tells all rows apart.
const readSQUnique = `SELECT l.name, i.name FROM pragma_index_list(?1) AS l JOIN pragma_index_info(l.name) AS i WHERE l."unique" AND NOT l.partial ORDER BY l.seq, i.seqno`

func (s *sqSession) describe(ctx context.Context, n tableName) (*table, error) {
	if n.schema != "" && !equalFold(n.schema, "main") {
		return nil, &SetupError{Option: s.store.config.names.collection, Object: fmt.Sprintf("table %q", n), Err: errors.New("SQLite has no schemas"), Remedy: "give names without a dot"}
	}
	rows, err := s.query(ctx, findSQTable, n.table)
	if err != nil {
		return nil, fmt.Errorf("look for table %q: %w", n, err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	t := &table{name: tableName{table: string(rows[0][0])}, kind: kindTable}
	if string(rows[0][1]) == "view" {
		t.kind = kindView
	}
	if rows, err = s.query(ctx, readSQColumns, t.name.table); err != nil {
		return nil, fmt.Errorf("read the columns of table %q: %w", t.name, err)
	}
	var primary []string
	for _, r := range rows {
		c := tableColumn{name: string(r[0]), typ: string(r[1]), cast: strings.ToLower(string(r[1])), notNull: string(r[2]) == "1", generated: string(r[4]) == "2" || string(r[4]) == "3"}
		if string(r[3]) != "0" {
			primary = append(primary, c.name)
		}
		t.columns = append(t.columns, c)
	}
	if primary != nil {
		t.unique = append(t.unique, primary)
	}
	if rows, err = s.query(ctx, readSQUnique, t.name.table); err != nil {
		return nil, fmt.Errorf("read the unique indexes of table %q: %w", t.name, err)
	}
	t.unique = append(t.unique, sqUniqueSets(rows)...)
	return t, nil
}

// sqUniqueSets gathers index columns; an index over expressions (a name that is null) tells no rows apart.
func sqUniqueSets(rows [][][]byte) [][]string {
	var out [][]string
	index, whole := "", true
	for i, r := range rows {
		if name := string(r[0]); i == 0 || name != index {
			if !whole {
				out = out[:len(out)-1]
			}
			index, whole = name, true
			out = append(out, nil)
		}
		whole = whole && r[1] != nil
		out[len(out)-1] = append(out[len(out)-1], string(r[1]))
	}
	if !whole {
		out = out[:len(out)-1]
	}
	return out
}

func (s *sqSession) create(ctx context.Context, n tableName, columns []column, keys int) error {
	var b strings.Builder
	b.WriteString("CREATE TABLE IF NOT EXISTS " + dialect.QuoteSQLite(n.table) + " (")
	var primary []string
	for i := range columns {
		c := &columns[i]
		if i > 0 {
			b.WriteString(", ")
		}
		typ := sqType(c)
		b.WriteString(dialect.QuoteSQLite(c.name) + " " + typ)
		clause := ""
		if !c.key || c.plain {
			clause = s.store.sqDefault(c, typ)
		}
		if c.key {
			primary = append(primary, dialect.QuoteSQLite(c.name))
		}
		if c.key || !c.createSchema().Optional && (clause == "" || !c.plain) {
			b.WriteString(" NOT NULL")
		}
		b.WriteString(clause)
	}
	if keys > 0 {
		b.WriteString(", PRIMARY KEY (" + strings.Join(primary, ", ") + ")")
	}
	b.WriteString(")")
	return s.ddl(ctx, fmt.Sprintf("create table %q", n), b.String())
}

func (s *sqSession) ddl(ctx context.Context, what, sql string) error {
	_, err := s.exec(ctx, sql)
	if err == nil || isRetriable(err) {
		return err
	}
	return &SetupError{Option: s.store.config.names.create, Object: what, Err: unwrapped(err), Remedy: "run it by hand in a form that SQLite takes: " + sql}
}

// extend adds columns, one after the other. Rows are there, perhaps, so a column may be null unless it has a default, whatever the source says.
func (s *sqSession) extend(ctx context.Context, t *table, columns []column) error {
	for i := range columns {
		c := &columns[i]
		typ := sqType(c)
		add := "ALTER TABLE " + dialect.QuoteSQLite(t.name.table) + " ADD COLUMN " + dialect.QuoteSQLite(c.name) + " " + typ
		if clause := s.store.sqDefault(c, typ); clause != "" {
			if !c.schema.Optional && !c.plain {
				add += " NOT NULL"
			}
			add += clause
		}
		err := s.ddl(ctx, fmt.Sprintf("add columns to table %q", t.name), add)
		if err != nil {
			now, failed := s.describe(ctx, t.name)
			if failed == nil && now != nil && now.column(c.name) >= 0 {
				continue // somebody else was faster
			}
			return err
		}
	}
	return nil
}

// culprit is the column that may not be null and is: other reasons to refuse a row are not of one column.
func (s *sqSession) culprit(_ context.Context, d *destination, m *mutation) (columnName, value string) {
	b := d.bound.(*sqBound)
	for i := range b.columns {
		c := &b.columns[i]
		if c.written && c.target.notNull && (m.sub == nil || !m.sub.missing[i]) && c.column.value(m).IsNull() {
			return c.target.name, "NULL"
		}
	}
	return "", ""
}

// createSQPositions makes the table of consumer positions. next_offset -1: opened, nothing applied yet. epoch counts the owners.
const createSQPositions = `CREATE TABLE IF NOT EXISTS %s (connector TEXT NOT NULL, cluster_id TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, ` +
	`topic_id TEXT NOT NULL, next_offset INTEGER NOT NULL, epoch INTEGER NOT NULL, moved_at TEXT NOT NULL DEFAULT (strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')), ` +
	`PRIMARY KEY (connector, cluster_id, topic, partition)) WITHOUT ROWID`

const (
	claimSQPosition = `INSERT INTO %s AS p (connector, cluster_id, topic, partition, topic_id, next_offset, epoch) VALUES (?, ?, ?, ?, ?, -1, 1) ` +
		`ON CONFLICT (connector, cluster_id, topic, partition) DO UPDATE SET epoch = p.epoch + 1, topic_id = CASE WHEN p.topic_id = '' OR p.next_offset < 0 THEN excluded.topic_id ELSE p.topic_id END ` +
		`RETURNING next_offset, epoch, topic_id`
	moveSQPosition = `UPDATE %s SET next_offset = ?, moved_at = strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now') WHERE connector = ? AND cluster_id = ? AND topic = ? AND partition = ? AND epoch = ? AND next_offset = ?`
	readSQPosition = `SELECT next_offset, epoch FROM %s WHERE connector = ? AND cluster_id = ? AND topic = ? AND partition = ?`
	forgetAllSQ    = `DELETE FROM %s WHERE connector = ?`
	forgetSQ       = `DELETE FROM %s WHERE connector = ? AND topic = ? AND partition = ?`
)

func (s *sqSession) positions(statement string) string {
	return fmt.Sprintf(statement, dialect.QuoteSQLite(s.store.positions.table))
}

func (s *sqSession) claim(ctx context.Context, parts []sink.Assignment) ([]claimed, error) {
	t, err := s.describe(ctx, s.store.positions)
	if err != nil {
		return nil, err
	}
	if t == nil {
		if err := s.ddl(ctx, fmt.Sprintf("create table %q, which keeps the consumer positions", s.store.positions), s.positions(createSQPositions)); err != nil {
			return nil, err
		}
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	out := make([]claimed, len(parts))
	var problems []error
	for i, a := range parts {
		rows, err := s.query(ctx, s.positions(claimSQPosition), s.store.connector, a.ClusterID, a.Topic, int64(a.Partition), a.TopicID)
		if err == nil && len(rows) != 1 {
			err = errors.New("no row came back: look for triggers")
		}
		if err == nil {
			out[i], err = s.check(a, rows[0])
		}
		if isPositionError(err) {
			problems = append(problems, err)
		} else if err != nil {
			return nil, errors.Join(fmt.Errorf("open the positions in table %q: %w", s.store.positions, err), s.rollback(ctx))
		}
	}
	if problems != nil {
		return nil, errors.Join(append(problems, s.rollback(ctx))...)
	}
	return out, s.commit(ctx)
}

func (s *sqSession) check(a sink.Assignment, row [][]byte) (claimed, error) {
	c, err := readClaimed(row)
	if err != nil {
		return c, err
	}
	where := fmt.Sprintf("connector = %s AND topic = %s AND partition = %d", dialect.LiteralSQLite(s.store.connector), dialect.LiteralSQLite(a.Topic), a.Partition)
	return c, checkPosition(c, string(row[2]), a, s.store.positions, dialect.QuoteSQLite(s.store.positions.table), where)
}

func (s *sqSession) standing(ctx context.Context, p *position) (claimed, bool, error) {
	rows, err := s.query(ctx, s.positions(readSQPosition), s.store.connector, p.cluster, p.Topic, int64(p.Partition))
	if err != nil || len(rows) == 0 {
		return claimed{next: -1}, false, err
	}
	c, err := readClaimed(rows[0])
	return c, true, err
}

func (s *sqSession) move(ctx context.Context, p *position, next int64) error {
	n, err := s.exec(ctx, s.positions(moveSQPosition), next, s.store.connector, p.cluster, p.Topic, int64(p.Partition), p.epoch, p.next)
	if err == nil && n == 0 {
		return &movedError{}
	}
	return err
}

func (s *sqSession) forget(ctx context.Context, partitions []kafka.TopicPartition) error {
	t, err := s.describe(ctx, s.store.positions)
	if t == nil || err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	if len(partitions) == 0 {
		_, err = s.exec(ctx, s.positions(forgetAllSQ), s.store.connector)
	}
	for _, p := range partitions {
		if err == nil {
			_, err = s.exec(ctx, s.positions(forgetSQ), s.store.connector, p.Topic, int64(p.Partition))
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("remove positions from table %q: %w", s.store.positions, err), s.rollback(ctx))
	}
	return s.commit(ctx)
}

const readSQReferences = `SELECT m.name || '.' || f.id, m.name, f."table" FROM sqlite_schema AS m JOIN pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table' GROUP BY 1, 2, 3`

func (s *sqSession) references(ctx context.Context) ([]reference, error) {
	rows, err := s.query(ctx, readSQReferences)
	if err != nil {
		return nil, err
	}
	var out []reference
	for _, r := range rows {
		out = append(out, reference{name: string(r[0]), from: tableName{table: string(r[1])}, to: tableName{table: string(r[2])}, deferrable: true})
	}
	return out, nil
}

func (s *sqSession) deferConstraints(ctx context.Context) error {
	_, err := s.exec(ctx, "PRAGMA defer_foreign_keys = ON")
	return err
}
