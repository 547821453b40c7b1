package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

// ErrAddressInUse: another process listens there. The caller may try the next port.
var ErrAddressInUse = errors.New("address is in use")

// Options of a broker.
type Options struct {
	// Addr is host:port; empty, or port 0: any free port of 127.0.0.1. Clients are told this host.
	Addr string
	// Dir keeps records, topics and committed offsets; empty: in memory.
	Dir string
	// Topics are made at the start with Partitions partitions each, if Dir has none yet.
	Topics     []string
	Partitions int // of new topics; 0 is 1
	// Log gets what the broker finds worth saying; nil: nothing.
	Log *slog.Logger
}

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	addr    string
}

// clusterID is what Metadata answers; 22 characters as Kafka's own.
const clusterID = "tandem-embedded-kafka0"

// StartBroker listens. The error of a taken address is ErrAddressInUse.
func StartBroker(o Options) (*Broker, error) {
	ln, err := listen(o.Addr)
	if err != nil {
		return nil, fmt.Errorf("start the embedded broker: %w", err)
	}
	partitions := max(o.Partitions, 1)
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID(clusterID),
		kfake.AllowAutoTopicCreation(),
		kfake.DefaultNumPartitions(partitions),
		kfake.SeedTopics(int32(partitions), o.Topics...),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return ln, nil }),
	}
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o755); err != nil {
			ln.Close()
			return nil, fmt.Errorf("start the embedded broker: %w", err)
		}
		opts = append(opts, kfake.DataDir(o.Dir))
	}
	if o.Log != nil {
		opts = append(opts, kfake.WithLogger(logger{o.Log}))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("start the embedded broker on %s: %w", o.Addr, err)
	}
	fence(cluster)
	return &Broker{cluster: cluster, addr: ln.Addr().String()}, nil
}

// Addr is host:port.
func (b *Broker) Addr() string { return b.addr }

// Close stops it; without a folder all records are gone.
func (b *Broker) Close() { b.cluster.Close() }

func listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: %w", addr, ErrAddressInUse)
	}
	return ln, err
}

// logger is slog behind kfake's interface.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	at := slog.LevelDebug
	switch level {
	case kfake.LogLevelError:
		at = slog.LevelError
	case kfake.LogLevelWarn:
		at = slog.LevelWarn
	}
	if l.log.Enabled(context.Background(), at) {
		l.log.Log(context.Background(), at, fmt.Sprintf(format, args...))
	}
}
