// Package distributed runs connectors in several worker processes that share the work: the Herder of "tandem distributed".
//
// In: a worker's configuration and requests of the REST API (requests.go). Out: records in three compacted topics in Kafka Connect's own formats
// (configtopic.go, statustopic.go, offsettopic.go, all over topicLog in log.go and topics.go), a place in a group of Kafka's (membership.go; the
// bytes in protocol.go), and connectors and tasks that a connect.Worker runs (work.go). What the leader of the group does besides: it divides the
// work (balance.go), writes what only one may write, fences (exactlyonce.go) and makes keys that requests between workers are signed with (duties.go,
// forward.go).
//
// Goroutines: Run owns them all. One per topic reads it and one runs its producer; one sends states; the membership's join, beat and watch are
// client.GroupMember's; the loop owns the state (herder.go), and whoever needs that sends it a function; one per connector that is being asked to divide
// its work. A loss of the membership stops tasks from its own goroutine, beside the loop, for the loop may be waiting for Kafka then.
//
// That no task runs twice rests on this: tasks are started under the gate and while the membership lasts; they are stopped, or cut off, before the
// coordinator can have given the place away (client.GroupMember counts from when the last acknowledged heartbeat was sent); what writes, writes under
// a lease that ends then, should nobody have come to stop it (client.GroupMember.Holds); and the leader gives nothing to a worker that another one
// says it has.
//
// Deliberately absent: what runs, which is connect's, and forwarding of requests, which is connect/rest's.
package distributed
