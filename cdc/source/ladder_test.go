package source

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandem-cdc/tandem/cdc"
)

// TestTrap33Waits: changes wait while they are in the task's hands, and while the server is further than the slot and the stored offset by more than
// what it cannot send; a server that was not asked yet tells nothing. Task.Waits protects.
func TestTrap33Waits(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name                       string
		head, received, safe, slot cdc.LSN
		queued                     int64
		mode                       string
		interval, ago              time.Duration
		asked, waits, known        bool
	}{
		{name: "nobody has asked", interval: time.Second},
		{name: "nobody asks", known: true},
		{name: "no stream", mode: "initial_only", interval: time.Second, head: mib, asked: true, known: true},
		{name: "all is stored", interval: time.Second, head: 8 * mib, received: 8 * mib, safe: 8 * mib, asked: true, known: true},
		{name: "the beginning of a record", interval: time.Second, head: 8*mib + 8192, received: 8 * mib, safe: 8 * mib, asked: true, known: true},
		{name: "the server is ahead", interval: time.Second, head: 9 * mib, received: 8 * mib, safe: 8 * mib, asked: true, waits: true, known: true},
		{name: "the last answer is old", interval: time.Second, head: 8 * mib, received: 9 * mib, safe: 8 * mib, asked: true, waits: true, known: true},
		{name: "another one moves the slot", interval: time.Second, head: 9 * mib, safe: 8 * mib, slot: 9 * mib, asked: true, known: true},
		{name: "nobody answers any more", interval: time.Second, head: 8 * mib, safe: 8 * mib, asked: true, ago: time.Minute},
		{name: "queued", head: mib, queued: 1, waits: true, known: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			task := &Task{cfg: DefaultConfig()}
			task.cfg.LagInterval = c.interval
			if c.mode != "" {
				task.cfg.SnapshotMode = SnapshotMode(c.mode)
			}
			task.counts.waiting.Store(c.queued)
			task.counts.received.Store(uint64(c.received))
			task.safe.Store(uint64(c.safe))
			task.lag.server = serverState{lsn: c.head, confirmed: c.slot, sent: c.received}
			if c.asked {
				task.lag.server.at = time.Now().Add(-c.ago)
			}
			if waits, known := task.Waits(); waits != c.waits || known != c.known {
				t.Errorf("Waits() = %v, %v, want %v, %v", waits, known, c.waits, c.known)
			}
		})
	}
	task := &Task{}
	task.counts.received.Store(0x30)
	task.counts.published.Store(0x20)
	task.lag.server = serverState{lsn: 0x40, sent: 0x28, confirmed: 0x10}
	if diff := cmp.Diff([]any{"server", "0/40", "sent", "0/30", "received", "0/30", "published", "0/20", "confirmed", "0/10"}, task.Rungs()); diff != "" {
		t.Errorf("Rungs (-want +got)\n%s", diff)
	}
}
