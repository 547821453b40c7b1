package replication

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// Conn is a replication connection that does not stream yet. It is not safe for concurrent use.
type Conn struct {
	pg  *pgconn.PgConn
	cfg Config
}

// Connect opens the replication connection.
func Connect(ctx context.Context, cfg Config) (*Conn, error) {
	driver, err := cfg.driver("Debezium Streaming", 0)
	if err != nil {
		return nil, err
	}
	driver.RuntimeParams["replication"] = "database"
	dial := driver.DialFunc
	driver.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &socket{Conn: c}, nil
	}
	pg, err := pgconn.ConnectConfig(ctx, &driver.Config)
	if pgerror.Code(err) == "42501" { // insufficient_privilege: the role lacks REPLICATION
		return nil, &ServerError{cfg.address(), fmt.Sprintf("role %q may not replicate; run ALTER ROLE %s REPLICATION as a superuser (Amazon RDS: GRANT rds_replication TO …): %v",
			cfg.User, quoteIdentifier(cfg.User), err)}
	}
	if err != nil {
		return nil, cfg.connectError(err)
	}
	return &Conn{pg: pg, cfg: cfg}, nil
}

// Close ends the connection, unless a Stream has taken it over; an exported snapshot ends with it.
func (c *Conn) Close(ctx context.Context) error {
	if c.pg == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return c.pg.Close(ctx)
}

// closeTimeout bounds the good-bye of a connection; the server notices a closed socket too.
const closeTimeout = 2 * time.Second

// System is what IDENTIFY_SYSTEM says.
type System struct {
	ID       string // of the cluster; stays over restarts and failovers of its standbys
	Timeline int32
	LSN      cdc.LSN // current position
	Database string
}

// Identify asks which server this is.
func (c *Conn) Identify(ctx context.Context) (System, error) {
	r, err := pglogrepl.IdentifySystem(ctx, c.pg)
	if err != nil {
		return System{}, pgerror.Wrap(err, "identify system")
	}
	return System{ID: r.SystemID, Timeline: r.Timeline, LSN: cdc.LSN(r.XLogPos), Database: r.DBName}, nil
}

// version is the server's major version, from what it reported at the start; 0 when it is no number.
func (c *Conn) version() int {
	text := c.pg.ParameterStatus("server_version") // "18.4 (Debian 18.4-1)", "19beta1"
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(text[:end])
	if err != nil {
		return 0
	}
	return n
}

// LookupSlot reads a slot over the replication connection.
func (c *Conn) LookupSlot(ctx context.Context, name string) (Slot, bool, error) {
	return LookupSlot(ctx, c.pg, name)
}

// CreatedSlot is a new slot and the snapshot of the database at its start.
type CreatedSlot struct {
	// ConsistentPoint is where the stream begins: the snapshot shows every transaction that ended before it, the stream has the others.
	ConsistentPoint cdc.LSN
	// Snapshot is the name to import. It lives until the next command on this connection, or its end.
	Snapshot string
}

// CreateSlot creates a slot for pgoutput and exports the snapshot at its start. It waits for the transactions that run at that moment,
// for at most timeout if that is not 0; the error is retriable then. failover asks for a failover slot where the server can make one: a primary of version 17 or newer.
func (c *Conn) CreateSlot(ctx context.Context, name string, failover bool, timeout time.Duration) (CreatedSlot, error) {
	options := ""
	if failover && c.version() >= 17 {
		standby, err := c.inRecovery(ctx)
		if err != nil {
			return CreatedSlot{}, err
		}
		if !standby {
			options = " (FAILOVER)"
		}
	}
	created, err := c.createSlot(ctx, name, "LOGICAL "+plugin+options, timeout)
	if pgerror.Code(err) != "" {
		return CreatedSlot{}, c.createError(ctx, name, err)
	}
	return created, pgerror.Wrap(err, "create slot %q", name)
}

// CreateTemporarySlot creates a slot that ends with this connection, and exports the snapshot at its start. It waits for the transactions that
// run at that moment, for at most timeout if that is not 0; the error is retriable then. beside is the slot that it stands beside, whose name
// its own begins with.
func (c *Conn) CreateTemporarySlot(ctx context.Context, beside string, timeout time.Duration) (CreatedSlot, error) {
	var random [4]byte
	rand.Read(random[:]) // never fails. A slot of the same name may still belong to a run whose end the server has not noticed
	suffix := fmt.Sprintf("_%x", random)
	name := beside[:min(len(beside), maxSlotName-len(suffix))] + suffix
	created, err := c.createSlot(ctx, name, "TEMPORARY LOGICAL "+plugin, timeout)
	switch pgerror.Code(err) {
	case "53400", "53300", "55000", "0A000": // configuration_limit_exceeded, too_many_connections, object_not_in_prerequisite_state, feature_not_supported
		return CreatedSlot{}, &SlotError{Slot: name, Err: ErrNoSlotFree, Detail: err.Error()}
	case "55P03", "57014": // lock_not_available, query_canceled
		return CreatedSlot{}, c.createError(ctx, name, err)
	}
	return created, pgerror.Wrap(err, "create temporary slot %q", name)
}

// maxSlotName is NAMEDATALEN - 1.
const maxSlotName = 63

// KeepIdle is a statement by which a session outlives the server's timeouts of sessions and transactions. set_config ignores what a server of the
// version does not have, where SET would fail: idle_session_timeout came with 14, transaction_timeout with 17.
const KeepIdle = `SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`

// createSlot runs the command. The grammar exports the snapshot unless told otherwise.
func (c *Conn) createSlot(ctx context.Context, name, kind string, timeout time.Duration) (CreatedSlot, error) {
	if timeout > 0 { // statement_timeout does not concern replication commands
		defer time.AfterFunc(timeout, func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			_ = c.pg.CancelRequest(ctx) // else the wait goes on
		}).Stop()
	}
	r, err := pglogrepl.ParseCreateReplicationSlot(c.pg.Exec(ctx, fmt.Sprintf("CREATE_REPLICATION_SLOT %s %s", quoteIdentifier(name), kind)))
	if err != nil {
		return CreatedSlot{}, err
	}
	lsn, err := cdc.ParseLSN(r.ConsistentPoint)
	if err != nil {
		return CreatedSlot{}, fmt.Errorf("consistent point: %w", err)
	}
	if lsn == 0 || r.SnapshotName == "" {
		return CreatedSlot{}, fmt.Errorf("the server answered consistent point %q and snapshot %q, want both", r.ConsistentPoint, r.SnapshotName)
	}
	return CreatedSlot{ConsistentPoint: lsn, Snapshot: r.SnapshotName}, nil
}

func (c *Conn) inRecovery(ctx context.Context) (bool, error) {
	results, err := c.pg.Exec(ctx, "SELECT pg_is_in_recovery()").ReadAll()
	if err != nil {
		return false, pgerror.Wrap(err, "ask whether the server is a standby")
	}
	return len(results) == 1 && len(results[0].Rows) == 1 && string(results[0].Rows[0][0]) == "t", nil
}

// createError says what stands in the way of a new slot.
func (c *Conn) createError(ctx context.Context, name string, err error) error {
	switch pgerror.Code(err) {
	case "42710": // duplicate_object
		slot, ok, lookupErr := LookupSlot(ctx, c.pg, name)
		if lookupErr != nil {
			return lookupErr
		}
		if ok {
			if checkErr := slot.Check(c.cfg.Name); checkErr != nil {
				return checkErr
			}
			return &SlotError{Slot: name, PID: slot.ActivePID, Err: ErrSlotBusy, retriable: true,
				Detail: "another connector has just created it; give each connector a slot.name of its own"}
		}
	case "55P03", "57014": // lock_not_available, query_canceled
		return &SlotError{Slot: name, Err: ErrSlotBusy, retriable: true, Detail: fmt.Sprintf("it could not be created in time; end transactions that are open for long (pg_stat_activity.backend_xid): %v", err)}
	case "53400": // configuration_limit_exceeded
		return &ServerError{c.cfg.address(), fmt.Sprintf("create slot %q: all max_replication_slots are in use; drop one that nobody needs (SELECT * FROM pg_replication_slots) or raise the setting and restart the server: %v", name, err)}
	case "55000": // object_not_in_prerequisite_state
		return &ServerError{c.cfg.address(), fmt.Sprintf("create slot %q: the server is not set up for logical decoding; set wal_level=logical (on a standby: on its primary) and restart it: %v", name, err)}
	}
	return pgerror.Wrap(err, "create slot %q", name)
}
