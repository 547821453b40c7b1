package jvmserver

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// echo answers each line with itself.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					fmt.Fprintln(c, lines.Text())
				}
			}()
		}
	}()
	return ln.Addr().String()
}

func TestProxy(t *testing.T) {
	p, err := NewProxy(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	ask := func(text string) { fmt.Fprintln(c, text) }
	hear := func(wait time.Duration) (string, error) {
		if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
			t.Fatal(err)
		}
		return in.ReadString('\n')
	}
	ask("a")
	if got, err := hear(10 * time.Second); got != "a\n" {
		t.Errorf("answer = %q, %v, want a", got, err)
	}
	p.Cut()
	ask("b")
	if got, err := hear(100 * time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("answer = %q, %v while it is cut, want none", got, err)
	}
	p.Heal()
	if got, err := hear(10 * time.Second); got != "b\n" {
		t.Errorf("answer = %q, %v, want what was on its way", got, err)
	}
	p.Close()
	if got, err := hear(10 * time.Second); err == nil {
		t.Errorf("answer = %q after Close, want the connection ended", got)
	}
}
