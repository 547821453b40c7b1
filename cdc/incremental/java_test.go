package incremental

import (
	"bufio"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
)

// typeTable is a small pg_type.
type typeTable map[uint32]*cdc.Type

func (t typeTable) Type(oid uint32) (*cdc.Type, bool) {
	typ, ok := t[oid]
	return typ, ok
}

var someTypes = func() typeTable {
	t := typeTable{}
	for i, name := range []string{"int2", "int4", "int8", "float4", "float8", "bool", "text", "varchar", "bpchar", "numeric", "uuid", "date", "bytea", "inet", "cidr",
		"macaddr", "varbit", "oid", "char", "name", "int4range", "pg_lsn", "interval", "money", "time", "timestamptz", "jsonb"} {
		t[uint32(i+1)] = &cdc.Type{OID: uint32(i + 1), Schema: "pg_catalog", Name: name, Kind: 'b'}
	}
	t[100] = &cdc.Type{OID: 100, Schema: "public", Name: "citext", Kind: 'b'}
	t[101] = &cdc.Type{OID: 101, Schema: "public", Name: "mood", Kind: 'e'}
	t[102] = &cdc.Type{OID: 102, Schema: "public", Name: "dom", Kind: 'd', Base: 103}
	t[103] = &cdc.Type{OID: 103, Schema: "public", Name: "inner", Kind: 'd', Base: 2}
	t[104] = &cdc.Type{OID: 104, Schema: "app", Name: "ltree", Kind: 'b'}
	t[105] = &cdc.Type{OID: 105, Schema: "pg_catalog", Name: "_int4", Kind: 'b', Category: 'A'}
	return t
}()

func columnOf(name string) KeyColumn {
	for oid, t := range someTypes {
		if t.Name == name {
			return NewKeyColumn("k", 0, oid, true, someTypes)
		}
	}
	panic("no type " + name)
}

// recorded reads what Debezium 3.7.0 wrote: key type, text, hexadecimal of the serialised key. Several columns are separated by |.
func recorded(t testing.TB) [][3]string {
	f, err := os.Open("testdata/keys.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out [][3]string
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		fields := strings.Split(s.Text(), "\t")
		if len(fields) != 3 {
			t.Fatalf("testdata/keys.tsv: %q has %d fields, want 3", s.Text(), len(fields))
		}
		out = append(out, [3]string(fields))
	}
	return out
}

func keyOf(types, texts string) (columns []KeyColumn, key Key) {
	values := strings.Split(texts, "|")
	for i, typ := range strings.Split(types, "|") {
		columns = append(columns, columnOf(typ))
		d := cdc.Datum{Kind: cdc.Text, Bytes: []byte(values[i])}
		if values[i] == `\N` {
			d = cdc.Datum{}
		}
		key = append(key, d)
	}
	return columns, key
}

// Keys are written as Debezium writes them, and what it wrote is read.
func TestSerialize(t *testing.T) {
	for _, r := range recorded(t) {
		columns, key := keyOf(r[0], r[1])
		if got := Serialize(columns, key); got != r[2] {
			t.Errorf("Serialize(%s, %s) (-want +got):\n%s", r[0], r[1], cmp.Diff(readable(r[2]), readable(got)))
		}
		got, err := Deserialize(columns, r[2])
		if err != nil {
			t.Errorf("Deserialize(%s, %s): %v", r[0], r[1], err)
			continue
		}
		if again := Serialize(columns, got); again != r[2] {
			t.Errorf("%s: %s read as %q is written differently (-want +got):\n%s", r[0], r[1], got, cmp.Diff(readable(r[2]), readable(again)))
		}
	}
	if got := Serialize(nil, nil); got != "aced000570" {
		t.Errorf("Serialize(no key) = %s, want null", got)
	}
	if key, err := Deserialize(nil, "aced000570"); key != nil || err != nil {
		t.Errorf("Deserialize(null) = %v, %v, want none", key, err)
	}
}

// readable breaks a stream into words.
func readable(text string) []string {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return []string{text}
	}
	var words []string
	for i := 0; i < len(raw); i += 8 {
		words = append(words, hex.EncodeToString(raw[i:min(i+8, len(raw))]))
	}
	return words
}
