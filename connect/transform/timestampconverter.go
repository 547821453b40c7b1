package transform

import (
	"math"
	"slices"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// timestampConverterConfig holds the options of TimestampConverter.
type timestampConverterConfig struct {
	Field, Target, Format, Precision string
	ReplaceNull                      bool
}

// Target types of TimestampConverter, and units of unix.precision.
const (
	targetString    = "string"
	targetUnix      = "unix"
	targetDate      = "Date"
	targetTime      = "Time"
	targetTimestamp = "Timestamp"

	unixSeconds = "seconds"
	unixMillis  = "milliseconds"
	unixMicros  = "microseconds"
	unixNanos   = "nanoseconds"
)

func (c *timestampConverterConfig) reset() {
	*c = timestampConverterConfig{Precision: unixMillis, ReplaceNull: true}
}

func (c *timestampConverterConfig) keys() config.Keys {
	return config.Keys{
		config.String(&c.Field, "field", "Field that is converted; empty: the whole.", config.Rank(config.High)),
		config.String(&c.Target, "target.type", "What it becomes: string, unix (a number of unix.precision since 1970), Date, Time or Timestamp.", config.Required(), config.MayBeEmpty(), config.Rank(config.High),
			config.Check(func(text string) error {
				return oneOf(text, targetString, targetUnix, targetDate, targetTime, targetTimestamp)
			}), config.RefusesNull(config.Complain("String must be one of: string, unix, Date, Time, Timestamp"))),
		config.String(&c.Format, "format", "Format of texts, a pattern of Java's SimpleDateFormat; in English and UTC. Texts are written by it and read by it."),
		config.String(&c.Precision, "unix.precision", "Unit of numbers that are read and written: seconds, milliseconds, microseconds or nanoseconds. What is finer than a millisecond is lost.", config.Rank(config.Low),
			config.Check(func(text string) error { return oneOf(text, unixNanos, unixMicros, unixMillis, unixSeconds) })),
		replaceNull(&c.ReplaceNull),
	}
}

// timestampConverter is org.apache.kafka.connect.transforms.TimestampConverter.
type timestampConverter struct {
	timestampConverterConfig
	on     side
	format *dateFormat
	plans  memo[*timestampPlan]
	whole  memo[source]
	arena  schema.Arena
	text   []byte
}

// source is the form a timestamp has.
type source uint8

const (
	noSource source = iota
	sourceUnix
	sourceString
	sourceMillis // Timestamp, Time, or a java.util.Date without a schema
	sourceDays
)

// timestampPlan is what becomes of a schema.
type timestampPlan struct {
	schema *schema.Schema
	at     int // of the field; -1: it is not there
	from   source
	err    error // the field is no timestamp
}

const timestampPurpose = "converting timestamp formats"

func newTimestampConverter(on side, props map[string]string) (Transform, config.Report) {
	t := &timestampConverter{on: on}
	r := read(&t.timestampConverterConfig, props)
	if len(r.Errors) > 0 {
		return nil, r
	}
	if t.Format != "" {
		format, err := newDateFormat(t.Format)
		if err != nil {
			r.Fail("format", "Invalid value %s: %v for configuration TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: %s", err.Class, err, t.Format)
		}
		t.format = format
	} else if t.Target == targetString {
		r.Errors = append(r.Errors, config.Problem{Name: "format", Message: "TimestampConverter requires format option to be specified when using string timestamps"})
	}
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.plans.make, t.whole.make = t.plan, sourceOf
	return t, r
}

// Apply implements Transform.
func (t *timestampConverter) Apply(r *schema.Record) (bool, error) {
	s, v := t.on.get(r)
	if s == nil {
		return true, t.applyLoose(r, v)
	}
	if t.Field == "" {
		from, err := t.whole.of(s)
		if err != nil {
			return false, err
		}
		out, err := t.convert(from, v, true)
		t.on.set(r, t.targetSchema(s.Optional), out)
		return true, err
	}
	var in *schema.StructValue
	if !v.IsNull() {
		var err error
		if in, err = needStruct(s, v, timestampPurpose); err != nil {
			return false, err
		}
	}
	p, err := t.plans.of(s)
	if err != nil {
		return false, err
	}
	if in == nil {
		t.on.set(r, p.schema, v)
		return true, nil
	}
	out, err := t.converted(p, in)
	if err != nil {
		return false, err
	}
	t.on.set(r, p.schema, schema.OfStruct(out))
	return true, nil
}

// applyLoose is Apply for data without a schema. A field that is not there comes to be there, as null.
func (t *timestampConverter) applyLoose(r *schema.Record, v schema.Value) error {
	if v.IsNull() || t.Field == "" {
		out, err := t.convertLoose(v)
		t.on.set(r, nil, out)
		return err
	}
	m, err := needMap(v, timestampPurpose)
	if err != nil {
		return err
	}
	v, _ = entryOf(m, t.Field)
	if v, err = t.convertLoose(v); err != nil {
		return err
	}
	t.on.set(r, nil, schema.OfMap(putEntry(slices.Clone(m), t.Field, v)))
	return nil
}

// convertLoose tells the form of a value by its class.
func (t *timestampConverter) convertLoose(v schema.Value) (schema.Value, error) {
	switch {
	case v.IsNull():
		return v, nil
	case v.Class() == schema.Instant:
		return t.convert(sourceMillis, v, false)
	case v.Type() == schema.Int64:
		return t.convert(sourceUnix, v, false)
	case v.Type() == schema.String:
		return t.convert(sourceString, v, false)
	}
	return v, badData("TimestampConverter does not support class %s objects as timestamps", className(nil, v))
}

// converted is a struct with its field converted.
func (t *timestampConverter) converted(p *timestampPlan, in *schema.StructValue) (*schema.StructValue, error) {
	out := t.arena.Struct(p.schema)
	for i := range in.Values {
		v := withDefault(&in.Schema.Fields[i], in.Values[i], t.ReplaceNull)
		if i == p.at {
			if p.err != nil {
				return nil, p.err
			}
			var err error
			if v, err = t.convert(p.from, v, true); err != nil {
				return nil, err
			}
		}
		if err := checkNull(&p.schema.Fields[i], v); err != nil {
			return nil, err
		}
		out.Values[i] = v
	}
	return out, nil
}

func (t *timestampConverter) plan(s *schema.Schema) (*timestampPlan, error) {
	if err := needFields(s); err != nil {
		return nil, err
	}
	p := &timestampPlan{schema: basics(s), at: s.Field(t.Field)}
	p.schema.Optional, p.schema.Fields = s.Optional, slices.Clone(s.Fields)
	if p.at >= 0 {
		fs := s.Fields[p.at].Schema
		p.schema.Fields[p.at].Schema = t.targetSchema(fs.Optional)
		p.from, p.err = sourceOf(fs)
	}
	if s.Default != nil && s.Default.Struct() != nil {
		converted, err := t.converted(p, s.Default.Struct())
		if err != nil {
			return nil, err
		}
		v := schema.OfStruct(converted)
		p.schema.Default = &v
	}
	return p, nil
}

// sourceOf tells the form of a timestamp by its schema.
func sourceOf(s *schema.Schema) (source, error) {
	switch {
	case s.Name == schema.TimestampName, s.Name == schema.TimeName:
		return sourceMillis, nil
	case s.Name == schema.DateName:
		return sourceDays, nil
	case s.Type == schema.String:
		return sourceString, nil
	case s.Type == schema.Int64:
		return sourceUnix, nil
	}
	return noSource, fail(connectException, "Schema %s does not correspond to a known timestamp type format", describe(s))
}

// The schemas of what comes out: required and optional ones.
var targetSchemas = map[string][2]*schema.Schema{
	targetString:    both(schema.Of(schema.String)),
	targetUnix:      both(schema.Of(schema.Int64)),
	targetDate:      both(schema.Date()),
	targetTime:      both(schema.Time()),
	targetTimestamp: both(schema.Timestamp()),
}

func both(s *schema.Schema) [2]*schema.Schema { return [2]*schema.Schema{s, s.AsOptional()} }

func (t *timestampConverter) targetSchema(optional bool) *schema.Schema {
	if optional {
		return targetSchemas[t.Target][1]
	}
	return targetSchemas[t.Target][0]
}

// convert converts one value of a form; typed tells that a schema says what comes out.
func (t *timestampConverter) convert(from source, v schema.Value, typed bool) (schema.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	millis, err := t.millis(from, v)
	if err != nil {
		return v, err
	}
	switch t.Target {
	case targetString:
		t.text = t.format.append(t.text[:0], millis)
		return schema.OfString(t.arena.Text(t.text)), nil
	case targetUnix:
		return schema.OfInt64(toUnix(t.Precision, millis)), nil
	case targetDate:
		days := floorDiv(millis, millisPerDay)
		switch {
		case !typed:
			return schema.OfInstant(days * millisPerDay), nil
		case days != int64(int32(days)):
			return v, badData("The date of %d ms since 1970 is beyond the range of a Date", millis)
		}
		return schema.OfInt32(int32(days)), nil
	case targetTime:
		ofDay := millis - floorDiv(millis, millisPerDay)*millisPerDay
		if !typed {
			return schema.OfInstant(ofDay), nil
		}
		return schema.OfInt32(int32(ofDay)), nil
	}
	if !typed {
		return schema.OfInstant(millis), nil
	}
	return schema.OfInt64(millis), nil
}

// millis reads a value of a form.
func (t *timestampConverter) millis(from source, v schema.Value) (int64, error) {
	switch {
	case from == sourceDays:
		return v.Int() * millisPerDay, nil
	case from == sourceUnix:
		return fromUnix(t.Precision, v.Int()), nil
	case from == sourceMillis:
		return v.Int(), nil
	case t.format == nil: // as Java says it
		return 0, fail(nullPointer, `Cannot invoke "java.text.SimpleDateFormat.parse(String)" because "config.format" is null`)
	}
	millis, ok := t.format.parse(v.Text())
	if !ok {
		return 0, &Failure{dataException, "Could not parse timestamp: value (" + v.Text() + ") does not match pattern (" + t.Format + ")",
			fail(unparseableDate, "Unparseable date: \"%s\"", v.Text())}
	}
	return millis, nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// fromUnix is TimeUnit.toMillis: finer units are cut off towards zero, coarser ones stop at the largest number.
func fromUnix(unit string, n int64) int64 {
	switch unit {
	case unixSeconds:
		return times(n, 1000)
	case unixMicros:
		return n / 1000
	case unixNanos:
		return n / 1_000_000
	}
	return n
}

// toUnix is the way back.
func toUnix(unit string, millis int64) int64 {
	switch unit {
	case unixSeconds:
		return millis / 1000
	case unixMicros:
		return times(millis, 1000)
	case unixNanos:
		return times(millis, 1_000_000)
	}
	return millis
}

func times(n, factor int64) int64 {
	switch {
	case n > math.MaxInt64/factor:
		return math.MaxInt64
	case n < math.MinInt64/factor:
		return math.MinInt64
	}
	return n * factor
}
