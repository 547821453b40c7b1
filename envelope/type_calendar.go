package envelope

// Java's older classes of time (java.sql.Date, java.sql.Timestamp), through which Debezium reads dates in snapshots and all dates and
// timestamps in arrays, count in the Julian calendar up to 1582-10-04 and in the Gregorian one from 1582-10-15 on, and tell no era. The
// server's text is of the proleptic Gregorian calendar, but its digits are taken for Java's.

// cutover is 1582-10-15 in days since 1970-01-01.
const cutover = -141427

// julianEpoch is 1970-01-01 in Julian day numbers.
const julianEpoch = 2440588

// hybridDays counts the days since 1970-01-01 of a day of Java's calendar. The days that it lacks are those of the Julian calendar.
func (d date) hybridDays() int64 {
	if d.year > 1582 || d.year == 1582 && (d.month > 10 || d.month == 10 && d.day >= 15) {
		return d.days()
	}
	a := int64(14-d.month) / 12
	y, m := int64(d.year)+4800-a, int64(d.month)+12*a-3
	return int64(d.day) + (153*m+2)/5 + 365*y + floorDiv(y, 4) - 32083 - julianEpoch
}

// hybridDate is the day of Java's calendar a number of days after 1970-01-01.
func hybridDate(days int64) date {
	if days >= cutover {
		return dateOf(days)
	}
	c := days + julianEpoch + 32082
	y := floorDiv(4*c+3, 1461)
	e := c - floorDiv(1461*y, 4)
	m := (5*e + 2) / 153
	return date{year: int(y - 4800 + m/10), month: int(m + 3 - 12*(m/10)), day: int(e - (153*m+2)/5 + 1)}
}

// java is the day that java.sql.Date tells, without an era; false when there is no such day.
func (d date) java() (date, bool) {
	if d.year > 1582 {
		return d, true
	}
	d = hybridDate(d.hybridDays())
	if d.year < 1 {
		d.year = 1 - d.year
	}
	return d, dateOf(d.days()) == d
}
