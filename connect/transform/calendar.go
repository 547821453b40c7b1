package transform

// calendarDate is a date of the calendar that java.util.GregorianCalendar counts in: Julian before 15 October 1582, Gregorian from then on.
// Years are astronomical: 0 is 1 BC.
type calendarDate struct {
	year       int64
	month, day int // from 1
}

// Days are counted since 1970-01-01.
const (
	firstGregorian = -141427 // 1582-10-15
	cutoverYear    = 1582
	epochWeekday   = 4 // Thursday, where Sunday is 0
	daysFromCivil  = 719468
	daysFromJulian = 719470
	daysOf400Years = 146097
	daysOf4Julian  = 1461
)

// dateOf is the date of a day.
func dateOf(day int64) calendarDate {
	if day >= firstGregorian {
		return gregorianDate(day)
	}
	return julianDate(day)
}

// gregorianDate counts in eras of 400 years that begin on 1 March, so that the leap day is the last.
func gregorianDate(day int64) calendarDate {
	day += daysFromCivil
	era := floorDiv(day, daysOf400Years)
	ofEra := day - era*daysOf400Years
	year := (ofEra - ofEra/1460 + ofEra/36524 - ofEra/146096) / 365
	return marchDate(era*400+year, ofEra-(365*year+year/4-year/100))
}

func julianDate(day int64) calendarDate {
	day += daysFromJulian
	era := floorDiv(day, daysOf4Julian)
	ofEra := day - era*daysOf4Julian
	year := (ofEra - ofEra/1460) / 365
	return marchDate(era*4+year, ofEra-365*year)
}

// marchDate is a day of a year that begins on 1 March.
func marchDate(year, ofYear int64) calendarDate {
	m := (5*ofYear + 2) / 153
	d := calendarDate{year, int(m) + 3, int(ofYear-(153*m+2)/5) + 1}
	if d.month > 12 {
		d.month, d.year = d.month-12, d.year+1
	}
	return d
}

// dayOf is the first day of a month, which may be out of range, in one of the two calendars.
func dayOf(gregorian bool, year int64, month int) int64 {
	year += floorDiv(int64(month-1), 12)
	m := (int64(month-1)%12+12)%12 + 1
	if m <= 2 {
		year--
		m += 12
	}
	ofYear := (153*(m-3) + 2) / 5
	if gregorian {
		era := floorDiv(year, 400)
		y := year - era*400
		return era*daysOf400Years + 365*y + y/4 - y/100 + ofYear - daysFromCivil
	}
	era := floorDiv(year, 4)
	return era*daysOf4Julian + 365*(year-era*4) + ofYear - daysFromJulian
}

// weekdayOf is the day of the week, 0 for Sunday.
func weekdayOf(day int64) int { return int(((day+epochWeekday)%7 + 7) % 7) }

// onOrBefore is the last day at or before one that has a weekday.
func onOrBefore(day int64, weekday int) int64 {
	return day - ((int64(weekdayOf(day))-int64(weekday))%7+7)%7
}

// moment is an instant in UTC as its parts.
type moment struct {
	calendarDate
	days   int64 // since 1970-01-01
	millis int64 // of the day
}

func momentOf(millis int64) moment {
	m := moment{days: floorDiv(millis, millisPerDay)}
	m.millis = millis - m.days*millisPerDay
	m.calendarDate = dateOf(m.days)
	return m
}

// newYear is the day on which the year of the moment begins.
func (m *moment) newYear() int64 { return yearBegin(m.year) }

// yearBegin is the first day of a year.
func yearBegin(year int64) int64 { return dayOf(year > cutoverYear, year, 1) }

// weekOfYear is the week, of which the first is the one that 1 January is in: weeks begin on Sundays, as Java has it for English. The last days
// of December may be in the first week of the next year.
func (m *moment) weekOfYear() (year int64, week int) {
	begin, next := m.newYear(), yearBegin(m.year+1)
	if m.days >= onOrBefore(next, 0) {
		return m.year + 1, 1
	}
	return m.year, int((m.days-onOrBefore(begin, 0))/7) + 1
}

// dayOfYear counts from 1.
func (m *moment) dayOfYear() int { return int(m.days-m.newYear()) + 1 }

// ofMonth is how many days of its month there are up to this one: in October 1582 ten are missing.
func (m *moment) ofMonth() int {
	if m.year == cutoverYear && m.month == 10 && m.day >= 15 {
		return m.day - 10
	}
	return m.day
}

// weekOfMonth is the week of the month, of which the first is the one that the first day is in.
func (m *moment) weekOfMonth() int {
	first := m.days - int64(m.ofMonth()) + 1
	return int((m.days-onOrBefore(first, 0))/7) + 1
}

// weekdayInMonth tells the how manieth of its weekday in the month the day is.
func (m *moment) weekdayInMonth() int { return (m.ofMonth()-1)/7 + 1 }
