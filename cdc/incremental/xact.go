package incremental

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Visibility is what pg_current_snapshot says: which transactions a statement sees.
type Visibility struct {
	min, max uint64   // below min all are over, from max on none has begun
	running  []uint64 // between
}

// ParseVisibility reads the server's text "min:max:running,…".
func ParseVisibility(text string) (v Visibility, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return v, fmt.Errorf("read snapshot %q: want min:max:list", text)
	}
	if v.min, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return v, fmt.Errorf("read snapshot %q: %w", text, err)
	}
	if v.max, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return v, fmt.Errorf("read snapshot %q: %w", text, err)
	}
	if parts[2] == "" {
		return v, nil
	}
	for _, p := range strings.Split(parts[2], ",") {
		xid, err := strconv.ParseUint(p, 10, 64)
		if err != nil {
			return v, fmt.Errorf("read snapshot %q: %w", text, err)
		}
		v.running = append(v.running, xid)
	}
	slices.Sort(v.running)
	return v, nil
}

// Sees tells whether a transaction that committed is among those seen. Its id is that of the stream, which wraps: it is taken for the one of
// that number that is next to the snapshot.
func (v *Visibility) Sees(xid uint32) bool {
	full := v.max + uint64(int64(int32(xid-uint32(v.max))))
	if full < v.min {
		return true
	}
	if full >= v.max {
		return false
	}
	_, runs := slices.BinarySearch(v.running, full)
	return !runs
}
