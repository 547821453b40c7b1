// Package faultproxy stands between a client and a server and does to their TCP connections what networks do: it cuts them, in the middle of a
// message too, delays and slows down what they carry, holds one direction or both, takes connections and never answers.
//
// In: the address of a server. Out: an address that leads to it, and methods that say what happens on the way, at once (Set, Reset, CutAfter),
// for a while (Suffer) or by a plan that a seed makes (NewPlan, Follow). It knows no protocol: bytes are bytes.
//
// A Proxy owns a goroutine that accepts, one per connection and one per direction of it; all have ended when Close returns. Suffer and Follow
// work on the caller's.
package faultproxy
