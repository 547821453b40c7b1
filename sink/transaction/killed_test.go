package transaction

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// said is one record of a source, and where it goes.
type said struct {
	topic     string
	partition int32
	record    sink.Record
}

// killedSource makes up what a source says, in its order: rows of a snapshot, then transactions; and the names of the records that are rows.
func killedSource(r *rand.Rand) (all []said, snapshots int, want []string) {
	id := int64(0)
	say := func(topic string, partition int32, rec sink.Record) { all = append(all, said{topic, partition, rec}) }
	row := func(tx string, order int64, marker string) string {
		id++
		table := fmt.Sprintf("t%d", r.IntN(3))
		say("p.s."+table, int32(r.IntN(2)), record(table, id, tx, order, marker))
		return table
	}
	for range r.IntN(30) {
		row("", 0, "true")
	}
	row("", 0, "last")
	snapshots = len(all)
	for tx := 500; tx < 530; tx++ {
		counts := make(map[string]int64)
		say("p.transaction", 0, ending("BEGIN", fmt.Sprintf("%d:%d", tx, id), nil))
		for order := range int64(r.IntN(6)) {
			table := row(fmt.Sprintf("%d:%d", tx, id), order+1, "false")
			counts[table]++
			if last := all[len(all)-1]; r.IntN(4) == 0 {
				say(last.topic, last.partition, sink.Record{KeySchema: number, Key: schema.OfInt64(id)})
			}
			want = append(want, fmt.Sprintf("p.s.%s/%d", table, id))
		}
		say("p.transaction", 0, ending("END", fmt.Sprintf("%d:%d", tx, id), counts))
	}
	return all, snapshots, want
}

// sayKilled writes to topics what a source says that is killed now and then: each partition has a part of what was under way, of its own length, and the
// next run begins anywhere before what all of them have, but with nothing of the snapshot once a transaction was said.
func sayKilled(r *rand.Rand, l *topics, all []said, snapshots int) {
	for table := range 3 { // all topics are there
		for partition := range int32(2) {
			at := kafka.TopicPartition{Topic: fmt.Sprintf("p.s.t%d", table), Partition: partition}
			l.order = append(l.order, at)
		}
	}
	l.order = append(l.order, kafka.TopicPartition{Topic: "p.transaction"})
	l.records = make(map[kafka.TopicPartition][]sink.Record)
	for _, at := range l.order {
		l.records[at] = nil
	}
	for from, kills := 0, 6; from < len(all); kills-- {
		to := min(len(all), from+1+r.IntN(40))
		if from < snapshots {
			to = min(to, snapshots)
		}
		if kills <= 0 {
			to = len(all)
		}
		acked := from + r.IntN(to-from+1)
		if kills <= 0 {
			acked = to
		}
		written := make(map[kafka.TopicPartition]int)
		for n, s := range all[from:to] {
			at := kafka.TopicPartition{Topic: s.topic, Partition: s.partition}
			if _, ok := written[at]; !ok {
				written[at] = acked + r.IntN(to-acked+1)
			}
			if from+n < written[at] {
				l.add(s.topic, s.partition, s.record)
			}
		}
		if kills <= 0 {
			return
		}
		from += r.IntN(acked - from + 1)
		if all[from].record.Value.IsNull() { // a record and its tombstone are one change
			from--
		}
	}
}

// checkTombstones wants each tombstone that is given to follow its own row, with nothing of their partition in between: it would delete what came since.
func checkTombstones(t *testing.T, all []said, got []string) {
	t.Helper()
	home := make(map[string]kafka.TopicPartition) // of a row
	for i := range all {
		if s := &all[i]; s.topic != "p.transaction" {
			s.record.Topic = s.topic
			home[name(&s.record)] = kafka.TopicPartition{Topic: s.topic, Partition: s.partition}
		}
	}
	last := make(map[kafka.TopicPartition]string)
	for _, n := range got {
		at := home[n]
		if row := strings.Replace(n, "tombstone ", "", 1); row == n {
			last[at] = n
		} else if last[at] != row {
			t.Fatalf("%s is given behind %s", n, last[at])
		}
	}
}

// TestSourceAndSinkKilled has a source killed at any moment, and the sink too, and wants each transaction whole, once and in its order.
func TestSourceAndSinkKilled(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 17))
		all, snapshots, want := killedSource(r)
		var l topics
		sayKilled(r, &l, all, snapshots)
		var got []string
		positions := make(map[kafka.TopicPartition]int64)
		for crash := true; crash; {
			crash = r.IntN(3) > 0
			got = append(got, readAll(t, r, &l, positions, crash)...)
		}
		if diff := cmp.Diff(want, without(got, "tombstone")); diff != "" {
			t.Fatalf("seed %d: records of transactions differ (-want +got)\n%s", seed, diff)
		}
		checkTombstones(t, all, got)
		for at, records := range l.records {
			if len(records) > 0 && positions[at] != int64(len(records)) {
				t.Errorf("seed %d: position of %v = %d, want %d", seed, at, positions[at], len(records))
			}
		}
	}
}
