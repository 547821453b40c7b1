package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/pgoutput"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// Stream reads changes from a slot. It belongs to the goroutine that calls Receive, KeepAlive and Close; Confirm, Confirmed, ServerLSN, Idle
// and Stats may be called from any.
//
// Invariants:
//  1. A status reply carries the highest LSN given to Confirm, or the slot's confirmed position before the first; never one that was only
//     received, never zero, never less than the reply before.
//  2. Changes come out in the order of the stream, each once; none is skipped.
//  3. Every transaction that ended at or before a batch's ServerLSN is in it or in a batch before it.
type Stream struct {
	wire wire
	opts StreamOptions
	dec  *pgoutput.Decoder

	address string // of the server, for errors

	// buf[r:w] was read and not decoded; err is what ends the stream once that is handed out.
	buf  []byte
	r, w int
	err  error

	horizon, told cdc.LSN // invariant 3: as of buf[:r], as of the last batch
	sentLSN       cdc.LSN // of the last status
	lastStatus    time.Time
	lastSent      time.Time // a status that was not put off
	lastRead      time.Time // when bytes came last
	lastBytes     int       // how many those were
	lastMessages  uint64    // decoded before
	gap           time.Duration
	replyWanted   bool // the server asked for a status
	asked         bool // we asked the server for a sign of life, and none came yet
	quick         int  // reads in a row that followed the one before at once, or took much
	status        [statusFrame]byte

	wanted    atomic.Bool // somebody wants to know where the server stands
	confirmed atomic.Uint64
	server    atomic.Uint64
	idle      atomic.Bool
	stats     struct{ messages, bytes, reads, statuses atomic.Uint64 }
}

// Stats are counts since the start of the stream.
type Stats struct {
	Messages uint64 // of the plugin
	Bytes    uint64 // read from the connection, after TLS
	Reads    uint64
	Statuses uint64 // standby status updates sent
}

const (
	// readBuffer is what one read takes at most: two milliseconds of the fastest stream measured, so that a pace of one never fills it.
	readBuffer = 256 << 10
	// confirmPoll bounds how long a confirmed position waits for its status while nothing is received.
	confirmPoll = time.Second
	// confirmGap keeps statuses apart while positions are confirmed all the time.
	confirmGap = 100 * time.Millisecond
	// paceGap is the least time between reads under load, and so the latency that pacing may add.
	paceGap = time.Millisecond
	// paceLarge is an average message of which a quarter of paceGap gathers enough: rows of 100 columns 44,000 changes/s with the whole, 93,000 with that;
	// documents of 1 KB 78,000 and 152,000. With rows of 200 bytes half of paceGap halves the rate.
	paceLarge = 512
	// paceBytes is a read that shows a backlog, however long ago the one before was.
	paceBytes = 16 << 10
	// paceFull is how often, behind paceGap, half of it passes while a backlog has not filled the kernel's buffer.
	paceFull = 4
	// paceQueue is how long a full buffer of the kernel's is left so when it was not full at once, so that the sender has much to send when it is read. Drains
	// of 1,000,000 rows of 190 bytes: 218,000 to 358,000/s without it, 346,000 to 388,000/s with it.
	paceQueue = 10 * time.Millisecond
	// holdOnce is what KeepAlive reads at once, and holdMost what the buffer may come to by that.
	holdOnce = 64 << 10
	holdMost = 8 << 20
	// paceAfter is how many quick reads in a row are load: more than the three messages of a single-row transaction.
	paceAfter = 8
)

// Receive appends changes to into: what was read already, without waiting, up to BatchBytes; else it waits for the server. It also
// returns, with no change, when ServerLSN has moved. It answers the server's requests for a status meanwhile.
//
// After an error the stream is at its end: Close it. ctx ends a wait; its error is returned then, and the stream goes on with the next call.
func (s *Stream) Receive(ctx context.Context, into *cdc.Batch) error {
	given := len(into.Changes)
	for {
		if s.err == nil {
			s.err = s.drain(into)
		}
		if len(into.Changes) > given || s.horizon > s.told || into.Size() >= s.opts.BatchBytes {
			into.ServerLSN, s.told = s.horizon, s.horizon
			s.server.Store(uint64(s.horizon))
			if s.err == nil {
				s.err = s.sendDue()
			}
			return nil // what came before a failure is good; the next call tells it
		}
		if s.err != nil {
			return s.err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.sendDue(); err != nil {
			return err
		}
		if err := s.fill(ctx); err != nil {
			s.err = err
		}
	}
}

// Confirm tells that everything up to lsn, the end of a transaction, is safe elsewhere, so that the server may forget it. Positions that
// are not ahead of the last one are ignored. Safe for concurrent use.
func (s *Stream) Confirm(lsn cdc.LSN) {
	for {
		old := s.confirmed.Load()
		if uint64(lsn) <= old || s.confirmed.CompareAndSwap(old, uint64(lsn)) {
			return
		}
	}
}

// Ask asks the server where it stands; the answer is the ServerLSN of a batch. Without being asked, a server that has nothing to send may keep
// that to itself for half of its wal_sender_timeout. Safe for concurrent use.
func (s *Stream) Ask() {
	s.wanted.Store(true)
	s.wire.wake()
}

// Confirmed is the position that status replies carry.
func (s *Stream) Confirmed() cdc.LSN { return cdc.LSN(s.confirmed.Load()) }

// ServerLSN is the server's position as of the last batch; see cdc.Batch.ServerLSN.
func (s *Stream) ServerLSN() cdc.LSN { return cdc.LSN(s.server.Load()) }

// Idle tells that Receive waits for the server and everything it sent was handed out.
func (s *Stream) Idle() bool { return s.idle.Load() }

// Stats returns the counts so far.
func (s *Stream) Stats() Stats {
	return Stats{s.stats.messages.Load(), s.stats.bytes.Load(), s.stats.reads.Load(), s.stats.statuses.Load()}
}

// drain decodes the whole messages in the buffer until into is full.
func (s *Stream) drain(into *cdc.Batch) error {
	messages := uint64(0)
	defer func() { s.stats.messages.Add(messages) }()
	for into.Size() < s.opts.BatchBytes {
		tag, body, size, _, err := frame(s.buf[s.r:s.w])
		if err != nil || size == 0 {
			return err
		}
		s.r += size
		switch tag {
		case tagCopyData:
			if err := s.copyData(body, into); err != nil {
				return err
			}
			messages++
		case tagError:
			return s.failed(serverError(body))
		case tagCopyDone:
			return &ProtocolError{"the server ended the stream"}
		case tagNotice:
			if err := s.noticed(body); err != nil {
				return err
			}
		case tagParameterStatus: // about the session, not about the data
		default:
			return &ProtocolError{fmt.Sprintf("message %q in a stream", tag)}
		}
	}
	return nil
}

func (s *Stream) copyData(body []byte, into *cdc.Batch) error {
	if len(body) == 0 {
		return &ProtocolError{"empty CopyData"}
	}
	switch body[0] {
	case pglogrepl.XLogDataByteID:
		if len(body) < xlogHeader {
			return &ProtocolError{fmt.Sprintf("XLogData of %d bytes", len(body))}
		}
		if err := s.dec.Decode(cdc.LSN(binary.BigEndian.Uint64(body[1:])), body[xlogHeader:], into); err != nil {
			return err
		}
		if n := len(into.Changes); n > 0 && into.Changes[n-1].Kind == cdc.Commit {
			s.horizon = max(s.horizon, into.Changes[n-1].LSN)
		}
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		if len(body) != keepaliveBytes {
			return &ProtocolError{fmt.Sprintf("keepalive of %d bytes", len(body))}
		}
		s.horizon = max(s.horizon, cdc.LSN(binary.BigEndian.Uint64(body[1:])))
		s.replyWanted = s.replyWanted || body[keepaliveBytes-1] != 0
	default:
		return &ProtocolError{fmt.Sprintf("CopyData of kind %q", body[0])}
	}
	return nil
}

// failed says what an error of the server means for the stream.
func (s *Stream) failed(err error) error {
	switch pgerror.Code(err) {
	case "58P01": // undefined_file: the WAL segment is gone
		return slotLost(s.opts.Slot, err.Error())
	case "42704": // undefined_object: the publication, which is looked up with the first change
		return &PublicationError{s.opts.Publication, fmt.Errorf("%w (or did not exist yet at the slot's position: create the publication before the slot): %w", ErrPublicationMissing, err)}
	}
	return pgerror.Wrap(err, "stream from slot %q", s.opts.Slot)
}

// noticed finds the one notice that is about the data: since version 18 a server that does not find the publication leaves its changes out
// with a warning, where older ones fail.
func (s *Stream) noticed(body []byte) error {
	notice, err := serverNotice(body)
	if err != nil {
		return err
	}
	if notice.SeverityUnlocalized == "WARNING" && notice.Code == "55000" { // object_not_in_prerequisite_state: "skipped loading publication"
		return &PublicationError{s.opts.Publication, fmt.Errorf("%w at this point of the WAL, so the server leaves changes out; create the publication before the slot, and do not drop it while a connector uses it: %s", ErrPublicationMissing, notice.Message)}
	}
	return nil
}

// fill reads once: what is there, or what comes until a duty is due. Under load it lets bytes gather first.
func (s *Stream) fill(ctx context.Context) error {
	s.room()
	stop := func() bool { return true }
	if s.quick >= paceAfter { // bytes are there and more will come: no wait that ctx would have to end
		s.pace()
	} else {
		s.idle.Store(true)
		stop = context.AfterFunc(ctx, s.wire.wake)
	}
	n, err := s.wire.read(s.buf[s.w:], s.nextDuty())
	stop()
	s.idle.Store(false)
	s.stats.reads.Add(1)
	if n > 0 {
		s.took(n)
		return nil
	}
	s.quick = 0
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return s.alive()
	}
	return s.unread(err)
}

func (s *Stream) unread(err error) error {
	return pgerror.Wrap(err, "read from the replication connection to %s", s.address)
}

// took notes that n bytes came.
func (s *Stream) took(n int) {
	s.w += n
	s.stats.bytes.Add(uint64(n))
	now := time.Now()
	if n >= paceBytes || now.Sub(s.lastRead) < 2*paceGap { // twice: what pace adds, and what decoding takes
		s.quick++
	} else {
		s.quick = 0
	}
	decoded := s.stats.messages.Load()
	if s.gap = paceGap; s.lastBytes > paceLarge*int(decoded-s.lastMessages) { // the read before
		s.gap = paceGap / 4
	}
	s.lastRead, s.lastBytes, s.lastMessages, s.asked = now, n, decoded, false
}

// room makes place behind w for the rest of the message that begins at r, and gives back what a huge one took.
func (s *Stream) room() {
	_, _, _, need, _ := frame(s.buf[s.r:s.w]) // an error is drain's to tell
	rest := s.w - s.r
	if size := max(need, readBuffer); size > len(s.buf) || len(s.buf) > readBuffer && size == readBuffer && rest <= readBuffer {
		s.resize(size)
		return
	}
	if s.r > 0 { // what is left is less than a message: little to move
		s.r, s.w = 0, copy(s.buf, s.buf[s.r:s.w])
	}
}

// resize makes the buffer anew, with what is not decoded at its beginning.
func (s *Stream) resize(size int) {
	grown := make([]byte, size)
	s.r, s.w, s.buf = 0, copy(grown, s.buf[s.r:s.w]), grown
}

// pace waits until paceGap, or less for large messages, has passed since the last read. The server's sender does not stop meanwhile: what it sends gathers in the
// kernel, and one read takes many messages. With a backlog it waits until the kernel takes no more, and where that takes time, until much waits at the
// sender: what it cannot send yet costs it a third of what it sends message by message; see socketWindow.
func (s *Stream) pace() {
	if wait := s.gap - time.Since(s.lastRead); wait > 0 {
		time.Sleep(wait)
	}
	if s.lastBytes < paceBytes {
		return
	}
	if s.wire.full() {
		return
	}
	for more := 0; more < paceFull && !s.wire.full(); more++ {
		time.Sleep(s.gap / 2)
	}
	if s.gap == paceGap && s.wire.full() {
		time.Sleep(paceQueue)
	}
}

// nextDuty is when a read must end although nothing came.
func (s *Stream) nextDuty() time.Time {
	now := time.Now()
	next := now.Add(min(confirmPoll, s.opts.ReadTimeout/4))
	if due := s.lastStatus.Add(s.opts.StatusInterval); due.Before(next) {
		next = due
	}
	if !next.After(now) { // sendDue has just run: never spin
		next = now.Add(time.Millisecond)
	}
	return next
}

// alive tells a silent peer from a dead one.
func (s *Stream) alive() error {
	if silent := time.Since(s.lastRead); silent > s.opts.ReadTimeout {
		return &DeadPeerError{Slot: s.opts.Slot, Silent: silent}
	}
	return nil
}

// DeadPeerError is a server that neither sent anything nor answered a request for a sign of life. Retriable.
type DeadPeerError struct {
	Slot   string
	Silent time.Duration
}

func (e *DeadPeerError) Error() string {
	return fmt.Sprintf("stream from slot %q: nothing came from the server for %s, nor did it answer; connecting again", e.Slot, e.Silent.Round(time.Millisecond))
}

// Retriable is true.
func (e *DeadPeerError) Retriable() bool { return true }

// KeepAlive is for a caller that cannot take more just now: it sends a status when one is due, and takes in a little when the kernel's buffer is full. Whoever
// does not call Receive for a while calls it, more often than the server's wal_sender_timeout (60 s by default), or the server ends the connection.
//
// A kernel that has no memory left drops what comes, the server's acknowledgements too, and then no status gets through any more. So a server that
// sends on can be held for holdMost/holdOnce status intervals; then it is as if nobody answered it.
func (s *Stream) KeepAlive() error {
	if s.err == nil && s.statusDue(time.Now(), false) && s.wire.full() && s.w-s.r < holdMost {
		if len(s.buf)-s.w < holdOnce {
			s.resize(s.w - s.r + readBuffer)
		}
		n, err := s.wire.read(s.buf[s.w:s.w+holdOnce], time.Now())
		s.stats.reads.Add(1)
		switch {
		case n > 0:
			s.took(n)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			s.err = s.unread(err) // for Receive, behind what came before
		}
	}
	return s.sendDue()
}

// sendDue sends a status when one is due: the server asked, StatusInterval has passed, or a new position was confirmed.
func (s *Stream) sendDue() error {
	now := time.Now()
	ask := !s.asked && now.Sub(s.lastRead) > s.opts.ReadTimeout/2 || s.wanted.Swap(false)
	if !s.statusDue(now, ask) {
		return nil
	}
	return s.sendStatus(now, ask)
}

func (s *Stream) statusDue(now time.Time, ask bool) bool {
	since := now.Sub(s.lastStatus)
	return s.replyWanted || ask || since >= s.opts.StatusInterval || since >= confirmGap && s.Confirmed() > s.sentLSN
}

// pgEpoch is day zero of the protocol's clocks.
var pgEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *Stream) sendStatus(now time.Time, ask bool) error {
	lsn := s.Confirmed()
	sent, err := s.wire.write(appendStatus(s.status[:0], lsn, now.Sub(pgEpoch).Microseconds(), ask), now.Add(s.opts.StatusTimeout))
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded) && sent == 0 && s.opts.OnStatusTimeout != TimeoutFail && s.opts.OnStatusTimeout != "" && now.Sub(s.lastSent) < s.opts.ReadTimeout:
		if s.opts.OnStatusTimeout == TimeoutWarn && s.opts.Warn != nil {
			s.opts.Warn(fmt.Errorf("send standby status to %s: %w", s.address, err))
		}
		s.lastStatus = time.Now() // the next update carries the position
		return nil
	default:
		return pgerror.Wrap(err, "send standby status to %s", s.address)
	}
	s.lastSent = now
	s.stats.statuses.Add(1)
	s.sentLSN, s.lastStatus, s.replyWanted = lsn, now, false
	s.asked = s.asked || ask
	return nil
}

// Close sends the confirmed position once more, ends the stream and waits shortly until the server has let go of the slot. The connection is
// closed whatever it returns.
func (s *Stream) Close(ctx context.Context) error {
	deadline := time.Now().Add(closeTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	err := s.goodbye(deadline)
	return errors.Join(err, s.wire.close())
}

func (s *Stream) goodbye(deadline time.Time) error {
	var decode *pgoutput.DecodeError
	if s.err != nil && !errors.As(s.err, &decode) {
		return nil // the connection is gone, there is nobody to tell
	}
	last := appendStatus(make([]byte, 0, statusFrame+frameHeader), s.Confirmed(), time.Since(pgEpoch).Microseconds(), false)
	if _, err := s.wire.write(append(last, tagCopyDone, 0, 0, 0, 4), deadline); err != nil {
		return pgerror.Wrap(err, "send the last standby status")
	}
	s.stats.statuses.Add(1)
	s.discard(deadline)
	_, _ = s.wire.write([]byte{'X', 0, 0, 0, 4}, deadline) // Terminate is a courtesy: the closed socket says the same
	return nil
}

// discard reads until the server is ready for another command, which is when it has released the slot, or until deadline.
func (s *Stream) discard(deadline time.Time) {
	for {
		tag, _, size, _, err := frame(s.buf[s.r:s.w])
		switch {
		case err != nil, tag == tagReady:
			return
		case size > 0:
			s.r += size
			continue
		}
		s.room()
		n, err := s.wire.read(s.buf[s.w:], deadline)
		s.w += n
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(deadline)) {
			return
		}
	}
}
