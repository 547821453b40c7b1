// Package childserver is what private servers of other programs have in common: the user they run as, their process, their port.
//
// In: a command. Out: a process that ends with whoever started it, and then leaves no folder behind.
//
// Goroutines: of a Process none, so that a test may have a server and still look for leaked goroutines; a watchdog, a shell that waits for the starter's
// end, stands beside each server. Of a Child one, which waits for its end.
package childserver
