// Package golden keeps what a test must show as text beside the test.
//
// In: txtar files, one per case: a comment that says what the case is and where from, input sections, expected sections. Out: the
// sections, and a failure with a diff where what was computed is not what stands there. `go test -update` rewrites expected sections;
// without it a missing one fails.
//
// It imports nothing of this project, so that every room's tests can use it; the corpus of connector recordings is replayed by
// golden/replay. No goroutines. A File may be checked from several tests at once.
package golden
