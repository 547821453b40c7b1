//go:build !unix

package jvmserver

import (
	"errors"
	"os"
)

func terminate(p *os.Process) error { return p.Kill() }
func killGroup(p *os.Process) error { return p.Kill() }
func suspend(*os.Process) error     { return errors.ErrUnsupported }
func goOn(*os.Process) error        { return errors.ErrUnsupported }
