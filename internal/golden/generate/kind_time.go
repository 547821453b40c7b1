package generate

import "fmt"

var clocks = []string{"00:00:00", "23:59:59", "23:59:59.999999", "24:00:00", "12:34:56.789", "04:05:06.1", "00:00:00.000001", "00:00:00.0005", "11:00:00.123450"}

var days = []string{"1970-01-01", "2020-02-29", "2038-01-19", "1969-12-31", "2016-11-04", "1900-03-01", "1582-10-15", "9999-12-31"}

var farDays = []string{"0001-01-01", "1582-10-04", "1000-01-01", "10000-01-01", "294276-12-31", "4714-11-24 BC", "0001-12-31 BC", "0044-03-15 BC", "infinity", "-infinity", "1677-09-20", "2262-04-12", "0100-02-28", "5874897-12-31", "1582-10-10", "0045-02-29 BC"}

var moments = []string{"1970-01-01 00:00:00", "2020-02-29 23:59:59.999999", "2038-01-19 03:14:08", "1969-12-31 23:59:59.5", "2016-11-04 13:51:30.123456", "2016-11-04 13:51:30.1234", "1900-03-01 12:00:00", "1969-12-31 23:59:59.999999",
	"2020-01-01 00:00:00.000001", "1960-06-01 00:00:00.0005", "2261-12-31 23:59:59.999", "1677-09-22 00:00:00.5"}

var farMoments = []string{"0001-01-01 00:00:00", "1582-10-04 10:00:00", "9999-12-31 23:59:59.999999", "10000-01-01 00:00:00", "294276-12-31 23:59:59.999999", "4714-11-24 00:00:00 BC", "0001-12-31 23:59:59.5 BC", "0044-03-15 12:00:00 BC",
	"infinity", "-infinity", "1677-09-21 00:12:43.145224", "1677-09-21 00:12:44", "2262-04-11 23:47:16.854775", "2262-04-11 23:47:17", "200000-06-15 01:02:03.004", "1582-10-10 00:00:00.5", "0045-02-29 10:00:00 BC"}

// withPrecision adds a precision to a type, or none.
func withPrecision(d dice, before, after string) string {
	if d.chance(35) {
		return before + after
	}
	return fmt.Sprintf("%s(%d)%s", before, d.IntN(7), after)
}

func dateKind(dice) kind {
	return kind{sql: "date", value: mostly(days, farDays), plain: oneOf(days...), key: true, defaults: []string{"'2020-01-02'", "'1970-01-01'::date", "'infinity'", "NULL", "'0044-03-15 BC'", "make_date(2020, 1, 2)", "'10000-01-01'", "to_date('2020', 'YYYY')", "'2020-01-02'::timestamp"},
		moving: []string{"CURRENT_DATE", "now()", "now()::date", "('now'::text)::date", "current_date + 1", "(now() AT TIME ZONE 'UTC')::date", "LOCALTIMESTAMP"}}
}

func timeKind(d dice) kind {
	return kind{sql: withPrecision(d, "time", ""), value: oneOf(clocks...), plain: oneOf(clocks[4:]...), key: true, defaults: []string{"'04:05:06.789'", "'00:00'::time", "'24:00:00'", "NULL", "make_time(1, 2, 3)", "'04:05:06'::interval"},
		moving: []string{"now()::time", "LOCALTIME", "CURRENT_TIME::time", "localtime(3)", "CURRENT_TIMESTAMP::time"}}
}

func timetzKind(d dice) kind {
	zones := []string{"+00", "+02", "-08", "+05:30", "-00:30", "+14", "+15:59:59", "-15:59:59"}
	return kind{sql: withPrecision(d, "time", " with time zone"), value: func(d dice) string { return literal(of(d, clocks...) + of(d, zones...)) }, plain: func(d dice) string { return literal(of(d, clocks[4:]...) + of(d, zones[:6]...)) }, key: true, defaults: []string{"'04:05:06+02'", "'00:00'::timetz", "NULL"},
		moving: []string{"CURRENT_TIME", "now()::timetz", "current_time(2)"}}
}

func timestampKind(d dice) kind {
	return kind{sql: withPrecision(d, "timestamp", ""), value: mostly(moments, farMoments), plain: oneOf(moments...), key: true, stamp: true,
		defaults: []string{"'2020-01-02 03:04:05.678901'", "'1970-01-01'", "'2020-01-02 03:04:05'::timestamp", "'infinity'", "'-infinity'::timestamp", "NULL", "'2020-01-02'::date", "make_timestamp(2020, 1, 2, 3, 4, 5)", "(to_timestamp(0) AT TIME ZONE 'UTC')", "'0001-01-01 00:00:00 BC'", "'epoch'"},
		moving:   []string{"now()", "LOCALTIMESTAMP", "CURRENT_TIMESTAMP", "(now() AT TIME ZONE 'utc')", "localtimestamp(3)", "current_timestamp(0)", "CURRENT_DATE", "timezone('utc', now())", "clock_timestamp()", "now() - interval '1 day'", "transaction_timestamp()", "('now'::text)::timestamp"}}
}

func timestamptzKind(d dice) kind {
	zones := []string{"", "+00", "+02", "-08", "+05:30", "+14"}
	return kind{sql: withPrecision(d, "timestamp", " with time zone"), value: func(d dice) string {
		if d.chance(30) {
			return literal(of(d, farMoments...))
		}
		return literal(of(d, moments...) + of(d, zones...))
	}, plain: func(d dice) string { return literal(of(d, moments...) + of(d, zones...)) }, key: true,
		defaults: []string{"'2020-01-02 03:04:05.678901+02'", "'1970-01-01 00:00:00+00'", "'2020-01-02 03:04:05+00'::timestamptz", "'infinity'", "'-infinity'::timestamptz", "NULL", "to_timestamp(0)", "make_timestamptz(2020, 1, 2, 3, 4, 5, 'UTC')", "'epoch'"},
		moving:   []string{"now()", "CURRENT_TIMESTAMP", "current_timestamp(0)", "clock_timestamp()", "statement_timestamp()", "now() + interval '1 day'", "(now() AT TIME ZONE 'UTC')", "CURRENT_DATE", "LOCALTIMESTAMP", "date_trunc('day', now())", "('now'::text)::timestamptz"}}
}

func intervalKind(d dice) kind {
	sql := withPrecision(d, "interval", "")
	if d.chance(25) {
		sql = "interval " + of(d, "year", "month", "day", "hour", "minute", "second", "year to month", "day to hour", "day to minute", "day to second", "day to second(3)", "hour to minute", "minute to second", "second(2)")
	}
	return kind{sql: sql, value: oneOf("0", "1 year 2 months 3 days 04:05:06.789", "-1 year", "1 mon -3 days +04:05:06", "-00:00:00.5", "00:00:00.000001", "178000000 years", "-178000000 years", "2147483647 days", "999999 hours", "-1 mon", "25:00:00", "1 day", "-1 day +23:59:59.999999",
		"-3 years -2 mons -1 days -01:02:03.456", "1000 years 11 mons 30 days", "596523:14:07", "-0.1 seconds", "12 mons", "00:59:59.99"), key: true,
		defaults: []string{"'1 year 2 days'", "'03:00:00'", "'0'", "NULL", "make_interval(days => 3)", "'1 day'::interval", "'-00:00:01.5'", "'P1Y2M'", "'1 mon -1 day'"}, moving: []string{"(now() - now())"}}
}
