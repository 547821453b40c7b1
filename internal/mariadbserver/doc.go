// Package mariadbserver runs private MariaDB servers for tests.
//
// In: Options. Out: a running server on a loopback port of its own, and how to connect to it.
//
// The programs are found on the machine. mariadbd refuses to run as root, so a process that is root starts it as an unprivileged user.
// Nothing is left behind: the data is in a temporary folder, and a server whose starter ends, be it by SIGKILL, is ended and its folder
// removed by a watchdog process that reads a pipe from the starter.
//
// A Server owns the server process, the watchdog and the folder. It has no goroutines: it sees its process end by the end of file on a
// pipe that the process inherits.
package mariadbserver
