// Package childserver is what private servers of other programs have in common: the user they run as, their process, their port.
//
// In: a command. Out: a process that ends with whoever started it, and then leaves no folder behind.
//
// Goroutines: none. A test may have a server and still look for leaked goroutines. A watchdog, a shell that waits for the starter's end, stands
// beside each server.
package childserver
