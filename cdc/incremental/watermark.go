package incremental

import (
	"time"

	"github.com/tandem-cdc/tandem/internal/java"
)

// Watermark is the data of a window's signals.
type Watermark struct {
	Opened, Closed time.Time // Closed is zero in the one that opens
	Correlation    string    // "" is left out
	Collection     string    // "" is left out
}

// AppendJSON prints as Debezium does, spaces included.
func (m *Watermark) AppendJSON(dst []byte) []byte {
	separator := byte('{')
	field := func(name, value string) {
		if value == "" {
			return
		}
		if dst = append(dst, separator); separator == ',' {
			dst = append(dst, ' ')
		}
		separator = ','
		dst = java.AppendText(append(java.AppendText(dst, name, false), ": "...), value, false)
	}
	field("openWindowTimestamp", instant(m.Opened))
	field("closeWindowTimestamp", instant(m.Closed))
	field("correlationId", m.Correlation)
	field("dataCollectionId", m.Collection)
	return append(dst, '}')
}

// instant prints as Java's Instant: fractions of three, six or nine digits, none when there is none.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	switch n := t.Nanosecond(); {
	case n == 0:
		return t.Format("2006-01-02T15:04:05Z")
	case n%1e6 == 0:
		return t.Format("2006-01-02T15:04:05.000Z")
	case n%1e3 == 0:
		return t.Format("2006-01-02T15:04:05.000000Z")
	}
	return t.Format("2006-01-02T15:04:05.000000000Z")
}
