package polling

import (
	"fmt"
	"strconv"

	"github.com/tandem-cdc/tandem/schema"
)

// jdbcType is the type that JDBC's drivers give a column: the original chooses a field's schema by it.
type jdbcType uint8

const (
	unsupported jdbcType = iota
	booleanType
	bitType // of MySQL: a number; of PostgreSQL see boolean and bits
	bitsType
	tinyType
	smallType
	integerType
	bigType
	realType
	doubleType
	numericType
	decimalType
	textType
	binaryType
	dateType
	timeType
	timestampType
)

// column is one column of a result.
type column struct {
	name     string
	typeName string // the database's, for messages
	jdbc     jdbcType
	// precision and scale of NUMERIC and DECIMAL, number of bits of bitsType.
	precision, scale int
	nullable         bool
	unsigned         bool
	// read is how the database writes the type where that is not as everywhere; nil: as everywhere.
	read writeFunc
	// loose: the database holds any value in the column (SQLite): an integer that does not fit makes the field an INT64.
	loose bool
}

// writeFunc writes one cell that is not null.
type writeFunc func(w schema.Writer, c *cell) error

// field is one field of the records of a table.
type field struct {
	column int // its index in the row
	write  writeFunc
	widens schema.Type // Invalid, or the integer type that a loose column has now
}

// plan is how rows become records: made when the columns change, run for each row.
type plan struct {
	schema *schema.Schema
	fields []field
}

// typing is what of a configuration says what columns become.
type typing struct {
	numeric     NumericMapping
	granularity Granularity
	zone        zone
}

// compile makes the plan of a table, "" for a query. skip is told of columns that are left out.
func (t *typing) compile(table string, columns []column, skip func(c *column)) (*plan, error) {
	p := &plan{schema: schema.StructOf(table)}
	for i := range columns {
		c := &columns[i]
		s, write := t.field(c)
		if s == nil {
			skip(c)
			continue
		}
		if p.schema.Field(c.name) >= 0 {
			return nil, fmt.Errorf("the query has two columns named %q: give one of them another name with AS", c.name)
		}
		if c.read != nil {
			write = c.read
		}
		if c.nullable {
			s = s.AsOptional()
		}
		f := field{column: i, write: write}
		if c.loose && s.Name == "" && (s.Type == schema.Int8 || s.Type == schema.Int16 || s.Type == schema.Int32) {
			f.widens = s.Type
		}
		p.schema.Fields = append(p.schema.Fields, schema.F(c.name, s))
		p.fields = append(p.fields, f)
	}
	return p, nil
}

// field is the schema of a column, and how its cells are written; nil when it cannot be read. As the original's GenericDatabaseDialect.
func (t *typing) field(c *column) (*schema.Schema, writeFunc) {
	switch c.jdbc {
	case booleanType:
		return schema.Of(schema.Boolean), writeBool
	case bitType:
		return integer(schema.Int8)
	case bitsType:
		return bits(c.precision)
	case tinyType:
		return signed(c, schema.Int8, schema.Int16)
	case smallType:
		return signed(c, schema.Int16, schema.Int32)
	case integerType:
		return signed(c, schema.Int32, schema.Int64)
	case bigType:
		return integer(schema.Int64)
	case realType:
		return schema.Of(schema.Float32), writeFloat32
	case doubleType:
		return schema.Of(schema.Float64), writeFloat64
	case numericType:
		return t.number(c)
	case decimalType:
		return decimal(c)
	case textType:
		return schema.Of(schema.String), writeText
	case binaryType:
		return schema.Of(schema.Bytes), writeBytes
	case dateType:
		return schema.Date(), writeDate
	case timeType:
		return schema.Time(), writeTime(t.zone)
	case timestampType:
		return t.timestamp()
	}
	return nil, nil
}

func integer(t schema.Type) (*schema.Schema, writeFunc) { return schema.Of(t), writeInt(t) }

// signed widens what has no sign.
func signed(c *column, with, without schema.Type) (*schema.Schema, writeFunc) {
	if c.unsigned {
		return integer(without)
	}
	return integer(with)
}

// bits are bit strings of PostgreSQL: one bit is a boolean; up to eight are read as the decimal number that their digits show, and more as the
// text of their digits. That is what the original does.
func bits(n int) (*schema.Schema, writeFunc) {
	switch {
	case n <= 1:
		return schema.Of(schema.Boolean), writeBool
	case n <= 8:
		return integer(schema.Int8)
	}
	return schema.Of(schema.Bytes), writeBytes
}

// Limits of numeric.mapping, the original's.
const (
	maxIntegerPrecision = 18 // digits that fit INT64 whatever they are
	leastScale          = -84
)

// number is NUMERIC, by numeric.mapping.
func (t *typing) number(c *column) (*schema.Schema, writeFunc) {
	fits, whole := c.precision <= maxIntegerPrecision, c.scale < 1 && c.scale >= leastScale
	switch t.numeric {
	case NumericPrecisionOnly:
		if c.scale == 0 && fits {
			return integerOf(c.precision)
		}
	case NumericBestFit, NumericBestFitEagerDouble:
		switch {
		case whole && fits:
			return integerOf(c.precision)
		case c.scale > 0 && (fits || t.numeric == NumericBestFitEagerDouble):
			return schema.Of(schema.Float64), writeFloat64
		}
	}
	return decimal(c)
}

// integerOf is the smallest integer that holds so many digits.
func integerOf(precision int) (*schema.Schema, writeFunc) {
	switch {
	case precision > 9:
		return integer(schema.Int64)
	case precision > 4:
		return integer(schema.Int32)
	case precision > 2:
		return integer(schema.Int16)
	}
	return integer(schema.Int8)
}

func decimal(c *column) (*schema.Schema, writeFunc) {
	return schema.Decimal(c.scale).WithParameter(schema.PrecisionParameter, strconv.Itoa(c.precision)), writeDecimal(c.scale)
}

// timestamp is TIMESTAMP, by timestamp.granularity.
func (t *typing) timestamp() (*schema.Schema, writeFunc) {
	switch t.granularity {
	case MicrosLong:
		return schema.Of(schema.Int64), writeSince(t.zone, 6)
	case NanosLong:
		return schema.Of(schema.Int64), writeSince(t.zone, 9)
	case MicrosString:
		return schema.Of(schema.String), writeSinceText(t.zone, 6)
	case NanosString:
		return schema.Of(schema.String), writeSinceText(t.zone, 9)
	case MicrosISODatetime:
		return schema.Of(schema.String), writeISO(t.zone, 6)
	case NanosISODatetimeString:
		return schema.Of(schema.String), writeISO(t.zone, 9)
	}
	return schema.Timestamp(), writeTimestamp(t.zone)
}

// narrow finds a column of integers that a row does not fit; -1: none.
func (p *plan) narrow(row []cell) int {
	for i := range p.fields {
		f := &p.fields[i]
		if f.widens == schema.Invalid {
			continue
		}
		if c := &row[f.column]; c.kind == integerCell && !schema.FitsInt(f.widens, c.number) {
			return f.column
		}
	}
	return -1
}

// write writes a row as the value of a record. An error names the column and shows the value.
func (p *plan) write(w schema.Writer, row []cell) error {
	w.BeginStruct()
	for i := range p.fields {
		f := &p.fields[i]
		c := &row[f.column]
		if c.kind == nullCell {
			w.Null()
			continue
		}
		if err := f.write(w, c); err != nil {
			return fmt.Errorf("column %q: %w", p.schema.Fields[i].Name, err)
		}
	}
	w.EndStruct()
	return nil
}
