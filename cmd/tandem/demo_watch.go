package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

const (
	redrawEvery = 250 * time.Millisecond // on a terminal
	lineEvery   = 2 * time.Second        // elsewhere
	stalledFor  = time.Minute            // without progress: something is wrong, and did not say so
)

// groupNotFound is Kafka's error code GROUP_ID_NOT_FOUND.
const groupNotFound = 69

// watch sees how far the records have come and says so. Its methods run on one goroutine.
type watch struct {
	*demo
	worker         *connect.Standalone
	config         client.Config
	admin          *client.Admin
	decoder        *decoder
	source, target *pgx.Conn

	at    positions
	drawn bool // a line on the terminal is not ended
}

// positions are how far the records have come.
type positions struct {
	captured, applied int64 // records in the topics; of those, records in the target
}

func (d *demo) newWatch(ctx context.Context, w *connect.Standalone) (_ *watch, err error) {
	v := &watch{demo: d, worker: w}
	properties := map[string]string{"bootstrap.servers": d.stack.broker.Addr(), "client.id": "tandem-demo"}
	adminConfig, report := client.FromProperties(properties, client.ForAdmin)
	if err := report.Err(); err != nil {
		return nil, err
	}
	if v.config, report = client.FromProperties(properties, client.ForConsumer); report.Err() != nil {
		return nil, report.Err()
	}
	if v.decoder, err = newDecoder(d.stack.registry.URL()); err != nil {
		return nil, err
	}
	if v.source, err = pgx.Connect(ctx, d.source.URL(demoDatabase)); err != nil {
		return nil, fmt.Errorf("watch the source: %w", err)
	}
	if v.target, err = pgx.Connect(ctx, d.target.URL(demoDatabase)); err != nil {
		return nil, errors.Join(fmt.Errorf("watch the target: %w", err), v.source.Close(ctx))
	}
	v.admin = client.NewAdmin(adminConfig)
	return v, nil
}

func (v *watch) close() {
	v.endLine()
	v.admin.Close()
	_ = v.source.Close(context.Background())
	_ = v.target.Close(context.Background())
}

// look brings the positions up to date, and fails when a connector has.
func (v *watch) look(ctx context.Context) error {
	for _, name := range []string{demoSource, demoSink} {
		status, err := v.worker.Status(name)
		if err != nil {
			return err
		}
		if failure := status.Failure(); failure != "" {
			return fmt.Errorf("connector %s failed: %s", name, failure)
		}
	}
	topics, err := v.admin.Topics(ctx)
	if err != nil {
		return err
	}
	var at positions
	for _, t := range topics {
		if !strings.HasPrefix(t.Name, demoTopicPrefix+"."+demoSchema+".") {
			continue
		}
		partitions, err := v.admin.Offsets(ctx, t.Name)
		if err != nil {
			return err
		}
		for _, p := range partitions {
			at.captured += p.End
		}
	}
	committed, err := v.admin.Committed(ctx, "connect-"+demoSink)
	if broker := (*kafka.BrokerError)(nil); errors.As(err, &broker) && broker.Code == groupNotFound {
		err = nil // it comes with the first commit
	}
	if err != nil {
		return err
	}
	for _, p := range committed {
		at.applied += max(0, p.Offset)
	}
	v.at = at
	return nil
}

// until looks, and shows line, until done; it fails when nothing moves for long.
func (v *watch) until(ctx context.Context, what string, line func() string, done func() (bool, error)) error {
	moved, last, shown := time.Now(), v.at, time.Time{}
	for {
		if err := v.look(ctx); err != nil {
			return err
		}
		if v.at != last {
			moved, last = time.Now(), v.at
		}
		ok, err := done()
		if err != nil {
			return err
		}
		if v.terminal || ok || time.Since(shown) >= lineEvery {
			v.draw(line())
			shown = time.Now()
		}
		if ok {
			v.endLine()
			return nil
		}
		if time.Since(moved) > stalledFor {
			return fmt.Errorf("%s: nothing has moved for %s, %d of %d records are in the target", what, stalledFor, v.at.applied, v.at.captured)
		}
		if !pause.For(ctx, redrawEvery) {
			return ctx.Err()
		}
	}
}

// snapshot waits until the rows that were there are in the target. Every row makes one record at least.
func (v *watch) snapshot(ctx context.Context) error {
	begin := time.Now()
	line := func() string {
		return fmt.Sprintf("snapshot of %s rows: %s records captured, %s applied, after %s", grouped(v.rows), grouped(v.at.captured), grouped(v.at.applied),
			time.Since(begin).Round(100*time.Millisecond))
	}
	return v.until(ctx, "snapshot", line, func() (bool, error) {
		return v.at.captured >= v.rows && v.at.applied >= v.at.captured, nil
	})
}

// orders shows what the shop does until ctx ends, and one envelope on the way.
func (v *watch) orders(ctx context.Context, s *shop) error {
	var delay time.Duration
	line := func() string {
		text := fmt.Sprintf("orders: %s placed, %s shipped, %s cancelled; %s other changes; %s records captured, %s applied",
			grouped(s.placed.Load()), grouped(s.shipped.Load()), grouped(s.cancelled.Load()), grouped(s.others.Load()), grouped(v.at.captured), grouped(v.at.applied))
		if delay > 0 {
			text += fmt.Sprintf("; an order takes %.1f ms to the target", delay.Seconds()*1000)
		}
		return text
	}
	envelope := false
	err := v.until(ctx, "orders", line, func() (bool, error) {
		d, err := v.arrival(ctx, s.commits)
		if err != nil {
			return false, err
		}
		if d > 0 {
			delay = d
		}
		if !envelope && s.placed.Load() > 5 {
			if envelope, err = v.envelope(ctx); err != nil {
				return false, err
			}
		}
		return false, nil
	})
	if ctx.Err() != nil {
		if v.terminal {
			v.draw(line())
		}
		v.endLine()
		return nil
	}
	return err
}

// arrival measures how long the next order takes from its commit to the target; 0 when there is none soon, or it was cancelled meanwhile.
func (v *watch) arrival(ctx context.Context, commits <-chan commit) (time.Duration, error) {
	select {
	case <-commits: // it waited: it may be there for long
	default:
	}
	soon := time.NewTimer(200 * time.Millisecond)
	defer soon.Stop()
	var c commit
	select {
	case c = <-commits:
	case <-soon.C:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for time.Since(c.at) < 2*time.Second {
		var there bool
		if err := v.target.QueryRow(ctx, "SELECT EXISTS (SELECT FROM store.orders WHERE order_id = $1)", c.order).Scan(&there); err != nil {
			return 0, err
		}
		if there {
			return time.Since(c.at), nil
		}
		if !pause.For(ctx, time.Millisecond) {
			return 0, ctx.Err()
		}
	}
	return 0, nil
}

// envelope prints one of the latest records about orders, of an insert if there is one, and tells whether there was any.
func (v *watch) envelope(ctx context.Context) (bool, error) {
	topic := demoTopicPrefix + "." + demoSchema + ".orders"
	partitions, err := v.admin.Offsets(ctx, topic)
	if err != nil {
		return false, err
	}
	for _, p := range partitions {
		if p.End <= p.Begin {
			continue
		}
		var text []byte
		const lookBack = 10
		reading := client.Reading{Topic: topic, Partitions: []int32{p.Partition}, From: max(p.Begin, p.End-lookBack), UntilEnd: true}
		err := client.Read(ctx, v.config, reading, func(r *kafka.Record) error {
			lines := jsonLines{positions: true, dec: v.decoder}
			record, err := lines.append(ctx, nil, r)
			record = bytes.TrimSpace(record)
			if r.Value != nil && (text == nil || bytes.Contains(record, []byte(`,"op":"c",`))) {
				text = record
			}
			return err
		})
		if err != nil {
			return false, err
		}
		if text == nil {
			continue
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "  ", "  "); err != nil {
			return false, err
		}
		v.endLine()
		v.say("\na record of %s:\n  %s\n", topic, indented.String())
		return true, nil
	}
	return false, nil
}

// caughtUp waits until all that is committed in the source now is in the target.
func (v *watch) caughtUp(ctx context.Context) error {
	var lsn string
	if err := v.source.QueryRow(ctx, "SELECT pg_current_wal_lsn()::text").Scan(&lsn); err != nil {
		return fmt.Errorf("ask the source for its position: %w", err)
	}
	line := func() string {
		return fmt.Sprintf("the shop is closed; %s records captured, %s applied", grouped(v.at.captured), grouped(v.at.applied))
	}
	// The slot is confirmed up to what the broker has acknowledged; from then on the topics do not grow.
	const confirmed = "SELECT coalesce(bool_or(confirmed_flush_lsn >= $1::text::pg_lsn), false) FROM pg_replication_slots WHERE slot_name = 'bikestore'"
	published := false
	return v.until(ctx, "wait for the target", line, func() (bool, error) {
		if published {
			return v.at.applied >= v.at.captured, nil
		}
		if err := v.source.QueryRow(ctx, confirmed, lsn).Scan(&published); err != nil {
			return false, fmt.Errorf("ask the source for the slot's position: %w", err)
		}
		return false, nil
	})
}

// draw shows a line: on a terminal in place of the one before.
func (v *watch) draw(line string) {
	if !v.terminal {
		v.say("%s", line)
		return
	}
	const clear, clip, wrap = "\r\x1b[K", "\x1b[?7l", "\x1b[?7h" // a narrow terminal shows the beginning of the line
	fmt.Fprint(v.out, clear+clip+line+wrap)
	v.drawn = true
}

func (v *watch) endLine() {
	if v.drawn {
		fmt.Fprintln(v.out)
		v.drawn = false
	}
}

// grouped is a number with commas between thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
