package sqldb

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// yearName is Debezium's year of MySQL.
const yearName = "io.debezium.time.Year"

// myCreateKinds are the types of columns that depend on their kind alone.
var myCreateKinds = map[kind]string{
	kindBool: "boolean", kindText: "longtext", kindBytes: "longblob", kindVarDecimal: "decimal(65,30)", kindDate: "date", kindTimeMillis: "time(3)", kindTimeMicros: "time(6)",
	kindTimeNanos: "time(6)", kindStampMillis: "datetime(3)", kindStampMicros: "datetime(6)", kindStampNanos: "datetime(6)", kindZonedStamp: "datetime(6)", kindZonedTime: "time(6)",
	kindIsoDate: "date", kindIsoTime: "time(6)", kindIsoStamp: "datetime(6)", kindMicroDuration: "bigint", kindNanoDuration: "bigint", kindInterval: "varchar(255)", kindJSON: "json",
	kindXML: "longtext", kindLtree: "longtext", kindTsvector: "longtext", kindPoint: "point", kindLine: "json", kindCircle: "json", kindGeometry: "geometry", kindGeography: "geometry",
	kindDoubleVector: "json", kindFloatVector: "json", kindSparseVector: "json", kindStructDate: "date", kindStructTime: "time(6)", kindStructStamp: "datetime(6)",
	kindStructZonedTime: "varchar(32)", kindStructZonedStamp: "datetime(6)", kindStructDuration: "varchar(255)", kindArray: "json", kindMap: "json", kindStruct: "json",
}

// myPlain are the types that Confluent's connector makes.
var myPlain = map[kind]string{
	kindFloat: "", kindInt: "", kindDecimal: "", kindBool: "tinyint", kindText: "text", kindBytes: "varbinary(1024)", kindDate: "date", kindTimeMillis: "time(3)", kindStampMillis: "datetime(3)",
	kindStampMicros: "datetime(6)", kindStampNanos: "datetime(6)", kindArray: "json",
}

// myType is the type of a column to be created. Of keys it is one that an index takes: keyBytes is what its column may be long.
func (v *myServer) myType(c *column, keyBytes int) string {
	s, k := c.createSchema(), c.createKind()
	if c.key {
		if t := v.keyType(s, k, keyBytes); t != "" {
			return t
		}
	}
	source, length := sourceType(s)
	if k == kindText && length > 0 && length <= 16000 { // 65,535 bytes of a row, four of a character
		switch source {
		case "varchar", "character varying", "bpchar", "char", "character":
			return fmt.Sprintf("varchar(%d)", length)
		}
	}
	switch k {
	case kindInt:
		if s.Name == yearName {
			return "year"
		}
		return map[schema.Type]string{schema.Int8: "tinyint", schema.Int16: "smallint", schema.Int32: "int", schema.Int64: "bigint"}[s.Type]
	case kindFloat:
		if s.Type == schema.Float32 {
			return "float"
		}
		return "double"
	case kindDecimal:
		return myDecimalType(s)
	case kindBits:
		if n, err := strconv.Atoi(s.Parameter("length")); err == nil && n > 0 && n <= 64 {
			return fmt.Sprintf("bit(%d)", n)
		}
		return "longtext"
	case kindUUID:
		if v.since(true, 10, 7, 0) {
			return "uuid"
		}
		return "char(36) CHARACTER SET ascii COLLATE ascii_bin"
	}
	if t := myPlain[k]; t != "" && c.plain {
		return t
	}
	return myCreateKinds[k]
}

// myDecimalType has all the digits there are (65), 30 of them behind the point, where the schema does not say how many.
func myDecimalType(s *schema.Schema) string {
	scale := scaleOf(s)
	if scale < 0 {
		scale = 0
	}
	precision, err := strconv.Atoi(s.Parameter(schema.PrecisionParameter))
	if err != nil || precision < 1 || precision > 65 || scale > precision || scale > 30 {
		precision = 65
	}
	return fmt.Sprintf("decimal(%d,%d)", precision, min(scale, 30))
}

// keyType is the type of a key column whose ordinary type no index takes whole. Texts compare by their bytes: two keys of the source must
// not become one row because they differ in upper and lower case, accents or blanks at the end.
func (v *myServer) keyType(s *schema.Schema, k kind, keyBytes int) string {
	switch k {
	case kindBytes:
		return fmt.Sprintf("varbinary(%d)", keyBytes)
	case kindText, kindXML, kindLtree, kindTsvector, kindInterval, kindJSON, kindArray, kindMap, kindStruct, kindStructZonedTime, kindStructDuration:
		characters := keyBytes / 4
		if _, length := sourceType(s); k == kindText && length > 0 && length < characters {
			characters = length
		}
		return fmt.Sprintf("varchar(%d) CHARACTER SET utf8mb4 COLLATE %s", characters, v.binaryCollation())
	case kindBits:
		if n, err := strconv.Atoi(s.Parameter("length")); err != nil || n > 64 {
			return fmt.Sprintf("varchar(%d) CHARACTER SET ascii COLLATE ascii_bin", keyBytes)
		}
	}
	return ""
}

// binaryCollation compares characters by their numbers, and blanks at the end as all others where the server can.
func (v *myServer) binaryCollation() string {
	switch {
	case v.since(true, 10, 2, 0):
		return "utf8mb4_nopad_bin"
	case v.since(false, 8, 0, 17):
		return "utf8mb4_0900_bin"
	}
	return "utf8mb4_bin"
}

// Bytes of an index. MySQL manual, "InnoDB Limits": 3072 of rows in the format of today, 767 in the one before.
const (
	myIndexBytes    = 3072
	myIndexBytesOld = 767
)

// keyBytes shares an index among the key columns whose length is ours to choose.
func keyBytes(columns []column, index int) int {
	long := 0
	for i := range columns {
		if c := &columns[i]; c.key {
			switch c.createKind() {
			case kindDecimal, kindVarDecimal:
				index -= 30
			case kindUUID:
				index -= 36
			case kindText, kindXML, kindLtree, kindTsvector, kindInterval, kindJSON, kindArray, kindMap, kindStruct, kindStructZonedTime, kindStructDuration, kindBytes, kindBits:
				long++
			default:
				index -= 8
			}
		}
	}
	return max(index, 4) / max(long, 1)
}

// defaultClause is the column's default when it is a plain value. Defaults that Debezium makes up for expressions are zeros of their
// types: a zero is left out, for it is not what the source would do.
func (v *myServer) defaultClause(c *column, typ string) string {
	d := c.createSchema().Default
	if d == nil || d.IsNull() || isZero(*d) && !c.plain {
		return ""
	}
	switch c.createKind() {
	case kindBool, kindInt, kindFloat, kindDecimal, kindDate, kindTimeMillis, kindTimeMicros, kindTimeNanos, kindStampMillis, kindStampMicros, kindStampNanos,
		kindText, kindJSON, kindZonedStamp, kindInterval:
	default:
		return ""
	}
	value := *d
	if c.made != nil {
		value = c.made(value)
	}
	target := tableColumn{typ: typ, cast: typ, scale: 30}
	if i := strings.IndexAny(typ, "( "); i > 0 {
		target.cast = typ[:i]
	}
	if target.cast == "boolean" {
		target.cast = "tinyint"
	}
	if _, digits, ok := strings.Cut(typ, ","); ok && target.cast == "decimal" {
		target.scale, _ = strconv.Atoi(strings.TrimSuffix(digits, ")"))
	}
	of := *c
	of.schema, of.kind, of.point = c.createSchema(), c.createKind(), nil
	m := myColumn{column: &of, target: &target}
	m.choose(nil)
	text, err := m.append(nil, value, &m)
	if err != nil {
		return ""
	}
	switch target.cast {
	case "text", "longtext", "longblob", "json":
		if v.since(false, 8, 0, 13) {
			return " DEFAULT (" + string(text) + ")"
		}
		if !v.since(true, 10, 2, 1) {
			return ""
		}
	}
	return " DEFAULT " + string(text)
}
