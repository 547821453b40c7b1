package source

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-cdc/tandem/cdc/replication"
)

// xminClock looks at the slot's catalog_xmin from time to time, for source.xmin.
type xminClock struct {
	every time.Duration // 0: never
	fetch func(ctx context.Context) (uint32, error)
	next  time.Time
	xmin  uint32 // 0: the slot retains no catalog rows
}

// look asks again when the interval has passed.
func (x *xminClock) look(ctx context.Context) error {
	if x.every == 0 {
		return nil
	}
	now := time.Now()
	if now.Before(x.next) {
		return nil
	}
	xmin, err := x.fetch(ctx)
	if err != nil {
		return err
	}
	x.xmin, x.next = xmin, now.Add(x.every)
	return nil
}

// slotXmin reads the slot's catalog_xmin over the metadata connection.
func (s *session) slotXmin(ctx context.Context) (uint32, error) {
	slot, ok, err := replication.LookupSlot(ctx, s.conn.PgConn(), s.cfg.Slot)
	if err != nil {
		return 0, fmt.Errorf("read catalog_xmin for source.xmin: %w", err)
	}
	if !ok {
		return 0, nil // the stream says what happened to it
	}
	return slot.CatalogXmin, nil
}
