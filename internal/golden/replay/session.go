package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// session runs SQL as one psql session does: statement by statement, each in its own simple query.
type session struct {
	conn *pgconn.PgConn
	vars map[string]string
}

func openSession(ctx context.Context, url string, vars map[string]string) (*session, error) {
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("session of the case: %w", err)
	}
	vars["ON_ERROR_STOP"] = "1"
	return &session{conn: conn, vars: vars}, nil
}

func (s *session) close() { _ = s.conn.Close(context.Background()) }

// run runs the statements of text, which begins at that line of its file. The first that fails ends it, unless the text has said
// \set ON_ERROR_STOP 0.
func (s *session) run(ctx context.Context, file string, line int, text string) error {
	scan := newScanner(text, line, s.vars)
	for {
		st, ok, err := scan.next()
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if !ok {
			return nil
		}
		if err := s.exec(ctx, st); err != nil && s.stopsOnError() {
			return fmt.Errorf("%s: line %d: %w", file, st.line, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (s *session) stopsOnError() bool {
	v := s.vars["ON_ERROR_STOP"]
	return v != "0" && v != "off" && v != "false"
}

func (s *session) exec(ctx context.Context, st statement) error {
	if st.set != nil {
		return nil // the scanner has set it: it counts for the texts behind it
	}
	if st.copy != nil {
		_, err := s.conn.CopyFrom(ctx, bytes.NewReader(st.copy), st.sql)
		return err
	}
	if done, err := s.standIn(ctx, st.sql); done || err != nil {
		return err
	}
	results, err := s.conn.Exec(ctx, st.sql).ReadAll()
	if err != nil {
		return err
	}
	if st.into != nil {
		return s.setFrom(*st.into, results)
	}
	if !st.each {
		return nil
	}
	for _, row := range results[0].Rows {
		for _, sql := range row {
			if _, err := s.conn.Exec(ctx, string(sql)).ReadAll(); err != nil {
				return err
			}
		}
	}
	return nil
}

// setFrom makes variables of the one row of a result.
func (s *session) setFrom(prefix string, results []*pgconn.Result) error {
	if len(results) == 0 || len(results[0].Rows) != 1 {
		return errors.New(`\gset: want a result of one row`)
	}
	for i, field := range results[0].FieldDescriptions {
		if value := results[0].Rows[0][i]; value != nil {
			s.vars[prefix+field.Name] = string(value)
		} else {
			delete(s.vars, prefix+field.Name)
		}
	}
	return nil
}
