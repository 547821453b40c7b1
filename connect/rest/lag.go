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

// lagBody tells how far the source tasks of this worker are behind.
type lagBody struct {
	Stalled int       `json:"stalled"` // how many of them
	Tasks   []taskLag `json:"tasks"`
}

type taskLag struct {
	Connector  string    `json:"connector"`
	Task       int       `json:"task"`
	State      string    `json:"state"`
	Stalled    bool      `json:"stalled"`
	Standstill float64   `json:"standstill_seconds"`
	Rungs      []lagRung `json:"rungs"`
	Slot       *lagSlot  `json:"slot"` // null: the source has none, or it has not been asked
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

// lag is GET /admin/lag. It answers 503 while a task is stalled, so that a probe need not read the body.
func (a *api) lag(*call) (answer, error) {
	body := lagOf(a.herder.Metrics().Collect())
	for i := range body.Tasks {
		t := &body.Tasks[i]
		s, err := a.herder.TaskStatus(connect.TaskID{Connector: t.Connector, Task: t.Task})
		if err != nil { // it was removed a moment ago
			continue
		}
		t.State = string(s.State)
	}
	status := http.StatusOK
	if body.Stalled > 0 {
		status = http.StatusServiceUnavailable
	}
	return answer{status: status, body: body}, nil
}

// lagOf finds the ladders among what is measured.
func lagOf(out *metrics.Out) lagBody {
	body := lagBody{Tasks: []taskLag{}}
	index := make(map[connect.TaskID]*taskLag)
	out.Series("tandem_source_stalled", func(labels []metrics.Label, v float64) {
		t := taskLag{Connector: metrics.Value(labels, "connector"), Stalled: v != 0, Rungs: []lagRung{}}
		t.Task, _ = strconv.Atoi(metrics.Value(labels, "task")) // the worker's own number
		body.Tasks = append(body.Tasks, t)
		if t.Stalled {
			body.Stalled++
		}
	})
	slices.SortFunc(body.Tasks, func(a, b taskLag) int { return cmp.Or(cmp.Compare(a.Connector, b.Connector), a.Task-b.Task) })
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
	each("tandem_source_standstill_seconds", func(t *taskLag, _ []metrics.Label, v float64) { t.Standstill = v })
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
	return body
}

// lsnText writes an LSN as PostgreSQL does.
func lsnText(lsn uint64) string { return fmt.Sprintf("%X/%X", lsn>>32, uint32(lsn)) }
