package source

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/internal/measure"
)

// tally counts what a batch brought, in the goroutine that publishes it: a row costs one addition. It is handed to counts with the batch.
type tally struct {
	kinds     [cdc.Announce + 1]uint64 // changes that became records
	scanned   uint64                   // rows of a snapshot, of the table at hand
	filtered  uint64                   // changes of tables that are not captured
	unchanged uint64                   // updates that changed nothing, with skip.messages.without.change
	erroneous uint64                   // changes that were left out because they do not fit
	commit    cdc.Micros               // of the last transaction that ended
	xid       uint32
}

// counts is what a task has counted; whoever asks may be any goroutine.
type counts struct {
	streaming, snapshot [cdc.Announce + 1]atomic.Uint64
	filtered, unchanged atomic.Uint64
	erroneous           atomic.Uint64
	streamed, read      atomic.Int64 // when the last change and the last row of a snapshot were published, milliseconds since 1970; 0: none yet
	behind              atomic.Int64 // milliseconds between the last commit and its publication, and one; 0: none yet
	lags                measure.Sketch
	xid                 atomic.Uint32
	waiting, waitBytes  atomic.Int64 // changes between the connection and the encoder, and their bytes

	received, decoded, published atomic.Uint64 // LSNs

	mu   sync.Mutex // guards what follows
	scan scanCounts
}

// scanCounts is how far a snapshot is.
type scanCounts struct {
	phase       scanPhase
	tables      []string
	rows        map[string]uint64
	left        int
	began, over time.Time
}

type scanPhase uint8

const (
	scanNone scanPhase = iota
	scanSkipped
	scanRunning
	scanCompleted
	scanAborted
)

// add takes a tally over, if it holds anything, at the end of a batch.
func (c *counts) add(t *tally, now time.Time) {
	if c == nil {
		return
	}
	var rows uint64
	for kind := cdc.Insert; kind <= cdc.Message; kind++ {
		if n := t.kinds[kind]; n > 0 {
			c.streaming[kind].Add(n)
			rows += n
		}
	}
	if n := t.kinds[cdc.Read]; n > 0 { // of an incremental snapshot
		c.streaming[cdc.Read].Add(n)
		rows += n
	}
	if rows > 0 {
		c.streamed.Store(now.UnixMilli())
	}
	if n := t.kinds[cdc.Commit]; n > 0 {
		c.streaming[cdc.Commit].Add(n)
		c.xid.Store(t.xid)
		lag := max(0, now.UnixMilli()-int64(t.commit)/1000)
		c.behind.Store(lag + 1)
		c.lags.See(lag)
	}
	c.filtered.Add(t.filtered)
	c.unchanged.Add(t.unchanged)
	c.erroneous.Add(t.erroneous)
	*t = tally{scanned: t.scanned}
}

// now is the time, if anybody wants it.
func (c *counts) now() time.Time {
	if c == nil {
		return time.Time{}
	}
	return time.Now()
}

// reached notes up to where everything is published.
func (c *counts) reached(lsn cdc.LSN) {
	if c != nil {
		c.published.Store(uint64(lsn))
	}
}

// taken notes that a batch goes to the encoder; done that it has.
func (c *counts) taken(server cdc.LSN) {
	if c != nil {
		c.decoded.Store(uint64(server))
	}
}

func (c *counts) done(changes, size int) {
	if c != nil {
		c.waiting.Add(-int64(changes))
		c.waitBytes.Add(-int64(size))
	}
}

// rows counts rows of a table that a snapshot has published.
func (c *counts) rows(table string, t *tally) {
	if c == nil || t.scanned == 0 {
		return
	}
	c.snapshot[cdc.Read].Add(t.scanned)
	c.read.Store(time.Now().UnixMilli())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.scan.rows != nil {
		c.scan.rows[table] += t.scanned
	}
	t.scanned = 0
}

// scanBegins begins a snapshot.
func (c *counts) scanBegins(tables []string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scan = scanCounts{phase: scanRunning, tables: tables, rows: make(map[string]uint64, len(tables)), left: len(tables), began: time.Now()}
	for _, t := range tables {
		c.scan.rows[t] = 0
	}
}

// tableScanned tells that all rows of a table are published.
func (c *counts) tableScanned() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scan.left = max(0, c.scan.left-1)
}

// scanEnds ends a snapshot, or says that there is none.
func (c *counts) scanEnds(p scanPhase) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.scan.phase == scanRunning && p != scanSkipped {
		c.scan.over = time.Now()
	}
	c.scan.phase = p
}

// Stats is what a task has counted.
type Stats struct {
	Connected                                         bool // to the stream
	Streaming, Snapshot                               EventStats
	Filtered, Unchanged, Erroneous                    uint64
	Transactions                                      uint64
	LastTransaction                                   uint32
	Behind, LeastBehind, MostBehind                   time.Duration // between commit and publication; negative: none yet
	MeanBehind, P50Behind, P95Behind, P99Behind       float64       // milliseconds; NaN: none yet
	Waiting, WaitingBytes                             int64         // between the connection and the encoder
	Tables, TablesLeft                                int
	Rows                                              map[string]uint64 // of a snapshot, by table
	Running, Completed, Aborted, Skipped              bool              // the snapshot
	Scanning                                          time.Duration     // what the snapshot takes or took
	Received, Decoded, Published, Stored, Confirmed   cdc.LSN
	StreamMessages, StreamBytes, StreamReads, Replies uint64 // of the replication connection
}

// EventStats counts changes that became records.
type EventStats struct {
	Seen, Created, Updated, Deleted, Truncated, Read, Messages uint64
	Last                                                       time.Time // zero: none yet
}

func eventStats(of *[cdc.Announce + 1]atomic.Uint64, last int64) EventStats {
	s := EventStats{Created: of[cdc.Insert].Load(), Updated: of[cdc.Update].Load(), Deleted: of[cdc.Delete].Load(), Truncated: of[cdc.Truncate].Load(),
		Read: of[cdc.Read].Load(), Messages: of[cdc.Message].Load()}
	s.Seen = s.Created + s.Updated + s.Deleted + s.Truncated + s.Read + s.Messages
	if last != 0 {
		s.Last = time.UnixMilli(last)
	}
	return s
}

// Stats returns the counts; safe for concurrent use.
func (t *Task) Stats() Stats {
	c := &t.counts
	s := Stats{
		Streaming: eventStats(&c.streaming, c.streamed.Load()), Snapshot: eventStats(&c.snapshot, c.read.Load()),
		Filtered: c.filtered.Load(), Unchanged: c.unchanged.Load(), Erroneous: c.erroneous.Load(),
		Transactions: c.streaming[cdc.Commit].Load(), LastTransaction: c.xid.Load(),
		Behind:      time.Duration(c.behind.Load()-1) * time.Millisecond,
		LeastBehind: time.Duration(c.lags.Min()) * time.Millisecond, MostBehind: time.Duration(c.lags.Max()) * time.Millisecond,
		MeanBehind: math.NaN(), P50Behind: c.lags.Quantile(0.5), P95Behind: c.lags.Quantile(0.95), P99Behind: c.lags.Quantile(0.99),
		Waiting: c.waiting.Load(), WaitingBytes: c.waitBytes.Load(),
		Received: cdc.LSN(c.received.Load()), Decoded: cdc.LSN(c.decoded.Load()), Published: cdc.LSN(c.published.Load()),
		Stored: cdc.LSN(t.safe.Load()),
	}
	if n := c.lags.Count(); n > 0 {
		s.MeanBehind = float64(c.lags.Sum()) / float64(n)
	}
	if stream := t.stream.Load(); stream != nil {
		wire := stream.Stats()
		s.Connected, s.Confirmed = true, stream.Confirmed()
		s.StreamMessages, s.StreamBytes, s.StreamReads, s.Replies = wire.Messages, wire.Bytes, wire.Reads, wire.Statuses
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	scan := &c.scan
	s.Tables, s.TablesLeft, s.Rows = len(scan.tables), scan.left, make(map[string]uint64, len(scan.rows))
	for table, n := range scan.rows {
		s.Rows[table] = n
	}
	s.Running, s.Completed, s.Aborted, s.Skipped = scan.phase == scanRunning, scan.phase == scanCompleted, scan.phase == scanAborted, scan.phase == scanSkipped
	switch {
	case scan.phase == scanRunning:
		s.Scanning = time.Since(scan.began)
	case !scan.over.IsZero():
		s.Scanning = scan.over.Sub(scan.began)
	}
	return s
}
