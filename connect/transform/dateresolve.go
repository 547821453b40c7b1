package transform

// resolve makes an instant of what was read, as java.util.Calendar does in UTC.
func (f *dateFormat) resolve(p *parsed) (millis int64, ok bool) {
	millis, ok = p.millis()
	if ok && p.ambiguous && millis < f.century.millis {
		year := fieldYear
		if !p.has(fieldYear) {
			year = fieldWeekYear
		}
		p.value[year] += 100
		return p.millis()
	}
	return millis, ok
}

// millis is the instant.
func (p *parsed) millis() (int64, bool) {
	year := int64(1970)
	if p.has(fieldYear) {
		year = p.value[fieldYear]
	}
	if p.has(fieldEra) && p.value[fieldEra] == 0 {
		year = 1 - year
	}
	ofDay := p.ofDay()
	days := floorDiv(ofDay, millisPerDay)
	ofDay -= days * millisPerDay
	days = p.day(year, days)
	zone := p.place
	if p.has(fieldZone) {
		zone = p.value[fieldZone]
	}
	millis := days*millisPerDay + ofDay - zone
	if p.stamp[fieldWeekYear] > p.stamp[fieldYear] {
		return p.byWeek(dateOf(days).year <= 0).millis()
	}
	return millis, true
}

// ofDay is the time of the day, which may be out of range. The hours of the day and those of its halves exclude each other: the one that was read last
// counts.
func (p *parsed) ofDay() int64 {
	half := max(p.stamp[fieldHour], p.stamp[fieldHalf])
	if p.has(fieldHourOfDay) && (!p.has(fieldHour) || !p.has(fieldHalf)) {
		half = 0
	}
	var hours int64
	if half > p.stamp[fieldHourOfDay] {
		hours = p.value[fieldHour] + 12*p.value[fieldHalf]
	} else {
		hours = p.value[fieldHourOfDay]
	}
	return ((hours*60+p.value[fieldMinute])*60+p.value[fieldSecond])*1000 + p.value[fieldMillis]
}

// dayBy is which fields tell the day.
type dayBy uint8

const (
	byDay dayBy = iota
	byDayOfYear
	byWeekOfYear
	byWeekOfMonth
	byWeekdayInMonth
)

// choose finds the fields that tell the day: of those that are complete the one that was read last, else of the weeks alone.
func (p *parsed) choose() dayBy {
	weekday := p.stamp[fieldWeekday]
	complete := func(f calendarField) int {
		if weekday == 0 || !p.has(f) {
			return 0
		}
		return max(weekday, p.stamp[f])
	}
	day, ofYear := p.stamp[fieldDay], p.stamp[fieldDayOfYear]
	ofMonth, inMonth, week := complete(fieldWeekOfMonth), complete(fieldWeekdayInMonth), complete(fieldWeekOfYear)
	best := max(day, ofMonth, inMonth, ofYear, week)
	if best == 0 {
		ofMonth, inMonth, week = p.stamp[fieldWeekOfMonth], max(p.stamp[fieldWeekdayInMonth], weekday), p.stamp[fieldWeekOfYear]
		if best = max(ofMonth, inMonth, week); best == 0 {
			return byDay
		}
	}
	weekOfMonth, weekdayInMonth, weekOfYear := p.stamp[fieldWeekOfMonth], p.stamp[fieldWeekdayInMonth], p.stamp[fieldWeekOfYear]
	switch {
	case best == day:
		return byDay
	case best == ofMonth && weekOfMonth >= weekOfYear, best == inMonth && weekdayInMonth >= weekOfYear:
		if ofMonth == inMonth && weekOfMonth >= weekdayInMonth || ofMonth != inMonth && best == ofMonth {
			return byWeekOfMonth
		}
		return byWeekdayInMonth
	case best == ofYear:
		return byDayOfYear
	}
	return byWeekOfYear
}

// day is the day since 1970-01-01, of a year that may be out of range, with more days to add. Around October 1582 the calendar decides on which side it is.
func (p *parsed) day(year, more int64) int64 {
	by := p.choose()
	julian := func() int64 { return more + p.dayIn(false, by, year) }
	if year < cutoverYear || year == cutoverYear && (by == byDayOfYear || by == byWeekOfYear) {
		return julian()
	}
	gregorian := more + p.dayIn(true, by, year)
	if gregorian >= firstGregorian {
		return gregorian
	}
	return julian()
}

// dayIn is the day in one of the calendars.
func (p *parsed) dayIn(gregorian bool, by dayBy, year int64) int64 {
	if by == byDayOfYear || by == byWeekOfYear {
		first := dayOf(gregorian, year, 1)
		if by == byDayOfYear {
			return first + p.value[fieldDayOfYear] - 1
		}
		week := onOrBefore(first, 0)
		if p.has(fieldWeekday) {
			week = onOrBefore(week+6, p.weekday())
		}
		return week + 7*(p.value[fieldWeekOfYear]-1)
	}
	month := 1
	if p.has(fieldMonth) {
		month = int(p.value[fieldMonth]) + 1
	}
	first := dayOf(gregorian, year, month)
	switch by {
	case byWeekOfMonth:
		week := onOrBefore(first, 0)
		if p.has(fieldWeekday) {
			week = onOrBefore(week+6, p.weekday())
		}
		return week + 7*(p.value[fieldWeekOfMonth]-1)
	case byWeekdayInMonth:
		return p.weekdayInMonth(gregorian, year, month, first)
	}
	if p.has(fieldDay) {
		first += p.value[fieldDay] - 1
	}
	return first
}

// weekdayInMonth is a weekday that is counted from the beginning of the month or, when negative, from its end.
func (p *parsed) weekdayInMonth(gregorian bool, year int64, month int, first int64) int64 {
	n := int64(1)
	if p.has(fieldWeekdayInMonth) {
		n = p.value[fieldWeekdayInMonth]
	}
	weekday := 0
	if p.has(fieldWeekday) {
		weekday = p.weekday()
	}
	if n >= 0 {
		return onOrBefore(first+7*n-1, weekday)
	}
	length := dayOf(gregorian, year, month+1) - first
	return onOrBefore(first+length+7*(n+1)-1, weekday)
}

// weekday is 0 for Sunday; a number out of range comes round.
func (p *parsed) weekday() int { return int((p.value[fieldWeekday]%7 + 7) % 7) }

// byWeek is what was read with a date in place of its year of weeks, of which the first week is the one that 1 January is in. It is a year of the era
// that the other fields have.
func (p *parsed) byWeek(beforeEra bool) *parsed {
	week, weekday := int64(1), int64(0)
	if p.has(fieldWeekOfYear) {
		week = p.value[fieldWeekOfYear]
	}
	if p.has(fieldWeekday) {
		weekday = p.value[fieldWeekday]
	}
	switch { // of a number that is no day Java makes one from Monday
	case weekday > 6:
		week += weekday / 7
		weekday = (weekday%7 + 1) % 7
	case weekday < 0:
		for weekday++; weekday <= 0; weekday += 7 {
			week--
		}
		weekday %= 7
	}
	year := p.value[fieldWeekYear]
	if beforeEra {
		year = 1 - year
	}
	date := dateOf(onOrBefore(yearBegin(year), 0) + 7*(week-1) + weekday)
	q := *p
	for _, f := range []calendarField{fieldWeekYear, fieldWeekday, fieldWeekOfYear, fieldWeekOfMonth, fieldWeekdayInMonth, fieldDayOfYear} {
		q.stamp[f], q.value[f] = 0, 0
	}
	q.set(fieldEra, 1)
	q.set(fieldYear, date.year)
	q.set(fieldMonth, int64(date.month)-1)
	q.set(fieldDay, int64(date.day))
	return &q
}
