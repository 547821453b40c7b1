package sqldb

import (
	"context"
	"fmt"
	"slices"

	"github.com/tandem-cdc/tandem/internal/dialect"
)

func (s *mySession) introduce(ctx context.Context, v *Survey) (tableName, error) {
	if err := s.exec(ctx, "SET SESSION TRANSACTION READ ONLY"); err != nil {
		return tableName{}, fmt.Errorf("make the connection read-only: %w", err)
	}
	rows, err := s.query(ctx, "SELECT CURRENT_USER(), IFNULL(DATABASE(), '')")
	if err != nil {
		return tableName{}, err
	}
	v.Role, v.Database = string(rows[0][0]), string(rows[0][1])
	server := s.store.server.Load()
	product := "MySQL"
	if server.mariadb {
		product = "MariaDB"
	}
	v.Server = fmt.Sprintf("%s %s at %s", product, server.text, s.store.target.Configs[0].Addr)
	return s.store.positions, nil
}

// myRights are the privileges that the account has by itself; those that come with a role are not among them.
const myRights = "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = %[1]s " +
	"UNION SELECT PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = %[1]s AND %[2]s LIKE TABLE_SCHEMA " +
	"UNION SELECT PRIVILEGE_TYPE FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE = %[1]s AND TABLE_SCHEMA = %[2]s AND TABLE_NAME = %[3]s"

// missing are those of needs that the account has not, on a table. With a role active nothing is known to be missing.
func (s *mySession) missing(ctx context.Context, n tableName, needs ...string) ([]string, error) {
	roles, err := s.query(ctx, "SELECT IFNULL(CURRENT_ROLE(), 'NONE')")
	if err != nil && myNumber(err) != 1305 { // ER_SP_DOES_NOT_EXIST: a server without roles
		return nil, err
	}
	if err == nil && string(roles[0][0]) != "NONE" {
		return nil, nil
	}
	schemaName := "DATABASE()"
	if n.schema != "" {
		schemaName = dialect.LiteralMySQL(n.schema)
	}
	const grantee = "CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')"
	rows, err := s.query(ctx, fmt.Sprintf(myRights, grantee, schemaName, dialect.LiteralMySQL(n.table)))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, need := range needs {
		if need == "TRUNCATE" { // it is done by DELETE
			need = "DELETE"
		}
		has := slices.ContainsFunc(rows, func(r [][]byte) bool { return string(r[0]) == need })
		if !has && !slices.Contains(out, need) {
			out = append(out, need)
		}
	}
	return out, nil
}

func (s *mySession) lacks(ctx context.Context, v *Survey, t *table, needs []string) ([]string, error) {
	missing, err := s.missing(ctx, t.name, needs...)
	var out []string
	for _, right := range missing {
		out = append(out, fmt.Sprintf("the user %s has no right to %s on table %s; GRANT %[2]s ON %[4]s TO the user", v.Role, right, t.name, quoteMyTable(t.name)))
	}
	return out, err
}

func (s *mySession) obstacles(ctx context.Context, v *Survey, n tableName) ([]string, error) {
	name := n.schema
	if name == "" {
		name = v.Database
	}
	rows, err := s.query(ctx, "SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = "+dialect.LiteralMySQL(name))
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return []string{fmt.Sprintf("table %s cannot be created: there is no database %q", n, name)}, nil
	}
	missing, err := s.missing(ctx, n, "CREATE")
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	return []string{fmt.Sprintf("the user %s has no right to create table %s; GRANT CREATE ON %s.* TO the user", v.Role, n, dialect.QuoteMySQL(name))}, nil
}
