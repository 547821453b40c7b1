package envelope

import (
	"log/slog"
	"time"
)

// warnEvery bounds the warnings of one column: a table full of values without a form would fill the log.
const warnEvery = 10 * time.Second

// failureLog warns of values that became null, at most once per column and interval, with the number of those before.
type failureLog struct {
	log     *slog.Logger
	now     func() time.Time
	columns map[string]*columnFailures
}

type columnFailures struct {
	last  time.Time
	count int64
}

func newFailureLog(log *slog.Logger, now func() time.Time) *failureLog {
	return &failureLog{log: log, now: now, columns: make(map[string]*columnFailures)}
}

func (f *failureLog) warn(err *ConvertError) {
	name := err.Table + "." + err.Column
	c := f.columns[name]
	if c == nil {
		c = &columnFailures{}
		f.columns[name] = c
	}
	c.count++
	now := f.now()
	if !c.last.IsZero() && now.Sub(c.last) < warnEvery {
		return
	}
	c.last = now
	f.log.Warn("a value became null: its schema cannot hold it; event.converting.failure.handling.mode=fail stops instead",
		"table", err.Table, "column", err.Column, "type", err.Type, "lsn", err.LSN.String(), "values", c.count, "error", err.Err)
}
