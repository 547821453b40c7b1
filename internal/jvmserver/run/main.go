// Command run starts Apache Kafka and Apicurio Registry, runs a command with TANDEM_KAFKA (host:port) and TANDEM_REGISTRY (URL) set, stops
// them and ends with the command's exit code.
//
//	go run ./internal/jvmserver/run [--] COMMAND [ARGUMENT…]
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: run [--] COMMAND [ARGUMENT…]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, args)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
	}
	os.Exit(code)
}

// run returns the exit code of the command, or 1 when it could not be run.
func run(ctx context.Context, args []string) (code int, err error) {
	var kafka *jvmserver.Kafka
	var registry *jvmserver.Registry
	g, start := errgroup.WithContext(ctx)
	g.Go(func() (err error) { kafka, err = jvmserver.StartKafka(start, jvmserver.KafkaOptions{}); return err })
	g.Go(func() (err error) {
		registry, err = jvmserver.StartRegistry(start, jvmserver.RegistryOptions{})
		return err
	})
	err = g.Wait()
	if kafka != nil {
		defer func() { err = errors.Join(err, kafka.Close()) }()
	}
	if registry != nil {
		defer func() { err = errors.Join(err, registry.Close()) }()
	}
	if err != nil {
		return 1, err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // the command tidies up itself
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "TANDEM_KAFKA="+kafka.Addr(), "TANDEM_REGISTRY="+registry.URL())
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, fmt.Errorf("%s: %w", args[0], err)
	}
	return 0, nil
}
