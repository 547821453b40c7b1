package envelope

import (
	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/schema"
)

// typePlan is how values of one PostgreSQL type are written; the type_*.go files make them.
type typePlan struct {
	schema *schema.Schema // of a NOT NULL column without default
	write  writeFunc
	// fallback stands for null at a NOT NULL column without default (columns that an old tuple does not hold); null when there is none.
	fallback schema.Value
	// unchanged stands for a TOASTed value the server did not send; null when there is no such value.
	unchanged schema.Value
	// literal is the schema's default for the text of a literal in a default expression, and call the text Debezium takes for a
	// function call. A nil literal: the type has no defaults.
	literal func(text string) (schema.Value, bool)
	call    string
	// labels of an enum, nil of all other types.
	labels []string
	// textual: JDBC calls it a character type, so masks and hashes apply.
	textual bool
	// total: write never fails, so arrays need not look before they write.
	total bool
	// nullable: Debezium lets elements of arrays of this type be null.
	nullable bool
	// noNulls: an array of this type with a null has no form, although its schema has.
	noNulls bool
	// inner is the Java class in the text that stands for an array inside of an array of this type, where Debezium has no form for the
	// second dimension; without it there stands null.
	inner string
	// special: an array with NaN or infinity has no form, wherever in it they stand.
	special bool
	// flat: an array of arrays has no form at all.
	flat bool

	length, scale int // as JDBC counts them
}

// OIDs of built-in types, from PostgreSQL's src/include/catalog/pg_type.dat.
const (
	oidBool        = 16
	oidBytea       = 17
	oidChar        = 18 // "char"
	oidName        = 19
	oidInt8        = 20
	oidInt2        = 21
	oidInt2vector  = 22
	oidInt4        = 23
	oidText        = 25
	oidOID         = 26
	oidOidvector   = 30
	oidJSON        = 114
	oidXML         = 142
	oidPoint       = 600
	oidLseg        = 601
	oidPath        = 602
	oidBox         = 603
	oidPolygon     = 604
	oidLine        = 628
	oidCIDR        = 650
	oidFloat4      = 700
	oidFloat8      = 701
	oidCircle      = 718
	oidMacaddr8    = 774
	oidMoney       = 790
	oidMacaddr     = 829
	oidInet        = 869
	oidBpchar      = 1042
	oidVarchar     = 1043
	oidDate        = 1082
	oidTime        = 1083
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidInterval    = 1186
	oidTimetz      = 1266
	oidBit         = 1560
	oidVarbit      = 1562
	oidNumeric     = 1700
	oidRefcursor   = 1790
	oidUUID        = 2950
	oidTsvector    = 3614
	oidJSONB       = 3802
	oidInt4range   = 3904
	oidNumrange    = 3906
	oidTsrange     = 3908
	oidTstzrange   = 3910
	oidDaterange   = 3912
	oidInt8range   = 3926
)

// typePlan plans a type; nil when columns of it are left out.
func (e *Encoder) typePlan(oid uint32, mod int32) *typePlan {
	t, ok := e.types.Type(oid)
	if !ok {
		return e.unknownPlan()
	}
	if t.Kind == 'd' {
		return e.domainPlan(t, mod)
	}
	if tp := e.scalarPlan(t, mod, false); tp != nil {
		return tp
	}
	if t.Category == 'A' && t.Elem != 0 {
		return e.arrayPlan(t, mod)
	}
	return e.unknownPlan()
}

// scalarPlan plans a type that is neither a domain nor an array; nil when Debezium does not know it. element tells that it is the
// element of an array, where JDBC reads some types otherwise.
func (e *Encoder) scalarPlan(t *cdc.Type, mod int32, element bool) *typePlan {
	tp := e.builtinPlan(t.OID, mod, element)
	if tp == nil && t.Kind == 'e' {
		tp = e.enumPlan(t.Labels)
	}
	if tp == nil && t.Kind == 'b' && t.Category != 'A' {
		tp = e.extensionPlan(t.Name, mod)
	}
	if tp != nil && tp.length == 0 {
		tp.length, tp.scale = columnSize(t.OID, mod)
	}
	return tp
}

// builtinPlan plans the types that PostgreSQL brings along.
func (e *Encoder) builtinPlan(oid uint32, mod int32, element bool) *typePlan {
	switch oid {
	case oidBool:
		return boolPlan()
	case oidInt2, oidInt4, oidInt8, oidOID:
		return integerPlan(oid)
	case oidFloat4, oidFloat8:
		return floatPlan(oid)
	case oidNumeric:
		return e.numericPlan(mod, element)
	case oidMoney:
		return e.moneyPlan()
	case oidText, oidVarchar, oidBpchar, oidName, oidChar:
		return e.textPlan(oid)
	case oidBytea:
		return e.byteaPlan()
	case oidBit, oidVarbit:
		return bitPlan(oid, mod)
	case oidDate:
		return e.datePlan(element)
	case oidTime:
		return e.timePlan(mod, element)
	case oidTimetz:
		return e.timetzPlan(mod)
	case oidTimestamp:
		return e.timestampPlan(mod, element)
	case oidTimestamptz:
		return e.timestamptzPlan(mod, element)
	case oidInterval:
		return e.intervalPlan(mod)
	case oidUUID:
		return e.uuidPlan()
	case oidJSON, oidJSONB:
		return e.jsonPlan()
	case oidXML:
		return e.xmlPlan()
	case oidTsvector:
		return e.tsvectorPlan()
	case oidInet, oidCIDR, oidMacaddr, oidMacaddr8:
		return e.networkPlan()
	case oidInt4range, oidInt8range, oidNumrange, oidDaterange, oidTsrange, oidTstzrange:
		return e.rangePlan()
	case oidPoint, oidLine, oidLseg, oidBox, oidPath, oidPolygon, oidCircle:
		return geometricPlan(oid)
	}
	return nil
}

// extensionPlan plans the types of extensions, whose OIDs differ from database to database, by their names.
func (e *Encoder) extensionPlan(name string, mod int32) *typePlan {
	switch name {
	case "citext", "isbn":
		return e.extensionTextPlan(name)
	case "ltree":
		return e.ltreePlan()
	case "hstore":
		return e.hstorePlan()
	case "geometry", "geography":
		return postgisPlan(name)
	case "vector", "halfvec", "sparsevec":
		return vectorPlan(name, mod)
	}
	return nil
}

const (
	unlimited = 1<<31 - 1 // what JDBC says of types without a length
	unset     = -1        // no length or scale at all, which schema parameters leave out
)

// columnSize is the length and scale of a column as the JDBC driver's metadata has them; schema parameters print them, and
// mappers go by them.
func columnSize(oid uint32, mod int32) (length, scale int) {
	seconds := 7 // digits of a fraction and the point
	if mod >= 0 {
		seconds = int(mod) + 1
		if mod == 0 {
			seconds = 0
		} else if mod == 1 {
			seconds = 3 // the server prints two digits there, says the driver
		}
	}
	precision := 6
	if mod >= 0 {
		precision = int(mod)
	}
	switch oid {
	case oidInt2:
		return 5, 0
	case oidInt4, oidOID:
		return 10, 0
	case oidInt8:
		return 19, 0
	case oidFloat4:
		return 8, 8
	case oidFloat8:
		return 17, 17
	case oidNumeric:
		if mod < 0 {
			return 131089, 0 // the driver's way to say that there is no limit
		}
		return numericTypmod(mod)
	case oidBool, oidChar:
		return 1, 0
	case oidBpchar, oidVarchar:
		if mod >= 4 {
			return int(mod) - 4, 0
		}
	case oidBit, oidVarbit:
		return bitLength(oid, mod), 0
	case oidDate:
		return 13, 0
	case oidTime:
		return 8 + seconds, precision
	case oidTimetz:
		return 8 + seconds + 6, precision
	case oidTimestamp:
		return 22 + seconds, precision
	case oidTimestamptz:
		return 22 + seconds + 6, precision
	case oidInterval:
		return 49, intervalPrecision(mod)
	}
	return unlimited, 0
}
