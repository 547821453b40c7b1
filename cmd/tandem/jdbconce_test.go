package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/cdc/polling"
	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/embedded"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

const onceTables = 3

// jdbcOnce is a database with tables that grow, and workers that read all of them in one task with exactly-once delivery.
type jdbcOnce struct {
	*testing.T
	rnd    *rand.Rand
	broker string
	props  map[string]string // of the connector
	task   map[string]string
	db     *sql.DB
	rows   int // of each table
	time   int // of the last of them
}

// TestJDBCSourceOnce: a task that reads several tables is stopped, cut off and displaced by another one while the tables grow. Readers of committed records
// see each row of each table once, for the offsets of all tables go in the transactions of their rows.
func TestJDBCSourceOnce(t *testing.T) {
	for _, mode := range []string{"incrementing", "timestamp", "timestamp+incrementing"} {
		t.Run(mode, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			o := newJDBCOnce(t, mode, rand.New(rand.NewPCG(seed, 0)))
			for range 15 {
				o.grow()
				o.life()
			}
			for lives := 0; o.check() < onceTables*o.rows; lives++ {
				if lives > 100 {
					t.Fatalf("%d rows are committed, want %d", o.check(), onceTables*o.rows)
				}
				o.life()
			}
		})
	}
}

func newJDBCOnce(t *testing.T, mode string, rnd *rand.Rand) *jdbcOnce {
	broker, err := embedded.StartBroker(embedded.Options{Topics: []string{"once-t0", "once-t1", "once-t2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	path := filepath.Join(t.TempDir(), "once.db")
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for table := range onceTables {
		if _, err := db.ExecContext(t.Context(), fmt.Sprintf("create table t%d (id integer primary key, at timestamp not null)", table)); err != nil {
			t.Fatal(err)
		}
	}
	o := &jdbcOnce{T: t, rnd: rnd, broker: broker.Addr(), db: db, props: map[string]string{
		"name": "once", "connector.class": polling.Class, "connection.url": "jdbc:sqlite:" + path, "mode": mode, "topic.prefix": "once-",
		"incrementing.column.name": "id", "timestamp.column.name": "at", "poll.interval.ms": "3", "exactly.once.support": "required",
		"batch.max.rows": "1", // a transaction may end behind any row
	}}
	if mode == "incrementing" {
		delete(o.props, "timestamp.column.name")
	}
	if mode == "timestamp" {
		delete(o.props, "incrementing.column.name")
	}
	tasks, err := jdbcSource().TaskConfigs(o.props, 1)
	if err != nil || len(tasks) != 1 {
		t.Fatalf("TaskConfigs = %v, %v, want one task", tasks, err)
	}
	o.task = tasks[0]
	a := client.NewAdmin(o.client(client.ForAdmin))
	defer a.Close()
	topic := client.NewTopic{Name: "offsets", Partitions: 5, Replicas: 1, Configs: map[string]string{"cleanup.policy": "compact"}}
	if _, err := a.CreateTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *jdbcOnce) client(role client.Role) client.Config {
	c := client.DefaultConfig(role)
	c.Brokers = []string{o.broker}
	c.Consumer.Isolation = client.ReadCommitted
	return c
}

// grow adds rows to each table, several of one time. Those of one time are committed together: a row that comes later under a time that was read is not
// seen in mode timestamp.
func (o *jdbcOnce) grow() {
	o.Helper()
	tx, err := o.db.BeginTx(o.Context(), nil)
	if err != nil {
		o.Fatal(err)
	}
	for range 1 + o.rnd.IntN(8) {
		o.time++
		for range 1 + o.rnd.IntN(4) {
			o.rows++
			for table := range onceTables {
				if _, err := tx.ExecContext(o.Context(), fmt.Sprintf("insert into t%d values (?, ?)", table), o.rows, 1_000_000+1000*o.time); err != nil {
					o.Fatal(err)
				}
			}
		}
	}
	if err := tx.Commit(); err != nil {
		o.Fatal(err)
	}
}

// life runs a worker for a while, sometimes another one that displaces it, and aborts what they leave open.
func (o *jdbcOnce) life() {
	o.Helper()
	_, stop := o.worker()
	o.passes()
	if o.rnd.IntN(3) == 0 {
		o.grow()
		running, stopSecond := o.worker()
		select {
		case <-running:
		case <-time.After(time.Minute):
			o.Fatal("the second worker's task does not run")
		}
		o.passes()
		stopSecond()
	}
	stop()
	a := client.NewAdmin(o.client(client.ForAdmin))
	defer a.Close()
	if err := a.FenceProducers(o.Context(), "workers-once-0"); err != nil {
		o.Fatal(err)
	}
}

func (o *jdbcOnce) passes() {
	ctx, cancel := context.WithTimeout(o.Context(), time.Duration(o.rnd.IntN(60))*time.Millisecond)
	defer cancel()
	<-ctx.Done()
}

// worker starts a worker of the task, whose end gives it no time half of the time.
func (o *jdbcOnce) worker() (running <-chan struct{}, stop func()) {
	o.Helper()
	cfg, report := connect.ParseDistributedConfig(map[string]string{
		"bootstrap.servers": o.broker, "group.id": "workers", "config.storage.topic": "configs", "offset.storage.topic": "offsets", "status.storage.topic": "statuses",
		"key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
		"value.converter.schemas.enable": "false", "exactly.once.source.support": "enabled", "task.shutdown.graceful.timeout.ms": strconv.Itoa(o.rnd.IntN(2) * 2000),
		"producer.linger.ms": "0", "producer.batch.size": "100", "producer.retry.backoff.ms": "5", "producer.retry.backoff.max.ms": "20",
	})
	if err := report.Err(); err != nil {
		o.Fatal(err)
	}
	heard := hearing(make(chan struct{}, 1))
	w := connect.NewWorker(cfg, connect.Plugins{Sources: []connect.Source{jdbcSource()}}, noOffsets{}, heard, slog.New(slog.NewTextHandler(o.Output(), nil)))
	ctx, cancel := context.WithCancel(o.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	if err := w.StartTask(o.Context(), connect.TaskID{Connector: "once"}, o.props, o.task, connect.Running); err != nil {
		o.Fatal(err)
	}
	return heard, func() {
		cancel()
		if err := <-ended; err != nil {
			o.Errorf("Run = %v", err)
		}
	}
}

// check fails unless the committed rows of each table are those up to some id, once each and in order. It returns how many there are.
func (o *jdbcOnce) check() (rows int) {
	o.Helper()
	for table := range onceTables {
		last := 0
		reading := client.Reading{Topic: fmt.Sprintf("once-t%d", table), From: client.FromBeginning, UntilEnd: true, Pending: true}
		err := client.Read(o.Context(), o.client(client.ForConsumer), reading, func(r *kafka.Record) error {
			var row struct{ ID int }
			if err := json.Unmarshal(r.Value, &row); err != nil {
				return err
			}
			if row.ID != last+1 {
				return fmt.Errorf("row %d of table %d is behind row %d: lost or there twice", row.ID, table, last)
			}
			last = row.ID
			return nil
		})
		if err != nil {
			o.Fatal(err)
		}
		rows += last
	}
	return rows
}

// hearing has a token when a task has run.
type hearing chan struct{}

func (hearing) ConnectorState(string, connect.InstanceStatus) {}
func (hearing) TopicUsed(connect.TaskID, string)              {}
func (hearing) TasksChanged(string)                           {}
func (h hearing) TaskState(_ connect.TaskID, s connect.InstanceStatus) {
	if s.State == connect.Running {
		select {
		case h <- struct{}{}:
		default:
		}
	}
}

// noOffsets is the worker's store, which nobody asks: the offsets are in the topic, and tasks write them themselves.
type noOffsets struct{}

func (noOffsets) Get(context.Context, string, []byte) ([]byte, error)             { return nil, nil }
func (noOffsets) Put(context.Context, string, ...connect.PartitionOffset) error   { return nil }
func (noOffsets) List(context.Context, string) ([]connect.PartitionOffset, error) { return nil, nil }
