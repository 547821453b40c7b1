//go:build !unix

package jvmserver

import (
	"errors"
	"os/exec"
)

func isolate(*exec.Cmd)             {}
func terminate(cmd *exec.Cmd) error { return cmd.Process.Kill() }
func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
func suspend(*exec.Cmd) error       { return errors.ErrUnsupported }
func goOn(*exec.Cmd) error          { return errors.ErrUnsupported }
