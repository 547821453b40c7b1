//go:build !unix

package pgserver

import (
	"errors"
	"os"
	"os/exec"
)

type signal int

const (
	interrupt signal = iota
	quit
	kill
)

func (signal) send(p *os.Process) error { return p.Kill() }

type identity struct{}

func unprivileged() (identity, error) {
	return identity{}, errors.New("private PostgreSQL servers need Unix: run tandem in WSL or in a container")
}

func (identity) changes() bool              { return false }
func (identity) apply(*exec.Cmd)            {}
func (identity) own(string) error           { return nil }
func (identity) reaches(string) error       { return nil }
func (identity) tempBase() string           { return os.TempDir() }
func (identity) cacheBase() (string, error) { return os.UserCacheDir() }

func ownGroup(*exec.Cmd) {}
