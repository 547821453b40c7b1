package connect

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/tandem-cdc/tandem/internal/pause"
)

// backoff waits between attempts: first, doubled each time, at most most.
type backoff struct {
	first, most time.Duration
	next        time.Duration
}

// delay is how long to wait now. Once it reached its bound it varies, so that many tasks do not come back at the same moment.
func (b *backoff) delay() time.Duration {
	if b.next == 0 {
		b.next = b.first
	}
	d := min(b.next, b.most)
	b.next = min(2*d, b.most)
	if d == b.most && d > 1 {
		d = d/2 + rand.N(d/2)
	}
	return d
}

func (b *backoff) reset() { b.next = 0 }

// retries says how operations on brokers, registries and stores that fail with a retriable error are tried again.
type retries struct {
	most   time.Duration // longest wait between two attempts: errors.retry.delay.max.ms
	giveUp time.Duration // after which to fail; 0: never
	counts *errorCounts  // nil: nobody counts
}

// retryFirst is the wait after the first attempt, Kafka Connect's.
const retryFirst = 300 * time.Millisecond

// retries are those of conversions. Kafka Connect fails a task at the first error while errors.retry.timeout is 0, its default; here that
// means to wait for a registry or broker to come back, as a negative one does.
func (c *ConnectorConfig) retries() retries {
	return retries{most: c.RetryDelayMax, giveUp: max(c.RetryTimeout, 0), counts: c.counts}
}

// forever is the same without an end: for stores, which errors.retry.timeout does not concern.
func (r retries) forever() retries { return retries{most: r.most} }

// untilDone repeats do while its error is retriable and ctx lives, and says so. what completes "cannot …".
func (r retries) untilDone(ctx context.Context, log *slog.Logger, what string, do func() error) error {
	wait := backoff{first: min(retryFirst, max(r.most, time.Millisecond)), most: max(r.most, time.Millisecond)}
	began := time.Now()
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil {
			if attempt > 1 {
				log.Info("could "+what+" in the end", "attempts", attempt)
			}
			return nil
		}
		if !retriable(err) || ctx.Err() != nil {
			return err
		}
		d := wait.delay()
		if r.giveUp > 0 && time.Since(began)+d > r.giveUp {
			return &gaveUpError{what, attempt, r.giveUp, err}
		}
		r.counts.retried()
		log.Warn("cannot "+what+", trying again", "error", err, "attempt", attempt, "wait", d)
		if !pause.For(ctx, d) {
			return err
		}
	}
}

// gaveUpError ends the attempts after errors.retry.timeout.
type gaveUpError struct {
	what     string
	attempts int
	after    time.Duration
	err      error
}

func (e *gaveUpError) Error() string {
	return fmt.Sprintf("cannot %s after %d attempts within errors.retry.timeout=%d: %v", e.what, e.attempts, e.after.Milliseconds(), e.err)
}
func (e *gaveUpError) Unwrap() error { return e.err }

// Retriable is false: the user set the bound.
func (e *gaveUpError) Retriable() bool { return false }
