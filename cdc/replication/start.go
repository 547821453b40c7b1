package replication

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/pgoutput"
	"github.com/tandem-cdc/tandem/internal/pgerror"
)

// StreamOptions say what to stream; zero durations and sizes stand for the defaults.
type StreamOptions struct {
	Slot string
	// Start is where to begin: the end of the last transaction that was taken, or any position before it. 0, or what lies before the
	// slot's confirmed position, means that position.
	Start cdc.LSN
	// Publication is the exact name, as EnsurePublication returned it.
	Publication string
	// Params are further options of START_REPLICATION; see ParseStreamParams.
	Params []Param

	StatusInterval time.Duration // 10 s
	ReadTimeout    time.Duration // silence after which the server counts as dead; 60 s, wal_sender_timeout's default
	BatchBytes     int           // Receive stops appending at this size; 512 KiB

	// StatusTimeout is how long the socket may refuse a status; 0 for ReadTimeout. OnStatusTimeout says what happens then; a status of
	// which a part was sent fails in any case, and so does a socket that refuses them for longer than ReadTimeout.
	StatusTimeout   time.Duration
	OnStatusTimeout TimeoutAction
	// Warn is told of statuses that are put off with TimeoutWarn; may be nil.
	Warn func(err error)
}

// TimeoutAction is lsn.flush.timeout.action.
type TimeoutAction string

// Values of TimeoutAction.
const (
	TimeoutFail   TimeoutAction = "fail"
	TimeoutWarn   TimeoutAction = "warn"
	TimeoutIgnore TimeoutAction = "ignore"
)

func (o *StreamOptions) complete() {
	if o.StatusInterval <= 0 {
		o.StatusInterval = 10 * time.Second // a sixth of wal_sender_timeout's default
	}
	if o.ReadTimeout <= 0 {
		o.ReadTimeout = 60 * time.Second
	}
	if o.StatusTimeout <= 0 || o.StatusTimeout > o.ReadTimeout {
		o.StatusTimeout = o.ReadTimeout
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = 512 << 10
	}
}

// Param is one option of START_REPLICATION.
type Param struct{ Name, Value string }

// ownParams are the options the stream sets itself, or whose messages it does not decode.
var ownParams = map[string]string{
	"proto_version":     "the protocol version is 1",
	"publication_names": "set publication.name",
	"messages":          "messages are always requested where the server can send them",
	"streaming":         "transactions in progress are not streamed",
	"two_phase":         "prepared transactions arrive when they are committed",
	"binary":            "values are read as text",
}

// ParseStreamParams reads slot.stream.params, "k=v;k=v".
func ParseStreamParams(text string) ([]Param, error) {
	var params []Param
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not of the form name=value", part)
		}
		if why := ownParams[strings.ToLower(name)]; why != "" {
			return nil, fmt.Errorf("parameter %q cannot be set: %s", name, why)
		}
		params = append(params, Param{name, strings.TrimSpace(value)})
	}
	return params, nil
}

// command is the START_REPLICATION for a server of a major version.
func (o *StreamOptions) command(start cdc.LSN, version int) string {
	params := []Param{{"proto_version", "1"}, {"publication_names", quoteIdentifier(o.Publication)}}
	if version >= 14 {
		params = append(params, Param{"messages", "true"})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "START_REPLICATION SLOT %s LOGICAL %s (", quoteIdentifier(o.Slot), start)
	for i, p := range append(params, o.Params...) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteIdentifier(p.Name) + " " + quoteLiteral(p.Value))
	}
	return b.String() + ")"
}

// Stream starts streaming and takes the connection over; an exported snapshot ends. When it fails the connection stays as it was, so that a
// busy slot can be tried again.
func (c *Conn) Stream(ctx context.Context, o StreamOptions) (*Stream, error) {
	o.complete()
	slot, ok, err := c.LookupSlot(ctx, o.Slot)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, slotMissing(o.Slot)
	}
	if err := slot.Check(c.cfg.Name); err != nil {
		return nil, err
	}
	confirmed := slot.Confirmed
	if confirmed == 0 {
		confirmed = slot.Restart
	}
	if confirmed == 0 {
		return nil, &SlotError{Slot: o.Slot, Err: ErrSlotBusy, PID: slot.ActivePID, retriable: true,
			Detail: "it is still being created and waits for transactions that are open; it is tried again"}
	}
	if err := c.pg.SyncConn(ctx); err != nil {
		return nil, pgerror.Wrap(err, "start streaming from slot %q", o.Slot)
	}
	hijacked, err := c.pg.Hijack()
	if err != nil {
		return nil, pgerror.Wrap(err, "start streaming from slot %q", o.Slot)
	}
	w := newNetWire(hijacked.Conn)
	s := newStream(w, o, confirmed)
	s.address = c.cfg.address()
	if err := s.start(ctx, o.command(max(o.Start, confirmed), c.version())); err != nil {
		return nil, c.startError(ctx, hijacked, o, err)
	}
	c.pg, s.wire = nil, w.poll()
	return s, nil
}

func newStream(w wire, o StreamOptions, confirmed cdc.LSN) *Stream {
	now := time.Now()
	s := &Stream{wire: w, opts: o, dec: pgoutput.NewDecoder(), buf: make([]byte, readBuffer), lastRead: now, lastStatus: now, lastSent: now, sentLSN: confirmed}
	s.horizon, s.told = confirmed, confirmed // what lies before is nobody's news
	s.confirmed.Store(uint64(confirmed))
	s.server.Store(uint64(confirmed))
	return s
}

// start sends the command and waits until the server streams. It leaves the connection without deadlines.
func (s *Stream) start(ctx context.Context, command string) error {
	query := binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(4+len(command)+1))
	query = append(append(query, command...), 0)
	if _, err := s.wire.write(query, time.Time{}); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, s.wire.wake)
	defer stop()
	var failure error
	for {
		tag, body, size, _, err := frame(s.buf[s.r:s.w])
		if err != nil {
			return err
		}
		s.r += size
		switch {
		case size == 0:
			s.room()
			n, err := s.wire.read(s.buf[s.w:], time.Time{})
			s.w += n
			if err != nil {
				return err
			}
		case tag == tagCopyBoth:
			return nil
		case tag == tagError:
			failure = serverError(body)
		case tag == tagReady:
			if failure == nil {
				failure = &ProtocolError{"START_REPLICATION ended without a stream"}
			}
			return failure
		case tag == tagNotice, tag == tagParameterStatus, tag == tagCommandComplete:
		default:
			return &ProtocolError{fmt.Sprintf("message %q in answer to START_REPLICATION", tag)}
		}
	}
}

// startError gives the connection back when the server refused and says what the refusal means.
func (c *Conn) startError(ctx context.Context, hijacked *pgconn.HijackedConn, o StreamOptions, err error) error {
	if ctx.Err() != nil {
		hijacked.Conn.Close()
		c.pg = nil
		return ctx.Err()
	}
	code := pgerror.Code(err)
	if code == "" { // no answer: the connection is of no more use
		hijacked.Conn.Close()
		c.pg = nil
		return pgerror.Wrap(err, "start streaming from slot %q", o.Slot)
	}
	pg, constructErr := pgconn.Construct(hijacked)
	if constructErr != nil {
		return pgerror.Wrap(constructErr, "take back the replication connection")
	}
	c.pg = pg
	slot, ok, lookupErr := c.LookupSlot(ctx, o.Slot)
	switch {
	case lookupErr != nil: // a FATAL error ended the connection; the first error says why
	case !ok:
		return slotMissing(o.Slot)
	case slot.Lost:
		return slotLost(o.Slot, err.Error())
	}
	switch code {
	case "55006": // object_in_use
		return slotBusy(o.Slot, slot.ActivePID)
	case "58P01": // undefined_file
		return slotLost(o.Slot, err.Error())
	}
	return pgerror.Wrap(err, "start streaming from slot %q", o.Slot)
}
