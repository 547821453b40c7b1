package source

import (
	"time"

	"github.com/tandem-cdc/tandem/cdc"
)

// rung is a step of a change's way, and the position that it has come to; 0: it has not begun.
type rung struct {
	name string
	lsn  cdc.LSN
}

// ladder is the way of a change from the server's WAL back to the server. acknowledged is the position behind what the broker has.
func ladder(s *Stats, server *serverState, acknowledged cdc.LSN) []rung {
	sent := server.sent
	if sent != 0 {
		sent = max(sent, s.Received) // which is younger
	}
	return []rung{
		{"server", max(server.lsn, s.Received)},
		{"sent", sent},
		{"received", s.Received},
		{"decoded", s.Decoded},
		{"published", s.Published},
		{"acknowledged", acknowledged},
		{"stored", s.Stored},
		{"confirmed", max(s.Confirmed, server.confirmed)},
	}
}

// slack is how far the server's position may lie ahead of the last record that it can send: the record being written is there in part, and a page
// begins with a header.
const slack = 64 << 10

// Waits tells whether there are changes behind the stored offset: in the task's hands, or in WAL that the slot has not been moved over. known is
// false as long as the server has not answered.
func (t *Task) Waits() (waits, known bool) {
	if t.counts.waiting.Load() > 0 {
		return true, true
	}
	if !t.cfg.streams() || t.cfg.LagInterval <= 0 {
		return false, true // nobody asks the server
	}
	server, _ := t.lag.state()
	if every := t.cfg.LagInterval; time.Since(server.at) > 2*every+max(every, lagPatience) {
		return false, false // never, or not for long: the network may be cut
	}
	done := max(cdc.LSN(t.safe.Load()), server.confirmed)
	return max(server.lsn, cdc.LSN(t.counts.received.Load())) > done+slack, true
}

// Rungs are the names of the ladder's rungs and their positions, in turn.
func (t *Task) Rungs() []any {
	s := t.Stats()
	server, _ := t.lag.state()
	var all []any
	for _, r := range ladder(&s, &server, 0) {
		if r.lsn != 0 {
			all = append(all, r.name, r.lsn.String())
		}
	}
	return all
}
