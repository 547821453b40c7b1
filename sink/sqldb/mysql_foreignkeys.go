package sqldb

import "context"

const readMyReferences = "SELECT CONSTRAINT_NAME, CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS"

// references are all that the user sees. Within transactions of their own, deferConstraints takes care of them.
func (s *mySession) references(ctx context.Context) ([]reference, error) {
	rows, err := s.query(ctx, readMyReferences)
	if err != nil {
		return nil, err
	}
	var out []reference
	for _, r := range rows {
		out = append(out, reference{name: string(r[0]), from: tableName{schema: string(r[1]), table: string(r[2])}, to: tableName{schema: string(r[3]), table: string(r[4])}, deferrable: true})
	}
	return out, nil
}

// InnoDB checks foreign keys with each row, and has no other way: a row that refers to another of its own table could only be written after
// that one. The source has checked them at the end of the transaction.
const (
	leaveMyReferences = "SET @tandem_checks=@@SESSION.foreign_key_checks, SESSION foreign_key_checks=0"
	checkMyReferences = ";SET SESSION foreign_key_checks=@tandem_checks"
)

// deferConstraints leaves the foreign keys unchecked until the transaction ends.
func (s *mySession) deferConstraints(ctx context.Context) error {
	if err := s.exec(ctx, leaveMyReferences); err != nil {
		return err
	}
	s.unchecked = true
	return nil
}
