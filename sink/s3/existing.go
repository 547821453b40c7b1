package s3

import (
	"context"
	"slices"
	"strconv"
	"strings"
)

// existing are objects of one encoded partition that were stored from records behind the position at which the partition was opened: by a task that
// ended before the position was.
//
// Where files are finished by the clock, what was in them cannot be told from the records. But a file ends where the next one's name begins: the
// file that is written now over one that is there ends before the next name that is there, and so holds the same records, or fewer; the last one is written over
// by as many as there are. So every record stays in one object.
type existing struct {
	prefix string
	etags  map[string]string
	starts []int64 // in order
}

// newExisting asks for the names that begin with prefix and have an offset of at least from.
func (t *Task) newExisting(ctx context.Context, prefix string, from int64) (*existing, error) {
	e := &existing{prefix: prefix, etags: make(map[string]string)}
	start := ""
	if from > 0 && t.config.OffsetPad >= 10 { // then names are in the order of offsets; '~' is behind all that follows one
		start = string(pad([]byte(prefix), int(from-1), t.config.OffsetPad)) + "~"
	}
	for more := true; more; {
		names, truncated, err := t.store.list(ctx, prefix, start, t.config.ScanLimit)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if offset, ok := e.offset(n.name); ok && offset >= from {
				e.etags[n.name] = n.etag
				e.starts = append(e.starts, offset)
			}
		}
		if more = truncated && len(names) > 0; more {
			start = names[len(names)-1].name
		}
	}
	slices.Sort(e.starts)
	return e, nil
}

// offset is that of an object's name.
func (e *existing) offset(name string) (int64, bool) {
	rest, ok := strings.CutPrefix(name, e.prefix)
	if !ok {
		return 0, false
	}
	digits := 0
	for digits < len(rest) && isDigit(rest[digits]) {
		digits++
	}
	if digits < len(rest) && rest[digits] != '.' && digits > 0 {
		return 0, false
	}
	offset, err := strconv.ParseInt(rest[:digits], 10, 64)
	return offset, err == nil
}

// begins tells that an object begins at an offset.
func (e *existing) begins(offset int64) bool {
	_, found := slices.BinarySearch(e.starts, offset)
	return found
}

// condition is under which an object may be written.
func (e *existing) condition(name string) (condition, string) {
	if e != nil {
		if etag, ok := e.etags[name]; ok {
			return ifSame, etag
		}
	}
	return ifNone, ""
}
