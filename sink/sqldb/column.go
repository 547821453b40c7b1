package sqldb

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/schema"
)

// newColumn compiles how a value of a schema becomes a column.
func (p *planner) newColumn(name, field string, s *schema.Schema, from origin, index int) column {
	c := column{name: name, field: field, schema: s, kind: kindOf(s), from: from, index: index, plain: p.config.records.plain}
	rules := &p.config.instant
	named := (from == fromRow || from == fromKey) && slices.Contains(rules.fields, field) && (s.Type == schema.Int64 || s.Type == schema.String)
	var parse func(schema.Value) schema.Value
	if named { // what it says it is does not count
		c.kind, parse = kindStampMicros, nil
		if rules.nanos {
			c.kind = kindStampNanos
		}
		if s.Type == schema.String {
			parse = stampParser(rules.nanos)
		}
		c.schema = &schema.Schema{Type: schema.Int64, Optional: s.Optional}
	}
	c.fresh, c.freshK = c.schema, c.kind
	if c.plain && !named {
		c.fresh = plainSchema(c.schema)
		c.freshK = kindOf(c.fresh)
	}
	var wall, point func(schema.Value) schema.Value
	if p.config.records.plain && (named || isInstant(s)) {
		wall, point = rules.wall(c.kind), rules.point(c.kind)
	}
	nulls := s.Default != nil && !s.Default.IsNull() && (p.config.NullDefaults || !s.Optional)
	if nulls {
		c.made = chain(defaulted(*s.Default), parse, wall)
		c.point = chain(defaulted(*s.Default), parse, point)
	} else {
		c.made, c.point = chain(parse, wall), chain(parse, point)
	}
	if wall == nil && point == nil {
		c.point = nil
	}
	return c
}

// chain runs those steps that there are; nil: none.
func chain(steps ...func(schema.Value) schema.Value) func(schema.Value) schema.Value {
	steps = slices.DeleteFunc(steps, func(f func(schema.Value) schema.Value) bool { return f == nil })
	switch len(steps) {
	case 0:
		return nil
	case 1:
		return steps[0]
	}
	return func(v schema.Value) schema.Value {
		for _, f := range steps {
			v = f(v)
		}
		return v
	}
}

// defaulted replaces null.
func defaulted(def schema.Value) func(schema.Value) schema.Value {
	return func(v schema.Value) schema.Value {
		if v.IsNull() {
			return def
		}
		return v
	}
}

// plainSchema is what Confluent's connector sees in a schema: Connect's own logical types, and else the type.
func plainSchema(s *schema.Schema) *schema.Schema {
	out := &schema.Schema{Type: s.Type, Optional: s.Optional, Default: s.Default, Fields: s.Fields, Key: s.Key, Elem: s.Elem}
	switch s.Name {
	case schema.DecimalName:
		if s.Type == schema.Bytes {
			out.Name = s.Name
			out.Parameters = []schema.Parameter{{Name: schema.ScaleParameter, Value: strconv.Itoa(scaleOf(s))}}
		}
	case schema.DateName, schema.TimeName, schema.TimestampName:
		out.Name = s.Name
	}
	if s.Elem != nil {
		out.Elem = plainSchema(s.Elem)
	}
	return out
}

// hasType tells whether Confluent's connector has a type of column for a schema.
func hasType(s *schema.Schema) bool {
	switch s.Type {
	case schema.Struct, schema.Map:
		return false
	case schema.Array:
		return s.Elem != nil && s.Elem.Type != schema.Array && hasType(s.Elem)
	}
	return true
}

// isInstant tells whether a schema is one of Connect's own that are java.util.Dates.
func isInstant(s *schema.Schema) bool {
	switch s.Name {
	case schema.DateName, schema.TimeName:
		return s.Type == schema.Int32
	case schema.TimestampName:
		return s.Type == schema.Int64
	}
	return false
}

// stampParser reads texts: a number of micro- or nanoseconds since 1970, or ISO 8601. Others stay what they are, and are refused where they are
// written.
func stampParser(nanos bool) func(schema.Value) schema.Value {
	return func(v schema.Value) schema.Value {
		if v.Type() != schema.String {
			return v
		}
		if n, err := strconv.ParseInt(v.Text(), 10, 64); err == nil {
			return schema.OfInt64(n)
		}
		micros, err := parseISOStamp(v.Text())
		switch {
		case err != nil:
			return v
		case !nanos:
			return schema.OfInt64(micros)
		case micros > math.MaxInt64/1000 || micros < math.MinInt64/1000:
			return v
		}
		return schema.OfInt64(micros * 1000)
	}
}

// unitsPerSecond is what values of a kind count.
func unitsPerSecond(k kind) int64 {
	switch k {
	case kindTimeMillis, kindStampMillis:
		return 1000
	case kindStampMicros:
		return 1_000_000
	case kindStampNanos:
		return 1_000_000_000
	}
	return 1
}

// wall makes what a clock on the wall of the zone shows at an instant; nil: what UTC's shows, and the calendar is that of ISO 8601.
func (r *instantRules) wall(k kind) func(schema.Value) schema.Value {
	zone := r.zone
	if k == kindDate {
		zone = r.dateZone
	}
	if zone == nil {
		return r.point(k)
	}
	julian := r.calendar(k)
	unit := unitsPerSecond(k)
	return func(v schema.Value) schema.Value {
		switch t := v.Type(); {
		case k == kindDate && t == schema.Int32:
			return schema.OfInt32(int32(julian(floorDiv(v.Int()*secondsPerDay+offsetAt(zone, v.Int()*secondsPerDay), secondsPerDay))))
		case k == kindTimeMillis && t == schema.Int32:
			const day = secondsPerDay * 1000
			shifted := v.Int() + offsetAt(zone, floorDiv(v.Int(), 1000))*1000
			return schema.OfInt32(int32(shifted - floorDiv(shifted, day)*day))
		case t == schema.Int64 && k != kindDate:
			return schema.OfInt64(julian(v.Int() + offsetAt(zone, floorDiv(v.Int(), unit))*unit))
		}
		return v
	}
}

// point is the instant itself, in the calendar asked for; nil: in that of ISO 8601.
func (r *instantRules) point(k kind) func(schema.Value) schema.Value {
	if !r.julian || k == kindTimeMillis {
		return nil
	}
	julian := r.calendar(k)
	return func(v schema.Value) schema.Value {
		switch t := v.Type(); {
		case t == schema.Int32 && k == kindDate:
			return schema.OfInt32(int32(julian(v.Int())))
		case t == schema.Int64:
			return schema.OfInt64(julian(v.Int()))
		}
		return v
	}
}

const (
	secondsPerDay = 24 * 60 * 60
	// firstGregorian is 15 October 1582, in days since 1970. java.util.GregorianCalendar, the cutover.
	firstGregorian = -141427
)

// calendar renames days before October 1582: the one that the Julian calendar calls 1500-02-10 becomes the one that ISO 8601 calls so.
func (r *instantRules) calendar(k kind) func(int64) int64 {
	if !r.julian {
		return func(n int64) int64 { return n }
	}
	unit := int64(1)
	if k != kindDate {
		unit = secondsPerDay * unitsPerSecond(k)
	}
	return func(n int64) int64 {
		days := floorDiv(n, unit)
		if days >= firstGregorian || days < -1<<24 { // no database goes that far back; infinity is there
			return n
		}
		return daysFromCivil(julianFromDays(days))*unit + n - days*unit
	}
}

// julianFromDays is the date that the Julian calendar has for a day since 1970, years counted astronomically.
func julianFromDays(days int64) (year, month, day int64) {
	const toYearZero = 719470 // days from 1 March of the Julian year 0 to 1 January 1970 of the Gregorian calendar
	days += toYearZero
	cycle := floorDiv(days, 1461) // four years
	rest := days - cycle*1461
	yoc := (rest - rest/1460) / 365
	doy := rest - 365*yoc
	m := (5*doy + 2) / 153
	day = doy - (153*m+2)/5 + 1
	month, year = m+3, cycle*4+yoc
	if m >= 10 {
		month, year = m-9, year+1
	}
	return year, month, day
}

// offsetAt is a zone's distance from UTC in seconds, at an instant in seconds.
func offsetAt(zone *time.Location, second int64) int64 {
	_, offset := time.Unix(second, 0).In(zone).Zone()
	return int64(offset)
}
