package main

import (
	"context"
	"fmt"
	"strings"
)

// alter changes the columns of store.shape, with rows written before and behind it in the same transaction. Names are never used again: what the
// torture knows of a column by its name is about that column.
func (s *session) alter(ctx context.Context) error {
	s.rows = 0
	what := s.rand.IntN(5)
	commit := s.rand.IntN(6) != 0
	both := s.rand.IntN(2) == 0
	pick := s.rand.IntN(1 << 20)
	mark := fmt.Sprintf("alter%d-%d", s.number, s.n)
	if !commit {
		mark = rolledBack + mark
	}
	if _, err := s.conn.Exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if both {
		if err := s.shape(ctx, mark+"-before"); err != nil {
			return err
		}
	}
	if err := s.alterColumn(ctx, what, pick); err != nil {
		return err
	}
	if err := s.fill(ctx, mark+"-behind", pick); err != nil {
		return err
	}
	return s.finish(ctx, commit)
}

// columns are those of store.shape that come and go: x are numbers, y are texts.
func (s *session) columns(ctx context.Context) (names, types []string, next int, err error) {
	rows, err := s.conn.Query(ctx, `SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
		WHERE attrelid = 'store.shape'::regclass AND attnum > 2 AND NOT attisdropped ORDER BY attnum`)
	if err != nil {
		return nil, nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, typ string
		if err := rows.Scan(&name, &typ); err != nil {
			return nil, nil, 0, err
		}
		names, types = append(names, name), append(types, typ)
	}
	// Transactions are numbered within a round, rounds by their sessions: no name comes twice.
	return names, types, s.number*1_000_000 + s.n, rows.Err()
}

func (s *session) alterColumn(ctx context.Context, what, pick int) error {
	names, types, next, err := s.columns(ctx)
	if err != nil {
		return err
	}
	if len(names) < 2 {
		what = 0
	} else if len(names) > 6 {
		what = 2
	}
	sql := ""
	switch what {
	case 0:
		sql = fmt.Sprintf("ADD COLUMN x%d int", next)
	case 1:
		sql = fmt.Sprintf("ADD COLUMN y%d varchar(40)", next)
	case 2:
		sql = "DROP COLUMN " + names[pick%len(names)]
	case 3:
		old := names[pick%len(names)]
		sql = fmt.Sprintf("RENAME COLUMN %s TO %s%d", old, old[:1], next)
	default:
		sql = wider(names, types, pick)
	}
	if sql == "" {
		return nil
	}
	_, err = s.conn.Exec(ctx, "ALTER TABLE store.shape "+sql)
	return err
}

// wider gives a column a type that takes in the one before: what a sink has made for it still does.
func wider(names, types []string, pick int) string {
	for i := range names {
		at := (i + pick) % len(names)
		switch types[at] {
		case "integer":
			return fmt.Sprintf("ALTER COLUMN %s TYPE bigint", names[at])
		case "character varying(40)":
			return fmt.Sprintf("ALTER COLUMN %s TYPE text", names[at])
		}
	}
	return ""
}

// fill writes values into the columns that there are.
func (s *session) fill(ctx context.Context, mark string, pick int) error {
	names, _, _, err := s.columns(ctx)
	if err != nil {
		return err
	}
	set := []string{"mark = $1"}
	for i, name := range names {
		switch name[0] {
		case 'x':
			set = append(set, fmt.Sprintf("%s = %d", name, pick+i))
		default:
			set = append(set, fmt.Sprintf("%s = '%d %s'", name, pick%1000+i, name))
		}
	}
	return s.exec(ctx, "UPDATE store.shape SET "+strings.Join(set, ", ")+" WHERE id % 5 = 0", mark)
}
