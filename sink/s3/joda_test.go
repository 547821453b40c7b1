package s3

import (
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// TestPathFormat: patterns as Joda-Time writes them.
func TestPathFormat(t *testing.T) {
	at := time.Date(2024, 12, 30, 5, 7, 9, 123_456_789, time.UTC).UnixMilli() // a Monday, of the first week of 2025
	for _, c := range []struct{ pattern, zone, want string }{
		{"'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", "UTC", "year=2024/month=12/day=30/hour=05"},
		{"'dt'=YYYY-MM-dd", "America/Los_Angeles", "dt=2024-12-29"},
		{"YY/yy/yyyyy/y/C/G", "UTC", "24/24/02024/2024/20/AD"},
		{"xxxx-'W'ww-e", "UTC", "2025-W01-1"},
		{"EEE EEEE MMM MMMM M d D DDDD", "UTC", "Mon Monday Dec December 12 30 365 0365"},
		{"H HH k K h hh a m mm s ss", "UTC", "5 05 5 5 5 05 AM 7 07 9 09"},
		{"S SS SSS SSSSS", "UTC", "1 12 123 12300"},
		{"Z ZZ ZZZ z", "Europe/Paris", "+0100 +01:00 Europe/Paris CET"},
		{"'it''s' '' HH''mm", "UTC", "it's ' 05'07"},
		{"HH", "+05:30", "10"},
		{"'open", "UTC", "open"},
		{"é=dd", "UTC", "é=30"},
	} {
		f, err := newPathFormat(c.pattern, "en", time.Millisecond, mustZone(t, c.zone))
		if err != nil {
			t.Errorf("newPathFormat(%q): %v", c.pattern, err)
			continue
		}
		if got := string(f.append(nil, at)); got != c.want {
			t.Errorf("%q in %s = %q, want %q", c.pattern, c.zone, got, c.want)
		}
	}
	for pattern, locale := range map[string]string{"": "en", "'x'=bb": "en", "MMM": "de", "EEE": "pt_BR", "zzzz": "en", "N": "en"} {
		if _, err := newPathFormat(pattern, locale, time.Hour, time.UTC); err == nil {
			t.Errorf("newPathFormat(%q, %s) takes it, want an error", pattern, locale)
		}
	}
}

// TestBuckets: stretches of time are counted in local time, also where the clock is changed.
func TestBuckets(t *testing.T) {
	for _, c := range []struct {
		zone     string
		duration time.Duration
		at, want string
	}{
		{"UTC", time.Hour, "2024-05-01T10:59:59Z", "2024-05-01T10:00:00Z"},
		{"Asia/Kolkata", time.Hour, "2024-05-01T10:10:00+05:30", "2024-05-01T10:00:00+05:30"},
		{"Europe/Berlin", 24 * time.Hour, "2024-03-31T12:00:00+02:00", "2024-03-31T00:00:00+01:00"},
		{"Europe/Berlin", 24 * time.Hour, "2024-10-27T12:00:00+01:00", "2024-10-27T00:00:00+02:00"},
		{"America/New_York", 24 * time.Hour, "2024-03-10T12:00:00-04:00", "2024-03-10T00:00:00-05:00"},
		{"America/New_York", 24 * time.Hour, "2024-11-03T12:00:00-05:00", "2024-11-03T00:00:00-04:00"},
		{"America/New_York", 2 * time.Hour, "2024-03-10T03:30:00-04:00", "2024-03-10T03:00:00-04:00"}, // 02:00 is not there
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		f, err := newPathFormat("YYYY", "en", c.duration, mustZone(t, c.zone))
		if err != nil {
			t.Fatal(err)
		}
		if got := time.UnixMilli(f.bucket(at.UnixMilli())).In(f.location).Format(time.RFC3339); got != c.want {
			t.Errorf("bucket of %s in %s by %v = %s, want %s", c.at, c.zone, c.duration, got, c.want)
		}
	}
}

// TestParseISO: what Joda-Time's dateTimeParser takes.
func TestParseISO(t *testing.T) {
	for text, want := range map[string]string{
		"2024-05-01T12:30:15.123Z": "2024-05-01T12:30:15.123Z", "2024-05-01T12:30:15,5+02:00": "2024-05-01T10:30:15.500Z", "2024-05-01": "2024-05-01T00:00:00.000Z",
		"2024-05": "2024-05-01T00:00:00.000Z", "2024": "2024-01-01T00:00:00.000Z", "2024-122": "2024-05-01T00:00:00.000Z", "2024-W18-3T01": "2024-05-01T01:00:00.000Z",
		"2024-W01": "2024-01-01T00:00:00.000Z", "T10:15": "1970-01-01T10:15:00.000Z", "2024-05-01T10.5": "2024-05-01T10:30:00.000Z", "2024-05-01T10:15.25Z": "2024-05-01T10:15:15.000Z",
		"2024-05-01T10:15:00-0330": "2024-05-01T13:45:00.000Z", "2024-05-01T10:15:00.123456789Z": "2024-05-01T10:15:00.123Z", "2024-05-01T": "2024-05-01T00:00:00.000Z",
		"-0001-01-01": "-0001-01-01T00:00:00.000Z", "2024-05-01T10:15:00+01:02:03": "2024-05-01T09:12:57.000Z",
	} {
		got, err := parseISO(text, time.UTC)
		if err != nil {
			t.Errorf("parseISO(%q): %v", text, err)
			continue
		}
		if s := time.UnixMilli(got).UTC().Format("2006-01-02T15:04:05.000Z"); s != want {
			t.Errorf("parseISO(%q) = %s, want %s", text, s, want)
		}
	}
	for _, text := range []string{"", "x", "24-05-01", "2024-13-01", "2024-02-30", "2024-05-01T25", "2024-05-01T10:60", "2024-05-01 10:15", "2024-05-01T10:15:00Zx", "2024-W54", "2024-05-01T10.", "2024-05-01T10:15+"} {
		if got, err := parseISO(text, time.UTC); err == nil {
			t.Errorf("parseISO(%q) = %d, want an error", text, got)
		}
	}
}

func FuzzParseISO(f *testing.F) {
	for _, seed := range []string{"2024-05-01T12:30:15.123Z", "2024-W18-3", "T10", "-0001-122T1,5+01:02:03"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		millis, err := parseISO(text, time.UTC)
		if err != nil {
			return
		}
		at := time.UnixMilli(millis).UTC()
		if year := at.Year(); year < 0 || year > 9999 {
			return
		}
		again, err := parseISO(at.Format("2006-01-02T15:04:05.000Z"), time.UTC) // what was read is read again from its usual form
		if err != nil || again != millis {
			t.Errorf("parseISO(%q) = %d, of its usual form %d, %v", text, millis, again, err)
		}
	})
}

func FuzzPathFormat(f *testing.F) {
	for _, seed := range []string{"'year'=YYYY/'month'=MM", "''", "GCYxweEyDMdaKhHkmsSzZ", "'a''b'"} {
		f.Add(seed, int64(1_700_000_000_000))
	}
	f.Fuzz(func(t *testing.T, pattern string, millis int64) {
		if len(pattern) > 1000 {
			return
		}
		p, err := newPathFormat(pattern, "en", time.Hour, time.UTC)
		if err != nil {
			return
		}
		const most = 250_000 * 365 * 24 * 3_600_000 // of years that Go's time has
		p.append(nil, millis%most)
	})
}

// TestEncodedPartitions: directories of values of all kinds.
func TestEncodedPartitions(t *testing.T) {
	inner := schema.StructOf("inner", schema.F("id", schema.Of(schema.Int64)))
	s := schema.StructOf("shop.Order", schema.F("n", schema.Of(schema.Int32)), schema.F("s", schema.Of(schema.String).AsOptional()), schema.F("b", schema.Of(schema.Boolean)),
		schema.F("in", inner), schema.F("f", schema.Of(schema.Float64)), schema.F("at", schema.Timestamp()), schema.F("iso", schema.Of(schema.String)),
		schema.F("d", schema.Of(schema.String).AsOptional().WithDefault(schema.OfString("none"))))
	millis := time.Date(2024, 5, 1, 10, 30, 0, 0, time.UTC).UnixMilli()
	v := schema.OfStruct(&schema.StructValue{Schema: s, Values: []schema.Value{schema.OfInt32(-7), schema.NullValue, schema.OfBool(true),
		schema.OfStruct(&schema.StructValue{Schema: inner, Values: []schema.Value{schema.OfInt64(9)}}), schema.OfFloat64(1.5), schema.OfInt64(millis),
		schema.OfString("2024-05-01T10:30:00Z"), schema.NullValue}})
	r := sink.Record{Topic: "t", Partition: 3, ValueSchema: s, Value: v, Timestamp: time.UnixMilli(millis)}
	hourly := []string{"partitioner.class", hourlyPartitioner, "locale", "en-US", "timezone", "UTC"}
	field := func(name string, more ...string) []string {
		return append([]string{"partitioner.class", fieldPartitioner, "partition.field.name", name}, more...)
	}
	const hour = "year=2024/month=05/day=01/hour=10"
	for _, c := range []struct {
		extra []string
		want  string // begins with "!": the error
	}{
		{nil, "partition=3"},
		{[]string{"s3.schema.partition.affix.type", "PREFIX"}, "schema_name=shop.Order/partition=3"},
		{[]string{"s3.schema.partition.affix.type", "SUFFIX", "directory.delim", "#"}, "partition=3#schema_name=shop.Order"},
		{field("n,s,b"), "n=-7/s=null/b=true"},
		{field("in.id,d", "partition.field.format.path", "false"), "9/none"},
		{field("f"), `!field "f" of partition.field.name: type float64 cannot name a directory; want an integer, a string or a boolean`},
		{field("at"), `!field "at" of partition.field.name: type org.apache.kafka.connect.data.Timestamp cannot name a directory; use a time based partitioner, or a transform that makes a text of it`},
		{field("gone"), `!field "gone" of partition.field.name: there is no such field`},
		{append(hourly, "timestamp.extractor", "Record"), hour},
		{append(hourly, "timestamp.extractor", "RecordField", "timestamp.field", "at"), hour},
		{append(hourly, "timestamp.extractor", extractorClass+"RecordFieldTimestampExtractor", "timestamp.field", "iso"), hour},
		{append(hourly, "timestamp.extractor", "Wallclock"), "year=1970/month=01/day=01/hour=02"},
		{append(hourly, "timestamp.extractor", "RecordField", "timestamp.field", "b"), `!field "b" of timestamp.field: type boolean is no point in time; want a Timestamp, an int64, an int32 or a string`},
		{[]string{"partitioner.class", timePartitioner, "partition.duration.ms", "86400000", "path.format", "'d'=YYYYMMdd/", "locale", "en", "timezone", "UTC", "timestamp.extractor", "Record"}, "d=20240501"},
	} {
		config := parsed(t, c.extra...)
		p := newPartitioner(&config)
		at, _, err := p.time(&r, 2*3_600_000)
		var got []byte
		if err == nil {
			got, err = p.encode(&r, at)
		}
		text := string(got)
		if err != nil {
			text = "!" + err.Error()
		}
		if text != c.want {
			t.Errorf("directory with %q = %q, want %q", c.extra, text, c.want)
		}
	}
}
