//go:build !unix

package main

import "syscall"

// There are no such signals: private servers need Unix anyway.
const (
	sigStop = syscall.Signal(19)
	sigCont = syscall.Signal(18)
)
