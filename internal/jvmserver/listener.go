package jvmserver

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/tandem-cdc/tandem/internal/childserver"
)

// Listener is a listener of a broker besides the one of Addr, with what is for it alone.
type Listener struct {
	Name     string // letters and digits
	Protocol string // SSL, SASL_SSL, SASL_PLAINTEXT
	// Config are its options without listener.name.NAME.
	Config map[string]string
}

// listener adds listener i to the properties of the broker.
func (k *Kafka) listener(i int, p map[string]string) {
	l := k.options.Listeners[i]
	at := fmt.Sprintf(",%s://%s", l.Name, k.Listener(i))
	p["listeners"] += at
	p["advertised.listeners"] += at
	p["listener.security.protocol.map"] += "," + l.Name + ":" + l.Protocol
	for name, text := range l.Config {
		p["listener.name."+strings.ToLower(l.Name)+"."+name] = strings.ReplaceAll(text, "$DIR", k.dir)
	}
}

// Listener is host:port of one of the listeners that the options asked for.
func (k *Kafka) Listener(i int) string { return fmt.Sprintf("127.0.0.1:%d", k.listening[i]) }

// Keytool runs the keytool of the Java that runs the servers.
func Keytool(ctx context.Context, args ...string) error {
	java, err := Java()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(java), "keytool"), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run keytool %s: %w\n%s", args[0], err, childserver.Tail(out, 5))
	}
	return nil
}
