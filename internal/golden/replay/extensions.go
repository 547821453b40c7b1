package replay

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"strings"
)

//go:embed pgvector.sql
var pgvector string

// standIns are scripts that make the types of extensions which a server may not have and no package brings, in the schema @extschema@.
var standIns = map[string]string{"vector": pgvector}

var createExtensionIn = regexp.MustCompile(`(?is)^\s*create\s+extension\s+(if\s+not\s+exists\s+)?"?(\w+)"?(?:\s+with)?(?:.*\bschema\s+("[^"]+"|\w+))?`)

// standIn makes the stand-in for the extension that the statement asks for. done is false when the statement asks for none, or for one
// that the server has.
func (s *session) standIn(ctx context.Context, sql string) (done bool, err error) {
	m := createExtensionIn.FindStringSubmatch(sql)
	if m == nil {
		return false, nil
	}
	ifNotExists, name, schema := m[1] != "", strings.ToLower(m[2]), m[3]
	script, ok := standIns[name]
	if !ok {
		return false, nil
	}
	const look = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = '%s'), EXISTS (SELECT FROM pg_type WHERE typname = '%[1]s'), quote_ident(current_schema())"
	results, err := s.conn.Exec(ctx, fmt.Sprintf(look, name)).ReadAll()
	if err != nil {
		return false, err
	}
	there, made, current := string(results[0].Rows[0][0]) == "t", string(results[0].Rows[0][1]) == "t", string(results[0].Rows[0][2])
	if there || made && ifNotExists {
		return made && !there, nil
	}
	if schema == "" {
		schema = current
	}
	// A type is a shell first, and says so.
	script = "SET LOCAL client_min_messages = warning;\n" + strings.ReplaceAll(script, "@extschema@", schema)
	if _, err := s.conn.Exec(ctx, script).ReadAll(); err != nil {
		return false, fmt.Errorf("stand-in for the extension %s: %w", name, err)
	}
	return true, nil
}
