package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/tandem-cdc/tandem/connect"
	"github.com/tandem-cdc/tandem/internal/embedded"
)

// Well-known ports of a broker, a schema registry and a worker.
const (
	brokerPort   = 9092
	registryPort = 8081
	workerPort   = 8083
)

// stack is a broker, a schema registry and a worker in this process.
type stack struct {
	broker   *embedded.Broker
	registry *embedded.Registry
	host     *host
}

// startStack starts the broker and the registry and makes the worker, on the well-known ports of 127.0.0.1 or the next free ones. dir is where
// offsets are; with keep the records and schemas are there too, to be found again.
func startStack(dir string, keep bool, log *slog.Logger) (_ *stack, err error) {
	s := &stack{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	options := embedded.Options{Log: log.With("part", "broker")}
	if keep {
		options.Dir = filepath.Join(dir, "kafka")
	}
	err = nextFree(brokerPort, func(addr string) (err error) {
		options.Addr = addr
		s.broker, err = embedded.StartBroker(options)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = nextFree(registryPort, func(addr string) (err error) {
		if keep {
			s.registry, err = embedded.StartKeptRegistry(addr, filepath.Join(dir, "registry.jsonl"))
		} else {
			s.registry, err = embedded.StartRegistry(addr)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = nextFree(workerPort, func(addr string) (err error) {
		cfg, err := s.workerConfig(dir, addr)
		if err != nil {
			return err
		}
		s.host, err = newHost(cfg, log)
		return err
	})
	return s, err
}

// workerConfig is what worker.properties would say.
func (s *stack) workerConfig(dir, addr string) (connect.WorkerConfig, error) {
	const avro = "io.confluent.connect.avro.AvroConverter"
	cfg, report := connect.ParseWorkerConfig(map[string]string{
		"bootstrap.servers":                   s.broker.Addr(),
		"key.converter":                       avro,
		"key.converter.schema.registry.url":   s.registry.URL(),
		"value.converter":                     avro,
		"value.converter.schema.registry.url": s.registry.URL(),
		"offset.storage.file.filename":        filepath.Join(dir, "connect.offsets"),
		"offset.flush.interval.ms":            strconv.FormatInt(time.Second.Milliseconds(), 10),
		"listeners":                           "http://" + addr,
	})
	return cfg, report.Err()
}

// close ends what startStack started; the host ends with its run.
func (s *stack) close() {
	if s.registry != nil {
		s.registry.Close()
	}
	if s.broker != nil {
		s.broker.Close()
	}
}

// nextFree calls start with the addresses of a port and those behind it until one is not taken.
func nextFree(port int, start func(addr string) error) error {
	const tries = 50
	for p := port; p < port+tries; p++ {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(p))
		if err := start(addr); !errors.Is(err, embedded.ErrAddressInUse) && !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	return fmt.Errorf("no port from %d to %d is free on 127.0.0.1", port, port+tries-1)
}

// workDir is the folder of a command: the one given, kept, or a temporary one that done removes.
func workDir(given, name string) (dir string, done func() error, err error) {
	if given != "" {
		dir, err := filepath.Abs(given)
		if err == nil {
			err = os.MkdirAll(dir, 0o755)
		}
		if err != nil {
			return "", nil, fmt.Errorf("make folder %s: %w", given, err)
		}
		return dir, func() error { return nil }, nil
	}
	dir, err = os.MkdirTemp("", name+"-")
	if err != nil {
		return "", nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
}
