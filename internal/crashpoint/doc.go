// Package crashpoint names places where a process that dies is hardest on its guarantees, so that tests can have it die just there.
//
// In: a name, where the program passes. Out: nothing, or the end of the process by signal 9: only in a program that was built with the tag
// crashpoint, and only where the variable TANDEM_CRASH_AT says NAME, NAME:N, for the Nth time, or NAME:N:DURATION: then who passes stands still for
// so long before the process dies, and what the others do meanwhile gets out. In other programs Pass is empty, and nothing of it is in them. No
// goroutines.
package crashpoint
