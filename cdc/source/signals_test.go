package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
	"github.com/tandem-cdc/tandem/cdc/incremental"
	"github.com/tandem-cdc/tandem/cdc/signal"
	"github.com/tandem-cdc/tandem/envelope"
)

// testEncoder writes down what it is asked for.
type testEncoder struct{ rows []string }

func (*testEncoder) Plan(*cdc.Relation, *cdc.Table) (*envelope.Plan, error) {
	return new(envelope.Plan), nil
}
func (e *testEncoder) Encode(_ *envelope.Plan, c *cdc.Change, _ *envelope.Source) (int, error) {
	text := "-"
	if len(c.New) > 0 {
		text = string(c.New[0].Bytes)
	}
	e.rows = append(e.rows, text)
	return 1, nil
}
func (*testEncoder) Message(*cdc.Change, *envelope.Source) (int, error) { return 0, nil }
func (*testEncoder) Begin(*envelope.Source) (int, error)                { return 0, nil }
func (*testEncoder) End(*envelope.Source) (int, error)                  { return 0, nil }
func (*testEncoder) ResumeTx([]envelope.TxCount)                        {}
func (*testEncoder) TxCounts(dst []envelope.TxCount) []envelope.TxCount { return dst }
func (*testEncoder) Heartbeat(time.Time) (int, error)                   { return 0, nil }

// asked writes down what signals ask of incremental snapshots, among the rows.
type asked struct {
	enc  *testEncoder
	fail error
}

func (a *asked) note(format string, args ...any) error {
	a.enc.rows = append(a.enc.rows, fmt.Sprintf(format, args...))
	return a.fail
}

func (a *asked) execute(_ context.Context, id string, s signal.Execute) error {
	return a.note("execute %s %v", id, s.Collections)
}
func (a *asked) stop(_ context.Context, id string, s signal.Stop) error {
	return a.note("stop %s %v", id, s.Collections)
}
func (a *asked) pause(_ context.Context, id string) error  { return a.note("pause %s", id) }
func (a *asked) resume(_ context.Context, id string) error { return a.note("resume %s", id) }
func (a *asked) window(_ context.Context, s signal.Signal) error {
	return a.note("window %s %s", s.ID, s.Type)
}

// signalling is a publisher with a signal table of four columns, the second of which is filtered out.
type signalling struct {
	*publisher
	asked *asked
	log   strings.Builder
}

var signalRelation = &cdc.Relation{OID: 5, Schema: "ctl", Name: "sig", Columns: []cdc.Column{{Name: "id"}, {Name: "secret"}, {Name: "type"}, {Name: "data"}}}

func newSignalling(t *testing.T) *signalling {
	t.Helper()
	enc := &testEncoder{}
	s := &signalling{asked: &asked{enc: enc}}
	s.publisher = newPublisher(enc, &tableFilter{}, noCatalog{}, new(positions), nil)
	s.publisher.log = slog.New(slog.NewTextHandler(&s.log, nil))
	s.signals = &signals{log: s.publisher.log, cfg: &signalConfig{tables: []string{"ctl.sig"}, channels: []string{signal.ChannelSource}}, incremental: s.asked,
		includes: func(_, _, column string) bool { return column != "secret" },
		blocking: func(_ context.Context, _ *publisher, id string, sig signal.Execute) error {
			return s.asked.note("blocking %s %v", id, sig.Collections)
		}}
	if err := s.announce(context.Background(), signalRelation); err != nil {
		t.Fatal(err)
	}
	return s
}

type noCatalog struct{}

func (noCatalog) Table(context.Context, *cdc.Relation, uint32) (*cdc.Table, error) { return nil, nil }
func (noCatalog) LoadTypes(context.Context) error                                  { return nil }

func (s *signalling) insert(id, kind, data string) error {
	text := func(v string) cdc.Datum {
		if v == "" {
			return cdc.Datum{}
		}
		return cdc.Datum{Kind: cdc.Text, Bytes: []byte(v)}
	}
	return s.change(context.Background(), &cdc.Change{Kind: cdc.Insert, LSN: 7, Relation: signalRelation, New: cdc.Tuple{text(id), text("x"), text(kind), text(data)}})
}

func (s *signalling) want(t *testing.T, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(lines, s.asked.enc.rows); diff != "" {
		t.Errorf("what was done (-want +got):\n%s\nlog: %s", diff, s.log.String())
	}
	s.asked.enc.rows = nil
}

// What a signal asks of incremental snapshots is done before its row is published, a blocking snapshot behind it, as in Debezium.
func TestSignalRows(t *testing.T) {
	s := newSignalling(t)
	for _, row := range [][3]string{
		{"1", "execute-snapshot", `{"data-collections":["a"]}`},
		{"2", "execute-snapshot", `{"data-collections":["a"],"type":"blocking"}`},
		{"3", "stop-snapshot", ``},
		{"4", "pause-snapshot", `{}`},
		{"5", "resume-snapshot", ``},
		{"u-open", "snapshot-window-open", `{}`},
		{"u-close", "snapshot-window-close", `{}`},
	} {
		if err := s.insert(row[0], row[1], row[2]); err != nil {
			t.Fatal(err)
		}
	}
	s.want(t, "execute 1 [a]", "1", "2", "blocking 2 [a]", "stop 3 []", "3", "pause 4", "4", "resume 5", "5",
		"window u-open snapshot-window-open", "u-open", "window u-close snapshot-window-close", "u-close")
}

// While the stream comes to the point of an initial snapshot, snapshots that signals ask for wait: rows of theirs would end its progress.
func TestSignalsWithinCatchUp(t *testing.T) {
	s := newSignalling(t)
	s.catchUp.until = 100
	for _, row := range [][3]string{
		{"1", "execute-snapshot", `{"data-collections":["a"],"type":"blocking"}`},
		{"2", "execute-snapshot", `{"data-collections":["b"]}`},
		{"3", "execute-snapshot", `{"data-collections":["c"],"type":"blocking"}`},
	} {
		if err := s.insert(row[0], row[1], row[2]); err != nil {
			t.Fatal(err)
		}
	}
	s.want(t, "1", "2", "3")
	s.catchUp = catchUp{}
	for range 2 {
		if err := s.snapshotsAskedFor(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	s.want(t, "blocking 1 [a]", "execute 2 [b]", "blocking 3 [c]")
}

// stateful begins an incremental snapshot, as far as offsets see.
type stateful struct {
	*asked
	p *publisher
}

func (s stateful) execute(ctx context.Context, id string, sig signal.Execute) error {
	s.p.at.inc = new(incremental.State)
	return s.asked.execute(ctx, id, sig)
}

// A row that is left out because it does not fit was heard as a signal all the same.
func TestSignalOfRowLeftOut(t *testing.T) {
	s := newSignalling(t)
	s.signals.incremental = stateful{s.asked, s.publisher}
	s.onFailure, s.check = eventSkip, func(*envelope.Plan, *cdc.Change) error { return new(envelope.ConvertError) }
	if err := s.insert("1", "execute-snapshot", `{"data-collections":["a"]}`); err != nil {
		t.Fatal(err)
	}
	if s.at.inc == nil || s.at.lsn != 0 {
		t.Errorf("position = %+v, want the one before with the state of the snapshot", s.at)
	}
	if err := s.insert("2", "execute-snapshot", `{"data-collections":["b"],"type":"blocking"}`); err != nil {
		t.Fatal(err)
	}
	s.want(t, "execute 1 [a]", "blocking 2 [b]")
}

// What cannot be understood or done is told and left, and the row is published all the same.
func TestSignalsLeft(t *testing.T) {
	for _, tt := range []struct{ kind, data, want string }{
		{"no-such", `{}`, "the type is not known"},
		{"schema-changes", `{}`, "the type is not known"},
		{"", ``, "the type is not known"},
		{"log", `not json`, "not a JSON object"},
		{"log", ``, "has no"},
		{"execute-snapshot", `{"type":"blocking"}`, "names no tables"},
		{"stop-snapshot", `{"type":"blocking"}`, "neither stopped nor paused"},
	} {
		s := newSignalling(t)
		if err := s.insert("1", tt.kind, tt.data); err != nil {
			t.Errorf("signal %s %s = %v, want nil", tt.kind, tt.data, err)
		}
		s.publisher.signals.incremental = nil
		s.want(t, "1")
		if !strings.Contains(s.log.String(), tt.want) {
			t.Errorf("log of %s %s = %s, want %q", tt.kind, tt.data, s.log.String(), tt.want)
		}
	}
	s := newSignalling(t)
	s.signals.incremental = nil
	for _, kind := range []string{"execute-snapshot", "stop-snapshot", "pause-snapshot", "resume-snapshot", "snapshot-window-open"} {
		if err := s.insert(kind, kind, `{"data-collections":["a"]}`); err != nil {
			t.Errorf("signal %s = %v, want nil", kind, err)
		}
	}
	if n := strings.Count(s.log.String(), "read.only=true"); n != 4 {
		t.Errorf("%d of 4 signals were told to need a signal table: %s", n, s.log.String())
	}
}

// A failure of what a signal asks for is the task's.
func TestSignalFailure(t *testing.T) {
	s := newSignalling(t)
	s.asked.fail = errors.New("boom")
	err := s.insert("1", "pause-snapshot", `{}`)
	if !errors.Is(err, s.asked.fail) || !strings.Contains(err.Error(), `"1"`) {
		t.Errorf("signal = %v, want %v with the signal's id", err, s.asked.fail)
	}
}

func TestSignalLog(t *testing.T) {
	s := newSignalling(t)
	if err := s.insert("1", "log", `{"message":"at {} and {}"}`); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.log.String(), `at {\"lsn\":7`) || !strings.Contains(s.log.String(), `} and {}"`) {
		t.Errorf("log = %s, want the message with the offset once", s.log.String())
	}
}

// Updates are no signals. A deleted watermark is one with insert_delete.
func TestSignalTableChanges(t *testing.T) {
	s := newSignalling(t)
	row := cdc.Tuple{{Kind: cdc.Text, Bytes: []byte("u-open")}, {}, {}, {}}
	for _, deletes := range []bool{false, true} {
		s.signals.deletes = deletes
		for _, kind := range []cdc.Kind{cdc.Update, cdc.Delete} {
			c := &cdc.Change{Kind: kind, LSN: 7, Relation: signalRelation, OldKind: cdc.OldKey, Old: row}
			if kind == cdc.Update {
				c.New = row
			}
			if err := s.change(context.Background(), c); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.want(t, "u-open", "-", "u-open", "window u-close snapshot-window-close", "-")
}

func TestSignalColumns(t *testing.T) {
	s := newSignalling(t)
	if got := s.signals.columns(signalRelation); got == nil || got.columns != [3]int{0, 2, 3} {
		t.Errorf("columns of the signal table = %+v, want 0, 2, 3", got)
	}
	for _, rel := range []*cdc.Relation{
		{Schema: "ctl", Name: "sig", Columns: signalRelation.Columns[:3]},
		{Schema: "ctl", Name: "other", Columns: signalRelation.Columns},
		{Schema: "ct", Name: "l.sig", Columns: signalRelation.Columns},
	} {
		if got := s.signals.columns(rel); got != nil {
			t.Errorf("columns of %s.%s with %d columns = %+v, want none", rel.Schema, rel.Name, len(rel.Columns), got)
		}
	}
	s.signals.cfg.channels = nil
	if got := s.signals.columns(signalRelation); got != nil {
		t.Errorf("columns without the channel source = %+v, want none", got)
	}
}

// Signals of a run before are not carried out again.
func TestSignalsOfBefore(t *testing.T) {
	s := newSignalling(t)
	s.publisher.resume = newResume(&position{lsn: 7, proc: 7, xid: 3, hasXID: true, kind: typeInsert, events: 1})
	s.publisher.resume.inside = true
	if err := s.insert("1", "pause-snapshot", `{}`); err != nil {
		t.Fatal(err)
	}
	s.want(t)
}
