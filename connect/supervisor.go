package connect

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/tandem-cdc/tandem/internal/pause"
)

// Back-off of tasks that failed with a retriable error.
const (
	restartFirst = 500 * time.Millisecond
	restartMost  = 30 * time.Second
)

// supervise gives a task one life after the other until ctx ends or it fails for good. A retriable error is said in the log; the status
// stays RUNNING meanwhile. hard ends when the task is cut off.
func (w *Worker) supervise(ctx, hard context.Context, t *task) {
	log := t.c.taskLogger(t.id)
	log.Info("started the task")
	wait := backoff{first: restartFirst, most: restartMost}
	if t.pause.shut.Load() {
		t.say(Paused, nil)
	}
	auto := newRestarts(t.c.config.Restarts.orElse(t.c.props, w.cfg.Restarts))
	for failures := 0; ; {
		var progress bool
		err := t.pause.wait(ctx)
		if err == nil {
			progress, err = w.live(ctx, hard, t)
		}
		if ctx.Err() != nil {
			if err != nil {
				log.Debug("the task ended with an error while it was stopped", "error", err)
			}
			t.say(Unassigned, nil)
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
			auto.succeeded()
		}
		failures++
		if most := t.c.config.Source.MaxRetries; !retriable(err) || most >= 0 && failures > most {
			if retriable(err) {
				err = fmt.Errorf("gave up after %d retries (errors.max.retries): %w", most, err)
			}
			log.Error("the task failed", "error", err)
			t.say(Failed, err)
			if !auto.again(ctx, log) {
				return
			}
			t.say(Restarting, nil)
			failures = 0
			wait.reset()
			continue
		}
		d := wait.delay()
		if t.c.config.Source.RestartWait > 0 {
			d = t.c.config.Source.RestartWait
		}
		t.meter.is(restarting)
		w.meter.restarts.Add(1)
		log.Warn("the task failed, starting it again from the stored offset", "error", err, "wait", d, "failures", failures)
		pause.For(ctx, d)
	}
}

// live runs one life of a task with clients of its own.
func (w *Worker) live(ctx, hard context.Context, t *task) (progress bool, err error) {
	if ctx.Err() != nil {
		return false, nil
	}
	c := t.c
	log := c.taskLogger(t.id)
	options := w.cfg.optionsFor(t.id, &c.config)
	options.lease = w.lease
	kafka, report := w.newClients(options, &c.config, c.plugin.Kind, log)
	if err := report.Err(); err != nil {
		return false, err
	}
	counted := &meteredClients{clients: kafka, registry: w.metrics}
	defer counted.done()
	kafka = counted
	classes := converterClasses(&w.cfg, &c.config)
	config := c.config
	config.counts = &t.meter.errors
	if c.plugin.source != nil {
		classes[stageSend] = sendClass
		r := &sourceRunner{id: t.id, plugin: c.plugin.source, props: maps.Clone(t.props), config: config, worker: &w.cfg, conv: c.conv,
			offsets: w.offsets, log: log, clients: kafka, pause: &t.pause, topics: &t.topics, meter: t.meter, guard: w.guard,
			tolerance: &tolerance{id: t.id, config: &config, classes: classes, log: log}}
		return r.run(ctx, hard, t.lives)
	}
	classes[stagePut] = putClass
	r := &sinkRunner{id: t.id, plugin: c.plugin.sink, props: maps.Clone(t.props), config: config, worker: &w.cfg, conv: c.conv,
		classes: classes, log: log, clients: kafka, pause: &t.pause, topics: &t.topics, meter: t.meter}
	return r.run(ctx, hard, t.lives)
}
