// Command servers starts the servers that the scenes need, runs a command while they are up, and stops them and forgets their data.
//
//	servers SERVER=PORT … -- COMMAND [ARGUMENT…]
//
// It is for machines that have none of them: Java and Maven bring Kafka, the registry and the search servers, PostgreSQL is found or fetched.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	wanted, command, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		fmt.Fprintf(os.Stderr, "usage: servers SERVER=PORT … -- COMMAND [ARGUMENT…]\nservers: %s\n", strings.Join(names(), ", "))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	signal.Ignore(os.Interrupt) // Ctrl-C is for the command
	code, err := run(ctx, wanted, command)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
	}
	os.Exit(code)
}

// server is a kind of server; start returns how it is stopped.
type server struct {
	name  string
	start func(ctx context.Context, port int) (stop func() error, err error)
}

func names() (all []string) {
	for _, s := range kinds {
		all = append(all, s.name)
	}
	return all
}

// wish is one that is wanted.
type wish struct {
	server
	port int
}

func parse(args []string) (wanted []wish, command []string, err error) {
	at := slices.Index(args, "--")
	if at < 0 || at+1 == len(args) {
		return nil, nil, errors.New("no command behind --")
	}
	for _, arg := range args[:at] {
		name, text, _ := strings.Cut(arg, "=")
		port, err := strconv.ParseUint(text, 10, 16)
		i := slices.IndexFunc(kinds, func(s server) bool { return s.name == name })
		if err != nil || i < 0 {
			return nil, nil, fmt.Errorf("%q: want SERVER=PORT", arg)
		}
		wanted = append(wanted, wish{kinds[i], int(port)})
	}
	return wanted, args[at+1:], nil
}

// run starts all at once, runs the command and stops all. The code is the command's.
func run(ctx context.Context, wanted []wish, command []string) (code int, err error) {
	began := time.Now()
	var mu sync.Mutex // guards stops
	var stops []func() error
	defer func() {
		var g errgroup.Group
		for _, stop := range stops {
			g.Go(stop)
		}
		err = errors.Join(err, g.Wait())
	}()
	g, starting := errgroup.WithContext(ctx)
	for _, w := range wanted {
		g.Go(func() error {
			if err := free(w.port); err != nil {
				return fmt.Errorf("start %s: %w", w.name, err)
			}
			stop, err := w.start(starting, w.port)
			if err != nil {
				return fmt.Errorf("start %s: %w", w.name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			stops = append(stops, stop)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 1, err
	}
	fmt.Fprintf(os.Stderr, "servers: up after %.1f s; they stop when %s ends\n", time.Since(began).Seconds(), command[0])
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGHUP) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, fmt.Errorf("%s: %w", command[0], err)
	}
	return 0, nil
}

// free tells whether a port can be listened on.
func free(port int) error {
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return ln.Close()
}

// serve serves HTTP on a port until it is stopped.
func serve(port int, h http.Handler) (stop func() error, err error) {
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	var ended errgroup.Group
	ended.Go(func() error { return s.Serve(ln) })
	return func() error {
		err := s.Close()
		if served := ended.Wait(); !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}
