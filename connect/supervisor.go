package connect

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// Back-off of tasks that failed with a retriable error.
const (
	restartFirst = 500 * time.Millisecond
	restartMost  = 30 * time.Second
)

// supervise gives a task one life after the other until ctx ends or it fails for good. A retriable error is said in the log; the status
// stays RUNNING meanwhile.
func (w *Worker) supervise(ctx context.Context, c *connector, t *task) {
	log := c.log.With("task", t.id.task)
	alive := InstanceStatus{State: Running, WorkerID: w.ID(), Version: c.plugin.Version}
	wait := backoff{first: restartFirst, most: restartMost}
	for failures := 0; ; {
		progress, err := w.live(ctx, c, t, func() { w.setTask(t, alive) })
		if ctx.Err() != nil {
			if err != nil {
				log.Debug("the task ended with an error while it was stopped", "error", err)
			}
			w.setTask(t, InstanceStatus{State: Unassigned, WorkerID: w.ID(), Version: c.plugin.Version})
			log.Info("stopped the task")
			return
		}
		if err == nil { // nothing more to do: it stays RUNNING until it is stopped
			log.Info("the task has done all its work")
			<-ctx.Done()
			continue
		}
		if progress {
			failures = 0
			wait.reset()
		}
		failures++
		if most := c.config.Source.MaxRetries; !retriable(err) || most >= 0 && failures > most {
			if retriable(err) {
				err = fmt.Errorf("gave up after %d retries (errors.max.retries): %w", most, err)
			}
			log.Error("the task failed", "error", err)
			failed := InstanceStatus{State: Failed, WorkerID: w.ID(), Trace: trace(err), Version: c.plugin.Version}
			w.setTask(t, failed)
			return
		}
		d := wait.delay()
		if c.config.Source.RestartWait > 0 {
			d = c.config.Source.RestartWait
		}
		log.Warn("the task failed, starting it again from the stored offset", "error", err, "wait", d, "failures", failures)
		pause(ctx, d)
	}
}

// live runs one life of a task with clients of its own.
func (w *Worker) live(ctx context.Context, c *connector, t *task, running func()) (progress bool, err error) {
	if ctx.Err() != nil {
		return false, nil
	}
	log := c.log.With("task", t.id.task)
	kafka, report := w.newClients(w.cfg.optionsFor(t.id, &c.config), &c.config, c.plugin.Kind, log)
	if err := report.Err(); err != nil {
		return false, err
	}
	classes := converterClasses(&w.cfg, &c.config)
	if c.plugin.source != nil {
		r := &sourceRunner{id: t.id, plugin: c.plugin.source, props: maps.Clone(t.props), config: c.config, worker: &w.cfg, conv: c.conv,
			offsets: w.offsets, log: log, clients: kafka,
			tolerance: &tolerance{id: t.id, config: &c.config, classes: classes, log: log}}
		return r.run(ctx, running)
	}
	classes[stagePut] = c.plugin.taskClass()
	r := &sinkRunner{id: t.id, plugin: c.plugin.sink, props: maps.Clone(t.props), config: c.config, worker: &w.cfg, conv: c.conv,
		classes: classes, log: log, clients: kafka}
	return r.run(ctx, running)
}
