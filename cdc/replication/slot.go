package replication

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// plugin is the only output plugin this package speaks.
const plugin = "pgoutput"

// Slot is a row of pg_replication_slots.
type Slot struct {
	Name      string
	Plugin    string // "" for a physical slot
	Database  string // "" for a physical slot
	Active    bool
	ActivePID uint32 // 0 when nobody holds it
	Restart   cdc.LSN
	Confirmed cdc.LSN // confirmed_flush_lsn; 0 while the slot is being created
	// CatalogXmin is the oldest transaction whose catalog rows the slot retains; 0 when none.
	CatalogXmin uint32
	// Lost tells that WAL the slot needs is gone or that the server invalidated it; Reason is the server's word for it.
	Lost     bool
	Reason   string
	Failover bool
}

// The rows are read as JSON, so that columns a version does not have are null: wal_status came with 13, conflicting with 16,
// failover and invalidation_reason with 17.
const slotQuery = `SELECT j->>'slot_name', j->>'plugin', j->>'database', j->>'active', j->>'active_pid', j->>'restart_lsn', j->>'confirmed_flush_lsn', j->>'catalog_xmin',
	(j->>'wal_status' IS NOT DISTINCT FROM 'lost' OR j->>'conflicting' IS NOT DISTINCT FROM 'true' OR j->>'invalidation_reason' IS NOT NULL)::text,
	coalesce(j->>'invalidation_reason', j->>'wal_status'), j->>'failover'
	FROM (SELECT to_jsonb(s) AS j FROM pg_replication_slots s WHERE s.slot_name = %s) s`

// LookupSlot reads a slot; ok is false when there is none. It works on both kinds of connection, which is why it
// takes the lower one: a replication connection knows simple queries only.
func LookupSlot(ctx context.Context, conn *pgconn.PgConn, name string) (slot Slot, ok bool, err error) {
	results, err := conn.Exec(ctx, fmt.Sprintf(slotQuery, quoteLiteral(name))).ReadAll()
	if err != nil {
		return Slot{}, false, pgerror.Wrap(err, "look up slot %q", name)
	}
	if len(results) != 1 || len(results[0].Rows) == 0 {
		return Slot{}, false, nil
	}
	text := func(i int) string { return string(results[0].Rows[0][i]) }
	slot = Slot{Name: text(0), Plugin: text(1), Database: text(2), Active: text(3) == "true", Lost: text(8) == "true", Reason: text(9), Failover: text(10) == "true"}
	for _, f := range []struct {
		text string
		lsn  *cdc.LSN
	}{{text(5), &slot.Restart}, {text(6), &slot.Confirmed}} {
		if f.text == "" {
			continue
		}
		if *f.lsn, err = cdc.ParseLSN(f.text); err != nil {
			return Slot{}, false, fmt.Errorf("look up slot %q: %w", name, err)
		}
	}
	for _, f := range []struct {
		text string
		n    *uint32
	}{{text(4), &slot.ActivePID}, {text(7), &slot.CatalogXmin}} {
		if f.text == "" {
			continue
		}
		n, err := strconv.ParseUint(f.text, 10, 32)
		if err != nil {
			return Slot{}, false, fmt.Errorf("look up slot %q: %w", name, err)
		}
		*f.n = uint32(n)
	}
	return slot, true, nil
}

// Check tells whether the slot serves pgoutput changes of a database and still has its WAL. A busy slot passes: START_REPLICATION tells.
func (s Slot) Check(database string) error {
	switch {
	case s.Plugin == "":
		return &SlotError{Slot: s.Name, Err: ErrSlotForeign, Detail: "it is a physical slot; choose another slot.name"}
	case s.Plugin != plugin:
		return &SlotError{Slot: s.Name, Err: ErrSlotForeign,
			Detail: fmt.Sprintf("it belongs to the output plugin %q, not %q; choose another slot.name, or drop it: SELECT pg_drop_replication_slot(%s)", s.Plugin, plugin, quoteLiteral(s.Name))}
	case s.Database != database:
		return &SlotError{Slot: s.Name, Err: ErrSlotForeign,
			Detail: fmt.Sprintf("it belongs to database %q, not %q; slot names are those of the whole server, so choose another slot.name", s.Database, database)}
	case s.Lost:
		return slotLost(s.Name, fmt.Sprintf("pg_replication_slots says %q", s.Reason))
	}
	return nil
}

// DropSlot drops a slot. One that is not there is no error; one that is in use is.
func DropSlot(ctx context.Context, conn *pgx.Conn, name string) error {
	_, err := conn.Exec(ctx, "SELECT pg_drop_replication_slot($1)", name)
	switch pgerror.Code(err) {
	case "":
		return pgerror.Wrap(err, "drop slot %q", name)
	case "42704": // undefined_object
		return nil
	case "55006": // object_in_use
		slot, _, lookupErr := LookupSlot(ctx, conn.PgConn(), name)
		if lookupErr != nil {
			return lookupErr
		}
		return slotBusy(name, slot.ActivePID)
	}
	return pgerror.Wrap(err, "drop slot %q", name)
}
