// Package scene runs a README as a test: its commands, in order, in one shell, and compares what they print with what it says they print.
//
// In: a README.md below deploy/. Fenced blocks of kind sh are commands. A fenced block of another kind right behind one is what it prints on
// standard output; such a command is run again until it does, so it must only look. In what is printed "…" stands for any text within a line,
// and a line of it alone for any lines. Commands run in a folder that holds copies of the files they name. Out: a failed test with the
// command, what was wanted and what came, and the ends of the logs the commands wrote.
//
// So that scenes do not stand in each other's way, nor in that of servers on this machine, the well-known ports of the README and its files
// are replaced by free ones, and binaries are built from the repository: all else runs as it stands there.
//
// The shell runs in a group of its own, which is killed at the end. A goroutine per shell reads what it prints.
package scene
