package faultproxy

import "time"

// Direction is the way of bytes.
type Direction int

// Directions.
const (
	Up   Direction = iota // from the client to the server
	Down                  // from the server to the client
)

// Way is what happens to the bytes of one direction; the zero value lets them pass.
type Way struct {
	Hold bool // they wait until the rule ends, and come then
	Drop bool // they vanish; a connection that lost some is reset when the rule ends, for there is a hole in it

	Delay          time.Duration // of every piece that is read, one behind the other
	BytesPerSecond int           // 0: as fast as it goes
}

// Rule is what happens to connections; the zero value is a network without faults.
type Rule struct {
	Refuse bool // new connections are reset
	Mute   bool // new connections are taken and lead nowhere: nothing is answered, and they are reset when the rule ends

	Up, Down Way

	// Only says of which connections this is the rule, by the first bytes that their client said; nil: of all. It must not keep the bytes.
	Only func(opening []byte) bool
}

// Silence lets nothing pass in either direction and tells nobody, as a network that is cut. What was on its way comes when it ends.
var Silence = Rule{Up: Way{Hold: true}, Down: Way{Hold: true}}

// way is that of a connection with such an opening.
func (r *Rule) way(d Direction, opening []byte) Way {
	if r.Only != nil && !r.Only(opening) {
		return Way{}
	}
	if d == Up {
		return r.Up
	}
	return r.Down
}
