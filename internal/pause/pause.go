// Package pause waits, unless it is to end.
//
// In: a context and a time. Out: whether the time has passed. No goroutines.
package pause

import (
	"context"
	"time"
)

// For waits for d; false when ctx ended.
func For(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
