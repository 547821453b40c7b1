package sqldb

import (
	"strconv"
	"strings"

	"github.com/tandem-cdc/tandem/schema"
)

// kind is what a column's values mean: a Connect type, or a logical type by the schema's name.
type kind uint8

const (
	kindInt kind = iota
	kindFloat
	kindBool
	kindText
	kindBytes
	kindDecimal    // Bytes with a scale in the schema
	kindVarDecimal // struct {scale, value}
	kindDate       // days since 1970
	kindTimeMillis
	kindTimeMicros
	kindTimeNanos
	kindStampMillis
	kindStampMicros
	kindStampNanos
	kindZonedStamp // ISO text with zone
	kindZonedTime
	kindIsoDate
	kindIsoTime
	kindIsoStamp
	kindMicroDuration
	kindNanoDuration
	kindInterval // ISO text
	kindUUID
	kindJSON
	kindXML
	kindLtree
	kindTsvector
	kindBits // least significant bit first
	kindPoint
	kindLine
	kindCircle
	kindGeometry
	kindGeography
	kindDoubleVector
	kindFloatVector
	kindSparseVector
	kindStructDate // io.debezium.time.Structured…
	kindStructTime
	kindStructStamp
	kindStructZonedTime
	kindStructZonedStamp
	kindStructDuration
	kindArray
	kindMap
	kindStruct
)

// logical maps schema names to kinds, where the base type is the one they have.
var logical = map[string]struct {
	base schema.Type
	kind kind
}{
	schema.DecimalName:   {schema.Bytes, kindDecimal},
	schema.DateName:      {schema.Int32, kindDate},
	schema.TimeName:      {schema.Int32, kindTimeMillis},
	schema.TimestampName: {schema.Int64, kindStampMillis},

	"io.debezium.data.VariableScaleDecimal":     {schema.Struct, kindVarDecimal},
	"io.debezium.time.Date":                     {schema.Int32, kindDate},
	"io.debezium.time.Time":                     {schema.Int32, kindTimeMillis},
	"io.debezium.time.MicroTime":                {schema.Int64, kindTimeMicros},
	"io.debezium.time.NanoTime":                 {schema.Int64, kindTimeNanos},
	"io.debezium.time.Timestamp":                {schema.Int64, kindStampMillis},
	"io.debezium.time.MicroTimestamp":           {schema.Int64, kindStampMicros},
	"io.debezium.time.NanoTimestamp":            {schema.Int64, kindStampNanos},
	"io.debezium.time.ZonedTimestamp":           {schema.String, kindZonedStamp},
	"io.debezium.time.ZonedTime":                {schema.String, kindZonedTime},
	"io.debezium.time.IsoDate":                  {schema.String, kindIsoDate},
	"io.debezium.time.IsoTime":                  {schema.String, kindIsoTime},
	"io.debezium.time.IsoTimestamp":             {schema.String, kindIsoStamp},
	"io.debezium.time.MicroDuration":            {schema.Int64, kindMicroDuration},
	"io.debezium.time.NanoDuration":             {schema.Int64, kindNanoDuration},
	"io.debezium.time.Interval":                 {schema.String, kindInterval},
	"io.debezium.data.Uuid":                     {schema.String, kindUUID},
	"io.debezium.data.Json":                     {schema.String, kindJSON},
	"io.debezium.data.Xml":                      {schema.String, kindXML},
	"io.debezium.data.Ltree":                    {schema.String, kindLtree},
	"io.debezium.data.Tsvector":                 {schema.String, kindTsvector},
	"io.debezium.data.Bits":                     {schema.Bytes, kindBits},
	"io.debezium.data.geometry.Point":           {schema.Struct, kindPoint},
	"io.debezium.data.geometry.Line":            {schema.Struct, kindLine},
	"io.debezium.data.geometry.Circle":          {schema.Struct, kindCircle},
	"io.debezium.data.geometry.Geometry":        {schema.Struct, kindGeometry},
	"io.debezium.data.geometry.Geography":       {schema.Struct, kindGeography},
	"io.debezium.data.DoubleVector":             {schema.Array, kindDoubleVector},
	"io.debezium.data.FloatVector":              {schema.Array, kindFloatVector},
	"io.debezium.data.SparseDoubleVector":       {schema.Struct, kindSparseVector},
	"io.debezium.time.StructuredDate":           {schema.Struct, kindStructDate},
	"io.debezium.time.StructuredTime":           {schema.Struct, kindStructTime},
	"io.debezium.time.StructuredTimestamp":      {schema.Struct, kindStructStamp},
	"io.debezium.time.StructuredZonedTime":      {schema.Struct, kindStructZonedTime},
	"io.debezium.time.StructuredZonedTimestamp": {schema.Struct, kindStructZonedStamp},
	"io.debezium.time.StructuredDuration":       {schema.Struct, kindStructDuration},
}

var baseKinds = [...]kind{
	schema.Int8: kindInt, schema.Int16: kindInt, schema.Int32: kindInt, schema.Int64: kindInt, schema.Float32: kindFloat, schema.Float64: kindFloat,
	schema.Boolean: kindBool, schema.String: kindText, schema.Bytes: kindBytes, schema.Array: kindArray, schema.Map: kindMap, schema.Struct: kindStruct,
}

// kindOf classes a schema. A logical name over another base type than its own counts as that base type.
func kindOf(s *schema.Schema) kind {
	if l, ok := logical[s.Name]; ok && l.base == s.Type {
		return l.kind
	}
	return baseKinds[s.Type]
}

// scaleOf is a Decimal's scale.
func scaleOf(s *schema.Schema) int {
	n, err := strconv.Atoi(s.Parameter(schema.ScaleParameter))
	if err != nil {
		return 0
	}
	return n
}

// Parameters with which Debezium's column.propagate.source.type and datatype.propagate.source.type tell the source's type.
const (
	sourceTypeParameter   = "__debezium.source.column.type"
	sourceLengthParameter = "__debezium.source.column.length"
)

func sourceType(s *schema.Schema) (name string, length int) {
	length, _ = strconv.Atoi(s.Parameter(sourceLengthParameter))
	return strings.ToLower(s.Parameter(sourceTypeParameter)), length
}
