package metrics

import "regexp"

// Absence is what a Java worker has and this one has not.
type Absence struct {
	Series *regexp.Regexp // with their labels, whatever the set
	What   string
	Reason string
}

// Absences are all of them.
func Absences() []Absence { return absences }

var absences = []Absence{
	{regexp.MustCompile(`_(io|io_wait)_(ratio|time_ns_(avg|total))\{|_select_(rate|total)\{`), "io-*, io-wait-*, select-*",
		"They are about the Selector of Java's network library: here each connection has a goroutine that waits."},
	{regexp.MustCompile(`_(failed|successful)_(re)?authentication(_no_reauth)?_(rate|total)\{|_reauthentication_latency_(avg|max)\{`), "*-authentication-*, *-reauthentication-*",
		"A connection that cannot authenticate fails the task with the broker's words; those that can are connection-creation-total. Connections are not authenticated again."},
	{regexp.MustCompile(`_(txn_\w+|flush)_time_ns_total\{`), "txn-*-time-ns-total, flush-time-ns-total", "They are of calls of the Java producer that block; here nothing waits for a flush."},
	{regexp.MustCompile(`_fetch_throttle_time_(avg|max)\{`), "fetch-throttle-time-*", "The client library does not tell what the broker held an answer back for; fetch-latency-* holds it."},
	{regexp.MustCompile(`_committed_time_ns_total\{`), "committed-time-ns-total", "Committed offsets are read once per assignment, within rebalance-latency-*."},
	{regexp.MustCompile(`_partition_(assigned|revoked|lost)_latency_(avg|max)\{`), "partition-*-latency-*", "They are parts of rebalance-latency-*."},
	{regexp.MustCompile(`_fetch_size_max\{.*topic=`), "fetch-size-max of a topic", "Responses are counted whole: fetch-size-max is of all topics."},
	{regexp.MustCompile(`_producer_topic(_metrics)?_compression_rate\{`), "compression-rate of a topic", "Requests are compressed and counted whole: compression-rate-avg is of all topics."},
}

// Absent tells why a series, written with its labels, is missing; "" for one that should be there.
func Absent(series string) string {
	for _, a := range absences {
		if a.Series.MatchString(series) {
			return a.Reason
		}
	}
	return ""
}
