package transform

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/schema"
)

// timezoneConfig holds the options of TimezoneConverter.
type timezoneConfig struct {
	Zone             string
	Include, Exclude []string
}

func defaultTimezoneConfig() timezoneConfig { return timezoneConfig{} }

func (c *timezoneConfig) keys() config.Keys {
	const rules = " Rules: source:TABLE, source:TABLE:FIELD, topic:TOPIC, topic:TOPIC:FIELD or NAME:FIELD, where NAME is a table or a topic; FIELD may begin with before., after. or source."
	return config.Keys{
		config.String(&c.Zone, "converted.timezone", "Time zone to convert to: a name such as America/Los_Angeles, or an offset such as +08:00.", config.Required(), config.Rank(config.High), config.Check(func(text string) error {
			_, err := parseZone(text)
			return err
		}), config.Sized(config.WidthMedium, 1), config.Lenient()),
		config.List(&c.Include, "include.list", "What is converted; empty: everything but exclude.list."+rules, config.Rank(config.High), config.Check(checkRules), config.Sized(config.WidthMedium, 1), config.Null()),
		config.List(&c.Exclude, "exclude.list", "What is not converted."+rules, config.Rank(config.High), config.Check(checkRules), config.Sized(config.WidthMedium, 1), config.Null()),
	}
}

// ruleList is what Debezium takes, printed as Java prints a list: a rule of three parts can only be the first.
var ruleList = regexp.MustCompile(`^\[(source|topic|[".\w\s_]+):([".\w\s_]+(?::[".\w\s_]+)?(?:,|\]$))+$`)

func checkRules(text string) error {
	if list := config.SplitList(text); len(list) > 0 && !ruleList.MatchString("["+strings.Join(list, ", ")+"]") {
		return errors.New("want a list of source:TABLE:FIELD, topic:TOPIC:FIELD and NAME:FIELD; only the first rule may have three parts, the others go on with its first word")
	}
	return nil
}

// timezone is io.debezium.transforms.TimezoneConverter.
type timezone struct {
	timezoneConfig
	zone zone
	log  *slog.Logger
	// Fields by what they belong to; none: all fields.
	topics, tables, either map[string][]string
	told                   map[string]bool
	arena                  schema.Arena
}

func newTimezone(props map[string]string, log *slog.Logger) (Transform, config.Report) {
	t := &timezone{log: log, topics: map[string][]string{}, tables: map[string][]string{}, either: map[string][]string{}, told: map[string]bool{}}
	r := t.keys().Parse(props)
	if len(t.Include) > 0 && len(t.Exclude) > 0 {
		r.Fail("exclude.list", "Options \"include.list\" and \"exclude.list\" are both set; want only one.")
	}
	if len(r.Errors) > 0 {
		return nil, r
	}
	t.zone, _ = parseZone(t.Zone) // it was checked
	t.collect(slices.Concat(t.Exclude, t.Include))
	return t, r
}

// collect sorts the rules. The first word of one holds for those behind it that have none.
func (t *timezone) collect(rules []string) {
	word := ""
	for _, rule := range rules {
		parts := strings.Split(rule, ":")
		name, field := parts[0], ""
		switch {
		case len(parts) == 1:
		case strings.EqualFold(parts[0], "source") || strings.EqualFold(parts[0], "topic"):
			word, name = parts[0], parts[1]
			if len(parts) == 3 {
				field = parts[2]
			}
		default:
			field = parts[1]
		}
		into := t.either
		switch word {
		case "topic":
			into = t.topics
		case "source":
			into = t.tables
		}
		if _, known := into[name]; !known {
			into[name] = nil
		}
		if field != "" {
			into[name] = append(into[name], field)
		}
	}
}

// choice says which fields of a record are converted.
type choice struct {
	all           bool
	excluding     bool // all but those listed
	before, after []string
	source        []string
}

func (c *choice) takes(fields []string, name string) bool {
	return c.all || slices.Contains(fields, name) != c.excluding
}

// Apply implements Transform.
func (t *timezone) Apply(r *schema.Record) (bool, error) {
	if r.Value.IsNull() || !isEnvelope(r.ValueSchema) {
		return true, nil
	}
	old, err := structOf(r.Value, "read the envelope")
	if err != nil {
		return false, err
	}
	table := old.Field(fieldSource).Struct().Field("table").Text()
	c, any := t.choose(r.Topic, table)
	if !any {
		return true, nil
	}
	e := t.arena.Struct(old.Schema)
	copy(e.Values, old.Values)
	for _, part := range []struct {
		name   string
		fields []string
		skip   bool
	}{{fieldBefore, c.before, false}, {fieldAfter, c.after, false}, {fieldSource, c.source, len(c.source) == 0}} {
		i := e.Schema.Field(part.name)
		if i < 0 || part.skip || e.Values[i].Struct() == nil {
			continue
		}
		row, err := t.convertRow(&c, part.name, e.Values[i].Struct(), part.fields)
		if err != nil {
			return false, fmt.Errorf("convert the time zone of topic %q: %w", r.Topic, err)
		}
		e.Values[i] = schema.OfStruct(row)
	}
	r.Value = schema.OfStruct(e)
	return true, nil
}

// choose finds the rule for a record.
func (t *timezone) choose(topic, table string) (c choice, any bool) {
	if len(t.Include) == 0 && len(t.Exclude) == 0 {
		return choice{all: true}, true
	}
	var fields []string
	found := false
	for _, look := range []struct {
		in   map[string][]string
		name string
	}{{t.topics, topic}, {t.tables, table}, {t.either, topic}, {t.either, table}} {
		if fields, found = look.in[look.name]; found {
			break
		}
	}
	excluding := len(t.Include) == 0
	switch {
	case !found:
		return choice{all: true}, excluding
	case len(fields) == 0:
		return choice{all: true}, !excluding
	}
	c.excluding = excluding
	for _, field := range fields {
		switch of, name, _ := strings.Cut(field, "."); {
		case of == fieldSource && name != "":
			c.source = append(c.source, name)
		case of == fieldBefore && name != "":
			c.before = append(c.before, name)
		case of == fieldAfter && name != "":
			c.after = append(c.after, name)
		default:
			c.before, c.after = append(c.before, field), append(c.after, field)
		}
	}
	return c, true
}

// notConverted are types of times and dates that have no instant.
var notConverted = []string{"io.debezium.time.Date", "io.debezium.time.MicroTime", "io.debezium.time.NanoTime", "io.debezium.time.Time", schema.DateName, schema.TimeName}

func (t *timezone) convertRow(c *choice, part string, old *schema.StructValue, fields []string) (*schema.StructValue, error) {
	row := t.arena.Struct(old.Schema)
	copy(row.Values, old.Values)
	for i, f := range old.Schema.Fields {
		if !c.takes(fields, f.Name) {
			continue
		}
		epoch := part == fieldSource && (f.Name == fieldMillis || f.Name == "ts_us" || f.Name == "ts_ns")
		v := get(old, i)
		if slices.Contains(notConverted, f.Schema.Name) && !t.told[f.Schema.Name] {
			t.told[f.Schema.Name] = true
			t.log.Warn("fields of this type have no time zone and are not converted", "type", f.Schema.Name, "field", f.Name)
		}
		if v.IsNull() {
			continue
		}
		var err error
		switch {
		case f.Schema.Name != "":
			v, err = t.convert(f.Schema.Name, v)
		case epoch:
			v, err = t.shift(f.Name, v)
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", part+"."+f.Name, err)
		}
		row.Values[i] = v
	}
	return row, nil
}

// convert converts a value of a logical type; of others it is what it was.
func (t *timezone) convert(logical string, v schema.Value) (schema.Value, error) {
	switch logical {
	case "io.debezium.time.ZonedTimestamp":
		z, err := parseZoned(v.Text())
		if err != nil {
			return v, fmt.Errorf("%q: %w", v.Text(), err)
		}
		local := z.local() // Debezium takes the text's own clock for one in the new zone
		return schema.OfString(at(z.unix(), z.nano, t.zone.offsetOf(local)).String()), nil
	case "io.debezium.time.ZonedTime":
		c, err := parseClock(v.Text())
		if err != nil {
			return v, fmt.Errorf("%q: %w", v.Text(), err)
		}
		offset := t.zone.offsetAt(time.Now().Unix()) // a time of day has no date: today's rules
		second := (c.ofDay() - c.offset + offset) % 86400
		if second < 0 {
			second += 86400
		}
		return schema.OfString(clockOf(second, c.nano, offset).String()), nil
	case "io.debezium.time.MicroTimestamp":
		return t.local(v.Int(), 1_000_000), nil
	case "io.debezium.time.NanoTimestamp":
		return t.local(v.Int(), 1_000_000_000), nil
	case "io.debezium.time.Timestamp", schema.TimestampName:
		return t.local(v.Int(), 1_000), nil
	}
	return v, nil
}

// local takes a timestamp without zone for one in the zone; per is its units in a second.
func (t *timezone) local(v, per int64) schema.Value {
	second := v / per
	if v%per < 0 {
		second--
	}
	return schema.OfInt64(v - t.zone.offsetOf(second)*per)
}

// shift adds the zone's offset to one of the numbers of source.
func (t *timezone) shift(field string, v schema.Value) (schema.Value, error) {
	per := map[string]int64{fieldMillis: 1_000, "ts_us": 1_000_000, "ts_ns": 1_000_000_000}[field]
	if v.Type() != schema.Int64 {
		return v, fmt.Errorf("it is of type %s, want int64", v.Type())
	}
	second := v.Int() / per
	if v.Int()%per < 0 {
		second--
	}
	return schema.OfInt64(v.Int() + t.zone.offsetAt(second)*per), nil
}
