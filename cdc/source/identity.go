package source

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/javaregex"
)

// identityRule is an entry of replica.identity.autoset.values.
type identityRule struct {
	text   string
	tables *javaregex.Regexp // on schema.table
	// want is what follows REPLICA IDENTITY, but for the name of an index.
	want  string
	index string // of USING INDEX
}

// identityPattern is how Debezium writes the form of an entry in its message.
const identityPattern = `(?i)^\s*(?<tablepredicate>[^\s:]+):(?<replicaidentity>DEFAULT|(INDEX) (?<indexname>.\w*)|FULL|NOTHING)\s*$`

var identityEntry = func() *javaregex.Regexp {
	re, err := javaregex.Compile(identityPattern[len("(?i)^"):len(identityPattern)-1], true)
	if err != nil {
		panic(err) // a constant
	}
	return re
}()

// parseIdentities reads replica.identity.autoset.values: entries separated by commas.
func parseIdentities(text string) ([]identityRule, error) {
	var rules []identityRule
	var errs []error
	if text == "" {
		errs = append(errs, config.Complain("Must not be empty"))
	}
	for entry := range strings.SplitSeq(text, ",") {
		m, err := identityEntry.Submatch(entry)
		if m == nil || err != nil {
			errs = append(errs, config.Complain("%s has an invalid format (expecting '%s')", entry, identityPattern))
			continue
		}
		group := func(name string) string {
			n, _ := identityEntry.GroupNamed(name)
			if m[2*n] < 0 {
				return ""
			}
			return entry[m[2*n]:m[2*n+1]]
		}
		rule := identityRule{text: strings.TrimSpace(entry), want: strings.ToUpper(group("replicaidentity")), index: group("indexname")}
		if rule.index != "" {
			rule.want = "USING INDEX"
		}
		if rule.tables, err = javaregex.Compile(group("tablepredicate"), true); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", rule.text, err))
			continue
		}
		rules = append(rules, rule)
	}
	return rules, errors.Join(errs...)
}

// identityOf finds the rule of a table; nil when none matches.
func identityOf(rules []identityRule, table string) (*identityRule, error) {
	var found *identityRule
	for i := range rules {
		ok, err := rules[i].tables.MatchString(table)
		switch {
		case err != nil:
			return nil, err
		case ok && found != nil:
			return nil, fmt.Errorf("two entries of replica.identity.autoset.values match table %s: %q and %q", table, found.text, rules[i].text)
		case ok:
			found = &rules[i]
		}
	}
	return found, nil
}

// setIdentities gives the captured tables the replica identities that replica.identity.autoset.values asks for. What the server refuses is
// logged and left, as in Debezium: the stream then has what the table's own identity sends.
func (s *session) setIdentities(ctx context.Context, tables []catalog.TableName) error {
	rules := s.cfg.Replication.identities
	if len(rules) == 0 {
		return nil
	}
	for _, t := range tables {
		full := t.Schema + "." + t.Name
		rule, err := identityOf(rules, full)
		if err != nil {
			s.task.log.Error("the replica identity is left as it is", "table", full, "error", err)
			continue
		}
		if rule == nil {
			continue
		}
		if err := s.setIdentity(ctx, t, rule); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) setIdentity(ctx context.Context, t catalog.TableName, rule *identityRule) error {
	full := t.Schema + "." + t.Name
	want := rule.want
	if rule.index != "" {
		want += " " + pgx.Identifier{rule.index}.Sanitize()
	}
	var now string
	err := s.conn.QueryRow(ctx, `SELECT CASE c.relreplident WHEN 'd' THEN 'DEFAULT' WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING'
		ELSE 'USING INDEX ' || coalesce((SELECT quote_ident(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident), '') END
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`, t.Schema, t.Name).Scan(&now)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // dropped a moment ago
	}
	if err != nil {
		return fmt.Errorf("read the replica identity of table %s: %w", full, err)
	}
	if strings.ReplaceAll(now, `"`, "") == strings.ReplaceAll(want, `"`, "") {
		return nil
	}
	_, err = s.conn.Exec(ctx, "ALTER TABLE "+pgx.Identifier{t.Schema, t.Name}.Sanitize()+" REPLICA IDENTITY "+want)
	var refused *pgconn.PgError
	switch {
	case err == nil:
		s.task.log.Info("replica identity set", "table", full, "identity", want)
		return nil
	case errors.As(err, &refused):
		s.task.log.Error("the replica identity is left as it is: the server refuses to change it", "table", full, "identity", want, "now", now, "error", err,
			"remedy", "the table's owner runs ALTER TABLE … REPLICA IDENTITY, or corrects replica.identity.autoset.values")
		return nil
	}
	return fmt.Errorf("set the replica identity of table %s: %w", full, err)
}
