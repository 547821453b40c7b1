package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/catalog"
	"github.com/tandem-cdc/tandem/cdc/signal"
)

// incrementalSnapshots is what signals ask of incremental snapshots. The publisher's goroutine calls it, between two changes or, for signals of
// the signal table, just before the signal's own row is published.
type incrementalSnapshots interface {
	execute(ctx context.Context, id string, sig signal.Execute) error
	stop(ctx context.Context, id string, sig signal.Stop) error
	pause(ctx context.Context, id string) error
	resume(ctx context.Context, id string) error
	// window takes a snapshot-window-open or -close out of the signal table.
	window(ctx context.Context, sig signal.Signal) error
}

// signals carries out what users ask of the running connector. The publisher's goroutine owns it but for incoming.
type signals struct {
	cfg *signalConfig
	log *slog.Logger
	// deletes tells that a deleted watermark closes its window (incremental.snapshot.watermarking.strategy=insert_delete).
	deletes bool
	// includes tells whether a column of a table passes the filters.
	includes func(schema, table, column string) bool

	incremental incrementalSnapshots // nil: there are none, for nothing is streamed
	blocking    func(ctx context.Context, p *publisher, id string, sig signal.Execute) error
	// waiting are snapshots that were asked for: blocking ones begin behind the row that asks, and all behind an initial snapshot that is not
	// complete, whose progress the offsets tell of.
	waiting []snapshotRequest

	// Sender: the channels' goroutines, one signal each. Never closed. Bound: 0.
	incoming chan request
}

type snapshotRequest struct {
	signal signal.Signal
	what   signal.Execute
}

// request is a signal on its way from a channel to the publisher.
type request struct {
	signal signal.Signal
	// Sender: the publisher, once. Never closed. Bound: 1.
	done chan error
}

// signalTable says which columns of a signal table's rows are id, type and data; nil for other tables.
type signalTable struct{ columns [3]int }

func (s *session) signals() *signals {
	return &signals{cfg: &s.cfg.Signals, log: s.task.log, includes: s.encoder.Includes, blocking: s.blockingSnapshot, incoming: make(chan request)}
}

// run starts the channels other than the signal table's; they end with ctx.
func (g *signals) run(ctx context.Context, group *errgroup.Group, t *Task) {
	c := g.cfg
	if c.has(signal.ChannelFile) {
		file := &signal.File{Path: c.file, Every: c.poll, Log: t.log}
		group.Go(func() error { return file.Run(ctx, g.deliver) })
	}
	if c.has(signal.ChannelKafka) {
		topic := &signal.Kafka{Key: t.cfg.Envelope.TopicPrefix, Topic: c.topic, Pause: c.poll, Log: t.log,
			Read: func(ctx context.Context, record func(context.Context, int64, []byte, []byte) error) error {
				return t.env.ReadSignals(ctx, c.clientProperties(), c.topic, record)
			}}
		group.Go(func() error { return topic.Run(ctx, g.deliver) })
	}
}

// deliver hands a signal to the publisher and waits until it was carried out.
func (g *signals) deliver(ctx context.Context, s signal.Signal) error {
	r := request{signal: s, done: make(chan error, 1)}
	select {
	case g.incoming <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-r.done // external answers in any case, and soon when ctx has ended
}

// external carries out a signal of a channel other than the signal table.
func (p *publisher) external(ctx context.Context, r request) error {
	err := p.signal(ctx, r.signal)
	if err == nil {
		err = p.snapshotsAskedFor(ctx)
	}
	if err == nil {
		err = p.out.Flush()
	}
	r.done <- err
	return err
}

// columns finds the columns of a signal table among those of rel that are captured: exactly three, in any case of any name. Another table
// has none.
func (g *signals) columns(rel *cdc.Relation) *signalTable {
	if g == nil || !g.cfg.has(signal.ChannelSource) || !g.is(rel.Schema, rel.Name) {
		return nil
	}
	t, n := new(signalTable), 0
	for i := range rel.Columns {
		if !g.includes(rel.Schema, rel.Name, rel.Columns[i].Name) {
			continue
		}
		if n < len(t.columns) {
			t.columns[n] = i
		}
		n++
	}
	if n != len(t.columns) {
		g.log.Warn("rows of the signal table are no signals: it must have three columns, for id, type and data", "table", g.cfg.table(), "columns", n)
		return nil
	}
	return t
}

// rank orders the tables of a snapshot: by the include expression that matches first; the signal table is behind them when none does.
func (s *session) rank(n catalog.TableName) int {
	r := s.filter.rank(n.Schema, n.Name)
	if r < 0 && s.filter.includeTables != nil {
		return math.MaxInt
	}
	return r
}

// onlyTold notes the name of a table for the notifications of the snapshot at hand, and tells whether that is all: no snapshot reads the signal
// table, as in Debezium.
func (s *session) onlyTold(n catalog.TableName) bool {
	s.told = append(s.told, n.Schema+"."+n.Name)
	return s.cfg.Signals.is(n.Schema, n.Name)
}

// is tells whether a table is the signal table.
func (c *signalConfig) is(schema, table string) bool {
	name := c.table()
	return name != "" && len(name) == len(schema)+1+len(table) && strings.HasPrefix(name, schema) && strings.HasSuffix(name, table) && name[len(schema)] == '.'
}

// is tells whether a table is the signal table.
func (g *signals) is(schema, table string) bool { return g != nil && g.cfg.is(schema, table) }

// signalRow carries out the signal that a change of the signal table is, if it is one.
func (p *publisher) signalRow(ctx context.Context, t *signalTable, c *cdc.Change) error {
	row := c.New
	switch {
	case c.Kind == cdc.Insert:
	case c.Kind == cdc.Delete && p.signals.deletes:
		row = c.Old
	default:
		return nil
	}
	var fields [3]string
	for i, column := range t.columns {
		if column < len(row) && row[column].Kind == cdc.Text {
			fields[i] = string(row[column].Bytes)
		}
	}
	s := signal.Signal{ID: fields[0], Type: fields[1], Data: []byte(fields[2]), Channel: signal.ChannelSource, Offset: -1}
	if c.Kind == cdc.Delete {
		s.ID, s.Type = strings.ReplaceAll(s.ID, "open", "close"), signal.TypeWindowClose
	}
	return p.signal(ctx, s)
}

// signal carries out one signal. One that cannot be understood or carried out is told in the log and left; an error is the task's.
func (p *publisher) signal(ctx context.Context, s signal.Signal) error {
	return p.carriedOut(s, p.dispatch(ctx, s))
}

func (p *publisher) carriedOut(s signal.Signal, err error) error {
	if bad := (*signal.Error)(nil); errors.As(err, &bad) {
		p.log.Warn(bad.Error(), "channel", s.Channel)
		return nil
	}
	if err != nil {
		return fmt.Errorf("carry out signal %q of type %q: %w", s.ID, s.Type, err)
	}
	return nil
}

func (p *publisher) dispatch(ctx context.Context, s signal.Signal) error {
	switch s.Type {
	case signal.TypeLog:
		l, err := signal.ParseLog(s)
		if err != nil {
			return err
		}
		p.log.Info(strings.Replace(l.Message, "{}", string(p.at.appendJSON(nil)), 1), "signal", s.ID)
		return nil
	case signal.TypeExecute:
		return p.execute(ctx, s)
	case signal.TypeStop:
		stop, err := signal.ParseStop(s)
		if err != nil {
			return err
		}
		if err := p.needIncremental(s, stop.Kind); err != nil {
			return err
		}
		p.log.Info("stopping incremental snapshot", "signal", s.ID, "tables", stop.Collections)
		return p.signals.incremental.stop(ctx, s.ID, stop)
	case signal.TypePause:
		pause, err := signal.ParsePause(s)
		if err == nil {
			err = p.needIncremental(s, pause.Kind)
		}
		if err != nil {
			return err
		}
		return p.signals.incremental.pause(ctx, s.ID)
	case signal.TypeResume:
		resume, err := signal.ParseResume(s)
		if err == nil {
			err = p.needIncremental(s, resume.Kind)
		}
		if err != nil {
			return err
		}
		return p.signals.incremental.resume(ctx, s.ID)
	case signal.TypeWindowOpen, signal.TypeWindowClose:
		if p.signals.incremental == nil {
			return nil
		}
		return p.signals.incremental.window(ctx, s)
	}
	return &signal.Error{Signal: s, Problem: "the type is not known"}
}

// execute begins an ad-hoc snapshot.
func (p *publisher) execute(ctx context.Context, s signal.Signal) error {
	sig, err := signal.ParseExecute(s)
	if err != nil {
		return err
	}
	p.log.Info("ad-hoc snapshot requested", "signal", s.ID, "kind", sig.Kind, "tables", sig.Collections, "conditions", len(sig.Conditions))
	if sig.Kind != signal.Blocking {
		if err := p.needIncremental(s, sig.Kind); err != nil {
			return err
		}
	}
	if sig.Kind == signal.Blocking || p.catchUp.until != 0 {
		p.signals.waiting = append(p.signals.waiting, snapshotRequest{s, sig})
		return nil
	}
	return p.signals.incremental.execute(ctx, s.ID, sig)
}

func (p *publisher) needIncremental(s signal.Signal, kind signal.Kind) error {
	switch {
	case kind != signal.Incremental:
		return &signal.Error{Signal: s, Problem: "a blocking snapshot can be neither stopped nor paused"}
	case p.signals.incremental == nil:
		return &signal.Error{Signal: s, Problem: "incremental snapshots need a signal table (signal.data.collection) or read.only=true, and a snapshot.mode that streams"}
	}
	return nil
}

// snapshotsAskedFor takes, or begins, the snapshots that wait.
func (p *publisher) snapshotsAskedFor(ctx context.Context) error {
	if p.signals == nil || p.catchUp.until != 0 {
		return nil
	}
	for len(p.signals.waiting) > 0 {
		r := p.signals.waiting[0]
		p.signals.waiting = p.signals.waiting[1:]
		if r.what.Kind == signal.Blocking {
			if err := p.signals.blocking(ctx, p, r.signal.ID, r.what); err != nil {
				return err
			}
			continue
		}
		if err := p.carriedOut(r.signal, p.signals.incremental.execute(ctx, r.signal.ID, r.what)); err != nil {
			return err
		}
	}
	return nil
}

// onlySignals carries out signals where nothing is streamed (snapshot.mode=initial_only), until ctx ends.
func (s *session) onlySignals(ctx context.Context, pub *publisher) error {
	g, ctx := errgroup.WithContext(ctx)
	pub.signals.run(ctx, g, s.task)
	g.Go(func() error {
		for {
			select {
			case r := <-pub.signals.incoming:
				if err := pub.external(ctx, r); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	return g.Wait()
}
