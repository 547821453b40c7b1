package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// Isolation is the level of a snapshot that is not imported: Debezium's snapshot.isolation.mode.
type Isolation string

// The values of snapshot.isolation.mode.
const (
	Serializable    Isolation = "serializable" // read only, deferrable: waits for a moment at which it is safe
	RepeatableRead  Isolation = "repeatable_read"
	ReadCommitted   Isolation = "read_committed" // every table as of its own moment
	ReadUncommitted Isolation = "read_uncommitted"
)

// begin is the statement that opens a transaction of the level.
func (i Isolation) begin() (string, error) {
	switch i {
	case Serializable:
		return "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE", nil
	case RepeatableRead:
		return "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", nil
	case ReadCommitted:
		return "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY", nil
	case ReadUncommitted:
		return "BEGIN ISOLATION LEVEL READ UNCOMMITTED, READ ONLY", nil
	}
	return "", fmt.Errorf("snapshot isolation %q, want serializable, repeatable_read, read_committed or read_uncommitted", i)
}

// importing opens the transaction of every reader of a shared snapshot. A safe snapshot stays safe when it is read at this level.
const importing = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

// Options say what to read from; zero values stand for the defaults.
type Options struct {
	// Connect opens a connection without statement timeout and with a large read buffer; the snapshot closes it.
	Connect func(context.Context) (*pgx.Conn, error)
	// Import is the name of an exported snapshot; "" takes a new one at Isolation.
	Import    string
	Isolation Isolation // Serializable
	// LSN is what the rows carry as position: the slot's consistent point. 0: where the server wrote just before the snapshot.
	// That is for people to read: transactions that ended before it may be missing from the snapshot.
	LSN cdc.LSN
	// LockTables locks every table in ACCESS SHARE MODE before the first is read (snapshot.locking.mode=shared), waiting LockTimeout at most.
	LockTables  bool
	LockTimeout time.Duration
	// Rewritten is told of tables that were rewritten since the snapshot was taken, so that they are read as they stand now. One at a time
	// calls it, from any goroutine; may be nil.
	Rewritten func(*cdc.Relation)

	BatchBytes  int  // a batch is handed out at this size; 512 KiB
	Readers     int  // how many connections read side by side; 1. A level that shares no snapshot has one reader
	ReaderBytes int  // what each of them may hold, two batches at least; 4 batches
	ChunkRows   int  // about how many rows one statement reads of a large table; 10240
	NoFirst     bool // no row is cdc.MarkFirst: the snapshot goes on where another stopped
}

// complete puts the defaults in.
func (o *Options) complete() {
	if o.BatchBytes <= 0 {
		o.BatchBytes = 512 << 10
	}
	if o.Readers <= 0 {
		o.Readers = 1
	}
	if o.ReaderBytes <= 0 {
		o.ReaderBytes = 4 * o.BatchBytes
	}
	if o.ChunkRows <= 0 {
		o.ChunkRows = 10240 // Debezium's default of snapshot.fetch.size
	}
}

// Snapshot is a moment of the database that stays readable until Close.
type Snapshot struct {
	opts   Options
	keeper *pgx.Conn // nil when the level shares no snapshot
	export string    // what readers import; "" when the level shares none
	begin  string    // what readers begin with

	lsn    cdc.LSN
	xid    uint32
	xmin   uint64 // every transaction with a lower id had ended
	time   cdc.Micros
	ranges bool // the server scans ranges of blocks
}

// readers is how many connections Run reads with.
func (s *Snapshot) readers() int {
	if s.export == "" {
		return 1
	}
	return s.opts.Readers
}

// batches is how many batches one reader has: one that is held, one that is filled, at least.
func (s *Snapshot) batches() int { return max(2, s.opts.ReaderBytes/s.opts.BatchBytes) }

// Open imports or takes the snapshot. The exporting connection is free again when it returns.
func Open(ctx context.Context, opts Options) (*Snapshot, error) {
	opts.complete()
	s := &Snapshot{opts: opts, lsn: opts.LSN, begin: importing}
	keeper, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.take(ctx, keeper); err != nil {
		_ = keeper.Close(context.WithoutCancel(ctx)) // the first error is the one to tell
		return nil, err
	}
	if s.export == "" {
		return s, keeper.Close(ctx)
	}
	s.keeper = keeper
	return s, nil
}

// connect opens a connection whose transaction may last as long as the tables are large.
func (s *Snapshot) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.opts.Connect(ctx)
	if err != nil {
		return nil, err
	}
	// set_config ignores what a server of the version does not have, where SET would fail: idle_session_timeout came with 14,
	// transaction_timeout with 17.
	_, err = conn.Exec(ctx, `SELECT set_config(name, '0', false) FROM pg_settings
		WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')`)
	if err != nil {
		_ = conn.Close(context.WithoutCancel(ctx)) // the first error is the one to tell
		return nil, pgerror.Wrap(err, "turn off the timeouts of the snapshot's connection")
	}
	return conn, nil
}

// take opens the keeper's transaction and reads what describes the snapshot.
func (s *Snapshot) take(ctx context.Context, keeper *pgx.Conn) error {
	var standby bool
	var lsn string
	err := keeper.QueryRow(ctx, `SELECT pg_is_in_recovery(), (CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_lsn() END)::text`).Scan(&standby, &lsn)
	if err != nil {
		return pgerror.Wrap(err, "read the server's position")
	}
	if s.lsn == 0 {
		if s.lsn, err = cdc.ParseLSN(lsn); err != nil {
			return err
		}
	}
	shared, err := s.open(ctx, keeper, standby)
	if err != nil {
		return err
	}
	if err := s.describe(ctx, keeper, standby); err != nil {
		return err
	}
	if !shared {
		return nil
	}
	return pgerror.Wrap(keeper.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&s.export), "export the snapshot for its readers")
}

// open begins the keeper's transaction; shared tells that others can import its snapshot.
func (s *Snapshot) open(ctx context.Context, keeper *pgx.Conn, standby bool) (shared bool, err error) {
	if s.opts.Import != "" {
		return true, join(ctx, keeper, s.opts.Import)
	}
	level := s.opts.Isolation
	if level == "" {
		level = Serializable
	}
	if standby && level == Serializable {
		level = RepeatableRead // a standby has no other that sees one moment
	}
	begin, err := level.begin()
	if err != nil {
		return false, err
	}
	if _, err = keeper.Exec(ctx, begin); err != nil {
		return false, pgerror.Wrap(err, "begin the snapshot's transaction (%s)", begin)
	}
	if level == ReadCommitted || level == ReadUncommitted {
		s.begin = begin
		return false, nil
	}
	return true, nil
}

// join opens a transaction that sees an exported snapshot.
func join(ctx context.Context, conn *pgx.Conn, name string) error {
	if _, err := conn.Exec(ctx, importing); err != nil {
		return pgerror.Wrap(err, "begin the snapshot's transaction")
	}
	_, err := conn.Exec(ctx, "SET TRANSACTION SNAPSHOT '"+strings.ReplaceAll(name, "'", "''")+"'")
	return pgerror.Wrap(err, "import the exported snapshot %q", name)
}

// describe reads the transaction's id and time, which every row carries: Debezium asks for CURRENT_TIMESTAMP before each table, and
// that is the start of the transaction. A standby gives no transaction ids.
func (s *Snapshot) describe(ctx context.Context, keeper *pgx.Conn, standby bool) error {
	query := "SELECT CURRENT_TIMESTAMP, txid_snapshot_xmin(txid_current_snapshot()), current_setting('server_version_num')::int >= 140000, txid_current()"
	if standby {
		query = strings.Replace(query, "txid_current()", "0::bigint", 1)
	}
	var at time.Time
	var xid, xmin int64
	if err := keeper.QueryRow(ctx, query).Scan(&at, &xmin, &s.ranges, &xid); err != nil {
		return pgerror.Wrap(err, "read the snapshot's transaction id and time")
	}
	s.xmin = uint64(xmin)
	s.time, s.xid = cdc.MicrosOf(at), uint32(xid) // the epoch above 32 bits is not part of what the stream carries either
	return nil
}

// LSN is the position that the rows carry.
func (s *Snapshot) LSN() cdc.LSN { return s.lsn }

// XID is the id of the snapshot's transaction; 0 on a standby.
func (s *Snapshot) XID() uint32 { return s.xid }

// Time is when the snapshot's transaction began.
func (s *Snapshot) Time() cdc.Micros { return s.time }

// Close ends the keeper's transaction. Nothing was written, so how it ends does not matter.
func (s *Snapshot) Close(ctx context.Context) error {
	if s.keeper == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return s.keeper.Close(ctx)
}

// closeTimeout bounds the good-bye; the server notices a closed socket too.
const closeTimeout = 2 * time.Second

// reader opens a connection that sees the snapshot.
func (s *Snapshot) reader(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	if s.readers() > 1 {
		err = s.boundLocks(ctx, conn)
	}
	if err != nil {
		_ = conn.Close(context.WithoutCancel(ctx)) // the first error is the one to tell
		return nil, err
	}
	if s.export != "" {
		err = join(ctx, conn, s.export)
	} else if _, err = conn.Exec(ctx, s.begin); err != nil {
		err = pgerror.Wrap(err, "begin the snapshot's transaction (%s)", s.begin)
	}
	if err != nil {
		_ = conn.Close(context.WithoutCancel(ctx)) // the first error is the one to tell
		return nil, err
	}
	return conn, nil
}

// boundLocks has a connection wait for locks no longer than LockTimeout where it is not the only one of the snapshot: a statement that waits for an
// ACCESS EXCLUSIVE lock, which in turn waits for another of the snapshot's connections, waits for ever, and no server sees the circle.
func (s *Snapshot) boundLocks(ctx context.Context, conn *pgx.Conn) error {
	bound := cmp.Or(s.opts.LockTimeout, 10*time.Second)
	_, err := conn.Exec(ctx, "SELECT set_config('lock_timeout', $1, false)", strconv.FormatInt(bound.Milliseconds(), 10))
	return pgerror.Wrap(err, "set lock_timeout to snapshot.lock.timeout.ms")
}

// freshReader opens a connection that sees what is there now.
func (s *Snapshot) freshReader(ctx context.Context) (*pgx.Conn, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.boundLocks(ctx, conn); err != nil {
		closeReader(ctx, conn)
		return nil, err
	}
	return conn, nil
}
