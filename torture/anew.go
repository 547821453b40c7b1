package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-cdc/tandem/internal/pause"
	"github.com/tandem-cdc/tandem/kafka/client"
	"github.com/tandem-cdc/tandem/torture/history"
)

// anew ends both captures and begins them again with other topics, slots and targets, so that they read what is there. It does not wait for
// them: the load and the faults of the round begin meanwhile.
func (t *torture) anew(ctx context.Context, number int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, recovery, fmt.Errorf("the captures could not be begun anew within %v", recovery))
	defer cancel()
	for _, x := range t.captures {
		if err := t.end(ctx, x); err != nil {
			return fmt.Errorf("end the %s capture: %w", x.mode, err)
		}
	}
	if err := t.execute(ctx, sourceDatabase, "DELETE FROM "+signalTable+";"+fillSQL); err != nil {
		return err
	}
	for _, x := range t.captures {
		x.prefix = fmt.Sprintf("%s%d", x.name, number)
		x.target = "target_" + x.prefix
		x.position, t.replayed[x] = newPositions(), history.NewModel(tables)
		if err := t.postgres.CreateDatabase(ctx, x.target); err != nil {
			return err
		}
		if err := t.execute(ctx, x.target, "CREATE SCHEMA store"); err != nil {
			return err
		}
		if err := t.beginCapture(ctx, x); err != nil {
			return fmt.Errorf("begin the %s capture: %w", x.mode, err)
		}
	}
	return nil
}

// end stops the connectors of a capture and removes what they leave.
func (t *torture) end(ctx context.Context, x *capture) error {
	if x.mode == history.AtLeastOnce {
		for _, w := range x.workers {
			if err := w.terminate(); err != nil {
				return err
			}
		}
	} else {
		for _, name := range []string{x.sinkName(), x.sourceName()} {
			if err := x.remove(ctx, name); err != nil {
				return err
			}
		}
	}
	if err := t.dropSlot(ctx, x.prefix); err != nil {
		return err
	}
	if err := t.execute(ctx, sourceDatabase, "DROP PUBLICATION IF EXISTS "+x.prefix); err != nil {
		return err
	}
	return t.execute(ctx, sourceDatabase, "DROP DATABASE "+x.target+" WITH (FORCE)")
}

// dropSlot drops a slot once its reader has let go of it.
func (t *torture) dropSlot(ctx context.Context, name string) error {
	for {
		err := t.execute(ctx, sourceDatabase, "SELECT pg_drop_replication_slot('"+name+"')")
		if busy := (*pgconn.PgError)(nil); !errors.As(err, &busy) || busy.Code != "55006" { // object_in_use
			return err
		}
		if !pause.For(ctx, 100*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

func (t *torture) beginCapture(ctx context.Context, x *capture) error {
	if x.mode == history.ExactlyOnce {
		// Its sink refuses to begin without the topic, in which the source writes once it streams.
		if _, err := t.admin.CreateTopic(ctx, client.NewTopic{Name: x.prefix + "." + boundaryTopic, Partitions: 1, Replicas: 1}); err != nil {
			return err
		}
		return t.createConnectors(ctx, x)
	}
	if _, _, err := t.writeConnectors(x); err != nil {
		return err
	}
	for _, w := range x.workers {
		if err := w.start(); err != nil {
			return err
		}
	}
	return nil
}

// has tells whether one of the workers knows a connector.
func (c *capture) has(ctx context.Context, name string) bool {
	for _, w := range c.workers {
		if status, _, err := w.call(ctx, http.MethodGet, "/connectors/"+name, nil); err == nil {
			return status == http.StatusOK
		}
	}
	return false
}

// remove deletes a connector through whichever worker answers.
func (c *capture) remove(ctx context.Context, name string) error {
	for n := 0; ; n++ {
		status, _, err := c.workers[n%len(c.workers)].call(ctx, http.MethodDelete, "/connectors/"+name, nil)
		if err == nil && (status == http.StatusNoContent || status == http.StatusNotFound) {
			return nil
		}
		if !pause.For(ctx, 200*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}
