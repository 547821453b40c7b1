package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	startTimeout = 30 * time.Second // a recording waited as long for the walsender
	syncTimeout  = 20 * time.Second // a recording waited 12 s; a busy machine may need more
	stopTimeout  = 30 * time.Second
	idlePause    = 2500 * time.Millisecond // default of oracle.idle.ms
	askPause     = 5 * time.Millisecond    // between two looks at the server
)

// Run replays a case in the database behind databaseURL, which must be fresh and whose user must be a superuser, and returns what the
// task emitted. scratch is a folder for files of the run. The task, its slot and the sessions are gone when Run returns.
func (p *Replayer) Run(ctx context.Context, c *Case, databaseURL, scratch string, log *slog.Logger) (*Output, error) {
	if c.flag("validate", false) {
		return p.validate(c)
	}
	if c.Transforms() && p.Transform == nil {
		return nil, errors.New("the case has transforms, and the replay none")
	}
	own := *c
	own.Props = maps.Clone(c.Props) // steering lines change them
	f, err := newFormats(c.jsonOptions())
	if err != nil {
		return nil, err
	}
	r := &run{p: p, log: log, c: &own, url: databaseURL, scratch: scratch, slot: "golden_" + strings.ToLower(rand.Text()), records: newCollector(c.flag("commit", true), f)}
	if err := r.scenario(ctx); err != nil {
		return nil, err
	}
	return r.output()
}

// validate reports what the configuration's validation says of its properties.
func (p *Replayer) validate(c *Case) (*Output, error) {
	if p.Validate == nil {
		return nil, errors.New("the case validates a configuration, and the replay has no validation")
	}
	props := c.connector()
	for k, v := range map[string]string{"database.hostname": "127.0.0.1", "database.port": "5432", "database.user": "postgres",
		"database.password": "", "database.dbname": placeDatabase, "slot.name": "oracle"} {
		if _, set := props[k]; !set {
			props[k] = v
		}
	}
	out := &Output{}
	for _, e := range p.Validate(props) {
		if len(e.Errors) == 0 {
			continue
		}
		line, err := marshal(e)
		if err != nil {
			return nil, err
		}
		out.Lines = append(out.Lines, line)
	}
	slices.Sort(out.Lines)
	return out, nil
}

// run is one replay of one case.
type run struct {
	p       *Replayer
	log     *slog.Logger
	c       *Case // a copy: restart changes its properties
	ctx     context.Context
	url     string
	scratch string
	slot    string
	topic   string // of signals, "" until one is made

	sql     *session
	admin   *pgconn.PgConn
	records *collector
	task    *running // nil while there is none
	sync    int
	marks   map[int][]string // lines that are no records, by the number of records before them
}

// running is a task under way.
type running struct {
	cancel context.CancelFunc
	done   chan error // made by start, sent to once by the task's goroutine, bound 1
}

// scenario runs the case from its setup to the last wait.
func (r *run) scenario(parent context.Context) (err error) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	r.ctx, r.marks = ctx, map[int][]string{}
	if r.sql, err = openSession(ctx, r.url, map[string]string{"slot": r.slot}); err != nil {
		return err
	}
	defer r.sql.close()
	if r.admin, err = pgconn.Connect(ctx, r.url); err != nil {
		return fmt.Errorf("second session: %w", err)
	}
	defer func() {
		err = errors.Join(err, r.stop(), r.dropSlot())
		_ = r.admin.Close(context.Background())
	}()
	if err := r.sql.run(ctx, "setup.sql", 1, r.c.Setup); err != nil {
		return err
	}
	if err := r.start(); err != nil {
		return err
	}
	for _, s := range steps(r.c.Changes) {
		if s.sql != "" {
			err = r.sql.run(ctx, "changes.sql", s.line, s.sql)
		} else if err = r.steer(s); err != nil {
			err = fmt.Errorf("changes.sql: line %d: %w", s.line, err)
		}
		if err != nil {
			return err
		}
	}
	return r.settle()
}

// config is the configuration of the task.
func (r *run) config() (map[string]string, error) {
	u, err := url.Parse(r.url)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	password, _ := u.User.Password()
	port := u.Port()
	if port == "" {
		port = "5432"
	}
	props := map[string]string{"database.hostname": u.Hostname(), "database.port": port, "database.user": u.User.Username(),
		"database.password": password, "database.dbname": r.database(), "slot.name": r.slot}
	maps.Copy(props, r.c.connector())
	channels := strings.FieldsFunc(props["signal.enabled.channels"], func(r rune) bool { return r == ',' || r == ' ' })
	if slices.Contains(channels, "file") {
		props["signal.file"] = r.signalPath()
	}
	if slices.Contains(channels, "kafka") {
		if err := r.makeTopic(); err != nil {
			return nil, err
		}
		props["signal.kafka.bootstrap.servers"], props["signal.kafka.topic"] = r.p.Kafka.Bootstrap(), r.topic
	}
	return props, nil
}

func (r *run) database() string {
	u, err := url.Parse(r.url)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}

// start starts a task with the stored offsets and waits until it streams.
func (r *run) start() error {
	props, err := r.config()
	if err != nil {
		return err
	}
	stored := func(_ context.Context, partition []byte) ([]byte, error) {
		return r.records.storedOffset(partition), nil
	}
	task, err := r.p.New(props, stored, r.log)
	if err != nil {
		r.failed(err)
		return nil
	}
	r.records.begin(task)
	ctx, cancel := context.WithCancel(r.ctx)
	t := &running{cancel: cancel, done: make(chan error, 1)}
	r.task = t
	go func() { t.done <- task.Run(ctx, r.records) }()
	if !r.c.streams() {
		return r.pauseIdle()
	}
	deadline := time.Now().Add(startTimeout)
	for {
		streaming, err := r.streaming()
		if streaming || err != nil || r.task == nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the task does not stream after %v", startTimeout)
		}
		if err := r.pause(askPause); err != nil {
			return err
		}
	}
}

// streaming asks the server whether the slot's sender has caught up once.
func (r *run) streaming() (bool, error) {
	rows, err := r.query(`SELECT 1 FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid
		WHERE s.slot_name = '` + r.slotName() + `' AND r.state = 'streaming'`)
	return rows > 0, err
}

// slotName is the slot the task uses: a case may name its own.
func (r *run) slotName() string {
	if s := r.c.Props["slot.name"]; s != "" {
		return s
	}
	return r.slot
}

func (r *run) query(sql string) (rows int, err error) {
	results, err := r.admin.Exec(r.ctx, sql).ReadAll()
	if err != nil {
		return 0, fmt.Errorf("second session: %w", err)
	}
	for _, res := range results {
		rows += len(res.Rows)
	}
	return rows, nil
}

// settle waits until everything before it was delivered: a logical message of our own comes back.
func (r *run) settle() error {
	if r.task == nil {
		return nil
	}
	if !r.c.streams() {
		return r.pauseIdle()
	}
	r.sync++
	r.records.expect(r.sync)
	if _, err := r.query("SELECT pg_logical_emit_message(false, '" + syncPrefix + "', '" + strconv.Itoa(r.sync) + "')"); err != nil {
		return err
	}
	timeout := time.NewTimer(syncTimeout)
	defer timeout.Stop()
	for !r.records.synced() {
		if err := r.await(timeout.C); err != nil {
			return fmt.Errorf("wait for logical message %d of %q: %w", r.sync, syncPrefix, err)
		}
		if r.task == nil {
			return nil
		}
	}
	tail, err := r.c.millis("tail.ms", 0)
	if err != nil || tail == 0 {
		return err
	}
	return r.pause(tail)
}

var errTimeout = errors.New("it did not come in time")

// await returns when something was collected or the task failed.
func (r *run) await(timeout <-chan time.Time) error {
	select {
	case <-r.records.changed:
		return nil
	case err := <-r.task.done:
		return r.ended(err)
	case <-timeout:
		return errTimeout
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

func (r *run) pauseIdle() error {
	idle, err := r.c.millis("idle.ms", idlePause)
	if err != nil {
		return err
	}
	return r.pause(idle)
}

// pause lets the task work for a while; it ends early when the task fails.
func (r *run) pause(d time.Duration) error {
	if r.task == nil {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case err := <-r.task.done:
		return r.ended(err)
	case <-timer.C:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// ended takes the end of a task that nobody stopped.
func (r *run) ended(err error) error {
	r.task.cancel()
	r.records.finish()
	r.task = nil
	if err != nil {
		r.failed(err)
	} else if r.c.streams() {
		return errors.New("the task ended by itself, without a failure")
	}
	return nil
}

// failed marks that the connector failed here.
func (r *run) failed(err error) {
	line, _ := marshal(map[string]string{"failure": err.Error()}) // texts always marshal
	n := r.records.count()
	r.marks[n] = append(r.marks[n], line)
}

func (r *run) settleAndStop() error {
	if err := r.settle(); err != nil {
		return err
	}
	return r.stop()
}

// stop ends the task and stores the offset behind its last record.
func (r *run) stop() error {
	if r.task == nil {
		return nil
	}
	t := r.task
	r.task = nil
	t.cancel()
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case err := <-t.done:
		r.records.finish()
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("stop the task: %w", err)
		}
		return nil
	case <-timeout.C:
		return fmt.Errorf("the task does not stop within %v", stopTimeout)
	}
}

// forget drops the slot or the stored offsets of a stopped task.
func (r *run) forget(what string) error {
	if r.task != nil {
		return errors.New("forget: the task runs; stop it first")
	}
	if strings.Contains(what, "offsets") {
		r.records.forget()
	}
	if strings.Contains(what, "slot") {
		return r.dropSlot()
	}
	return nil
}

// dropSlot drops the slot once its walsender has let go of it.
func (r *run) dropSlot() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	slot := "'" + r.slotName() + "'"
	for {
		// The sender of a closed connection ends soon; what is still there then is ended.
		_, err := r.admin.Exec(ctx, "SELECT pg_terminate_backend(active_pid, 1000) FROM pg_replication_slots WHERE active AND slot_name = "+slot+
			"; SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = "+slot).ReadAll()
		var failure *pgconn.PgError
		if !errors.As(err, &failure) || failure.Code != "55006" { // object_in_use
			if err != nil {
				return fmt.Errorf("drop slot %s: %w", slot, err)
			}
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("drop slot %s: %w", slot, err)
		}
	}
}

func (r *run) signalPath() string { return filepath.Join(r.scratch, "signals.txt") }

// signalFile writes one line to the file of signals.
func (r *run) signalFile(line string) error {
	if err := os.WriteFile(r.signalPath(), []byte(line+"\n"), 0o600); err != nil {
		return fmt.Errorf("signal file: %w", err)
	}
	return nil
}

func (r *run) makeTopic() error {
	if r.topic != "" {
		return nil
	}
	if r.p.Kafka == nil {
		return errors.New("the case signals through Kafka, and the replay has no broker")
	}
	topic := "sig-" + r.slot
	if err := r.p.Kafka.CreateTopic(r.ctx, topic); err != nil {
		return fmt.Errorf("signal topic %q: %w", topic, err)
	}
	r.topic = topic
	return nil
}

// signalTopic produces one record to the topic of signals.
func (r *run) signalTopic(arg string) error {
	key, value, ok := strings.Cut(arg, " ")
	if !ok {
		return fmt.Errorf("kafka %q: want a key and a value", arg)
	}
	if err := r.makeTopic(); err != nil {
		return err
	}
	return r.p.Kafka.Produce(r.ctx, r.topic, key, strings.TrimSpace(value))
}
