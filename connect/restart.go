package connect

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
	"github.com/tandem-cdc/tandem/internal/pause"
)

// RestartPolicy says whether a task that has FAILED is started again by itself. Kafka Connect leaves that to the user.
type RestartPolicy struct {
	Most    int           // how often in a row; -1 for ever, 0 never
	First   time.Duration // pause before the first; each is twice the one before
	Longest time.Duration
}

// Options of a RestartPolicy, of connectors and, for those that do not say, of the worker.
const (
	restartMostOption    = "errors.restart.max"
	restartFirstOption   = "errors.restart.backoff.ms"
	restartLongestOption = "errors.restart.backoff.max.ms"
)

func defaultRestartPolicy() RestartPolicy {
	return RestartPolicy{First: 10 * time.Second, Longest: 5 * time.Minute}
}

func (p *RestartPolicy) keys(opts ...config.Option) config.Keys {
	opts = append(opts, config.Rank(config.Low))
	return config.Keys{
		config.Int(&p.Most, restartMostOption, "How often in a row a task that FAILED is started again by itself; -1: as often as it takes. 0, as in Kafka Connect: it stays FAILED until somebody restarts it. "+
			"What it has stored counts as a success. An option of ours.", -1, math.MaxInt32, opts...),
		config.Millis(&p.First, restartFirstOption, "Pause before the first such start; each is twice the one before. The task is FAILED meanwhile.", time.Millisecond, opts...),
		config.Millis(&p.Longest, restartLongestOption, "Longest such pause.", time.Millisecond, opts...),
	}
}

// orElse is the policy of a connector, with the worker's where the connector says nothing.
func (p RestartPolicy) orElse(props map[string]string, workers RestartPolicy) RestartPolicy {
	if _, given := props[restartMostOption]; !given {
		p.Most = workers.Most
	}
	if _, given := props[restartFirstOption]; !given {
		p.First = workers.First
	}
	if _, given := props[restartLongestOption]; !given {
		p.Longest = workers.Longest
	}
	return p
}

// restarts counts the automatic restarts of a task.
type restarts struct {
	policy RestartPolicy
	wait   backoff
	count  int
}

func newRestarts(p RestartPolicy) *restarts {
	return &restarts{policy: p, wait: backoff{first: p.First, most: max(p.First, p.Longest)}}
}

// succeeded begins the row anew.
func (r *restarts) succeeded() {
	r.count = 0
	r.wait.reset()
}

// again waits until a task that has failed is to be started again; false: it is not, or ctx ended.
func (r *restarts) again(ctx context.Context, log *slog.Logger) bool {
	if r.policy.Most >= 0 && r.count >= r.policy.Most {
		if r.policy.Most > 0 {
			log.Error("the task failed again and stays FAILED", "restarts", r.count, "option", restartMostOption)
		}
		return false
	}
	r.count++
	d := r.wait.delay()
	log.Warn("the task is FAILED, it is started again by itself", "wait", d, "restarts", r.count)
	return pause.For(ctx, d)
}
