//go:build !unix

package mariadbserver

import (
	"errors"
	"os"
	"os/exec"
)

var (
	terminate = os.Interrupt
	kill      = os.Kill
)

type identity struct{}

func unprivileged() (identity, error) {
	return identity{}, errors.New("private MariaDB servers need Unix")
}

func (identity) apply(*exec.Cmd)  {}
func (identity) own(string) error { return nil }
