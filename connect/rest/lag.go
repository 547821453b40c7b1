package rest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/connect/metrics"
)

// lagPath is one of the resources for administrators; workers ask each other for it too.
const lagPath = "/admin/lag"

// lagBody tells how far the tasks of the group are behind, or those of one worker.
type lagBody struct {
	Stalled int         `json:"stalled"` // how many of them
	Tasks   []taskLag   `json:"tasks"`
	Workers []workerLag `json:"workers"`
}

// workerLag is a worker that was asked for its tasks.
type workerLag struct {
	Worker string  `json:"worker"`
	Error  *string `json:"error"` // why its tasks are missing; null: they are not
}

type taskLag struct {
	Connector  string         `json:"connector"`
	Task       int            `json:"task"`
	State      string         `json:"state"`
	Stalled    bool           `json:"stalled"`
	Standstill float64        `json:"standstill_seconds"`
	Kind       connect.Kind   `json:"type"`
	Worker     string         `json:"worker"`
	Rungs      []lagRung      `json:"rungs"`      // of a source
	Slot       *lagSlot       `json:"slot"`       // null: the source has none, or it has not been asked
	Partitions []partitionLag `json:"partitions"` // of a sink
}

// lagRung is a step of a change's way. Position is an LSN.
type lagRung struct {
	Rung     string   `json:"rung"`
	Position string   `json:"position"`
	Bytes    int64    `json:"bytes"`
	Seconds  *float64 `json:"seconds"` // null: not known
}

type lagSlot struct {
	Name     string `json:"name"`
	Retained int64  `json:"retained_bytes"`
	Safe     *int64 `json:"safe_bytes"` // null: without bound
	Active   bool   `json:"active"`
	Lost     bool   `json:"lost"`
}

// partitionLag is how far a sink is in a partition.
type partitionLag struct {
	Topic     string     `json:"topic"`
	Partition int        `json:"partition"`
	Rungs     []sinkRung `json:"rungs"`
}

// sinkRung is a step of a record's way into the store. Position is an offset.
type sinkRung struct {
	Rung     string   `json:"rung"`
	Position int64    `json:"position"`
	Records  int64    `json:"records"`
	Seconds  *float64 `json:"seconds"` // null: not known
}

// lag is GET /admin/lag. It answers 503 while a task is stalled, or a worker of the group does not say whether one is, so that a probe need not read the
// body.
func (a *api) lag(c *call) (answer, error) {
	body := a.ownLag()
	if !alone(c) {
		a.addOthers(c, &body)
	}
	status := http.StatusOK
	if body.Stalled > 0 || slices.ContainsFunc(body.Workers, func(w workerLag) bool { return w.Error != nil }) {
		status = http.StatusServiceUnavailable
	}
	return answer{status: status, body: body}, nil
}

// ownLag is the lag of this worker's tasks.
func (a *api) ownLag() lagBody {
	body := lagOf(a.herder.Metrics().Collect())
	for i := range body.Tasks {
		t := &body.Tasks[i]
		t.Worker = a.herder.ID()
		s, err := a.herder.TaskStatus(connect.TaskID{Connector: t.Connector, Task: t.Task})
		if err != nil { // it was removed a moment ago
			continue
		}
		t.State = string(s.State)
	}
	body.Workers = []workerLag{{Worker: a.herder.ID()}}
	return body
}

// lagOf finds the ladders among what is measured.
func lagOf(out *metrics.Out) lagBody {
	body := lagBody{Tasks: []taskLag{}}
	for _, kind := range []connect.Kind{connect.KindSource, connect.KindSink} {
		out.Series("tandem_"+string(kind)+"_stalled", func(labels []metrics.Label, v float64) {
			t := taskLag{Connector: metrics.Value(labels, "connector"), Stalled: v != 0, Kind: kind, Rungs: []lagRung{}, Partitions: []partitionLag{}}
			t.Task, _ = strconv.Atoi(metrics.Value(labels, "task")) // the worker's own number
			body.Tasks = append(body.Tasks, t)
			if t.Stalled {
				body.Stalled++
			}
		})
	}
	sortTasks(body.Tasks)
	index := make(map[connect.TaskID]*taskLag)
	for i := range body.Tasks {
		index[connect.TaskID{Connector: body.Tasks[i].Connector, Task: body.Tasks[i].Task}] = &body.Tasks[i]
	}
	each := func(name string, do func(t *taskLag, labels []metrics.Label, v float64)) {
		out.Series(name, func(labels []metrics.Label, v float64) {
			task, _ := strconv.Atoi(metrics.Value(labels, "task"))
			if t := index[connect.TaskID{Connector: metrics.Value(labels, "connector"), Task: task}]; t != nil {
				do(t, labels, v)
			}
		})
	}
	for _, kind := range []connect.Kind{connect.KindSource, connect.KindSink} {
		each("tandem_"+string(kind)+"_standstill_seconds", func(t *taskLag, _ []metrics.Label, v float64) { t.Standstill = v })
	}
	sourceLag(each)
	sinkLag(each)
	return body
}

func sortTasks(tasks []taskLag) {
	slices.SortStableFunc(tasks, func(a, b taskLag) int { return cmp.Or(cmp.Compare(a.Connector, b.Connector), a.Task-b.Task) })
}

// eachSeries calls do for each sample of a series of a task.
type eachSeries func(name string, do func(t *taskLag, labels []metrics.Label, v float64))

// sourceLag takes the rungs of sources and their slots.
func sourceLag(each eachSeries) {
	each("tandem_source_position", func(t *taskLag, labels []metrics.Label, v float64) {
		r := lagRung{Rung: metrics.Value(labels, "rung"), Position: lsnText(uint64(v))}
		if len(t.Rungs) == 0 {
			r.Seconds = new(float64) // the first is what the others are behind
		}
		t.Rungs = append(t.Rungs, r)
	})
	rung := func(set func(*lagRung, float64)) func(*taskLag, []metrics.Label, float64) {
		return func(t *taskLag, labels []metrics.Label, v float64) {
			for i := range t.Rungs {
				if t.Rungs[i].Rung == metrics.Value(labels, "rung") {
					set(&t.Rungs[i], v)
				}
			}
		}
	}
	each("tandem_source_lag_bytes", rung(func(r *lagRung, v float64) { r.Bytes = int64(v) }))
	each("tandem_source_lag_seconds", rung(func(r *lagRung, v float64) { r.Seconds = &v }))
	each("tandem_source_slot_retained_bytes", func(t *taskLag, labels []metrics.Label, v float64) {
		t.Slot = &lagSlot{Name: metrics.Value(labels, "slot"), Retained: int64(v)}
	})
	slot := func(set func(*lagSlot, float64)) func(*taskLag, []metrics.Label, float64) {
		return func(t *taskLag, _ []metrics.Label, v float64) {
			if t.Slot != nil {
				set(t.Slot, v)
			}
		}
	}
	each("tandem_source_slot_active", slot(func(s *lagSlot, v float64) { s.Active = v != 0 }))
	each("tandem_source_slot_lost", slot(func(s *lagSlot, v float64) { s.Lost = v != 0 }))
	each("tandem_source_slot_safe_bytes", slot(func(s *lagSlot, v float64) { n := int64(v); s.Safe = &n }))
}

// sinkLag takes the rungs of sinks, of each of their partitions. Those of a partition come together.
func sinkLag(each eachSeries) {
	type place struct {
		task      *taskLag
		topic     string
		partition int
	}
	index := make(map[place]int)
	each("tandem_sink_position", func(t *taskLag, labels []metrics.Label, v float64) {
		topic := metrics.Value(labels, "topic")
		partition, _ := strconv.Atoi(metrics.Value(labels, "partition")) // the worker's own number
		if n := len(t.Partitions); n == 0 || t.Partitions[n-1].Topic != topic || t.Partitions[n-1].Partition != partition {
			index[place{t, topic, partition}] = n
			t.Partitions = append(t.Partitions, partitionLag{Topic: topic, Partition: partition})
		}
		p := &t.Partitions[len(t.Partitions)-1]
		r := sinkRung{Rung: metrics.Value(labels, "rung"), Position: int64(v)}
		if len(p.Rungs) == 0 {
			r.Seconds = new(float64) // the first is what the others are behind
		} else {
			r.Records = max(0, p.Rungs[0].Position-r.Position)
		}
		p.Rungs = append(p.Rungs, r)
	})
	each("tandem_sink_lag_seconds", func(t *taskLag, labels []metrics.Label, v float64) {
		partition, _ := strconv.Atoi(metrics.Value(labels, "partition"))
		at, known := index[place{t, metrics.Value(labels, "topic"), partition}]
		if !known {
			return
		}
		for i := range t.Partitions[at].Rungs {
			if r := &t.Partitions[at].Rungs[i]; r.Rung == metrics.Value(labels, "rung") {
				r.Seconds = &v
			}
		}
	})
}

// lsnText writes an LSN as PostgreSQL does.
func lsnText(lsn uint64) string { return fmt.Sprintf("%X/%X", lsn>>32, uint32(lsn)) }
