package cdc

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// LSN is a byte position in the write-ahead log. Zero means "none": the server never hands it out.
type LSN uint64

// String prints the LSN as the server does, "16/B374D848".
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

// ParseLSN reads the server's text form.
func ParseLSN(s string) (LSN, error) {
	hi, lo, ok := strings.Cut(s, "/")
	if !ok {
		return 0, fmt.Errorf("parse LSN %q: want two hexadecimal numbers with a slash between", s)
	}
	h, errHi := strconv.ParseUint(hi, 16, 32)
	l, errLo := strconv.ParseUint(lo, 16, 32)
	if err := errors.Join(errHi, errLo); err != nil {
		return 0, fmt.Errorf("parse LSN %q: %w", s, err)
	}
	return LSN(h<<32 | l), nil
}

// Micros is an instant in microseconds since 1970-01-01 UTC. PostgreSQL counts from 2000-01-01; FromPostgres converts.
type Micros int64

// postgresEpochMicros is 2000-01-01 00:00:00 UTC, PostgreSQL's day zero, in Unix microseconds.
const postgresEpochMicros = 946_684_800_000_000

// FromPostgres converts a server timestamp (µs since 2000-01-01 UTC).
func FromPostgres(us int64) Micros {
	if us > math.MaxInt64-postgresEpochMicros {
		return math.MaxInt64
	}
	return Micros(us + postgresEpochMicros)
}

// MicrosOf converts t, dropping what is finer than a microsecond.
func MicrosOf(t time.Time) Micros { return Micros(t.UnixMicro()) }
