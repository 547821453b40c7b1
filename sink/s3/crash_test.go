package s3

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tandem-cdc/tandem/kafka"
	"github.com/tandem-cdc/tandem/schema"
	"github.com/tandem-cdc/tandem/sink"
)

// TestCrashes: a task is killed at random moments, with a position stored that may be old; the next one goes on there. In the end each record is in exactly one object,
// in the right directory, in order.
func TestCrashes(t *testing.T) {
	schedule := []string{"rotate.schedule.interval.ms", "60000", "timezone", "UTC"}
	byField := []string{"partitioner.class", fieldPartitioner, "partition.field.name", "p"}
	hourly := []string{"partitioner.class", hourlyPartitioner, "locale", "en", "timezone", "UTC", "timestamp.extractor", "Record"}
	for name, extra := range map[string][]string{
		"count":                  {"flush.size", "7"},
		"count and field":        append([]string{"flush.size", "9"}, byField...),
		"record time":            append([]string{"flush.size", "50", "rotate.interval.ms", "600000"}, hourly...),
		"hours at once":          append([]string{"flush.size", "50", "rotate.interval.ms", "7200000", "rotate.file.on.partition.change", "false"}, hourly...),
		"clock":                  append([]string{"flush.size", "40"}, schedule...),
		"clock and field":        append(append([]string{"flush.size", "40"}, schedule...), byField...),
		"clock and record time":  append(append([]string{"flush.size", "30", "rotate.interval.ms", "600000", "max.files.scan.limit", "2"}, hourly...), schedule[:2]...),
		"clock, no conditions":   append([]string{"flush.size", "40", "enable.conditional.writes", "false"}, schedule...),
		"clock, short offsets":   append([]string{"flush.size", "11", "filename.offset.zero.pad.width", "0", "max.files.scan.limit", "3"}, schedule...),
		"few open files":         append([]string{"flush.size", "40", "partitioner.max.open.files", "2"}, byField...),
		"keys and clock":         append([]string{"flush.size", "40", "store.kafka.keys", "true", "keys.format.class", jsonFormat}, schedule...),
		"clock, prefix of names": append([]string{"flush.size", "13", "file.delim", "", "topics.dir", ""}, schedule...),
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(40) {
				crashes(t, rand.New(rand.NewPCG(seed, 1)), extra)
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

func crashes(t *testing.T, random *rand.Rand, extra []string) {
	const total = 300
	s := newMemoryStore()
	clock := &testClock{at: time.UnixMilli(1_700_000_000_000)}
	config := parsed(t, extra...)
	at := kafka.TopicPartition{Topic: "t"}
	all := make([]sink.Record, total)
	for i := range all {
		all[i] = record(0, int64(i), schema.Entry{Key: schema.OfString("p"), Value: schema.OfInt64(random.Int64N(4))})
		all[i].Timestamp = time.UnixMilli(1_700_000_000_000 + int64(i)*60_000 + random.Int64N(3_600_000))
		all[i].Key = schema.OfString("k")
	}
	position, written := int64(0), int64(0)
	for life := 0; position < total && life < 200; life++ {
		task, err := newTask(config, s, func() {}, clock.now, quiet)
		if err != nil {
			t.Fatal(err)
		}
		produced := max(written, min(int64(total), position+random.Int64N(total))) // the end of the topic lies behind all that was ever read
		if _, err := task.Open(t.Context(), []sink.Assignment{assignment("t", 0, produced)}); err != nil {
			t.Fatal(err)
		}
		dies := random.IntN(30)
		down := 0
		s.fail = func(op, _ string) error {
			if op == "list" || op == "abort" {
				return nil
			}
			if dies--; dies < 0 {
				return errors.New("killed")
			}
			if down--; down == 0 {
				return &StoreError{Op: op, Passes: true, Err: errors.New("busy")}
			}
			return nil
		}
		if life > 150 { // come to an end
			s.fail = nil
		}
		for next := position; ; {
			clock.at = clock.at.Add(time.Duration(random.Int64N(30_000)) * time.Millisecond)
			to := min(int64(total), next+random.Int64N(40))
			down = random.IntN(6)
			batch := all[next:to]
			written = max(written, to)
			err := task.Put(t.Context(), batch)
			if retriable(err) {
				down = 0
				err = task.Put(t.Context(), batch)
			}
			if err != nil {
				break
			}
			next = to
			if next == total { // what is open is finished by the clock, or by more records than there are
				clock.at = clock.at.Add(2 * time.Minute)
				p := task.partitions[at]
				if p.records > 0 {
					if err := task.finish(p); err != nil {
						t.Fatal(err)
					}
				}
			}
			down = 0
			positions, err := task.Flush(t.Context())
			if err != nil {
				break
			}
			if len(positions) == 1 && (random.IntN(3) > 0 || next == total) { // else the commit of the offset is lost
				position = positions[0].Offset
			}
			if next == total {
				break
			}
		}
	}
	if position != total {
		t.Fatalf("the position is %d in the end, want %d", position, total)
	}
	checkObjects(t, s, all, config)
}

func retriable(err error) bool {
	var r interface{ Retriable() bool }
	return errors.As(err, &r) && r.Retriable()
}

// checkObjects compares the objects of values with the records.
func checkObjects(t *testing.T, s *memoryStore, all []sink.Record, c Config) {
	t.Helper()
	parter := newPartitioner(&c)
	seen := make(map[int64]string)
	for _, name := range s.names() {
		if strings.HasSuffix(name, ".keys.json") {
			if want := len(linesOf(s.text(strings.Replace(name, ".keys", "", 1)))); len(linesOf(s.text(name))) != want {
				t.Errorf("%s has %d keys, want %d", name, len(linesOf(s.text(name))), want)
			}
			continue
		}
		last := int64(-1)
		for i, line := range linesOf(s.text(name)) {
			var n, p int64
			if _, err := fmt.Sscanf(line, `{"n":%d,"p":%d}`, &n, &p); err != nil {
				t.Fatalf("%s: line %q: %v", name, line, err)
			}
			if n <= last {
				t.Errorf("%s has record %d behind %d", name, n, last)
			}
			if i == 0 && !strings.HasSuffix(name, string(pad([]byte(c.FileDelim), int(n), c.OffsetPad))+".json") {
				t.Errorf("%s begins with record %d", name, n)
			}
			last = n
			if other, twice := seen[n]; twice {
				t.Errorf("record %d is in %s and in %s", n, other, name)
			}
			seen[n] = name
			millis, _, err := parter.time(&all[n], 0)
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := parter.encode(&all[n], millis)
			if err != nil || !strings.Contains(name, "/"+string(encoded)+"/") {
				t.Errorf("record %d of directory %s is in %s (%v)", n, encoded, name, err)
			}
		}
	}
	if len(seen) != len(all) {
		t.Errorf("%d of %d records are in objects", len(seen), len(all))
	}
}
