package connect

import (
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-cdc/tandem/connect/metrics"
	"github.com/tandem-cdc/tandem/internal/measure"
	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// Figures takes what a task has measured; see cdc/source.Figures, of which it is the same type.
type Figures = interface {
	// Bean adds an attribute of a JMX bean; props are names and values in turn. A row of a table has a key.
	Bean(domain, kind string, props []string, attr, key string, value float64)
	// Own adds a series of tandem's own; labels are names and values in turn, beside connector and task.
	Own(name string, value float64, labels ...string)
}

// Measured is a SourceTask that has figures of its own. acknowledged is the number of its records that are done with. Measure is called by any
// goroutine, while Run runs and after.
type Measured interface {
	Measure(acknowledged uint64, out Figures)
}

// MeasuredSink is a sink.Task that has figures of its own. Measure is called by any goroutine.
type MeasuredSink interface {
	Measure(out Figures)
}

// taskMeter measures one task over all its lives. Everything in it may be used by several goroutines; a record costs it nothing, a batch a few
// additions.
type taskMeter struct {
	id       TaskID
	kind     Kind
	classes  func() [][2]string // names and values of the texts in connector-task-metrics
	registry *metrics.Registry
	window   *metrics.Window[taskStats]

	source sourceCounts
	sink   sinkCounts
	errors errorCounts
	way    headway

	commits, failedCommits, commitNanos atomic.Uint64
	slowestCommit                       measure.Peak

	mu     sync.Mutex // guards what follows
	state  State
	since  time.Time     // of the state
	ran    time.Duration // before since
	paused time.Duration
	life   func() (polled, written uint64) // of the source's life at hand; nil between two
	before struct{ polled, written uint64 }
	task   func(Figures)                  // figures of the task itself; nil: none
	ends   func() []client.PartitionStats // of the sink's consumer; nil: none
}

// sourceCounts are those of a source task. A batch is what the task emits between two calls of Flush.
type sourceCounts struct {
	batches, batchRecords, batchNanos atomic.Uint64
	largest, slowest                  measure.Peak
	activeSum, activeLooks            atomic.Uint64
	mostActive                        measure.Peak
	transactions, transacted          atomic.Uint64 // of exactly-once delivery, and their records
	mostOfOne, leastOfOne             measure.Peak  // records; leastOfOne counts down from leastFrom
}

// leastFrom turns a greatest value into a least one.
const leastFrom = 1 << 40

// errorCounts are those of task-error-metrics.
type errorCounts struct {
	errors, failures, skipped, retries, logged, letters, lostLetters atomic.Uint64
	last                                                             atomic.Int64 // milliseconds since 1970
}

// failed counts a record that failed for good.
func (c *errorCounts) failed(logged bool) {
	if c == nil {
		return
	}
	c.errors.Add(1)
	c.failures.Add(1)
	c.last.Store(time.Now().UnixMilli())
	if logged {
		c.logged.Add(1)
	}
}

// left counts a record that is left out.
func (c *errorCounts) left() {
	if c != nil {
		c.skipped.Add(1)
	}
}

// letter counts a dead letter.
func (c *errorCounts) letter(err error) {
	if c == nil {
		return
	}
	c.letters.Add(1)
	if err != nil {
		c.lostLetters.Add(1)
	}
}

// retried counts an attempt that failed and is followed by another.
func (c *errorCounts) retried() {
	if c != nil {
		c.failures.Add(1)
		c.retries.Add(1)
	}
}

// taskStats is what is sampled of a task.
type taskStats struct {
	ran, paused                                  time.Duration
	polled, written                              uint64
	batches, batchRecords, batchNanos            uint64
	largest, slowest                             int64
	activeSum, activeLooks                       uint64
	mostActive                                   int64
	read, sent, puts, putNanos                   uint64
	slowestPut                                   int64
	commits, failedCommits, commitNanos, skipped uint64
	slowestCommit                                int64
	transactions, transacted                     uint64
	mostOfOne, leastOfOne                        int64
}

func newTaskMeter(id TaskID, kind Kind, r *metrics.Registry, classes func() [][2]string) *taskMeter {
	return &taskMeter{id: id, kind: kind, registry: r, classes: classes, window: metrics.NewWindowIn[taskStats](r), state: Unassigned, since: time.Now()}
}

// is notes the task's state.
func (m *taskMeter) is(s State) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.ran, m.paused = m.times(now)
	m.state, m.since = s, now
	m.way.is(s, now)
}

// times is how long the task ran and was paused. Under mu.
func (m *taskMeter) times(now time.Time) (ran, paused time.Duration) {
	ran, paused = m.ran, m.paused
	switch m.state {
	case Running:
		ran += now.Sub(m.since)
	case Paused:
		paused += now.Sub(m.since)
	}
	return ran, paused
}

// lives begins a life of a source task; what it has counted stays when it ends.
func (m *taskMeter) lives(life func() (polled, written uint64), task func(Figures)) (ends func()) {
	if m == nil {
		return func() {}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life, m.task = life, task
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.life != nil {
			polled, written := m.life()
			m.before.polled += polled
			m.before.written += written
		}
		m.life, m.task = nil, nil
	}
}

// records is what a source task has given, and what of it is done with.
func (m *taskMeter) records() (polled, written uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	polled, written = m.before.polled, m.before.written
	if m.life != nil {
		p, w := m.life()
		polled, written = polled+p, written+w
	}
	return polled, written
}

// batch counts what a source task emitted between two calls of Flush.
func (m *taskMeter) batch(records uint64, took time.Duration, active uint64) {
	if m == nil || records == 0 {
		return
	}
	c := &m.source
	c.batches.Add(1)
	c.batchRecords.Add(records)
	c.batchNanos.Add(uint64(took))
	c.largest.See(int64(records))
	c.slowest.See(int64(took))
	m.look(active)
}

// transaction counts a Kafka transaction of a source with exactly-once delivery.
func (m *taskMeter) transaction(records uint64) {
	if m == nil {
		return
	}
	c := &m.source
	c.transactions.Add(1)
	c.transacted.Add(records)
	c.mostOfOne.See(int64(records))
	c.leastOfOne.See(max(0, leastFrom-int64(records)))
}

// look notes how many records are in the task's hands.
func (m *taskMeter) look(active uint64) {
	m.source.activeSum.Add(active)
	m.source.activeLooks.Add(1)
	m.source.mostActive.See(int64(active))
}

// committed counts a store of offsets.
func (m *taskMeter) committed(took time.Duration, err error) {
	if m == nil {
		return
	}
	if err != nil {
		m.failedCommits.Add(1)
		return
	}
	m.commits.Add(1)
	m.commitNanos.Add(uint64(took))
	m.slowestCommit.See(int64(took))
}

func (m *taskMeter) stats(peak func(*measure.Peak) int64) taskStats {
	c, k := &m.source, &m.sink
	s := taskStats{
		batches: c.batches.Load(), batchRecords: c.batchRecords.Load(), batchNanos: c.batchNanos.Load(), largest: peak(&c.largest), slowest: peak(&c.slowest),
		activeSum: c.activeSum.Load(), activeLooks: c.activeLooks.Load(), mostActive: peak(&c.mostActive),
		read: k.read.Load(), sent: k.sent.Load(), puts: k.puts.Load(), putNanos: k.putNanos.Load(), slowestPut: peak(&k.slowestPut),
		commits: m.commits.Load(), failedCommits: m.failedCommits.Load(), commitNanos: m.commitNanos.Load(), slowestCommit: peak(&m.slowestCommit),
		skipped: k.skipped.Load(), transactions: c.transactions.Load(), transacted: c.transacted.Load(), mostOfOne: peak(&c.mostOfOne), leastOfOne: peak(&c.leastOfOne),
	}
	s.polled, s.written = m.records()
	m.mu.Lock()
	defer m.mu.Unlock()
	s.ran, s.paused = m.times(time.Now())
	return s
}

// Sample implements metrics.Meter.
func (m *taskMeter) Sample(now time.Time) { m.window.Sample(now, m.stats((*measure.Peak).Take)) }

// Collect implements metrics.Meter.
func (m *taskMeter) Collect(now time.Time, out *metrics.Out) {
	v := m.window.View(now, m.stats((*measure.Peak).Value))
	props := []string{"connector", m.id.Connector, "task", strconv.Itoa(m.id.Task)}
	m.collectTask(&v, out.Bean("kafka.connect", "connector-task-metrics", props...))
	if m.kind == KindSource {
		collectSource(&v, out.Bean("kafka.connect", "source-task-metrics", props...))
	} else {
		m.collectSink(now, &v, out.Bean("kafka.connect", "sink-task-metrics", props...), out)
	}
	m.way.collect(now, m.kind, out, props)
	m.errors.collect(out.Bean("kafka.connect", "task-error-metrics", props...))
	m.mu.Lock()
	task := m.task
	m.mu.Unlock()
	if task != nil {
		task(&figures{out: out, labels: props, beans: make(map[string]*metrics.Bean)})
	}
}

func (m *taskMeter) collectTask(v *metrics.View[taskStats], b *metrics.Bean) {
	m.mu.Lock()
	state := m.state
	m.mu.Unlock()
	b.Text("status", stateText(state))
	for _, c := range m.classes() {
		b.Text(c[0], c[1])
	}
	size, count := func(s *taskStats) float64 { return float64(s.batchRecords) }, func(s *taskStats) float64 { return float64(s.batches) }
	most := func(s *taskStats) float64 { return float64(s.largest) }
	b.Put("batch-size-avg", zero(v.Avg(size, count)))
	b.Put("batch-size-max", zero(v.Peak(most)))
	done, failed := func(s *taskStats) float64 { return float64(s.commits) }, func(s *taskStats) float64 { return float64(s.failedCommits) }
	b.Put("offset-commit-avg-time-ms", zero(v.Avg(func(s *taskStats) float64 { return float64(s.commitNanos) / 1e6 }, done)))
	b.Put("offset-commit-max-time-ms", zero(v.Peak(func(s *taskStats) float64 { return nanosPeak(s.slowestCommit) })))
	both := func(s *taskStats) float64 { return done(s) + failed(s) }
	b.Put("offset-commit-success-percentage", zero(v.Avg(done, both)))
	b.Put("offset-commit-failure-percentage", zero(v.Avg(failed, both)))
	ran, paused := (v.Now.ran - v.Then.ran).Seconds(), (v.Now.paused - v.Then.paused).Seconds()
	b.Put("running-ratio", share(ran, v.Elapsed()))
	b.Put("pause-ratio", share(paused, v.Elapsed()))
}

func collectSource(v *metrics.View[taskStats], b *metrics.Bean) {
	polled, written := func(s *taskStats) float64 { return float64(s.polled) }, func(s *taskStats) float64 { return float64(s.written) }
	b.Put("source-record-poll-total", polled(&v.Now))
	b.Put("source-record-poll-rate", v.Rate(polled))
	b.Put("source-record-write-total", written(&v.Now))
	b.Put("source-record-write-rate", v.Rate(written))
	b.Put("source-record-active-count", math.Max(0, polled(&v.Now)-written(&v.Now)))
	b.Put("source-record-active-count-avg", zero(v.Avg(func(s *taskStats) float64 { return float64(s.activeSum) }, func(s *taskStats) float64 { return float64(s.activeLooks) })))
	b.Put("source-record-active-count-max", zero(v.Peak(func(s *taskStats) float64 { return float64(s.mostActive) })))
	collectTransactions(v, b)
	b.Put("poll-batch-avg-time-ms", zero(v.Avg(func(s *taskStats) float64 { return float64(s.batchNanos) / 1e6 }, func(s *taskStats) float64 { return float64(s.batches) })))
	b.Put("poll-batch-max-time-ms", zero(v.Peak(func(s *taskStats) float64 { return nanosPeak(s.slowest) })))
}

// collectTransactions gives what a source with exactly-once delivery has beside.
func collectTransactions(v *metrics.View[taskStats], b *metrics.Bean) {
	if v.Now.transactions == 0 {
		return
	}
	b.Put("transaction-size-avg", v.Avg(func(s *taskStats) float64 { return float64(s.transacted) }, func(s *taskStats) float64 { return float64(s.transactions) }))
	b.Put("transaction-size-max", v.Peak(func(s *taskStats) float64 { return float64(s.mostOfOne) }))
	b.Put("transaction-size-min", leastFrom-v.Peak(func(s *taskStats) float64 { return float64(s.leastOfOne) }))
}

func (c *errorCounts) collect(b *metrics.Bean) {
	for _, a := range []struct {
		name  string
		count *atomic.Uint64
	}{{"total-record-errors", &c.errors}, {"total-record-failures", &c.failures}, {"total-records-skipped", &c.skipped}, {"total-retries", &c.retries},
		{"total-errors-logged", &c.logged}, {"deadletterqueue-produce-requests", &c.letters}, {"deadletterqueue-produce-failures", &c.lostLetters}} {
		b.Put(a.name, float64(a.count.Load()))
	}
	b.Put("last-error-timestamp", float64(c.last.Load()))
}

// figures is the Figures of one task.
type figures struct {
	out    *metrics.Out
	labels []string
	beans  map[string]*metrics.Bean
}

func (f *figures) Bean(domain, kind string, props []string, attr, key string, value float64) {
	id := domain + "\x00" + kind
	for _, p := range props {
		id += "\x00" + p
	}
	b := f.beans[id]
	if b == nil {
		b = f.out.Bean(domain, kind, props...)
		f.beans[id] = b
	}
	if key != "" {
		b.Row(attr, key, value)
	} else {
		b.Put(attr, value)
	}
}

func (f *figures) Own(name string, value float64, labels ...string) {
	f.out.Own(name, value, append(append([]string(nil), f.labels...), labels...)...)
}

// stateText is a state as Kafka Connect's metrics have it.
func stateText(s State) string {
	switch s {
	case Running:
		return "running"
	case Paused:
		return "paused"
	case Failed:
		return "failed"
	case Stopped:
		return "stopped"
	case muted:
		return "destroyed"
	}
	return "unassigned"
}

// zero is v, or 0 where there is none: Kafka Connect's metrics say so.
func zero(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return math.Min(1, part/whole)
}

// nanosPeak is a peak of nanoseconds in milliseconds; negative stays.
func nanosPeak(n int64) float64 {
	if n < 0 {
		return -1
	}
	return float64(n) / 1e6
}

// sinkCounts are those of a sink task.
type sinkCounts struct {
	read, sent, puts, putNanos atomic.Uint64
	slowestPut                 measure.Peak
	skipped                    atomic.Uint64 // commits with nothing to commit

	mu        sync.Mutex // guards what follows
	positions map[kafka.TopicPartition]*sinkPosition
}

// sinkPosition is how far a partition is: offsets of the next record, and times of the record before.
type sinkPosition struct {
	consumed, applied, committed       int64
	consumedAt, appliedAt, committedAt time.Time
}
