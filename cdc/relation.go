package cdc

// Identity is a table's REPLICA IDENTITY: which columns of the old row the server logs.
type Identity byte

// The values of pg_class.relreplident.
const (
	IdentityDefault Identity = 'd' // primary key
	IdentityNothing Identity = 'n'
	IdentityFull    Identity = 'f' // every column
	IdentityIndex   Identity = 'i' // columns of one unique index
)

// Relation is a table's shape as one Relation message announced it: what the tuples behind it look like.
// A new message makes a new Relation, so a pointer comparison tells whether plans made for it still hold.
type Relation struct {
	OID      uint32
	Schema   string
	Name     string
	Identity Identity
	Columns  []Column
	Read     bool // made of the catalog, for a snapshot, and not announced in the stream
}

// Column is one column of a Relation, in the order of the tuples.
type Column struct {
	Name    string
	TypeOID uint32
	TypeMod int32 // pg_attribute.atttypmod, -1 when the type has none
	Key     bool  // part of the replica identity
}

// Table is what the catalog knows beyond a Relation message. It is read when the relation is announced, so nullability,
// defaults and keys are those of now, not of the WAL position, as in Debezium.
type Table struct {
	Columns []TableColumn
	// Key is the columns that identify a row: the primary key's, in its order, or those of the first unique index by name
	// that has only plain columns; empty when there is neither.
	Key []string
	// PrimaryKey tells whether Key is a primary key.
	PrimaryKey bool
	// Partitioned tells a partitioned parent (relkind p).
	Partitioned bool
	// Root is the topmost partitioned ancestor as schema and name; empty for a table that is no partition.
	RootSchema, RootName string
}

// TableColumn is a column in the catalog.
type TableColumn struct {
	Name      string
	TypeOID   uint32
	TypeMod   int32
	NotNull   bool
	Default   string // pg_get_expr of the default, "" when there is none
	Identity  bool   // GENERATED … AS IDENTITY
	Generated bool   // GENERATED ALWAYS AS (…) STORED or VIRTUAL
	Comment   string
}

// Type is a row of pg_type with what a plan needs to know.
type Type struct {
	OID      uint32
	Schema   string
	Name     string // pg_type.typname, "int4", "_int4" for int4[]
	Kind     byte   // pg_type.typtype: b base, c composite, d domain, e enum, p pseudo, r range, m multirange
	Category byte   // pg_type.typcategory: 'A' marks arrays
	Elem     uint32 // element type of an array, else 0
	Base     uint32 // base type of a domain, else 0
	BaseMod  int32  // typtypmod of a domain, -1 when none
	Labels   []string
}

// Types looks types up by OID; the second result is false for an unknown one.
type Types interface {
	Type(oid uint32) (*Type, bool)
}
