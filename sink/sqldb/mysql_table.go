package sqldb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/internal/dialect"
)

// findMyTable finds a table; %s is how the name is compared.
const findMyTable = "SELECT t.TABLE_SCHEMA, t.TABLE_NAME, t.TABLE_TYPE, IFNULL(e.TRANSACTIONS,''), IFNULL(t.ENGINE,'') FROM information_schema.TABLES t " +
	"LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE WHERE t.TABLE_SCHEMA = %s AND %s"

const readMyColumns = "SELECT COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, COLLATION_NAME, IS_NULLABLE, EXTRA%s " +
	"FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION"

// readMyUnique reads the columns of every index that tells all rows apart.
const readMyUnique = "SELECT INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND NON_UNIQUE = 0 " +
	"ORDER BY INDEX_NAME, SEQ_IN_INDEX"

// myTableKinds are the values of information_schema.TABLES.TABLE_TYPE.
var myTableKinds = map[string]tableKind{"BASE TABLE": kindTable, "SYSTEM VERSIONED": kindTable, "VIEW": kindView, "SYSTEM VIEW": kindView}

func (s *mySession) describe(ctx context.Context, n tableName) (*table, error) {
	found, err := s.findTable(ctx, n)
	if err != nil || found == nil {
		return nil, err
	}
	t := &table{name: tableName{schema: string(found[0]), table: string(found[1])}, kind: myTableKinds[string(found[2])]}
	if t.kind == "" {
		t.kind = tableKind(found[2])
	}
	if t.kind == kindTable && string(found[3]) != "YES" {
		s.store.warnOnce("engine "+t.name.String(), "the table's engine has no transactions: after a crash rows may be there whose position is not", "table", t.name.String(), "engine", string(found[4]))
	}
	schemaName, tableText := dialect.LiteralMySQL(t.name.schema), dialect.LiteralMySQL(t.name.table)
	srs := ""
	if s.store.server.Load().since(false, 8, 0, 0) {
		srs = ", SRS_ID"
	}
	rows, err := s.query(ctx, fmt.Sprintf(readMyColumns, srs, schemaName, tableText))
	if err != nil {
		return nil, fmt.Errorf("read the columns of table %q: %w", t.name, err)
	}
	for _, r := range rows {
		t.columns = append(t.columns, myTableColumn(r, srs != ""))
	}
	if rows, err = s.query(ctx, fmt.Sprintf(readMyUnique, schemaName, tableText)); err != nil {
		return nil, fmt.Errorf("read the unique indexes of table %q: %w", t.name, err)
	}
	t.unique = myUnique(rows)
	return t, nil
}

// findTable looks in the named database or that of the connection. Where the configuration does not say how the name is written exactly,
// another spelling in upper and lower case will do.
func (s *mySession) findTable(ctx context.Context, n tableName) ([][]byte, error) {
	schemaName := "DATABASE()"
	if n.schema != "" {
		schemaName = dialect.LiteralMySQL(n.schema)
	}
	name := dialect.LiteralMySQL(n.table)
	rows, err := s.query(ctx, fmt.Sprintf(findMyTable, schemaName, "t.TABLE_NAME = "+name))
	if err == nil && len(rows) == 0 && !s.store.config.Quote {
		rows, err = s.query(ctx, fmt.Sprintf(findMyTable, schemaName, "LOWER(t.TABLE_NAME) = LOWER("+name+")"))
	}
	if err != nil {
		return nil, fmt.Errorf("look for table %q: %w", n, err)
	}
	for _, r := range rows {
		if string(r[1]) == n.table {
			return r, nil
		}
	}
	switch {
	case len(rows) > 1:
		return nil, &SetupError{Option: s.store.config.names.quote, Object: fmt.Sprintf("table %q", n), Err: errors.New("several tables differ from this name in upper and lower case only"),
			Remedy: fmt.Sprintf("set %s and name it exactly", s.store.config.names.quoteYes)}
	case len(rows) == 0:
		return nil, nil
	}
	return rows[0], nil
}

func myTableColumn(r [][]byte, srs bool) tableColumn {
	number := func(text []byte) int {
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil || n > 1<<31 { // null, or that of a longtext
			return 0
		}
		return int(n)
	}
	extra := strings.ToUpper(string(r[8]))
	c := tableColumn{name: string(r[0]), typ: string(r[1]), cast: strings.ToLower(string(r[2])), length: number(r[3]), precision: number(r[4]), scale: number(r[5]), collation: string(r[6]),
		notNull: string(r[7]) == "NO", generated: strings.Contains(extra, "VIRTUAL GENERATED") || strings.Contains(extra, "STORED GENERATED") || strings.Contains(extra, "PERSISTENT")}
	c.geographic = srs && myFamilies[c.cast] == myGeometry
	return c
}

// myUnique gathers index columns. An index over the beginnings of values or over expressions tells no rows apart.
func myUnique(rows [][][]byte) [][]string {
	var out [][]string
	index, whole := "", false
	for _, r := range rows {
		if name := string(r[0]); name != index || out == nil {
			if index != "" && !whole {
				out = out[:len(out)-1]
			}
			index, whole = name, true
			out = append(out, nil)
		}
		whole = whole && r[1] != nil && r[2] == nil
		out[len(out)-1] = append(out[len(out)-1], string(r[1]))
	}
	if index != "" && !whole {
		out = out[:len(out)-1]
	}
	return slices.Clip(out)
}

// ddl runs a statement that commits by itself and may find its work done.
func (s *mySession) ddl(ctx context.Context, what, sql string, done ...uint16) error {
	err := s.exec(ctx, sql)
	n := myNumber(err)
	if err == nil || slices.Contains(done, n) {
		return nil
	}
	if isRetriable(err) {
		return fmt.Errorf("%s: %w", what, err)
	}
	option, remedy := s.store.config.names.create, "run it by hand in a form the server takes: "+sql
	switch n {
	case 1044, 1142, 1227: // access denied: to the database, to the command, to the privilege
		option, remedy = s.store.config.names.user, fmt.Sprintf("grant user %q CREATE and ALTER, or run it by hand: %s", s.store.target.Configs[0].User, sql)
	case 1049: // ER_BAD_DB_ERROR
		option, remedy = s.store.config.names.collection, "create the database first, or check the name"
	}
	return &SetupError{Option: option, Object: what, Err: unwrapped(err), Remedy: remedy}
}

// unwrapped takes off what classified an error.
func unwrapped(err error) error {
	var refused *refusedError
	var stale *staleError
	var setup *SetupError
	switch {
	case errors.As(err, &refused):
		return refused.err
	case errors.As(err, &stale):
		return stale.err
	case errors.As(err, &setup):
		return setup.Err
	}
	return err
}

func (s *mySession) create(ctx context.Context, n tableName, columns []column, keys int) error {
	what := fmt.Sprintf("create table %q", n)
	err := s.ddl(ctx, what, s.createSQL(n, columns, keys, myIndexBytes))
	if number := myNumber(err); number == 1071 || number == 1709 { // ER_TOO_LONG_KEY, ER_INDEX_COLUMN_TOO_LONG: rows in the old format
		err = s.ddl(ctx, what, s.createSQL(n, columns, keys, myIndexBytesOld))
	}
	return err
}

func (s *mySession) createSQL(n tableName, columns []column, keys, index int) string {
	server := s.store.server.Load()
	share := keyBytes(columns, index)
	var b strings.Builder
	b.WriteString("CREATE TABLE IF NOT EXISTS " + quoteMyTable(n) + " (")
	var primary []string
	for i := range columns {
		c := &columns[i]
		if i > 0 {
			b.WriteString(", ")
		}
		typ := server.myType(c, share)
		b.WriteString(dialect.QuoteMySQL(c.name) + " " + typ)
		clause := ""
		if !c.key || c.plain {
			clause = server.defaultClause(c, typ)
		}
		if c.key {
			primary = append(primary, dialect.QuoteMySQL(c.name))
		}
		if c.key || !c.createSchema().Optional && (clause == "" || !c.plain) {
			b.WriteString(" NOT NULL")
		} else {
			b.WriteString(" NULL") // a timestamp would not be null by itself
		}
		b.WriteString(clause)
	}
	if keys > 0 {
		b.WriteString(", PRIMARY KEY (" + strings.Join(primary, ", ") + ")")
	}
	b.WriteString(") ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4")
	return b.String()
}

// extend adds columns. Rows are there, perhaps, so a column may be null unless it has a default, whatever the source says.
func (s *mySession) extend(ctx context.Context, t *table, columns []column) error {
	server := s.store.server.Load()
	what := fmt.Sprintf("add columns to table %q", t.name)
	add := make([]string, len(columns))
	for i := range columns {
		c := &columns[i]
		key := *c
		key.key = false
		typ := server.myType(&key, 0)
		clause := server.defaultClause(c, typ)
		null := " NULL"
		if clause != "" && !c.schema.Optional && !c.plain {
			null = " NOT NULL"
		}
		add[i] = " ADD COLUMN " + dialect.QuoteMySQL(c.name) + " " + typ
		if strings.HasPrefix(typ, "longtext") || strings.HasPrefix(typ, "text") || strings.HasPrefix(typ, "varchar") {
			add[i] += " CHARACTER SET utf8mb4"
		}
		add[i] += null + clause
	}
	alter := "ALTER TABLE " + quoteMyTable(t.name)
	const duplicate = 1060 // ER_DUP_FIELDNAME
	if err := s.exec(ctx, alter+strings.Join(add, ",")); err == nil || myNumber(err) != duplicate {
		return s.told(ctx, what, alter+strings.Join(add, ","), err)
	}
	for _, one := range add { // somebody else was faster with some of them
		if err := s.ddl(ctx, what, alter+one, duplicate); err != nil {
			return err
		}
	}
	return nil
}

// told puts a statement's outcome into the words of ddl.
func (s *mySession) told(ctx context.Context, what, sql string, err error) error {
	if err == nil || isRetriable(err) {
		return err
	}
	return s.ddl(ctx, what, sql)
}

// culprit tries each value of a refused row by itself, in a temporary table with one column of the same type.
func (s *mySession) culprit(ctx context.Context, d *destination, m *mutation) (columnName, value string) {
	b := d.bound.(*myBound)
	for i := range b.columns {
		c := &b.columns[i]
		if !c.written || m.sub != nil && m.sub.missing[i] {
			continue
		}
		v := c.value(m)
		if v.IsNull() {
			if c.target.notNull {
				return c.target.name, "NULL"
			}
			continue
		}
		if s.refuses(ctx, c, m) {
			return c.target.name, shortValue(v, c.column.schema)
		}
	}
	return "", ""
}

// probe is a table of one column of a type; temporary ones do not end the transaction.
const (
	makeProbe = "CREATE TEMPORARY TABLE tandem_probe (c %s NULL) ENGINE=InnoDB"
	dropProbe = "DROP TEMPORARY TABLE tandem_probe"
)

func (s *mySession) refuses(ctx context.Context, c *myColumn, m *mutation) bool {
	text, err := c.literal(nil, c.value(m))
	if err != nil {
		return true
	}
	typ := c.target.typ
	if c.target.collation != "" {
		typ += " COLLATE " + c.target.collation
	}
	if s.exec(ctx, fmt.Sprintf(makeProbe, typ)) != nil {
		return false // the user may not make temporary tables: then it is not known
	}
	err = s.exec(ctx, "INSERT INTO tandem_probe VALUES ("+string(text)+")")
	if err == nil {
		err = s.warned(ctx)
	}
	if s.exec(ctx, dropProbe) != nil {
		return false
	}
	return isRowFault(err)
}
