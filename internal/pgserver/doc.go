// Package pgserver runs private PostgreSQL servers: for the demonstration, for development and for tests.
//
// In: Options. Out: a running server with wal_level=logical on a loopback port of its own, and its URL.
//
// The programs are found on the machine or fetched. initdb and postgres refuse to run as root, so a process that is root starts them as
// an unprivileged user, in folders this user can reach. Nothing is left behind: a server whose starter ends, be it by SIGKILL, is ended by
// a watchdog process that reads a pipe from the starter, and its temporary data is removed with it.
//
// A Server owns three things: the server process, the watchdog, and its folder when that is a temporary one. It has no goroutines: it
// sees its process and all backends end by the end of file on a pipe that they inherit.
package pgserver
