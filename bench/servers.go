package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/internal/pgserver"
	"github.com/tandem-cdc/tandem/kafka/client"
)

// bench is the servers and programs that the parts work with.
type bench struct {
	options
	progress io.Writer
	dir      string // of the runs' files

	source, target *pgserver.Server
	kafka          *jvmserver.Kafka
	registry       *jvmserver.Registry
	admin          *client.Admin
	consumer       client.Config

	tandem, recvlogical string // paths
	plugins             struct{ source, sink, avro string }

	results *results
	part    string // that is measured now
	folders int    // of runs
}

// say tells what goes on.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%s "+format+"\n", append([]any{time.Now().Format("15:04:05")}, args...)...)
}

// serverSettings are those of both PostgreSQL servers, besides what internal/pgserver sets: a load stays in memory and no checkpoint falls into
// a run.
var serverSettings = map[string]string{"shared_buffers": "512MB", "max_wal_size": "16GB", "checkpoint_timeout": "1h", "autovacuum": "off"}

// kafkaSettings: what is deleted is gone at once, for the disk's sake. A partition's two index files are 10 MB each by default, made whole, and file systems that
// keep large pieces of a file in memory fill them at their first entries: 2,000 partitions then cost the broker 20 s of zeroes, where its log is 130 MB.
var kafkaSettings = map[string]string{"log.segment.delete.delay.ms": "1000", "log.initial.task.delay.ms": "1000", "auto.create.topics.enable": "false", "log.index.size.max.bytes": "262144"}

// kafkaJVM is what Kafka's kafka-server-start.sh gives a broker.
var kafkaJVM = []string{"-Xms1g", "-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"}

// open fetches, builds and starts what is needed. The caller closes, whatever it returns.
func open(ctx context.Context, o options, progress io.Writer) (b *bench, err error) {
	b = &bench{options: o, progress: progress}
	if b.dir, err = os.MkdirTemp("", "tandem-bench-"); err != nil {
		return b, err
	}
	if err := b.findPrograms(ctx); err != nil {
		return b, err
	}
	b.say("starting PostgreSQL, Kafka and the registry")
	g, start := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		b.source, err = pgserver.Start(start, pgserver.Options{Version: o.postgres, Settings: serverSettings})
		return err
	})
	if o.needs("sink", "end") {
		g.Go(func() (err error) {
			b.target, err = pgserver.Start(start, pgserver.Options{Version: o.postgres, Settings: serverSettings})
			return err
		})
	}
	g.Go(func() (err error) {
		b.kafka, err = jvmserver.StartKafka(start, jvmserver.KafkaOptions{Config: kafkaSettings, JVM: kafkaJVM})
		return err
	})
	g.Go(func() (err error) {
		b.registry, err = jvmserver.StartRegistry(start, jvmserver.RegistryOptions{})
		return err
	})
	if err := g.Wait(); err != nil {
		return b, err
	}
	b.recvlogical, err = findRecvlogical(b.source.BinDir())
	if err != nil {
		return b, err
	}
	return b, b.connectClients()
}

// findPrograms builds tandem and fetches Debezium, as far as it is wanted.
func (b *bench) findPrograms(ctx context.Context) (err error) {
	b.tandem = b.binary
	if b.tandem == "" {
		b.tandem = filepath.Join(b.dir, "tandem")
		b.say("building tandem")
		if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.tandem, "github.com/tandem-cdc/tandem/cmd/tandem").CombinedOutput(); err != nil {
			return fmt.Errorf("build tandem: %w\n%s", err, out)
		}
	}
	if b.tandem, err = filepath.Abs(b.tandem); err != nil || !b.wants(kafkaConnect) {
		return err
	}
	b.say("looking for Debezium, its JDBC sink and Apicurio's converter (fetched the first time)")
	if b.plugins.source, err = jvmserver.DebeziumPlugins(ctx); err != nil {
		return err
	}
	if b.plugins.sink, err = jvmserver.JDBCSinkPlugins(ctx); err != nil {
		return err
	}
	b.plugins.avro, err = jvmserver.AvroConverterPlugins(ctx)
	return err
}

// findRecvlogical looks beside the server's programs, then in PATH.
func findRecvlogical(bin string) (string, error) {
	beside := filepath.Join(bin, string(recvlogical))
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	}
	path, err := exec.LookPath(string(recvlogical))
	if err != nil {
		return "", fmt.Errorf("pg_recvlogical is neither in %s nor in PATH: install PostgreSQL's client programs, such as with \"apt-get install postgresql-client\"", bin)
	}
	return path, nil
}

func (b *bench) connectClients() error {
	props := map[string]string{"bootstrap.servers": b.kafka.Addr(), "client.id": "bench", "fetch.max.bytes": "16777216", "max.partition.fetch.bytes": "8388608"}
	consumer, report := client.FromProperties(props, client.ForConsumer)
	if err := report.Err(); err != nil {
		return err
	}
	b.consumer = consumer
	admin := client.DefaultConfig(client.ForAdmin)
	admin.Brokers = consumer.Brokers
	b.admin = client.NewAdmin(admin)
	return nil
}

// close ends the servers and removes what they wrote.
func (b *bench) close() error {
	var errs []error
	if b.admin != nil {
		b.admin.Close()
	}
	if b.kafka != nil {
		errs = append(errs, b.kafka.Close())
	}
	if b.registry != nil {
		errs = append(errs, b.registry.Close())
	}
	for _, s := range []*pgserver.Server{b.source, b.target} {
		if s != nil {
			errs = append(errs, s.Stop())
		}
	}
	if b.dir != "" {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

// folder makes the folder of one run.
func (b *bench) folder() (string, error) {
	b.folders++
	dir := filepath.Join(b.dir, fmt.Sprintf("run-%d", b.folders))
	return dir, os.Mkdir(dir, 0o755)
}
