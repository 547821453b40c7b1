package source

import (
	"testing"

	"github.com/tandem-cdc/tandem/cdc"
)

// Only an announced relation that names the primary key, and the same one, agrees with the catalog.
func TestAgree(t *testing.T) {
	relation := func(identity cdc.Identity, columns ...cdc.Column) *cdc.Relation {
		return &cdc.Relation{OID: 1, Schema: "public", Name: "t", Identity: identity, Columns: columns}
	}
	id, plain, v := cdc.Column{Name: "id", TypeOID: 23, TypeMod: -1, Key: true}, cdc.Column{Name: "id", TypeOID: 23, TypeMod: -1}, cdc.Column{Name: "v", TypeOID: 25, TypeMod: -1}
	long := cdc.Column{Name: "id", TypeOID: 20, TypeMod: -1, Key: true}
	renamed := relation(cdc.IdentityDefault, id)
	renamed.Name = "u"
	for _, c := range []struct {
		name           string
		now, announced *cdc.Relation
		want           bool
	}{
		{"the same", relation(cdc.IdentityDefault, id, v), relation(cdc.IdentityDefault, id, v), true},
		{"a column that is not announced", relation(cdc.IdentityDefault, id, v), relation(cdc.IdentityDefault, id), true},
		{"a new column", relation(cdc.IdentityDefault, id), relation(cdc.IdentityDefault, id, v), false},
		{"a new key", relation(cdc.IdentityDefault, plain), relation(cdc.IdentityDefault, id), false},
		{"a key that is gone", relation(cdc.IdentityDefault, id), relation(cdc.IdentityDefault, plain), false},
		{"another type", relation(cdc.IdentityDefault, id), relation(cdc.IdentityDefault, long), false},
		{"another name", relation(cdc.IdentityDefault, id), renamed, false},
		{"full, which does not tell the key", relation(cdc.IdentityFull, id), relation(cdc.IdentityFull, id), false},
	} {
		if got := agree(c.now, c.announced); got != c.want {
			t.Errorf("agree(%s) = %t, want %t", c.name, got, c.want)
		}
	}
}
