package transaction

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// Config is what an Assembler has to know.
type Config struct {
	Topic   string        // of the metadata; "" is the one assigned topic whose name ends in .transaction, or will
	Buffer  int64         // bytes of waiting records to keep in memory; more of them go to a file
	Dir     string        // of that file; "" is the system's
	Timeout time.Duration // how long a transaction may wait for the rest of it while nothing comes
	// TopicOf is the topic that a source writes to for a name that was put together of the prefix and a table.
	TopicOf func(name string) string
	// Wants tells of a topic that is not assigned whether it will be: a new table's is, as soon as the consumer has seen it, and until then its
	// transactions wait. nil: none will be.
	Wants func(topic string) bool
}

// suffix is the end of the metadata topic's name, unless the source's topic.transaction says otherwise.
const suffix = ".transaction"

// Assembler puts transactions together.
//
// Invariants:
//  1. In each queue the runs before that of a transaction belong to transactions that ended before it, or to none.
//  2. ends are in the order of commits; nothing is given of a transaction before all of it has come.
type Assembler struct {
	config Config
	prefix string // of the topics; "": a record has to tell
	queues map[kafka.TopicPartition]*queue
	order  []*queue
	topics map[string][]*queue // by topic, the metadata's not among them
	sizes  map[string]int      // how many partitions each topic has, assigned or not
	meta   *queue
	ends   []*end
	open   map[string]*progress // transactions that have not been given
	done   replays
	spool  spool
	names  *names
	kinds  map[sampleKey]int
	sample []string // an entry for each kind of record
	entry  []byte
	began  map[string]bool // topics whose snapshot is over
	over   bool            // the snapshot of all topics is
	mid    bool            // a task before this one has given records: the marks that say so may be among them
	row    time.Time       // when a row of a snapshot came last, or this task began
	moved  time.Time       // when something came or was given last
}

// progress is what has come of a transaction.
type progress struct {
	counts []count
	runs   map[*queue]int   // how many wait: what the source said again of transactions before it may stand between them
	last   map[*queue]int64 // the order of the last record of each partition: one that is not behind it is a repetition
}

// sampleKey tells records apart that may go to different tables or columns.
type sampleKey struct {
	topic      uint64
	key, value *schema.Schema
	delete     bool
}

// New makes an Assembler without partitions.
func New(c Config) *Assembler {
	return &Assembler{config: c, queues: make(map[kafka.TopicPartition]*queue), topics: make(map[string][]*queue), sizes: make(map[string]int), open: make(map[string]*progress),
		spool: spool{limit: c.Buffer, dir: c.Dir}, names: newNames(), kinds: make(map[sampleKey]int), began: make(map[string]bool)}
}

// SetupError says which option does not go with the partitions.
type SetupError struct {
	Option string
	Err    error
}

func (e *SetupError) Error() string { return fmt.Sprintf("%v (option %s)", e.Err, e.Option) }

// Unwrap returns the cause.
func (e *SetupError) Unwrap() error { return e.Err }

// Retriable is false.
func (e *SetupError) Retriable() bool { return false }

// Open begins anew with these partitions, which stand at the positions; -1 is not known.
func (a *Assembler) Open(partitions []sink.Assignment, positions []int64, now time.Time) error {
	a.Close()
	*a = *New(a.config)
	a.moved, a.row = now, now
	topic := a.config.Topic
	for _, p := range partitions {
		if a.config.Topic == "" && strings.HasSuffix(p.Topic, suffix) && p.Topic != topic {
			if topic != "" {
				return &SetupError{Option: "transaction.topic", Err: fmt.Errorf("topics %s and %s may both be that of the transactions' metadata; name it", topic, p.Topic)}
			}
			topic = p.Topic
		}
	}
	a.prefix = strings.TrimSuffix(topic, suffix)
	if i := strings.LastIndexByte(topic, '.'); a.prefix == topic && i > 0 {
		a.prefix = topic[:i]
	}
	for i, p := range partitions {
		q := &queue{at: p.TopicPartition, log: log{spool: &a.spool}, next: positions[i], taken: -1, again: positions[i] > 0}
		a.queues[p.TopicPartition] = q
		a.order = append(a.order, q)
		a.mid = a.mid || q.next >= 0
		switch {
		case p.Topic != topic:
			a.topics[p.Topic] = append(a.topics[p.Topic], q)
			a.sizes[p.Topic] = p.Partitions
		case a.meta != nil || p.Partition != 0:
			return &SetupError{Option: "transaction.topic", Err: fmt.Errorf("topic %s has several partitions, so that the order of commits is not known; make it with one", topic)}
		default:
			a.meta = q
		}
	}
	return nil
}

// Metadata is the topic of the transactions' metadata, and whether it is assigned. One that does not exist yet, for the source makes it with its first
// transaction, is assigned when the consumer has seen it; until then rows of snapshots are given, and transactions wait. "": no record has told yet.
func (a *Assembler) Metadata() (topic string, assigned bool) {
	switch {
	case a.meta != nil:
		return a.meta.at.Topic, true
	case a.config.Topic != "" || a.prefix == "":
		return a.config.Topic, false
	}
	return a.config.TopicOf(a.prefix + suffix), false
}

// learnPrefix takes the prefix of the topics from a record where no topic of metadata says it, and makes sure that one will.
func (a *Assembler) learnPrefix(name string) error {
	a.prefix = strings.Clone(name)
	topic, _ := a.Metadata()
	if a.config.Wants != nil && !a.config.Wants(topic) {
		return &SetupError{Option: "topics.regex", Err: fmt.Errorf("the topic of the transactions' metadata, %s, is not among this connector's; add it, or name it in transaction.topic if the source gives it another name; %s",
			topic, metadataHint)}
	}
	return nil
}

// history is how many records of the metadata are read again at the start: what a source said again after a crash is known by them.
const history = 10_000

// ReadFrom is where to begin reading a partition that stands at next and whose first record is begin.
func (a *Assembler) ReadFrom(at kafka.TopicPartition, begin, next int64) int64 {
	if a.meta != nil && a.meta.at == at {
		return max(begin, next-history)
	}
	return next
}

// Close lets go of everything.
func (a *Assembler) Close() { a.spool.close() }

// Topics are those of the data.
func (a *Assembler) Topics() []string {
	var out []string
	for _, q := range a.order {
		if q != a.meta && !slices.Contains(out, q.at.Topic) {
			out = append(out, q.at.Topic)
		}
	}
	return out
}

// Collection is what stands behind the prefix in the name of a topic; "" when it has another name.
func (a *Assembler) Collection(topic string) string {
	rest, ok := strings.CutPrefix(topic, a.prefix+".")
	if !ok {
		return ""
	}
	return rest
}

// Add takes a record in. One that was taken in before is left out. Nothing of the record is kept but what was copied. After an error that is retriable,
// a full disk's, the record was not taken in, and may be added again.
func (a *Assembler) Add(r *sink.Record, now time.Time) error {
	at := r.Consumed()
	q := a.queues[at]
	if q == nil {
		return fmt.Errorf("record %s-%d@%d: the partition was not opened by this task", at.Topic, at.Partition, r.Offset)
	}
	if r.Offset < q.taken || r.Offset < q.next && q != a.meta {
		return nil
	}
	a.moved = now
	var err error
	if q == a.meta {
		err = a.addMetadata(q, r)
	} else {
		err = a.addData(q, r)
	}
	if err != nil {
		return fmt.Errorf("record %s-%d@%d: %w", at.Topic, at.Partition, r.Offset, err)
	}
	q.taken = r.Offset + 1
	return nil
}

func (a *Assembler) addMetadata(q *queue, r *sink.Record) error {
	e, err := a.readEnd(q, r)
	switch {
	case err != nil:
		return err
	case r.Offset < q.next: // applied by the task before this one
		if e != nil {
			a.done.add(e.key)
		}
	case e != nil:
		a.ends = append(a.ends, e)
	case len(a.ends) == 0:
		q.pass = r.Offset + 1
	}
	return nil
}

func (a *Assembler) addData(q *queue, r *sink.Record) error {
	e, err := a.classify(q, r)
	if err != nil {
		return err
	}
	again := e.kind == change && (a.done.known[e.key] || a.open[e.key] != nil && e.order <= a.open[e.key].last[q]) // the source said it again, after a crash
	if e.kind == tombstone {
		again = q.again
	}
	q.again = again
	if e.kind == nothing || again {
		q.left(r.Offset)
		return nil
	}
	a.entry = binary.AppendUvarint(a.entry[:0], uint64(e.order))
	a.entry = a.names.appendRecord(a.entry, r)
	if err := q.log.room(a.entry); err != nil { // before anything is noted of the record, which comes again
		return err
	}
	switch e.kind {
	case change:
		p := a.progressOf(e.key)
		p.last[q] = e.order
		p.add(q.at.Topic)
		a.began[q.at.Topic] = true
	case snapshot:
		a.row = a.moved
		a.began[q.at.Topic] = e.last
		a.over = a.over || e.whole
	}
	waiting := len(q.runs)
	run := q.runFor(&e)
	if e.kind == change && len(q.runs) > waiting {
		a.open[e.key].runs[q]++
	}
	q.log.append(a.entry)
	run.entries++
	run.bytes += int64(len(a.entry))
	run.last = r.Offset
	a.note(run, r, &e)
	return nil
}

// note keeps a record of each kind, so that tables can be made before a transaction begins.
func (a *Assembler) note(run *run, r *sink.Record, e *event) {
	k := sampleKey{a.names.ofText(r.Topic), r.KeySchema, r.ValueSchema, e.kind == tombstone}
	n, ok := a.kinds[k]
	if !ok {
		n = len(a.sample)
		a.kinds[k] = n
		a.sample = append(a.sample, string(a.entry))
	}
	if !slices.Contains(run.samples, n) {
		run.samples = append(run.samples, n)
	}
}

func (a *Assembler) progressOf(key string) *progress {
	p := a.open[key]
	if p == nil {
		p = &progress{runs: make(map[*queue]int), last: make(map[*queue]int64)}
		a.open[strings.Clone(key)] = p
	}
	return p
}

func (p *progress) add(topic string) {
	for i := range p.counts {
		if p.counts[i].topic == topic {
			p.counts[i].n++
			return
		}
	}
	p.counts = append(p.counts, count{topic, 1})
}

func (p *progress) of(topic string) int64 {
	if p != nil {
		for i := range p.counts {
			if p.counts[i].topic == topic {
				return p.counts[i].n
			}
		}
	}
	return 0
}

// Left takes a record into account that is not put: the positions may go behind it. A transaction it belonged to will not become complete.
func (a *Assembler) Left(at kafka.Position) {
	if q := a.queues[at.TopicPartition]; q != nil && at.Offset > q.taken {
		q.taken = at.Offset
		if q != a.meta || len(a.ends) == 0 {
			q.left(at.Offset - 1)
		}
	}
}

// Waiting tells whether records wait for others to come.
func (a *Assembler) Waiting() bool {
	if len(a.ends) > 0 {
		return true
	}
	for _, q := range a.order {
		if len(q.runs) > 0 {
			return true
		}
	}
	return false
}

// Idle is for how long nothing has come and nothing was given.
func (a *Assembler) Idle(now time.Time) time.Duration { return now.Sub(a.moved) }

// lull is for how long no row of a snapshot comes before those count as whole that a task before this one has begun to give.
const lull = 2 * time.Second

// Rest ends the wait for the marks of snapshots where they may have been given before this task began, and no more rows have come for a while. Rows
// that refer to rows which are still to come are then refused by the database, and wait for those.
func (a *Assembler) Rest(now time.Time) {
	if a.mid && now.Sub(a.row) >= lull {
		a.over = true
	}
}

// Touch begins the time anew for which nothing has come.
func (a *Assembler) Touch(now time.Time) { a.moved = now }

// replays are the transactions that were given last, to know what a source says again after a crash.
type replays struct {
	known map[string]bool
	ring  []string
	next  int
}

// mostReplays is how many of them are kept: more than a source has in flight.
const mostReplays = 1 << 16

func (r *replays) add(key string) {
	if r.known == nil {
		r.known = make(map[string]bool)
	}
	if r.known[key] {
		return
	}
	r.known[key] = true
	if len(r.ring) < mostReplays {
		r.ring = append(r.ring, key)
		return
	}
	delete(r.known, r.ring[r.next])
	r.ring[r.next] = key
	r.next = (r.next + 1) % mostReplays
}
