//go:build !unix

package jvmserver

import "os/exec"

func isolate(*exec.Cmd)             {}
func terminate(cmd *exec.Cmd) error { return cmd.Process.Kill() }
func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
